"""Verbs that begin and fill cases: raise an alert, open one by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, connection, transaction

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound
from backoffice.kit.ids import new_id
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from fraud.cases.models import Alert, AlertSource, Case, CaseLabel, Priority
from fraud.cases.policy import CasePolicy, case_policy
from fraud.cases.states import CASE, LIVE, CaseState
from fraud.decisions.models import Decision
from payouts.sellers.models import Seller

SUBJECT_MAX, ABOUT_MAX = 170, 170


class AlertInvalid(InputError):
    code = "alert_invalid"
    sentence = "{detail}"


@dataclass(frozen=True, slots=True)
class Fired:
    """What fired: about which subject (a seller's public id where one is known), from where, how much, and how it reads."""

    subject: str
    source: str
    reference: str
    code: str = ""
    text: str = ""
    about: str = ""
    score: int = 0
    amount_minor: int = 0
    currency: str = ""
    priority: int = Priority.NORMAL
    decision: Decision | None = None


@composable
def raise_alert(*, fired: Fired, actor: Actor, at: datetime) -> Alert:
    """Put an alert into the open case of its subject, or open one; the same source and reference again changes nothing.

    Priority only rises, and a case that is put off comes back when it does. Tells `case.opened` or `case.alerted`. Refuses: AlertInvalid.
    """
    _check(fired)
    policy = case_policy()
    case, is_new = _open_case(fired, policy, actor, at)
    known = Alert.objects.filter(source=fired.source, reference=fired.reference).first()
    if known is not None:
        return known

    alert = Alert.objects.create(
        case=case, subject=fired.subject, source=fired.source, reference=fired.reference, decision=fired.decision, about=fired.about, code=fired.code,
        text=fired.text, score=fired.score, priority=priority_of(fired, policy), amount_minor=fired.amount_minor, currency=fired.currency,
        is_repeat=_is_repeat(fired.subject, policy, at), at=at,
    )  # fmt: skip
    tally(case)
    case.last_alert_at = at
    case.save(update_fields=["last_alert_at"])
    rise(case, alert.priority, policy, actor=actor, at=at, code=fired.code or str(fired.source))
    tell(
        "case.opened" if is_new else "case.alerted", subject=case.public_id, at=at,
        payload={"subject": case.subject, "priority": case.priority, "source": str(fired.source)},
    )  # fmt: skip
    return alert


def _check(fired: Fired) -> None:
    problems = {
        f"A case is about something: 1 to {SUBJECT_MAX} printable characters.": not 0 < len(fired.subject) <= SUBJECT_MAX
        or not fired.subject.isprintable(),
        "An alert has a source we know.": fired.source not in AlertSource.values,
        "An alert has a reference of its own.": not 0 < len(fired.reference) <= 120,
        "An amount is zero or more, and has a currency.": fired.amount_minor < 0
        or bool(fired.amount_minor and not fired.currency),
        "A priority is one of low, normal, high and critical.": fired.priority not in Priority.values,
        f"What it is about has at most {ABOUT_MAX} characters.": len(fired.about) > ABOUT_MAX,
    }
    for sentence, wrong in problems.items():
        if wrong:
            raise AlertInvalid(detail=sentence)


def _open_case(fired: Fired, policy: CasePolicy, actor: Actor, at: datetime) -> tuple[Case, bool]:
    """Return the subject's open case, locked, and whether it was opened here. Rivals that open the same meet at the partial unique index."""
    for _ in range(5):
        case = Case.objects.select_for_update(of=("self",)).filter(subject=fired.subject, state__in=LIVE).first()
        if case is not None:
            return case, False
        try:
            with transaction.atomic():
                return _begin(fired, policy, actor, at), True
        except IntegrityError:
            continue  # a rival opened it; whether it is still open shows the next look
    raise AssertionError(f"the case of {fired.subject!r} is opened and closed faster than it can be looked at")


def _begin(fired: Fired, policy: CasePolicy, actor: Actor, at: datetime) -> Case:
    priority = priority_of(fired, policy)
    case = Case.objects.create(
        subject=fired.subject, seller=Seller.objects.filter(public_id=fired.subject).first(), priority=priority, opened_at=at,
        due_at=policy.due(priority, at), last_alert_at=at,
    )  # fmt: skip
    born(CASE, case, actor=actor, at=at, code=fired.code or str(fired.source))
    return case


def priority_of(fired: Fired, policy: CasePolicy) -> int:
    """Return the priority of an alert: what it says, or critical by its amount."""
    return Priority.CRITICAL if policy.is_critical(fired.amount_minor, fired.currency) else fired.priority


def rise(case: Case, priority: int, policy: CasePolicy, *, actor: Actor, at: datetime, code: str) -> bool:
    """Let a locked case rise to a priority, which brings its deadline nearer and wakes it; tell whether it rose."""
    if priority <= case.priority:
        return False
    case.priority, case.due_at = priority, min(case.due_at, policy.due(priority, at))
    case.save(update_fields=["priority", "due_at"])
    if case.state == CaseState.SNOOZED:
        transition(
            CASE, case, CaseState.OPEN, actor=actor, at=at, code=code, reason=f"Now of {Priority(priority).label} priority."
        )
        case.snoozed_until = None
        case.save(update_fields=["snoozed_until"])
    return True


_STAKE = """
SELECT currency, greatest(coalesce(sum(most) FILTER (WHERE source <> 'exposure'), 0), coalesce(max(most) FILTER (WHERE source = 'exposure'), 0))::bigint
  FROM (SELECT currency, source, CASE WHEN about = '' THEN reference ELSE about END AS about, max(amount_minor) AS most
          FROM fraud_alert WHERE case_id = %s AND currency <> '' GROUP BY 1, 2, 3) each
 GROUP BY 1"""


def tally(case: Case) -> None:
    """Count a case's alerts and what is at stake: each thing once, however often it fired; exposure is no sum on top of it, it is the least."""
    with connection.cursor() as cursor:
        cursor.execute(_STAKE, [case.pk])
        case.at_stake = {currency: amount for currency, amount in cursor.fetchall() if amount}
    case.alerts_count = Alert.objects.filter(case=case).count()
    case.save(update_fields=["at_stake", "alerts_count"])


def _is_repeat(subject: str, policy: CasePolicy, at: datetime) -> bool:
    since = at - timedelta(days=policy.content["repeat_days"])
    return (
        Case.objects.filter(subject=subject, state=CaseState.CLOSED, closed_at__gt=since).exclude(label=CaseLabel.FRAUD).exists()
    )


class ReasonMissing(InputError):
    code = "reason_missing"
    sentence = "Give a reason: it is kept in the history."


@composable
def open_case(*, subject: str, reason: str, priority: int, actor: Actor, at: datetime) -> Case:
    """Open a case by hand, about a seller (its public id) or another reference; an open one of the subject gets the reason as an alert.

    Refuses: NotFound for an unknown seller, ReasonMissing, AlertInvalid.
    """
    if not reason.strip():
        raise ReasonMissing()
    subject = subject.strip()
    if subject.startswith("sel_") and not Seller.objects.filter(public_id=subject).exists():
        raise NotFound(what="seller", ref=subject)
    fired = Fired(subject, AlertSource.PERSON, new_id("byh"), code="opened_by_hand", text=reason.strip(), priority=priority)
    alert = raise_alert(fired=fired, actor=actor, at=at)
    audit.record(actor, "case.open", alert.case.public_id, at, reason)
    return alert.case
