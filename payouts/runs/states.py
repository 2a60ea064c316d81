"""States of payout runs and payouts, and the closed list of reasons why a seller is skipped."""

from django.db import models

from backoffice.kit.states import machine


class RunStatus(models.TextChoices):
    NEEDS_APPROVAL = "needs_approval", "waiting for approval"
    APPROVED = "approved", "approved"
    SUBMITTED = "submitted", "submitted"
    COMPLETED = "completed", "completed"
    DENIED = "denied", "refused"
    CANCELED = "canceled", "cancelled"
    EXPIRED = "expired", "expired"


class PayoutStatus(models.TextChoices):
    NEEDS_APPROVAL = "needs_approval", "waiting for approval"
    APPROVED = "approved", "approved"
    HELD = "held", "held"
    PENDING = "pending", "being sent"
    IN_TRANSIT = "in_transit", "on its way"
    PAID = "paid", "paid"
    FAILED = "failed", "failed"
    RETURNED = "returned", "came back"
    DENIED = "denied", "refused"
    CANCELED = "canceled", "cancelled"
    EXPIRED = "expired", "expired"


class PayoutStage(models.TextChoices):
    """Where a payout stands, coarsely: the database derives it from the status, and what is looked up by status is indexed by it."""

    OPEN = "open", "under way"
    PAID = "paid", "paid"
    ENDED = "ended", "ended unpaid"


class SkipCode(models.TextChoices):
    """Why the next run would not pay a seller; the operator, the seller and the API see the same code."""

    BELOW_MINIMUM = "below_minimum", "below the minimum"
    NOTHING_AVAILABLE = "nothing_available", "nothing available yet"
    NEGATIVE_BALANCE = "negative_balance", "the balance is negative"
    NOT_SCHEDULED_TODAY = "not_scheduled_today", "not on this day's schedule"
    MANUAL_SCHEDULE = "manual_schedule", "paid on request only"
    SELLER_NOT_ACTIVE = "seller_not_active", "the seller is not active"
    PAUSED_BY_STAFF = "paused_by_staff", "payouts are paused"
    NOT_ASSESSED = "not_assessed", "nobody has said yet what this seller has to show"
    REQUIREMENTS_PAST_DUE = "requirements_past_due", "a requirement is overdue"
    TAX_DATA_MISSING = "tax_data_missing", "data for the tax report is missing"
    REQUIREMENTS_DUE = "requirements_due", "a requirement is not met yet"
    REQUIREMENTS_PENDING = "requirements_pending", "what the seller gave is being verified"
    ON_HOLD = "on_hold", "a hold stops all payouts"
    NO_PAYEE_ACCOUNT = "no_payee_account", "no payee account"
    PAYEE_COOLING_OFF = "payee_cooling_off", "the payee account was changed recently"
    PAYEE_NOT_USABLE = "payee_not_usable", "the payee account does not work"
    NAME_CHECK_FAILED = "name_check_failed", "the account holder's name does not match"
    PAYOUT_OPEN = "payout_open", "another payout is on its way"
    NO_RAIL = "no_rail", "no rail pays this currency"
    BOOKS_DISAGREE = "books_disagree", "the books disagree"


R = RunStatus
RUN = machine(
    "payout_run",
    "payouts_payoutrun",
    RunStatus,
    {
        "": [R.NEEDS_APPROVAL],
        R.NEEDS_APPROVAL: [R.APPROVED, R.DENIED, R.CANCELED, R.EXPIRED],
        R.APPROVED: [R.SUBMITTED, R.CANCELED, R.EXPIRED],
        R.SUBMITTED: [R.COMPLETED],
    },
)

P = PayoutStatus
PAYOUT = machine(
    "payout",
    "payouts_payout",
    PayoutStatus,
    {
        "": [P.NEEDS_APPROVAL],
        P.NEEDS_APPROVAL: [P.APPROVED, P.DENIED, P.CANCELED, P.EXPIRED],
        P.APPROVED: [P.PENDING, P.HELD, P.CANCELED, P.EXPIRED, P.FAILED],
        P.HELD: [P.APPROVED, P.CANCELED, P.EXPIRED],
        P.PENDING: [P.IN_TRANSIT, P.APPROVED, P.FAILED, P.CANCELED],
        # a bank's status report may refuse what the file hand-over accepted; a statement may show it before any report
        P.IN_TRANSIT: [P.PAID, P.FAILED, P.RETURNED],
        P.PAID: [P.RETURNED],
    },
)
# Where the money stands, by state: truth 4 compares this with the ledger.
IN_PAYOUT_STATES = [P.NEEDS_APPROVAL, P.APPROVED, P.HELD, P.PENDING]
OPEN_STATES = [*IN_PAYOUT_STATES, P.IN_TRANSIT]


def stage_of(status: str) -> PayoutStage:
    """Return the stage of a status, as the database derives it."""
    if status in OPEN_STATES:
        return PayoutStage.OPEN
    return PayoutStage.PAID if status == P.PAID else PayoutStage.ENDED
