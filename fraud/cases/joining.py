"""Verbs that join and part cases; where alerts went, and why, stays on record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, Refusal
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition_set
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from fraud.cases.models import Alert, Case, CaseDecision, CaseJoin, Joining
from fraud.cases.policy import case_policy
from fraud.cases.states import CASE, LIVE, CaseDecisionState, CaseState
from fraud.cases.taking import ReasonMissing, rise, tally
from fraud.cases.working import held_case, lock_case
from payouts.sellers.models import Seller


class SameCase(InputError):
    code = "same_case"
    sentence = "A case is merged into another one."


class CaseHasWaitingDecision(Refusal):
    code = "case_has_waiting_decision"
    sentence = "A decision of this case waits for a second person; have it decided first."


class ReportUnderWay(Refusal):
    code = "case_not_joinable"
    sentence = "Something that belongs to this case alone is not finished; a colleague with further rights has to look first."


class SplitInvalid(InputError):
    code = "split_invalid"
    sentence = "{detail}"


@composable
def merge_cases(*, case_id: int, into_id: int, actor: Actor, at: datetime, reason: str) -> Case:
    """Merge a case into another live one, which takes its alerts and the higher priority. Notes and papers stay with it, linked.

    Tells `case.merged`. Refuses: as held_case (both have to be in the actor's hands or free), SameCase, CaseHasWaitingDecision, ReasonMissing.
    """
    if not reason.strip():
        raise ReasonMissing()
    if case_id == into_id:
        raise SameCase()
    for pk in sorted((case_id, into_id)):  # in one order, so that two that merge crosswise do not wait for each other
        lock_case(pk)
    case, into = held_case(case_id, actor, at), lock_case(into_id)
    refuse_unfinished(case)
    moved = list(Alert.objects.filter(case=case).order_by("pk").values_list("pk", flat=True))
    Alert.objects.filter(pk__in=moved).update(case=into)
    CaseJoin.objects.create(
        kind=Joining.MERGE, from_case=case, to_case=into, alerts=moved, actor=str(actor), reason=reason, at=at
    )
    # state and target in one statement: the table refuses the one without the other
    transition_set(
        CASE, "SELECT %(case)s::bigint AS id", {"case": case.pk}, CaseState.MERGED, actor=actor, at=at, reason=reason,
        also={"merged_into_id": into.pk, "owner": "", "locked_until": None},
    )  # fmt: skip
    case.refresh_from_db()
    for one in (case, into):
        tally(one)
    rise(into, case.priority, case_policy(), actor=actor, at=at, code="merged")
    _said(Joining.MERGE, case, into, moved, actor, at, reason)
    into.refresh_from_db()
    return into


def refuse_unfinished(case: Case) -> None:
    """Refuse what would cut a case off from something that still waits for a person."""
    if CaseDecision.objects.filter(case=case, state=CaseDecisionState.WAITING).exists():
        raise CaseHasWaitingDecision()
    if case.reports.filter(state__in=["draft", "frozen"]).exists():
        raise ReportUnderWay()


@composable
def split_case(*, case_id: int, alert_ids: Sequence[int], subject: str, actor: Actor, at: datetime, reason: str) -> Case:
    """Take alerts out of a case into a case of their own subject, opened where none is. Tells `case.split`.

    Refuses: as held_case, SplitInvalid, ReasonMissing.
    """
    if not reason.strip():
        raise ReasonMissing()
    subject = subject.strip()
    case = held_case(case_id, actor, at)
    mine = set(Alert.objects.filter(case=case).values_list("pk", flat=True))
    chosen = sorted(set(alert_ids))
    problems = {
        "Choose alerts of this case.": not chosen or not set(chosen) <= mine,
        "One alert at least stays.": set(chosen) == mine,
        "Name another subject than this case's, at most 170 printable characters.": not 0 < len(subject) <= 170
        or subject == case.subject
        or not subject.isprintable(),
    }
    for sentence, wrong in problems.items():
        if wrong:
            raise SplitInvalid(detail=sentence)

    other = Case.objects.select_for_update(of=("self",)).filter(subject=subject, state__in=LIVE).first()
    if other is None:
        other = Case.objects.create(
            subject=subject, seller=Seller.objects.filter(public_id=subject).first(), priority=case.priority, opened_at=at, due_at=case.due_at,
            last_alert_at=case.last_alert_at,
        )  # fmt: skip
        born(CASE, other, actor=actor, at=at, reason=reason, code="split")
    Alert.objects.filter(pk__in=chosen).update(case=other)
    CaseJoin.objects.create(
        kind=Joining.SPLIT, from_case=case, to_case=other, alerts=chosen, actor=str(actor), reason=reason, at=at
    )
    for one in (case, other):
        tally(one)
    rise(other, case.priority, case_policy(), actor=actor, at=at, code="split")
    _said(Joining.SPLIT, case, other, chosen, actor, at, reason)
    return other


def _said(kind: str, case: Case, other: Case, alerts: Sequence[int], actor: Actor, at: datetime, reason: str) -> None:
    facts = {"other": other.public_id, "alerts": len(alerts)}
    audit.record(actor, f"case.{kind}", case.public_id, at, reason, facts)
    tell(f"case.{'merged' if kind == Joining.MERGE else 'split'}", subject=case.public_id, payload=facts, at=at)
