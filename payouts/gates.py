"""What other wings are asked before money leaves; they plug in from AppConfig.ready()."""

from backoffice.kit.gates import Gate

# Asked with payout, at (and whatever dispatch knows of the attempt) before an order leaves us. 'hold' keeps the money aside and asks a person,
# 'block' takes the payout back. A check that crashes refuses.
before_payout = Gate("before_payout")
