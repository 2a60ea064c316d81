"""The verb that closes a case: with a label, which teaches the rules."""

from __future__ import annotations

from datetime import datetime

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, Refusal
from backoffice.kit.outbox import tell
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from fraud.cases.effects import reviews_of, stands_still
from fraud.cases.joining import refuse_unfinished
from fraud.cases.models import Alert, Case, CaseLabel
from fraud.cases.states import CASE, CaseState
from fraud.cases.taking import ReasonMissing
from fraud.cases.working import held_case
from fraud.decisions.operations import allow_reviewed, uphold_reviewed
from fraud.features.models import LabelSource
from fraud.features.recording import label_event


class LabelMissing(InputError):
    code = "case_label_missing"
    sentence = "Say what it was: {known}. The rules learn from it."


class CaseStillHolds(Refusal):
    code = "case_still_holds"
    sentence = "{count} of what decisions stopped here still wait for a person: release each, or block the seller. Nothing stays held without an owner."


@composable
def close_case(*, case_id: int, label: str, reason: str, actor: Actor, at: datetime) -> Case:
    """Close a case one works on, with what it was; the label goes onto every event that fired in it.

    Tells `case.closed`. Refuses: as held_case, LabelMissing, ReasonMissing, CaseHasWaitingDecision, CaseStillHolds.
    """
    if label not in CaseLabel.values:
        raise LabelMissing(known=", ".join(str(one) for one in CaseLabel.labels))
    if not reason.strip():
        raise ReasonMissing()
    case = held_case(case_id, actor, at, with_seller=True)
    refuse_unfinished(case)
    _judge_reviews(case, label, reason, actor, at)
    events = Alert.objects.filter(case=case, decision__isnull=False).values_list("decision__event_id", flat=True).distinct()
    for event_id in sorted(events):
        label_event(event_id=event_id, is_fraud=label == CaseLabel.FRAUD, source=LabelSource.ANALYST, actor=actor, at=at)
    case.label, case.closed_by, case.closed_at = label, str(actor), at
    case.save(update_fields=["label", "closed_by", "closed_at"])
    transition(CASE, case, CaseState.CLOSED, actor=actor, at=at, reason=reason, code=label)
    audit.record(actor, "case.close", case.public_id, at, reason, {"label": label})
    tell("case.closed", subject=case.public_id, payload={"subject": case.subject, "label": label}, at=at)
    return case


def _judge_reviews(case: Case, label: str, reason: str, actor: Actor, at: datetime) -> None:
    """Judge with the label what only asked for a look; what keeps something of ours standing still is decided on its own before."""
    waiting = list(reviews_of(case).order_by("pk"))
    if holding := [one for one in waiting if stands_still(one)]:
        raise CaseStillHolds(count=len(holding))
    judge = uphold_reviewed if label == CaseLabel.FRAUD else allow_reviewed
    for review in waiting:
        judge(review_id=review.pk, reason=reason, actor=actor, at=at)
