"""States of a trade-in, with their allowed moves."""

from django.db import models

from backoffice.kit.states import machine


class TradeInStatus(models.TextChoices):
    AGREED = "agreed", "agreed"
    RECEIVED = "received", "device received"
    NEEDS_APPROVAL = "needs_approval", "waiting for a second person"
    ACCEPTED = "accepted", "accepted, to be paid"
    PAID = "paid", "paid"
    REFUSED = "refused", "refused"
    CANCELED = "canceled", "cancelled"
    WITHDRAWN = "withdrawn", "taken back"


T = TradeInStatus
TRADE_IN = machine(
    "trade_in",
    "payouts_tradein",
    TradeInStatus,
    {
        "": [T.AGREED],
        T.AGREED: [T.RECEIVED, T.CANCELED],
        T.RECEIVED: [T.NEEDS_APPROVAL, T.ACCEPTED, T.REFUSED, T.CANCELED],
        T.NEEDS_APPROVAL: [T.RECEIVED, T.ACCEPTED, T.REFUSED, T.CANCELED],
        T.ACCEPTED: [T.PAID, T.WITHDRAWN],
        # the bank sent the payment back: owed again
        T.PAID: [T.ACCEPTED, T.WITHDRAWN],
    },
)
# Nothing is owed yet.
OPEN = [T.AGREED, T.RECEIVED, T.NEEDS_APPROVAL]
# The price stands in the books: owed, or paid.
BOUGHT = [T.ACCEPTED, T.PAID]
