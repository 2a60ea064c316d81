"""The policy: which score is a hit. Proposed with a reason and a measured curve, in force once a second person says so."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Max

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.idempotency import fingerprint
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from fraud.screening.models import Party, ScreeningPolicy, Trigger
from fraud.screening.parties import make_all_due
from fraud.screening.states import POLICY, PartyState, PolicyState

ACTION = "screening_policy"
THRESHOLD_MIN = 60
# Of the first policy, and of trials where nothing is installed.
DEFAULT_THRESHOLD = Decimal(80)


class PolicyInvalid(InputError):
    code = "screening_policy_invalid"
    sentence = "{detail}"


class PolicyNotProposed(Refusal):
    code = "screening_policy_not_proposed"
    sentence = "Policy {version} is {state}; only a proposed one can be decided."


def policy_in_force() -> ScreeningPolicy:
    """Return the policy in force; the first one is written by a migration."""
    return ScreeningPolicy.objects.get(state=PolicyState.IN_FORCE)


@composable
def propose_policy(
    *,
    threshold: Decimal,
    strong_threshold: Decimal,
    clearance_days: int,
    shrink_percent: int,
    stale_hours: int,
    reason: str,
    actor: Actor,
    at: datetime,
    curve: dict[str, Any] | None = None,
) -> ScreeningPolicy:
    """Put another policy to a second person. `curve` is the answer of `bench screening`. Refuses: PolicyInvalid."""
    _check(threshold, strong_threshold, clearance_days, shrink_percent, stale_hours, reason)
    # two proposals at once would take one number
    list(ScreeningPolicy.objects.select_for_update().filter(state=PolicyState.IN_FORCE))
    proposed = ScreeningPolicy.objects.create(
        version=(ScreeningPolicy.objects.aggregate(last=Max("version"))["last"] or 0) + 1,
        threshold=threshold,
        strong_threshold=strong_threshold,
        clearance_days=clearance_days,
        shrink_percent=shrink_percent,
        stale_hours=stale_hours,
        reason=reason,
        curve=curve or {},
        made_by=str(actor),
        made_at=at,
    )
    born(POLICY, proposed, actor=actor, at=at, reason=reason)
    approvals.request_approval(
        action=ACTION, subject=proposed.public_id, content_hash=content_hash(proposed), shown=shown(proposed), maker=actor, at=at
    )
    audit.record(actor, "screening_policy.propose", proposed.public_id, at, reason=reason, facts=shown(proposed))
    return proposed


def _check(threshold: Decimal, strong: Decimal, days: int, shrink: int, stale: int, reason: str) -> None:
    problems = {
        f"The threshold lies between {THRESHOLD_MIN} and 100.": not THRESHOLD_MIN <= threshold <= 100,
        "The strong threshold lies between the threshold and 100.": not threshold <= strong <= 100,
        "A clearance lasts 1 to 730 days.": not 1 <= days <= 730,
        "A list may shrink by 0 to 100 percent.": not 0 <= shrink <= 100,
        "A party counts as overdue after 1 to 720 hours.": not 1 <= stale <= 720,
        "Give a reason: whoever asks why a name was no hit reads it.": not reason.strip(),
    }
    for sentence, wrong in problems.items():
        if wrong:
            raise PolicyInvalid(detail=sentence)


def shown(policy: ScreeningPolicy) -> dict[str, Any]:
    """Return what a second person agrees to."""
    names = ("threshold", "strong_threshold", "clearance_days", "shrink_percent", "stale_hours")
    return {name: str(getattr(policy, name)) for name in names}


def content_hash(policy: ScreeningPolicy) -> str:
    exact = {name: str(Decimal(value).normalize()) for name, value in shown(policy).items()}
    return fingerprint([policy.public_id, exact, policy.reason, policy.curve])


@composable
def adopt_policy(*, policy_id: int, actor: Actor, at: datetime, reason: str = "") -> ScreeningPolicy:
    """Put a proposed policy in force, as another person than its maker; every party is screened again.

    Tells `screening_policy.adopted`. Refuses: NotFound, PolicyNotProposed, and what approvals refuse.
    """
    policy = _proposed(policy_id)
    exact: Any = {"action": ACTION, "subject": policy.public_id, "content_hash": content_hash(policy), "at": at}
    approvals.approve(checker=actor, reason=reason, **exact)
    approvals.use_approval(**exact)
    before = ScreeningPolicy.objects.select_for_update().get(state=PolicyState.IN_FORCE)
    transition(POLICY, before, PolicyState.REPLACED, actor=actor, at=at, code=f"policy_{policy.version}")
    policy.approved_by, policy.in_force_at = str(actor), at
    policy.save(update_fields=["approved_by", "in_force_at"])
    transition(POLICY, policy, PolicyState.IN_FORCE, actor=actor, at=at, reason=reason)
    due = make_all_due(Party.objects.exclude(state=PartyState.ERASED), trigger=Trigger.POLICY, actor=actor, at=at)
    audit.record(actor, "screening_policy.adopt", policy.public_id, at, reason=reason, facts=shown(policy) | {"due": due})
    tell("screening_policy.adopted", subject=policy.public_id, payload={"version": policy.version}, at=at)
    return policy


@composable
def refuse_policy(*, policy_id: int, actor: Actor, at: datetime, reason: str) -> ScreeningPolicy:
    """Refuse a proposed policy; its maker may, too. Refuses: NotFound, PolicyNotProposed."""
    policy = _proposed(policy_id)
    approvals.refuse(action=ACTION, subject=policy.public_id, checker=actor, at=at, reason=reason)
    transition(POLICY, policy, PolicyState.REFUSED, actor=actor, at=at, reason=reason)
    audit.record(actor, "screening_policy.refuse", policy.public_id, at, reason=reason)
    return policy


def _proposed(policy_id: int) -> ScreeningPolicy:
    policy = ScreeningPolicy.objects.select_for_update().filter(pk=policy_id).first()
    if policy is None:
        raise NotFound(what="screening policy", ref=policy_id)
    if policy.state != PolicyState.PROPOSED:
        raise PolicyNotProposed(version=policy.version, state=policy.get_state_display())
    return policy
