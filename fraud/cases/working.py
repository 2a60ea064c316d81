"""Verbs of the one who works on a case: take, give back, assign, escalate, put off, raise; and what the schedule does for cases nobody holds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.outbox import tell
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from fraud.cases.models import Case, Priority
from fraud.cases.policy import case_policy
from fraud.cases.states import CASE, LIVE, CaseState
from fraud.cases.taking import ReasonMissing, rise
from payouts.sellers.queries import lock_seller

WORK_PERMISSION = "fraud.work_cases"
ESCALATED_PERMISSION = "fraud.approve_case_decisions"


class NothingToTake(Refusal):
    code = "no_case_to_take"
    sentence = "No case waits for you."


class CaseIsOver(Refusal):
    code = "case_is_over"
    sentence = "This case is {state}; what is to be added to it belongs into a new one."


class CaseNotYours(Refusal):
    code = "case_not_yours"
    sentence = "Take the case first: {why}."


class CaseIsTaken(Refusal):
    code = "case_is_taken"
    sentence = "Somebody else works on this case, until {until} at least. A lead can assign it to you."


class CaseIsEscalated(Refusal):
    code = "case_is_escalated"
    sentence = "This case was escalated: it is for those who approve decisions."


class SnoozeInvalid(InputError):
    code = "snooze_invalid"
    sentence = "Put it off to a moment from now to {until}; its deadline goes on meanwhile."


class PriorityOnlyRises(Refusal):
    code = "priority_only_rises"
    sentence = "The case is of {now} priority; it can only rise."


class NotAnAnalyst(InputError):
    code = "not_an_analyst"
    sentence = "This person may not work on such a case. Choose an active member of staff whose role may."


def lock_case(case_id: int, *, with_seller: bool = False) -> Case:
    """Return a case that is not over, locked; its seller first where money may move. Refuses: NotFound, CaseIsOver."""
    if with_seller:
        seller_id = Case.objects.filter(pk=case_id).values_list("seller_id", flat=True).first()
        if seller_id:
            lock_seller(seller_id)
    case = Case.objects.select_for_update(of=("self",)).select_related("seller").filter(pk=case_id).first()
    if case is None:
        raise NotFound(what="case", ref=case_id)
    if case.state not in LIVE:
        raise CaseIsOver(state=case.get_state_display())
    return case


def held_case(case_id: int, actor: Actor, at: datetime, *, with_seller: bool = False) -> Case:
    """Return a case the actor works on, locked, and hold it for them a while longer. Refuses: as lock_case, and CaseNotYours."""
    case = lock_case(case_id, with_seller=with_seller)
    if case.state != CaseState.WORKING:
        raise CaseNotYours(why=f"it is {case.get_state_display()}")
    if case.owner != str(actor):
        raise CaseNotYours(why="somebody else works on it")
    Case.objects.filter(pk=case.pk).update(locked_until=case_policy().locked_until(at))
    return case


def has_escalated_rights(actor: Actor) -> bool:
    return _may(actor, ESCALATED_PERMISSION)


def _may(actor: Actor, permission: str) -> bool:
    user = get_user_model().objects.filter(pk=actor.ref).first() if actor.is_person and actor.ref.isdigit() else None
    return user is not None and user.is_active and user.has_perm(permission)


@composable
def claim_next(*, actor: Actor, at: datetime) -> Case:
    """Take the most urgent case that waits: by priority, then deadline. Two that ask at once get two cases. Refuses: NothingToTake."""
    waiting = Case.objects.select_for_update(skip_locked=True, of=("self",)).filter(state=CaseState.OPEN)
    if not has_escalated_rights(actor):
        waiting = waiting.filter(is_escalated=False)
    case = waiting.order_by("-priority", "due_at", "pk").first()
    if case is None:
        raise NothingToTake()
    return _take(case, str(actor), actor, at)


@composable
def claim_case(*, case_id: int, actor: Actor, at: datetime) -> Case:
    """Take this case; one's own again holds it longer, another's lock has to be over. Refuses: as lock_case, CaseIsTaken, CaseIsEscalated."""
    case = lock_case(case_id)
    if case.is_escalated and not has_escalated_rights(actor):
        raise CaseIsEscalated()
    if case.state == CaseState.WORKING:
        if case.owner != str(actor) and case.locked_until is not None and case.locked_until > at:
            raise CaseIsTaken(until=f"{case.locked_until:%H:%M} UTC")
        if case.owner == str(actor):
            Case.objects.filter(pk=case.pk).update(locked_until=case_policy().locked_until(at))
            return case
        _let_go(case, actor, at, "lock_over")
    return _take(case, str(actor), actor, at)


def _take(case: Case, owner: str, actor: Actor, at: datetime, reason: str = "") -> Case:
    case.owner, case.locked_until = owner, case_policy().locked_until(at)
    case.save(update_fields=["owner", "locked_until"])
    transition(CASE, case, CaseState.WORKING, actor=actor, at=at, reason=reason)
    case.snoozed_until = None
    case.save(update_fields=["snoozed_until"])
    return case


def _let_go(case: Case, actor: Actor, at: datetime, code: str, reason: str = "") -> None:
    transition(CASE, case, CaseState.OPEN, actor=actor, at=at, code=code, reason=reason)
    case.owner, case.locked_until = "", None
    case.save(update_fields=["owner", "locked_until"])


@composable
def put_back(*, case_id: int, actor: Actor, at: datetime, reason: str = "") -> Case:
    """Give a case back to the queue. Refuses: as held_case."""
    case = held_case(case_id, actor, at)
    _let_go(case, actor, at, "put_back", reason)
    return case


@composable
def assign_case(*, case_id: int, to: Actor, actor: Actor, at: datetime, reason: str) -> Case:
    """Give a case to somebody, also from somebody else's hands. Refuses: as lock_case, NotAnAnalyst, ReasonMissing."""
    if not reason.strip():
        raise ReasonMissing()
    case = lock_case(case_id)
    if not _may(to, WORK_PERMISSION) or (case.is_escalated and not has_escalated_rights(to)):
        raise NotAnAnalyst()
    if case.state == CaseState.WORKING:
        _let_go(case, actor, at, "assigned", reason)
    _take(case, str(to), actor, at, reason)
    audit.record(actor, "case.assign", case.public_id, at, reason, {"to": str(to)})
    return case


@composable
def escalate_case(*, case_id: int, actor: Actor, at: datetime, reason: str) -> Case:
    """Hand a case to those who approve: high priority at least, and back in the queue. Tells `case.escalated`. Refuses: as held_case, ReasonMissing."""
    if not reason.strip():
        raise ReasonMissing()
    case = held_case(case_id, actor, at)
    case.is_escalated = True
    case.save(update_fields=["is_escalated"])
    rise(case, Priority.HIGH, case_policy(), actor=actor, at=at, code="escalated")
    _let_go(case, actor, at, "escalated", reason)
    audit.record(actor, "case.escalate", case.public_id, at, reason)
    tell("case.escalated", subject=case.public_id, payload={"subject": case.subject, "priority": case.priority}, at=at)
    return case


@composable
def snooze_case(*, case_id: int, until: datetime, actor: Actor, at: datetime, reason: str) -> Case:
    """Put a case off until an instant; a rise in priority wakes it before. Deadlines go on. Refuses: as held_case, SnoozeInvalid, ReasonMissing."""
    if not reason.strip():
        raise ReasonMissing()
    case = held_case(case_id, actor, at)
    latest = at + timedelta(days=case_policy().content["snooze_days"])
    if not at < until <= latest:
        raise SnoozeInvalid(until=f"{latest:%Y-%m-%d}")
    case.snoozed_until = until
    case.save(update_fields=["snoozed_until"])
    transition(CASE, case, CaseState.SNOOZED, actor=actor, at=at, reason=reason)
    case.owner, case.locked_until = "", None
    case.save(update_fields=["owner", "locked_until"])
    return case


@composable
def raise_priority(*, case_id: int, to: int, actor: Actor, at: datetime, reason: str) -> Case:
    """Let a case rise by hand; its deadline comes nearer. Refuses: as lock_case, PriorityOnlyRises, ReasonMissing."""
    if not reason.strip():
        raise ReasonMissing()
    case = lock_case(case_id)
    if to not in Priority.values or not rise(case, to, case_policy(), actor=actor, at=at, code="raised_by_hand"):
        raise PriorityOnlyRises(now=Priority(case.priority).label)
    audit.record(actor, "case.raise", case.public_id, at, reason, {"priority": to})
    return case


@composable
def look_after(*, actor: Actor, at: datetime) -> dict[str, int]:
    """Wake what was put off until now, and free what nobody touched for its lock's time. Answers the counts."""
    done: dict[str, Any] = {"woken": 0, "freed": 0}
    rows = Case.objects.select_for_update(skip_locked=True, of=("self",))
    for case in rows.filter(state=CaseState.SNOOZED, snoozed_until__lte=at):
        transition(CASE, case, CaseState.OPEN, actor=actor, at=at, code="woken")
        Case.objects.filter(pk=case.pk).update(snoozed_until=None)
        done["woken"] += 1
    for case in rows.filter(state=CaseState.WORKING, locked_until__lte=at):
        _let_go(case, actor, at, "lock_over")
        done["freed"] += 1
    return done
