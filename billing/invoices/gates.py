"""Who is asked before an invoice is given up (voided, written off), in the same transaction and before it is locked.

Who collects it stops there and then, so that nobody is charged for what is no longer owed; money that may be on its way is an objection. Asked with
invoice (its public id), customer_id, actor, at, reason.
"""

from backoffice.kit.gates import Gate

before_giving_up = Gate("before_invoice_given_up")
