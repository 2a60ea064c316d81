"""What others are asked before a seller's data changes; later rooms and wings plug in."""

from backoffice.kit.gates import Gate

# Asked with seller_id, currency, old, new (PayeeAccount), actor, at, in the change's own transaction. Runs plugs in what takes open
# payouts off the old account; an objection 'hold' keeps the new account from being used, 'block' refuses the change.
payee_changed = Gate("payee_changed")

# Asked with seller_ids, verified (bool), actor, at, right after sellers were made, in their transaction. Compliance opens their files here.
opened = Gate("seller_opened")

# Asked with seller, to, actor, at, before somebody sets a status by hand. Any objection refuses it.
status_change = Gate("seller_status_change")

# Asked with seller, changed (names), actor, at, after a seller's data was changed. Compliance asks again for what that touches.
data_changed = Gate("seller_data_changed")
