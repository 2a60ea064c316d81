"""What others are asked before a seller's data changes; later rooms and wings plug in."""

from backoffice.kit.gates import Gate

# Asked with seller_id, currency, old, new (PayeeAccount), actor, at, in the change's own transaction. Runs plugs in what takes open
# payouts off the old account; an objection 'hold' keeps the new account from being used, 'block' refuses the change.
payee_changed = Gate("payee_changed")
