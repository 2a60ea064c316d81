"""States of staged lines, match groups, breaks, provider payouts and rulebooks, with their allowed moves."""

from django.db import models

from backoffice.kit.states import machine


class Side(models.TextChoices):
    THEIRS = "theirs", "theirs"
    OURS = "ours", "ours"


class Leg(models.TextChoices):
    """Which of our accounts a line speaks of."""

    CLEARING = "clearing", "money at the provider"
    TRANSIT = "transit", "payout under way"
    CASH = "cash", "money at the bank"


ACCOUNT_OF_LEG = {Leg.CLEARING: "psp.clearing", Leg.TRANSIT: "psp.in_transit", Leg.CASH: "bank.cash"}


class LineState(models.TextChoices):
    STAGED = "staged", "not judged yet"
    MATCHED = "matched", "matched"
    NEEDS_REVIEW = "needs_review", "needs a look"
    VOID = "void", "void"


class GroupState(models.TextChoices):
    EXPECTED = "expected", "expected"
    POSTED = "posted", "matched"
    OVER = "over", "they say more"
    UNDER = "under", "they say less"
    CURRENCY = "currency", "another currency"
    DATA = "data", "facts contradict"
    SPLIT = "split", "parts do not make the whole"
    VOID = "void", "void"


MISMATCHES = (GroupState.OVER, GroupState.UNDER, GroupState.CURRENCY, GroupState.DATA, GroupState.SPLIT)


class BreakState(models.TextChoices):
    OPEN = "open", "open"
    REQUESTED = "requested", "correction waits for a second person"
    CORRECTED = "corrected", "corrected by two people"
    CLEARED = "cleared", "cleared: the missing facts came"


LIVE_BREAKS = (BreakState.OPEN, BreakState.REQUESTED)


class PayoutState(models.TextChoices):
    PENDING = "pending", "pending"
    IN_TRANSIT = "in_transit", "under way"
    PAID = "paid", "paid"
    FAILED = "failed", "failed"
    CANCELED = "canceled", "cancelled"


class Composition(models.TextChoices):
    """Whether a payout's transactions are known and make it up."""

    NOT_APPLICABLE = "not_applicable", "the provider names none"
    IN_PROGRESS = "in_progress", "not complete"
    COMPLETED = "completed", "complete"


class BookState(models.TextChoices):
    PROPOSED = "proposed", "proposed"
    IN_FORCE = "in_force", "in force"
    REPLACED = "replaced", "replaced"
    REFUSED = "refused", "refused"


L, G, B, P = LineState, GroupState, BreakState, PayoutState
LINE = machine(
    "staged_line",
    "billing_stagedline",
    LineState,
    {
        "": [L.STAGED],
        L.STAGED: [L.MATCHED, L.NEEDS_REVIEW, L.VOID],
        L.NEEDS_REVIEW: [L.MATCHED, L.VOID],
        # another line under the same name came: what was said of the set no longer holds
        L.MATCHED: [L.NEEDS_REVIEW],
    },
    column="state",
)
GROUP = machine(
    "match_group",
    "billing_matchgroup",
    GroupState,
    {
        "": [G.EXPECTED],
        G.EXPECTED: [G.POSTED, *MISMATCHES, G.VOID],
        **{one: [G.POSTED, *(other for other in MISMATCHES if other != one), G.VOID] for one in MISMATCHES},
        G.POSTED: [*MISMATCHES],
    },
    column="state",
)
BREAK = machine(
    "break",
    "billing_break",
    BreakState,
    {
        "": [B.OPEN],
        B.OPEN: [B.REQUESTED, B.CLEARED],
        B.REQUESTED: [B.OPEN, B.CORRECTED, B.CLEARED],
    },
    column="state",
)
PAYOUT = machine(
    "provider_payout",
    "billing_providerpayout",
    PayoutState,
    {
        "": [P.PENDING, P.IN_TRANSIT, P.PAID],
        P.PENDING: [P.IN_TRANSIT, P.PAID, P.FAILED, P.CANCELED],
        P.IN_TRANSIT: [P.PAID, P.FAILED, P.CANCELED],
        # providers report a payout as paid before the receiving bank has sent it back
        P.PAID: [P.FAILED],
    },
    column="state",
)
RULEBOOK = machine(
    "match_rulebook",
    "billing_matchrulebook",
    BookState,
    {
        "": [BookState.PROPOSED, BookState.IN_FORCE],
        BookState.PROPOSED: [BookState.IN_FORCE, BookState.REFUSED],
        BookState.IN_FORCE: [BookState.REPLACED],
    },
    column="state",
)
