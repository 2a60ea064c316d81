"""How far a balance may fall: a lower limit never moves money, holds a debt where it is, and tightens as the debt shrinks."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction
from django.urls import reverse

from backoffice.kit.actors import staff
from backoffice.kit.invariants import check_books
from backoffice.staff.models import AuditEntry
from payouts.ledger.models import Balance, FloorChange
from payouts.ledger.operations import BalanceTooLow, Draft, post
from payouts.ledger.queries import seller_buckets
from payouts.ledger.templates import earned
from payouts.sellers.models import Seller
from payouts.sellers.tiers import InvalidTerms, change_tier
from tests.factories.sellers import ACTOR, AT, limit, make_seller, make_staff, make_tier

pytestmark = pytest.mark.django_db
LEAD = staff(7)


def move(seller: Seller, amount_minor: int, key: str) -> None:
    """Refund (negative) or credit available money."""
    legs = earned(seller_id=seller.pk, currency="EUR", gross_minor=amount_minor, fee_minor=0, available_minor=amount_minor)
    post(drafts=[Draft("refund", key, legs)], actor=ACTOR, at=AT)


def refused(seller: Seller, amount_minor: int) -> bool:
    try:
        with transaction.atomic():
            move(seller, amount_minor, f"try {amount_minor}")
            transaction.set_rollback(True)
    except BalanceTooLow:
        return True
    return False


def floor_of(seller: Seller) -> tuple[int, int | None]:
    found = Balance.objects.get(account__code="seller.available", account__holder_id=seller.pk)
    return found.floor_minor, found.floor_wanted_minor


def available(seller: Seller) -> int:
    return seller_buckets([seller.pk])[seller.pk, "EUR"]["available"]


def test_a_limit_below_the_debt_holds_it_where_it_is_and_tightens_as_it_shrinks():
    seller = make_seller()
    move(seller, -30_000, "old debt")
    limit(seller, 10_000)

    assert floor_of(seller) == (-30_000, -10_000)
    assert refused(seller, -1)
    move(seller, 12_000, "a sale")
    assert floor_of(seller) == (-18_000, -10_000)
    assert refused(seller, -1)
    move(seller, 20_000, "another sale")
    assert floor_of(seller) == (-10_000, None)
    move(seller, -12_000, "down to the new limit")
    assert available(seller) == -10_000
    assert refused(seller, -1)
    assert [verdict for verdict in check_books({1, 2, 3}) if not verdict.ok] == []


def test_a_limit_raised_again_is_a_floor_at_once_and_every_decision_is_kept():
    seller = make_seller()
    move(seller, -30_000, "old debt")
    limit(seller, 10_000)
    limit(seller, 40_000)

    assert floor_of(seller) == (-40_000, None)
    move(seller, -10_000, "down to it")
    decided = FloorChange.objects.filter(account__holder_id=seller.pk).order_by("id")
    assert list(decided.values_list("floor_minor", "actor", "reason")) == [
        (-500_000, str(ACTOR), "tier standard"),
        (-10_000, str(ACTOR), "the seller's own debt limit"),
        (-40_000, str(ACTOR), "the seller's own debt limit"),
    ]


def test_a_tiers_debt_limit_moves_the_floor_of_everybody_in_it_but_those_with_their_own():
    tier = make_tier("new")
    owing, japanese, own, other = (
        make_seller(tier="new"),
        make_seller(tier="new", currency="JPY", country="JP"),
        limit(make_seller(tier="new"), 77),
        make_seller(tier="standard"),
    )
    move(owing, -30_000, "debt")

    changed = change_tier(tier_id=tier.pk, changes={"debt_limit": 100, "delay_days": 20}, actor=LEAD, at=AT, reason="Losses.")

    assert (changed.debt_limit, changed.delay_days) == (100, 20)
    assert [floor_of(one) for one in (owing, japanese, own, other)] == [
        (-30_000, -10_000), (-100, None), (-77, None), (-500_000, None),
    ]  # fmt: skip
    entry = AuditEntry.objects.get(action="tier.change")
    assert (entry.actor, entry.reason) == (str(LEAD), "Losses.")
    assert entry.facts == {"before": {"debt_limit": 500, "delay_days": 21}, "after": {"debt_limit": 100, "delay_days": 20}}
    assert FloorChange.objects.filter(reason="tier new: Losses.", actor=str(LEAD)).count() == 2
    assert [verdict for verdict in check_books({3}) if not verdict.ok] == []
    change_tier(tier_id=tier.pk, changes={"debt_limit": 100}, actor=LEAD, at=AT)
    assert AuditEntry.objects.filter(action="tier.change").count() == 1


@pytest.mark.parametrize("value", [-1, 1.5, True, "7", 10**12])
def test_terms_that_make_no_sense_are_refused(value: Any):
    tier = make_tier("new")

    with pytest.raises(InvalidTerms):
        change_tier(tier_id=tier.pk, changes={"debt_limit": value}, actor=LEAD, at=AT)


def test_the_function_that_decides_floors_runs_with_its_owners_rights_in_a_named_schema():
    with connection.cursor() as cursor:
        cursor.execute("SELECT prosecdef, proconfig FROM pg_proc WHERE proname = 'ledger_set_floors'")
        ((definer, config),) = cursor.fetchall()

    assert definer
    assert config[0].startswith("search_path=")
    assert config[0].endswith("pg_temp")


def test_a_lead_changes_a_tiers_debt_limit_on_its_page_and_nonsense_is_refused_in_words(client):
    tier, lead = make_tier("new"), make_staff("lead")
    seller = make_seller(tier="new")
    client.force_login(lead)
    address = reverse("admin:payouts_tier_change", args=[tier.pk])
    form = {"name": tier.name, "delay_days": "21", "cool_off_hours": "72", "reason": "Losses."}

    assert "whole number" in client.post(address, form | {"debt_limit": "-4"}).content.decode()
    assert floor_of(seller) == (-50_000, None)
    assert client.post(address, form | {"debt_limit": "40"}).status_code == 302

    assert floor_of(seller) == (-4_000, None)
    assert AuditEntry.objects.get(action="tier.change").actor == f"staff:{lead.pk}"
