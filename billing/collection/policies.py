"""Verbs of dunning policies and of brakes: what is decided once, for many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Max

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from billing.collection.models import BillingBrake, BrakeScope, DunningPolicy, FinalAction
from billing.collection.states import POLICY, PolicyState

BUDGETS = ("dunning", "customer")
ATTEMPTS_MAX = 15


class PolicyInvalid(InputError):
    code = "dunning_policy_invalid"
    sentence = "{detail}"


class BrakeIsOn(Refusal):
    code = "brake_is_on"
    sentence = "This brake is on already; lift it before you place another."


class BrakeIsOff(Refusal):
    code = "brake_is_off"
    sentence = "This brake was lifted before."


@composable
def set_dunning_policy(
    *,
    code: str,
    days_between: Sequence[int],
    hard_declines: Sequence[str],
    final_action: str,
    actor: Actor,
    at: datetime,
    reason: str,
    budgets: Mapping[str, int] | None = None,
) -> DunningPolicy:
    """Put a new version of a dunning policy in force; what is being collected keeps the version it began with.

    Tells `dunning_policy.changed`. Refuses: PolicyInvalid.
    """
    code, wanted = code.strip(), dict(budgets or {"dunning": len(days_between), "customer": 10})
    if not code or len(code) > 40 or not code.isascii():
        raise PolicyInvalid(detail="A policy has a code of 1 to 40 plain letters.")
    if not reason.strip():
        raise PolicyInvalid(detail="Give a reason: it is kept in the history.")
    if len(days_between) > ATTEMPTS_MAX or any(not 1 <= days <= 90 for days in days_between):
        raise PolicyInvalid(detail=f"There are at most {ATTEMPTS_MAX} attempts, each 1 to 90 days after the one before.")
    if set(wanted) != set(BUDGETS) or any(not isinstance(n, int) or not 0 <= n <= ATTEMPTS_MAX for n in wanted.values()):
        raise PolicyInvalid(detail=f"There is a budget of 0 to {ATTEMPTS_MAX} attempts for each of {', '.join(BUDGETS)}.")
    if final_action not in FinalAction.values:
        raise PolicyInvalid(detail=f"The end is one of {', '.join(FinalAction.values)}.")
    versions = DunningPolicy.objects.select_for_update().filter(code=code)
    for earlier in versions.filter(status=PolicyState.IN_FORCE):
        transition(POLICY, earlier, PolicyState.REPLACED, actor=actor, at=at, reason=reason)
    policy = DunningPolicy.objects.create(
        code=code, version=(DunningPolicy.objects.filter(code=code).aggregate(last=Max("version"))["last"] or 0) + 1,
        days_between=list(days_between), hard_declines=sorted(set(hard_declines)), budgets=wanted, final_action=final_action,
        reason=reason, made_by=str(actor), created_at=at,
    )  # fmt: skip
    born(POLICY, policy, actor=actor, at=at, reason=reason)
    audit.record(
        actor, "dunning_policy.set", policy.public_id, at, reason=reason, facts={"code": code, "version": policy.version}
    )
    tell("dunning_policy.changed", subject=policy.public_id, payload={"code": code, "version": policy.version}, at=at)
    return policy


@composable
def place_brake(*, scope: str, reason: str, actor: Actor, at: datetime, customer_id: int | None = None) -> BillingBrake:
    """Stop invoices, attempts or both, for one customer or (without one) everybody, until it is lifted.

    What is running ends; nothing new begins. Tells `billing.braked`. Refuses: PolicyInvalid, BrakeIsOn.
    """
    if not reason.strip() or scope not in BrakeScope.values:
        raise PolicyInvalid(detail=f"A brake has a reason, and stops one of {', '.join(BrakeScope.values)}.")
    try:
        with transaction.atomic():
            brake = BillingBrake.objects.create(
                customer_id=customer_id, scope=scope, reason=reason, placed_by=str(actor), placed_at=at
            )
    except IntegrityError:
        raise BrakeIsOn() from None
    audit.record(
        actor, "billing.brake", brake.public_id, at, reason=reason, facts={"scope": scope, "global": customer_id is None}
    )
    tell("billing.braked", subject=brake.public_id, payload={"scope": scope, "global": customer_id is None}, at=at)
    return brake


@composable
def lift_brake(*, brake_id: int, reason: str, actor: Actor, at: datetime) -> BillingBrake:
    """Let go on what a brake stopped; the next tick does what is due. Tells `billing.unbraked`. Refuses: NotFound, PolicyInvalid, BrakeIsOff."""
    brake = BillingBrake.objects.select_for_update().filter(pk=brake_id).first()
    if brake is None:
        raise NotFound(what="brake", ref=brake_id)
    if not reason.strip():
        raise PolicyInvalid(detail="Give a reason: it is kept in the history.")
    if brake.lifted_at is not None:
        raise BrakeIsOff()
    brake.lifted_at, brake.lifted_by, brake.lifted_reason = at, str(actor), reason
    brake.save(update_fields=["lifted_at", "lifted_by", "lifted_reason"])
    audit.record(actor, "billing.unbrake", brake.public_id, at, reason=reason)
    tell("billing.unbraked", subject=brake.public_id, payload={"scope": brake.scope}, at=at)
    return brake
