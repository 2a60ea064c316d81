"""Parties are screened when they are new, change, or a list changes; what has no answer is never clean; hits are judged by people and come back."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError, connection, transaction

from backoffice.kit import failpoints
from backoffice.kit.actors import Actor, staff
from backoffice.kit.approvals import ApproverIsMaker, ContentChanged
from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import Event, relay
from fraud.screening import judging, operations, passes, queries
from fraud.screening.models import Check, Clearance, Hit, ListVersion, Party, ScreeningPass, Trigger
from fraud.screening.parties import PartyInvalid
from fraud.screening.states import HitState, PartyState
from payouts.compliance import sockets
from payouts.sellers.operations import update_seller
from tests.factories.screening import AT, ROBOT, ROWS, facts, later, load, make_due_party, make_hit, make_party
from tests.factories.sellers import make_seller

pytestmark = pytest.mark.django_db
REASON = "Born in another town; passport seen."


def work(days: int = 0) -> dict[str, int]:
    return passes.work(at=later(days))


def told(subject: str) -> list[str]:
    return [event.payload["state"] for event in Event.objects.filter(type="screening.changed", subject=subject).order_by("pk")]


@pytest.fixture
def people() -> tuple[Actor, Actor]:
    return staff(9001), staff(9002)


@pytest.fixture
def nobody_else() -> Iterator[None]:
    """Unplug the wing below, which asks for its sellers itself."""
    before = (sockets.screening.standing_of, sockets.screening.screen_now, sockets.screening.hits_of)
    sockets.screening.unplug()
    yield
    sockets.screening.standing_of, sockets.screening.screen_now, sockets.screening.hits_of = before


@pytest.fixture(autouse=True)
def truths_hold(db: None) -> object:
    yield
    broken = [(verdict.name, verdict.rows, verdict.error) for verdict in check_books({9, 14}) if not verdict.ok]
    assert broken == []


def test_without_any_list_nobody_is_clean(tmp_path: Path) -> None:
    party = make_party("Anna Bergqvist")
    assert (party.state, party.problem, queries.standing(party.subject)) == ("failed", "no_lists", "failed")
    load(tmp_path)
    assert work()["screened"] == 0, "it waits for its next try"
    assert work(1)["screened"] == 1
    party.refresh_from_db()
    assert (party.state, told(party.subject)) == ("clean", ["failed", "clean"])


def test_a_party_is_screened_when_it_is_new_and_when_it_changes_only(tmp_path: Path) -> None:
    load(tmp_path)
    assert queries.standing("per_0") == "never_screened"
    party = make_party("Anna Bergqvist", subject="per_0")
    make_party("Anna Bergqvist", subject="per_0")
    assert [check.trigger for check in party.checks.all()] == [Trigger.CREATED]
    changed = make_party("Ildefonso Tamarindes Quiroga", subject="per_0", birth_on=date(1974, 5, 1), countries=["CO"])
    assert [check.trigger for check in party.checks.order_by("pk")] == [Trigger.CREATED, Trigger.CHANGED]
    hit = Hit.objects.get(party=changed)
    assert (changed.state, hit.source_id, hit.strong) == ("hits", "c3", True)
    assert {factor["code"] for factor in json.loads(hit.factors)} == {"name", "birth_date", "country"}
    result = operations.screen_party(subject="per_0", actor=ROBOT, at=AT, **facts("Ildefonso Tamarindes Quiroga", birth_on=date(1974, 5, 1), countries=["CO"]))  # fmt: skip
    assert (result.state, result.hits[0].id, result.hits[0].state) == ("hits", hit.public_id, "open")


def test_a_name_nobody_can_compare_is_not_clean(tmp_path: Path) -> None:
    load(tmp_path)
    party = make_party("王小明")
    assert (party.state, queries.standing(party.subject)) == ("not_screenable", "not_screenable")
    assert party in queries.overdue(AT)
    assert make_party("王小明", "Wang Xiaoming").state == "clean"


@pytest.mark.parametrize(
    "wrong", [{"kind": "robot"}, {"countries": ["France"]}, {"names": []}, {"names": ["  "]}, {"names": ["x" * 501]}, {"identifiers": {"id": "1" * 101}}]
)  # fmt: skip
def test_unusable_facts_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(PartyInvalid):
        operations.screen_party(subject="per_1", actor=ROBOT, at=AT, **(facts("Anna") | wrong))


def test_names_are_sealed_and_not_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    hit = make_hit(tmp_path)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT facts FROM fraud_party UNION ALL SELECT factors FROM fraud_hit UNION ALL SELECT payload::text FROM backoffice_event"
        )
        kept = " ".join(row[0] for row in cursor.fetchall())
    assert "Krabbenhoft" not in kept + caplog.text and "krabbenhoft" in hit.factors


def test_a_weaker_hit_is_cleared_by_one_person_and_stays_cleared(tmp_path: Path, people: tuple[Actor, Actor]) -> None:
    load(tmp_path)
    party = make_party("Zoltan Vasquelle")
    hit = Hit.objects.get(party=party)
    assert not hit.strong
    operations.clear_hit(hit_id=hit.pk, reason=REASON, actor=people[0], at=AT)
    operations.screen_again(party_id=party.pk, actor=people[0], at=later(3))
    hit.refresh_from_db()
    assert (hit.state, queries.standing(party.subject), told(party.subject)) == ("cleared", "clean", ["hits", "clean"])


def test_a_strong_hit_is_cleared_by_two_people_about_what_they_saw(tmp_path: Path, people: tuple[Actor, Actor]) -> None:
    hit = make_hit(tmp_path)
    maker, checker = people
    with pytest.raises(judging.JudgeIsNotAPerson):
        operations.clear_hit(hit_id=hit.pk, reason=REASON, actor=ROBOT, at=AT)
    with pytest.raises(judging.ReasonTooShort):
        operations.clear_hit(hit_id=hit.pk, reason="no", actor=maker, at=AT)
    assert operations.clear_hit(hit_id=hit.pk, reason=REASON, actor=maker, at=AT).state == HitState.WAITING
    assert queries.standing(hit.party.subject) == "hits"
    with pytest.raises(ApproverIsMaker):
        operations.approve_clearance(hit_id=hit.pk, actor=maker, at=AT)
    operations.approve_clearance(hit_id=hit.pk, actor=checker, at=AT)
    clearance = Clearance.objects.get(hit=hit)
    assert (clearance.cleared_by, clearance.approved_by, clearance.expires_at) == (str(maker), str(checker), later(365))
    assert queries.standing(hit.party.subject) == "clean"


def test_what_changed_while_it_waited_cannot_be_approved(tmp_path: Path, people: tuple[Actor, Actor]) -> None:
    hit = make_hit(tmp_path)
    operations.clear_hit(hit_id=hit.pk, reason=REASON, actor=people[0], at=AT)
    Hit.objects.filter(pk=hit.pk).update(entry_fingerprint="f" * 64)
    with pytest.raises(ContentChanged):
        operations.approve_clearance(hit_id=hit.pk, actor=people[1], at=AT)
    operations.screen_again(party_id=hit.party_id, actor=people[0], at=AT)
    hit.refresh_from_db()
    assert hit.state == HitState.OPEN


def test_sql_by_hand_cannot_clear_a_strong_hit_alone(tmp_path: Path) -> None:
    hit = make_hit(tmp_path)
    with pytest.raises(DatabaseError, match="cleared by two people"), transaction.atomic():
        Clearance.objects.create(
            hit=hit, party_fingerprint=hit.party_fingerprint, entry_fingerprint=hit.entry_fingerprint, strong=True, reason=REASON,
            cleared_by="staff:1", approved_by="staff:2", cleared_at=AT, expires_at=later(9),
        )  # fmt: skip
    with pytest.raises(DatabaseError, match="never edited"), transaction.atomic():
        Check.objects.update(result="clean")


def cleared(folder: Path, people: tuple[Actor, Actor]) -> Hit:
    hit = make_hit(folder)
    operations.clear_hit(hit_id=hit.pk, reason=REASON, actor=people[0], at=AT)
    return operations.approve_clearance(hit_id=hit.pk, actor=people[1], at=AT)


def ended_because(hit: Hit) -> str:
    hit.refresh_from_db()
    hit.party.refresh_from_db()
    assert (hit.state, hit.party.state) == (HitState.OPEN, PartyState.HITS)
    return Clearance.objects.get(hit=hit).ended_because


def test_a_clearance_ends_when_the_party_changes(tmp_path: Path, people: tuple[Actor, Actor]) -> None:
    hit = cleared(tmp_path, people)
    make_party("Zoltan Krabbenhoft Vasquelle", subject=hit.party.subject, birth_on=date(1961, 4, 18))
    assert ended_because(hit) == "party_changed"


def test_a_clearance_ends_when_the_entry_changes_and_nobody_else_is_screened(tmp_path: Path, people: tuple[Actor, Actor]) -> None:
    hit = cleared(tmp_path, people)
    bystander = make_party("Anna Bergqvist")
    load(tmp_path, ROWS | {"a1": ROWS["a1"].replace("TEST-1", "TEST-9")}, at=later(5))
    assert work(5) == {"clearances_ended": 0, "looked_at": 2, "screened": 1, "failed": 0}
    assert ended_because(hit) == "entry_changed"
    bystander.refresh_from_db()
    assert (bystander.checks.count(), bystander.covers) == (1, {"invented": 2})


def test_a_clearance_ends_with_its_day(tmp_path: Path, people: tuple[Actor, Actor]) -> None:
    hit = cleared(tmp_path, people)
    assert work(364)["clearances_ended"] == 0
    assert work(365)["clearances_ended"] == 1
    assert ended_because(hit) == "expired"


def test_an_unrelated_change_of_the_list_leaves_a_clearance(tmp_path: Path, people: tuple[Actor, Actor]) -> None:
    hit = cleared(tmp_path, people)
    load(tmp_path, ROWS | {"e5": "e5,Somebody New,person,,,,,"}, at=later(5))
    work(5)
    hit.refresh_from_db()
    assert (hit.state, ScreeningPass.objects.latest("pk").affected) == ("cleared", 0)


def test_a_new_entry_finds_who_was_clean(tmp_path: Path) -> None:
    load(tmp_path)
    party, other = make_party("Anna Bergqvist"), make_party("Bo Carlsen")
    load(tmp_path, ROWS | {"e5": "e5,BERGQUIST Anna,person,,,,,"}, at=later(1))
    work(1)
    party.refresh_from_db()
    assert (party.state, party.trigger, queries.standing(other.subject)) == ("hits", Trigger.LIST, "clean")
    assert told(party.subject) == ["clean", "hits"]


def test_a_removed_entry_takes_open_hits_with_it_but_not_confirmed_ones(tmp_path: Path, people: tuple[Actor, Actor]) -> None:
    load(tmp_path)
    open_one, confirmed = make_party("Zoltan Krabbenhoft Vasquelle"), make_party("Krabbenhoft Vasquelle Zoltan")
    operations.confirm_hit(hit_id=Hit.objects.get(party=confirmed).pk, reason=REASON, actor=people[0], at=AT)
    load(tmp_path, {key: row for key, row in ROWS.items() if key != "a1"}, at=later(1), accept_shrink="Delisted.")
    work(1)
    assert Hit.objects.get(party=open_one).state == HitState.GONE
    assert (queries.standing(open_one.subject), queries.standing(confirmed.subject)) == ("clean", "hits")


def test_who_changes_his_name_until_it_fits_stays_before_people(tmp_path: Path) -> None:
    hit = make_hit(tmp_path)
    party = make_party("Jan Nowak", subject=hit.party.subject)
    hit.refresh_from_db()
    assert (hit.state, party.state) == ("open", "hits")


def test_a_pass_that_is_killed_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(tmp_path)
    monkeypatch.setattr(passes, "PAGE", 2)
    parties = [make_party(f"Anna Bergqvist {letter}") for letter in ("Dahl", "Holm", "Lund", "Strand", "Vik")]
    work()
    load(tmp_path, ROWS | {"e5": "e5,Anna Bergqvist Vik,person,,,,,"}, at=later(1))

    class Killed(BaseException):
        pass

    def kill() -> None:
        raise Killed

    failpoints.hook("screening_page", kill)
    with pytest.raises(Killed):
        work(1)
    failpoints.hook("screening_page", None)
    assert ScreeningPass.objects.latest("pk").looked_at == 2
    work(1)
    run = ScreeningPass.objects.latest("pk")
    assert (run.state, run.looked_at) == ("done", 5)
    assert Hit.objects.filter(party=parties[-1], source_id="e5").exists()
    assert queries.coverage(later(1))["stale"] == 0


def test_what_changes_while_the_provider_answers_is_asked_again(tmp_path: Path) -> None:
    load(tmp_path)
    party = make_due_party("Anna Bergqvist")
    failpoints.hook("screening_asked", lambda: operations.register(subject=party.subject, actor=ROBOT, at=AT, **facts("Zoltan Krabbenhoft Vasquelle")) and None)  # fmt: skip
    try:
        work()
    finally:
        failpoints.hook("screening_asked", None)
    party.refresh_from_db()
    assert (party.state, party.checks.count()) == ("due", 0)
    work()
    assert queries.standing(party.subject) == "hits"


def test_sellers_become_parties_with_their_events(tmp_path: Path, nobody_else: None) -> None:
    load(tmp_path)
    seller = make_seller(legal_name="Marquesa Overseas Trading Limited")
    relay(at=AT)
    assert queries.standing(seller.public_id) == "never_screened"
    work()
    assert queries.standing(seller.public_id) == "hits"
    update_seller(seller_id=seller.pk, actor=ROBOT, at=AT, changes={"legal_name": "Bergqvist Handels AB"})
    relay(at=AT)
    work()
    party = Party.objects.get(subject=seller.public_id)
    assert (party.trigger, party.told_by, party.state) == (Trigger.CHANGED, "seller", "hits"), "the open hit stays with people"


def test_what_a_room_told_of_a_seller_is_kept_beside_the_sellers_own_name(tmp_path: Path, nobody_else: None) -> None:
    load(tmp_path)
    seller = make_seller(legal_name="Bergqvist Handels AB")
    make_party("Bergqvist Handels", subject=seller.public_id, kind="entity", countries=["SE"])
    relay(at=AT)
    work()
    party = Party.objects.get(subject=seller.public_id)
    assert json.loads(party.facts)["names"] == ["Bergqvist Handels", "Bergqvist Handels AB"]
    assert party.told_by == "room"


def test_coverage_counts_what_is_missing(tmp_path: Path) -> None:
    load(tmp_path)
    make_party("Anna Bergqvist")
    make_party("王小明")
    make_due_party("Bo Carlsen")
    make_hit(tmp_path)
    found = queries.coverage(AT + timedelta(hours=25))
    assert {name: found[name] for name in ("parties", "due", "clean", "hits", "not_screenable", "overdue", "stale")} == {
        "parties": 4, "due": 0, "clean": 2, "hits": 1, "not_screenable": 1, "overdue": 1, "stale": 0,
    }  # fmt: skip


def test_planted_lies_are_named_by_the_truths(tmp_path: Path) -> None:
    hit = make_hit(tmp_path)
    due = make_due_party("Bo Carlsen")
    plants = {
        "clean_parties_were_compared": lambda: Party.objects.filter(pk=hit.party_id).update(state="clean"),
        "cleared_hits_have_clearance": lambda: Hit.objects.filter(pk=hit.pk).update(state="cleared"),
        "due_parties_are_in_the_queue": lambda: Party.objects.filter(pk=due.pk).update(next_try_at=None),
        "lists_are_covered": lambda: Party.objects.filter(pk=hit.party_id).update(covers={}),
        "list_versions_add_up": lambda: ListVersion.objects.update(entries=3),
    }
    for name, plant in plants.items():
        with transaction.atomic():
            plant()
            assert name in {verdict.name for verdict in check_books({14}) if not verdict.ok}
            transaction.set_rollback(True)


def test_a_seller_on_a_list_is_asked_for_by_the_wing_that_would_pay_it(tmp_path: Path) -> None:
    load(tmp_path)
    seller = make_seller(legal_name="Marquesa Overseas Trading Limited")
    relay(at=AT)
    assert sockets.screening.standing(seller.public_id) == "hits"
    assert sockets.screening.hits(seller.public_id)[0]["state"] == "open"
    assert sockets.screening.standing("sel_nobody") == "never_screened"
