"""Parties are found by their names without opening them, and forgotten when the law lets go of who stands behind a seller."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from backoffice.kit.outbox import relay
from backoffice.staff.models import AuditEntry
from fraud.screening import queries
from fraud.screening.invariants import erased_parties_are_empty
from fraud.screening.judging import PartyErased, clear_hit, confirm_hit
from fraud.screening.models import Clearance, Party
from fraud.screening.operations import adopt_policy, erase_parties, load_list, propose_policy, work
from fraud.screening.parties import PartyInvalid, facts_of
from payouts.compliance.erasing import KEPT_DAYS
from payouts.compliance.models import Person
from payouts.compliance.operations import erase_personal_data
from payouts.sellers.operations import set_seller_status
from tests.factories.compliance import REVIEWER, SECOND, make_newcomer, name_person
from tests.factories.screening import AT, ROBOT, ROWS, load, make_hit, make_party, write_list
from tests.factories.sellers import make_staff

pytestmark = pytest.mark.django_db


def test_a_party_is_found_by_its_exact_name_but_for_case_and_accents() -> None:
    party = make_party("José  Ñúñez García", "Pepe Nunez")
    assert queries.parties_named("jose nunez garcia").get() == party == queries.parties_named("PEPE NUNEZ").get()
    assert not queries.parties_named("jose nunez").exists()
    assert "nunez" not in str(Party.objects.filter(pk=party.pk).values_list("name_indexes", flat=True)[0]).lower()


def test_the_box_finds_a_person_by_name_for_those_who_may_see_them() -> None:
    person = name_person(make_newcomer(), "Éloïse Martin")
    while relay(at=AT):
        pass
    for role, found in (("compliance", True), ("support", False)):
        client = Client()
        client.force_login(make_staff(role))
        answered = client.post("/admin/find/", {"s": "eloise martin"}).content.decode()
        assert (reverse("admin:payouts_person_change", args=[person.pk]) in answered) is found


@pytest.fixture
def erased(tmp_path: Path) -> Any:
    """A seller closed long ago whose owner resembled two entries: one was cleared, one nobody has judged."""
    load(tmp_path)
    seller = make_newcomer()
    person = name_person(seller, "Zoltan Krabbenhoft Vasquelle")
    while relay(at=AT):
        pass
    work(at=AT)
    load_list(
        path=write_list(tmp_path, {"z9": ROWS["a1"].replace("a1,", "z9,")}, "other.csv"), list_format="csv", name="other", actor=ROBOT, at=AT,
    )  # fmt: skip
    work(at=AT)
    party = Party.objects.get(subject=person.public_id)
    assert party.hits.count() == 2
    clear_hit(hit_id=party.hits.order_by("pk")[0].pk, reason="another date of birth", actor=REVIEWER, at=AT)
    set_seller_status(seller_id=seller.pk, to="closed", actor=REVIEWER, at=AT, reason="leaves")
    later = AT + timedelta(days=KEPT_DAYS)
    erase_personal_data(seller_id=seller.pk, actor=REVIEWER, at=later, reason="their letter")
    while relay(at=later):
        pass
    party.refresh_from_db()
    return seller, party, later


def test_what_was_compared_of_a_person_goes_with_the_person(erased: Any, tmp_path: Path) -> None:
    seller, party, later = erased
    assert (party.state, facts_of(party).names, party.name_indexes, party.next_try_at) == ("erased", (), [], None)
    assert {hit.factors for hit in party.hits.all()} == {""} and set(party.hits.values_list("state", flat=True)) == {
        "cleared",
        "gone",
    }
    assert Party.objects.get(subject=seller.public_id).state != "erased", "the seller's name stays with the books"
    assert AuditEntry.objects.filter(action="screening_party.erase", subject=party.public_id).exists()
    assert erased_parties_are_empty() == []

    # nothing brings them back: neither a new list, nor a new policy, nor somebody who tells them again
    load(tmp_path, [*ROWS.values(), "e5,Zoltan Krabbenhoft Vasquelle,person,,,,,"], at=later)
    asked = propose_policy(
        threshold=Decimal(81), strong_threshold=Decimal(92), clearance_days=365, shrink_percent=10, stale_hours=24, reason="trial", actor=REVIEWER, at=later,
    )  # fmt: skip
    adopt_policy(policy_id=asked.pk, actor=SECOND, at=later)
    work(at=later)
    party.refresh_from_db()
    assert party.state == "erased"
    with pytest.raises(PartyInvalid):
        make_party("Zoltan Krabbenhoft Vasquelle", subject=party.subject)
    person = Person.objects.get(public_id=party.subject)
    assert erase_parties(subjects=[person.public_id], actor=ROBOT, at=later) == 0

    client = Client()
    client.force_login(make_staff("compliance"))
    for row in (party, party.hits.first()):
        shown = client.get(reverse(f"admin:fraud_{row._meta.model_name}_change", args=[row.pk]))
        assert shown.status_code == 200 and "Vasquelle" not in shown.content.decode().replace(
            row.hits.first().listed_name if row is party else row.listed_name, ""
        )


def test_a_planted_name_is_found_by_the_truth_and_refused_by_the_database(erased: Any) -> None:
    _, party, _ = erased
    Party.objects.filter(pk=party.pk).update(name_indexes=["ab"])
    assert [row["subject"] for row in erased_parties_are_empty()] == [party.subject]
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE fraud_party SET facts = 'k1:AAAA' WHERE id = %s", [party.pk])


def test_a_clearance_that_waits_for_a_second_person_goes_with_the_party(tmp_path: Path) -> None:
    hit = make_hit(tmp_path)
    clear_hit(hit_id=hit.pk, reason="another date of birth", actor=REVIEWER, at=AT)
    erase_parties(subjects=[hit.party.subject], actor=ROBOT, at=AT)
    hit.refresh_from_db()
    assert hit.state == "gone" and not Clearance.objects.exists()
    with pytest.raises(PartyErased):
        confirm_hit(hit_id=hit.pk, reason="it is the same", actor=REVIEWER, at=AT)
