"""What later rooms are asked before a payout is taken back."""

from backoffice.kit.gates import Gate

# Asked with payout_ids (all `pending`, rows locked), actor, at, inside the cancelling transaction. Dispatch objects for every payout whose live
# order may have left us, and cancels the orders of the others; its objections carry the code `order_called`.
may_cancel = Gate("may_cancel")
