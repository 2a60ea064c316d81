"""Change a tier's terms: for every seller in it at once, floors in the ledger included."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from payouts.ledger.operations import set_floors
from payouts.sellers.models import Tier
from payouts.sellers.profile import NotChangeable
from payouts.sellers.queries import debt_limit_minor

# What a tier may say, with the largest sensible figure: a year and more of waiting, a debt beyond any marketplace's, is a slip of the hand.
LIMITS = {"delay_days": 400, "cool_off_hours": 24 * 60, "debt_limit": 1_000_000_000}


class InvalidTerms(InputError):
    code = "invalid_tier_terms"
    sentence = "{field} is a whole number from 0 to {high}."


@composable
def change_tier(*, tier_id: int, changes: Mapping[str, Any], actor: Actor, at: datetime, reason: str = "") -> Tier:
    """Change name, delay_days, cool_off_hours or debt_limit (whole currency units) of a tier.

    A new debt limit becomes the floor of every seller of the tier without a limit of their own; whoever owes more already may owe no more than
    now, and less as the debt shrinks. Delay and cool-off hold for what comes next. Refuses: NotFound, NotChangeable, InvalidTerms.
    """
    check_terms(changes)
    sellers = _lock_sellers_of(tier_id)
    tier = Tier.objects.select_for_update().filter(pk=tier_id).first()
    if tier is None:
        raise NotFound(what="tier", ref=tier_id)

    changed = [name for name, value in changes.items() if getattr(tier, name) != value]
    if not changed:
        return tier
    before = {name: getattr(tier, name) for name in changed}
    for name in changed:
        setattr(tier, name, changes[name])
    tier.save(update_fields=changed)

    if "debt_limit" in changed:
        # those that joined while we waited for the tier's row are committed, and seen now
        sellers |= _lock_sellers_of(tier_id)
        floors = [("seller.available", pk, currency, -debt_limit_minor(tier, currency)) for pk, currency in sellers.items()]
        set_floors(floors=floors, actor=actor, at=at, reason=f"tier {tier.code}: {reason or 'debt limit changed'}")
    after = {name: getattr(tier, name) for name in changed}
    audit.record(actor, "tier.change", f"tier:{tier.pk}", at, reason=reason, facts={"before": before, "after": after})
    return tier


def check_terms(changes: Mapping[str, Any]) -> None:
    """Refuse terms that make no sense. Refuses: NotChangeable, InvalidTerms."""
    unknown = sorted(set(changes) - {"name", *LIMITS})
    if unknown:
        raise NotChangeable(fields=", ".join(name[:40] for name in unknown))
    for field, high in LIMITS.items():
        value = changes.get(field, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= high:
            raise InvalidTerms(field=field, high=high)


def _lock_sellers_of(tier_id: int) -> dict[int, str]:
    """Lock the sellers whose floor hangs on a tier, in id order, without a model instance a row; return {id: currency}."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, currency FROM payouts_seller WHERE tier_id = %s AND debt_limit_minor IS NULL ORDER BY id FOR NO KEY UPDATE",
            [tier_id],
        )
        return dict(cursor.fetchall())
