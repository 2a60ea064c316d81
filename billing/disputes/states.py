"""States of a dispute twice over, what the provider says and what we do, and of what we sent; with their allowed moves.

The provider's table is closed under "and then": between two looks at a dispute it may have walked several steps.
"""

from django.db import models

from backoffice.kit.states import machine


class DisputeStatus(models.TextChoices):
    """The provider's ten, and ours for a warning that no dispute followed yet."""

    EARLY_WARNING = "early_warning", "early warning"
    WARNING_NEEDS_RESPONSE = "warning_needs_response", "inquiry, needs an answer"
    WARNING_UNDER_REVIEW = "warning_under_review", "inquiry, under review"
    WARNING_CLOSED = "warning_closed", "inquiry closed"
    NEEDS_RESPONSE = "needs_response", "needs an answer"
    UNDER_REVIEW = "under_review", "under review"
    WON = "won", "won"
    LOST = "lost", "lost"
    PREVENTED = "prevented", "prevented"
    APPEAL_NEEDS_RESPONSE = "appeal_needs_response", "second round, needs an answer"
    APPEAL_UNDER_REVIEW = "appeal_under_review", "second round, under review"


class WorkState(models.TextChoices):
    TRIAGE = "triage", "to look at"
    WAITING_SELLER = "waiting_seller", "waiting for the seller"
    READY = "ready", "evidence ready"
    SUBMITTED = "submitted", "evidence sent"
    ACCEPTED = "accepted", "accepted"
    CLOSED = "closed", "closed"


class SubmissionState(models.TextChoices):
    """ASKED: committed, nothing has left. SENDING: leased. UNKNOWN: perhaps there; the provider is asked, it is never sent again blindly."""

    ASKED = "asked", "to be sent"
    SENDING = "sending", "being sent"
    UNKNOWN = "unknown", "outcome unknown"
    DONE = "done", "sent"
    FAILED = "failed", "refused"


class PolicyState(models.TextChoices):
    PROPOSED = "proposed", "waiting for a second person"
    IN_FORCE = "in_force", "in force"
    REPLACED = "replaced", "replaced"


S = DisputeStatus
_SECOND_ROUND = [S.APPEAL_NEEDS_RESPONSE, S.APPEAL_UNDER_REVIEW]
_CHARGEBACK = [S.NEEDS_RESPONSE, S.UNDER_REVIEW, S.WON, S.LOST, S.PREVENTED, *_SECOND_ROUND]
_INQUIRY = [S.WARNING_NEEDS_RESPONSE, S.WARNING_UNDER_REVIEW, S.WARNING_CLOSED]
DISPUTE = machine(
    "dispute",
    "billing_dispute",
    DisputeStatus,
    {
        "": list(S),
        S.EARLY_WARNING: [*_INQUIRY, *_CHARGEBACK],
        S.WARNING_NEEDS_RESPONSE: [S.WARNING_UNDER_REVIEW, S.WARNING_CLOSED, *_CHARGEBACK],
        S.WARNING_UNDER_REVIEW: [S.WARNING_CLOSED, *_CHARGEBACK],
        S.NEEDS_RESPONSE: [S.UNDER_REVIEW, S.WON, S.LOST, S.PREVENTED, *_SECOND_ROUND],
        S.UNDER_REVIEW: [S.WON, S.LOST, *_SECOND_ROUND],
        S.WON: [S.LOST, *_SECOND_ROUND],
        S.LOST: [S.WON, *_SECOND_ROUND],
        S.PREVENTED: [S.NEEDS_RESPONSE, S.UNDER_REVIEW, S.WON, S.LOST, *_SECOND_ROUND],
        S.APPEAL_NEEDS_RESPONSE: [S.APPEAL_UNDER_REVIEW, S.WON, S.LOST],
        S.APPEAL_UNDER_REVIEW: [S.WON, S.LOST],
    },
)
# How far on each status is: a look that shows less than we know is an old one, not a move.
RANK = {
    S.EARLY_WARNING: 0, S.WARNING_NEEDS_RESPONSE: 1, S.WARNING_UNDER_REVIEW: 2, S.WARNING_CLOSED: 3, S.PREVENTED: 3, S.NEEDS_RESPONSE: 4,
    S.UNDER_REVIEW: 5, S.WON: 6, S.LOST: 6, S.APPEAL_NEEDS_RESPONSE: 7, S.APPEAL_UNDER_REVIEW: 8,
}  # fmt: skip
NEEDS_ANSWER = (S.WARNING_NEEDS_RESPONSE, S.NEEDS_RESPONSE, S.APPEAL_NEEDS_RESPONSE)
UNDER_WAY = (*NEEDS_ANSWER, S.WARNING_UNDER_REVIEW, S.UNDER_REVIEW, S.APPEAL_UNDER_REVIEW)
# The money is with the buyer's bank, or lost: it cannot be given back by a refund.
MONEY_AWAY = (S.NEEDS_RESPONSE, S.UNDER_REVIEW, S.LOST, *_SECOND_ROUND)
ENDED = (S.WARNING_CLOSED, S.WON, S.LOST, S.PREVENTED)

W = WorkState
_END = [W.SUBMITTED, W.ACCEPTED, W.CLOSED]
WORK = machine(
    "dispute_work",
    "billing_dispute",
    WorkState,
    {
        "": [W.TRIAGE, W.SUBMITTED, W.CLOSED],
        W.TRIAGE: [W.WAITING_SELLER, W.READY, *_END],
        W.WAITING_SELLER: [W.TRIAGE, W.READY, *_END],
        W.READY: [W.TRIAGE, W.WAITING_SELLER, *_END],
        W.SUBMITTED: [W.READY, W.TRIAGE, W.CLOSED],
        W.ACCEPTED: [W.TRIAGE, W.CLOSED],
        W.CLOSED: [W.TRIAGE, W.SUBMITTED],
    },
    column="work_state",
)
OPEN_WORK = (W.TRIAGE, W.WAITING_SELLER, W.READY)

B = SubmissionState
SUBMISSION = machine(
    "dispute_submission",
    "billing_disputesubmission",
    SubmissionState,
    {
        "": [B.ASKED],
        B.ASKED: [B.SENDING, B.FAILED],
        B.SENDING: [B.DONE, B.FAILED, B.UNKNOWN],
        B.UNKNOWN: [B.DONE, B.FAILED],
    },
    column="state",
)
OPEN_SUBMISSIONS = (B.ASKED, B.SENDING, B.UNKNOWN)

P = PolicyState
POLICY = machine(
    "dispute_policy",
    "billing_disputepolicy",
    PolicyState,
    {"": [P.PROPOSED, P.IN_FORCE], P.PROPOSED: [P.IN_FORCE, P.REPLACED], P.IN_FORCE: [P.REPLACED]},
    column="state",
)
