"""The policy of disputes: the seller's earlier deadline, and which small ones are accepted without a person. Versions by two people.

An automatic acceptance is announced first, taken off by any step of a person or the seller, and judged again when its hour comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Max

from backoffice.kit import approvals
from backoffice.kit.actors import Actor, system
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.idempotency import fingerprint
from backoffice.kit.money import AMOUNT_MINOR_MAX
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from billing.disputes.evidence import pack_of
from billing.disputes.mirroring import picture, policy_in_force
from billing.disputes.models import Dispute, DisputePolicy, Purpose
from billing.disputes.states import OPEN_WORK, POLICY, DisputeStatus, PolicyState, WorkState
from billing.disputes.submitting import accept_dispute
from payouts.ledger.queries import seller_buckets

ACTION = "dispute_policy"
RULE = system("dispute_policy")


class DisputePolicyInvalid(InputError):
    code = "dispute_policy_invalid"
    sentence = "{detail}"


class DisputePolicyNotProposed(Refusal):
    code = "dispute_policy_not_proposed"
    sentence = "Version {version} is {state}; only a proposed one can be decided."


@composable
def propose_policy(
    *,
    seller_buffer_hours: int,
    auto_accept: bool,
    limits: Mapping[str, int],
    notice_hours: int,
    reason: str,
    actor: Actor,
    at: datetime,
) -> DisputePolicy:
    """Put another policy to a second person; `limits` are minor units by currency. Refuses: DisputePolicyInvalid."""
    _check(seller_buffer_hours, auto_accept, limits, notice_hours, reason)
    list(
        DisputePolicy.objects.select_for_update().filter(state=PolicyState.IN_FORCE)
    )  # two proposals at once would take one number
    proposed = DisputePolicy.objects.create(
        version=(DisputePolicy.objects.aggregate(last=Max("version"))["last"] or 0) + 1, seller_buffer_hours=seller_buffer_hours,
        auto_accept=auto_accept, limits=dict(limits), notice_hours=notice_hours, reason=reason, made_by=str(actor), made_at=at,
    )  # fmt: skip
    born(POLICY, proposed, actor=actor, at=at, reason=reason)
    exact: Any = {"action": ACTION, "subject": proposed.public_id, "content_hash": content_hash(proposed)}
    approvals.request_approval(**exact, shown=shown(proposed), maker=actor, at=at)
    audit.record(actor, "dispute_policy.propose", proposed.public_id, at, reason=reason, facts=shown(proposed))
    return proposed


def _check(buffer: int, auto_accept: bool, limits: Mapping[str, int], notice: int, reason: str) -> None:
    strange = [code for code in limits if code not in settings.CURRENCIES]
    problems = {
        "The seller's deadline lies 0 to 336 hours before the provider's.": not 0 <= buffer <= 336,
        "An automatic acceptance is announced 1 to 168 hours before.": not 1 <= notice <= 168,
        f"No currency of ours: {', '.join(strange)[:60]}.": bool(strange),
        "A limit is a whole amount above zero.": any(not 0 < limit <= AMOUNT_MINOR_MAX for limit in limits.values()),
        "An automatic acceptance needs a limit for at least one currency.": auto_accept and not limits,
        "Give a reason: whoever asks why a dispute was not fought reads it.": not reason.strip(),
    }
    for sentence, wrong in problems.items():
        if wrong:
            raise DisputePolicyInvalid(detail=sentence)


def shown(policy: DisputePolicy) -> dict[str, Any]:
    """Return what a second person agrees to."""
    names = ("version", "seller_buffer_hours", "auto_accept", "limits", "notice_hours", "reason")
    return {name: getattr(policy, name) for name in names}


def content_hash(policy: DisputePolicy) -> str:
    return fingerprint([policy.public_id, shown(policy)])


@composable
def adopt_policy(*, policy_id: int, actor: Actor, at: datetime, reason: str = "") -> DisputePolicy:
    """Put a proposed policy in force, as another person than its maker. Tells dispute_policy.adopted.

    Refuses: NotFound, DisputePolicyNotProposed, and what approvals refuse.
    """
    policy = DisputePolicy.objects.select_for_update().filter(pk=policy_id).first()
    if policy is None:
        raise NotFound(what="dispute policy", ref=policy_id)
    if policy.state != PolicyState.PROPOSED:
        raise DisputePolicyNotProposed(version=policy.version, state=policy.get_state_display())
    exact: Any = {"action": ACTION, "subject": policy.public_id, "content_hash": content_hash(policy), "at": at}
    approvals.approve(checker=actor, reason=reason, **exact)
    approvals.use_approval(**exact)
    before = DisputePolicy.objects.select_for_update().get(state=PolicyState.IN_FORCE)
    transition(POLICY, before, PolicyState.REPLACED, actor=actor, at=at, code=f"version_{policy.version}")
    policy.approved_by, policy.in_force_at = str(actor), at
    policy.save(update_fields=["approved_by", "in_force_at"])
    transition(POLICY, policy, PolicyState.IN_FORCE, actor=actor, at=at, reason=reason)
    audit.record(actor, "dispute_policy.adopt", policy.public_id, at, reason=reason, facts=shown(policy))
    tell("dispute_policy.adopted", subject=policy.public_id, payload={"version": policy.version}, at=at)
    return policy


@composable
def accept_small_ones(*, at: datetime, limit: int = 200) -> dict[str, int]:
    """Announce the acceptance of small disputes the seller's balance covers, and accept those whose announced hour has come.

    Tells dispute.acceptance_announced. Without `auto_accept` in the policy, what was announced is taken off.
    """
    policy = policy_in_force()
    counts = {"announced": 0, "accepted": 0, "taken_off": 0, "left": 0}
    rows = Dispute.objects.select_for_update(skip_locked=True, of=("self",)).select_related("seller")
    rows = rows.filter(status=DisputeStatus.NEEDS_RESPONSE, work_state__in=OPEN_WORK, purpose=Purpose.PURCHASE)
    if not policy.auto_accept:
        rows = rows.filter(auto_accept_at__isnull=False)
    for row in list(rows.order_by("due_by", "id")[:limit]):
        counts[_judge(row, policy, at)] += 1
    return counts


def _judge(row: Dispute, policy: DisputePolicy, at: datetime) -> str:
    fits = policy.auto_accept and _is_small(row, policy) and _is_covered(row)
    if row.auto_accept_at is None:
        if not fits or row.work_state != WorkState.TRIAGE or row.owner or pack_of(row) is not None:
            return "left"
        row.auto_accept_at = at + timedelta(hours=policy.notice_hours)
        row.save(update_fields=["auto_accept_at"])
        told = picture(row) | {"auto_accept_at": row.auto_accept_at.isoformat()}
        tell("dispute.acceptance_announced", subject=row.public_id, payload=told, at=at, partner_id=row.partner_id)
        return "announced"
    if not fits:
        row.auto_accept_at = None
        row.save(update_fields=["auto_accept_at"])
        return "taken_off"
    if row.auto_accept_at > at:
        return "left"
    accept_dispute(dispute_id=row.pk, actor=RULE, at=at, reason=f"Small enough for version {policy.version} of the policy.")
    return "accepted"


def _is_small(row: Dispute, policy: DisputePolicy) -> bool:
    return row.amount_minor is not None and row.amount_minor <= policy.limits.get(row.currency, 0)


def _is_covered(row: Dispute) -> bool:
    """Tell whether the seller's available balance bears the amount: nobody is put into debt by a rule."""
    if row.seller_id is None or row.amount_minor is None:
        return False
    bucket = seller_buckets([row.seller_id]).get((row.seller_id, row.currency), {})
    return bool(bucket.get("available", 0) >= row.amount_minor)
