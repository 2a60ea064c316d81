"""States of payment orders, rail files and bank files, with their allowed moves."""

from django.db import models

from backoffice.kit.states import machine


class OrderStatus(models.TextChoices):
    APPROVED = "approved", "ready to send"
    SENDING = "sending", "being sent"
    UNKNOWN = "unknown", "outcome unknown"
    SENT = "sent", "handed to the rail"
    COMPLETED = "completed", "settled"
    REJECTED = "rejected", "rejected"
    RETURNED = "returned", "came back"
    ABSENT = "absent", "never arrived at the rail"
    CANCELED = "canceled", "cancelled"


class FileState(models.TextChoices):
    BUILT = "built", "built"
    HANDED_OVER = "handed_over", "handed to the bank"
    ACCEPTED = "accepted", "accepted by the bank"
    PARTLY_ACCEPTED = "partly_accepted", "accepted in part"
    REJECTED = "rejected", "rejected by the bank"
    INVALID = "invalid", "not valid"


class BankFileState(models.TextChoices):
    APPLIED = "applied", "applied"
    PARTLY_PLACED = "partly_placed", "some entries not placed"


class EntryState(models.TextChoices):
    APPLIED = "applied", "applied"
    INFO = "info", "nothing to do"
    UNPLACED = "unplaced", "not placed yet"
    EXPLAINED = "explained", "explained by a person"


O = OrderStatus  # noqa: E741 - the table below reads better so
ORDER = machine(
    "payment_order",
    "payouts_paymentorder",
    OrderStatus,
    {
        "": [O.APPROVED],
        O.APPROVED: [O.SENDING, O.CANCELED],
        O.SENDING: [O.SENT, O.UNKNOWN, O.REJECTED, O.APPROVED, O.ABSENT, O.CANCELED],
        O.UNKNOWN: [O.SENT, O.ABSENT, O.REJECTED, O.COMPLETED],
        O.SENT: [O.COMPLETED, O.REJECTED, O.RETURNED],
        O.COMPLETED: [O.RETURNED],
    },
)
LIVE_ORDER_STATES = [O.APPROVED, O.SENDING, O.UNKNOWN, O.SENT]

F = FileState
RAIL_FILE = machine(
    "rail_file",
    "payouts_railfile",
    FileState,
    {
        "": [F.BUILT],
        F.BUILT: [F.HANDED_OVER, F.INVALID],
        F.HANDED_OVER: [F.ACCEPTED, F.PARTLY_ACCEPTED, F.REJECTED],
        # a bank may refuse one more payment on the day it would settle
        F.ACCEPTED: [F.PARTLY_ACCEPTED, F.REJECTED],
        F.PARTLY_ACCEPTED: [F.REJECTED],
    },
    column="state",
)
