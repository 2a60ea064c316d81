"""Whom a charge is asked before; others plug in from AppConfig.ready().

Asked with payment (not saved yet), actor, at. Any objection keeps the card from being charged: the payment is kept, cancelled, with the reason.
"""

from backoffice.kit.gates import Gate

before_charge = Gate("before_charge")
