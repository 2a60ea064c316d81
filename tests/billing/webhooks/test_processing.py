"""The worker: one look for all events of an object, every failure with its own patience, and nothing stuck."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backoffice.kit import failpoints
from backoffice.kit.actors import staff
from backoffice.kit.invariants import check_books
from backoffice.kit.states import timeline
from backoffice.staff.models import AuditEntry
from billing.disputes.models import Dispute
from billing.webhooks import appliers
from billing.webhooks.claims import claim_object
from billing.webhooks.healing import BodyForgotten, EventUnderWay, ReplayReasonMissing
from billing.webhooks.models import HealerMark, InboundEvent
from billing.webhooks.operations import heal, open_body, replay_event, take_in, work
from billing.webhooks.processing import process
from billing.webhooks.states import NOTICE
from tests.factories.notices import AT, again, provider_in
from tests.factories.sellers import make_seller, make_staff

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def provider(db):
    with provider_in(make_seller()) as provider:
        yield provider


def bring(provider, *notices):
    for notice in notices or provider.events:
        take_in(provider="stripe", notice=notice, at=AT)


def states():
    return list(InboundEvent.objects.order_by("id").values_list("state", flat=True))


def test_a_burst_about_one_object_costs_one_look(provider):
    ref = provider.open_dispute()
    for _ in range(8):
        provider.tell(ref, "charge.dispute.updated")
    bring(provider)
    work(at=AT)
    assert provider.asked == [ref]
    assert states() == ["coalesced"] * 9 + ["processed"]
    assert Dispute.objects.get().status == "needs_response"
    assert [one.ok for one in check_books({9, 12})] == [True] * len(check_books({9, 12}))


def test_events_nobody_follows_are_ignored_without_a_look(provider):
    ref = provider.open_dispute()
    provider.events = [provider.tell(ref, "customer.updated"), provider.tell(ref, "payout.paid")]
    bring(provider)
    work(at=AT)
    assert states() == ["ignored", "ignored"] and provider.asked == []


def test_a_look_that_shows_less_than_we_know_is_stale(provider):
    ref = provider.open_dispute()
    provider.move(ref, "under_review")
    bring(provider)
    work(at=AT)
    provider.disputes[ref]["status"] = "needs_response"
    bring(provider, provider.tell(ref, "charge.dispute.updated"))
    work(at=AT)
    assert states()[-1] == "stale" and Dispute.objects.get().status == "under_review"


def test_an_impossible_pair_of_states_is_given_up_with_both_named_and_blocks_nobody(provider):
    ref, other = provider.open_dispute(status="warning_closed"), provider.open_dispute()
    bring(provider)
    work(at=AT)
    provider.disputes[ref]["status"] = "needs_response"
    bring(provider, provider.tell(ref, "charge.dispute.updated"), provider.tell(other, "charge.dispute.updated"))
    for step in range(40):
        work(at=AT + step * MINUTE)
    dead = InboundEvent.objects.get(state="dead")
    assert "warning_closed" in dead.last_error and "needs_response" in dead.last_error and dead.code == "illegal_move"
    assert InboundEvent.objects.filter(object_ref=other, state="processed").count() == 2


def test_a_busy_provider_is_left_alone_and_asked_again_later(provider):
    for _ in range(3):
        provider.open_dispute()
    provider.busy = 1
    bring(provider)
    work(at=AT)
    assert len(provider.asked) == 1, "the others would only add to its load"
    work(at=AT + MINUTE)
    assert set(states()) <= {"processed", "coalesced"} and Dispute.objects.count() == 3


def test_a_young_dispute_waits_for_its_payment_and_an_old_one_is_kept_without(db):
    with provider_in(None) as provider:
        provider.open_dispute()
        bring(provider)
        early = AT - timedelta(minutes=55)
        work(at=AT - timedelta(minutes=55))
        assert not Dispute.objects.exists()
        InboundEvent.objects.update(next_try_at=early)
        work(at=early)
        assert InboundEvent.objects.first().code == "not_ready"
        work(at=AT)
        assert Dispute.objects.get().purpose == "unknown"


def test_what_our_own_code_breaks_is_tried_five_times_then_kept_for_a_person(provider, monkeypatch):
    def explode(*args):
        raise KeyError("Jane Doe's address")

    monkeypatch.setitem(
        appliers._appliers, "dispute", appliers.Applier(explode, lambda gateway, ref: gateway.get_dispute(provider_ref=ref))
    )
    provider.open_dispute()
    bring(provider)
    for step in range(40):
        work(at=AT + step * MINUTE)
    assert states() == ["dead", "dead"] and len(provider.asked) == 5
    assert {event.last_error for event in InboundEvent.objects.all()} == {"KeyError"}, "no name enters the row"

    monkeypatch.undo()
    lead = staff(make_staff("lead").pk)
    later = AT + timedelta(hours=1)
    for event in InboundEvent.objects.all():
        with pytest.raises(ReplayReasonMissing):
            replay_event(event_id=event.pk, actor=lead, at=later, reason=" ")
        replay_event(event_id=event.pk, actor=lead, at=later, reason="Repaired in 1.2.")
        with pytest.raises(EventUnderWay):
            replay_event(event_id=event.pk, actor=lead, at=later, reason="Twice.")
    work(at=later)
    assert states() == ["coalesced", "processed"] and Dispute.objects.get().movements.count() == 1


def test_a_processed_event_processed_again_books_nothing_twice(provider):
    provider.open_dispute()
    bring(provider)
    work(at=AT)
    event = InboundEvent.objects.get(state="processed")
    replay_event(event_id=event.pk, actor=staff(1), at=AT, reason="To be sure.")
    work(at=AT)
    event.refresh_from_db()
    assert (event.state, event.code, event.replays) == ("processed", "same", 1)
    assert Dispute.objects.get().movements.count() == 1


@pytest.mark.parametrize("boundary", ["notice_claimed", "notice_looked", "notice_applied"])
def test_a_worker_that_dies_anywhere_leaves_events_the_sweeper_gives_back(provider, boundary):
    class Killed(BaseException):
        pass

    def die():
        raise Killed

    ref = provider.open_dispute()
    bring(provider)
    failpoints.hook(boundary, die)
    try:
        with pytest.raises(Killed):
            work(at=AT)
    finally:
        failpoints.hook(boundary, None)
    assert states() == ["processing", "processing"]
    work(at=AT + MINUTE)
    assert states() == ["processing", "processing"], "the lease runs on"
    work(at=AT + 3 * MINUTE)
    assert states() == ["coalesced", "processed"] and Dispute.objects.get(provider_ref=ref).movements.count() == 1


def test_whoever_lost_the_lease_applies_nothing(provider):
    ref = provider.open_dispute()
    bring(provider)
    slow = claim_object(at=AT)
    work(at=AT + 3 * MINUTE)
    asked = list(provider.asked)
    provider.disputes[ref]["status"] = "lost"
    assert process(slow, AT + 4 * MINUTE).code == "taken_over"
    assert Dispute.objects.get().status == "needs_response" and provider.asked == [*asked, ref]


def test_an_object_under_way_is_not_claimed_a_second_time(provider):
    ref = provider.open_dispute()
    bring(provider)
    assert claim_object(at=AT) is not None
    bring(provider, provider.tell(ref, "charge.dispute.updated"))
    assert claim_object(at=AT) is None


def test_the_healer_finds_what_never_came_once_and_moves_its_mark(provider):
    provider.open_dispute()
    bring(provider, provider.events[0])
    assert heal(at=AT) == {"stripe": 1}
    assert heal(at=AT) == {"stripe": 0}
    assert HealerMark.objects.get().read_until == AT and HealerMark.objects.get().found == 1
    assert sorted(InboundEvent.objects.values_list("source", flat=True)) == ["door", "healer"]


def test_opening_a_body_stands_in_the_audit_trail(provider):
    provider.open_dispute()
    bring(provider, provider.events[0])
    event = InboundEvent.objects.get()
    body = open_body(event_id=event.pk, actor=staff(1), at=AT, reason="The amount looks odd.")
    assert body.encode() == provider.events[0].raw
    assert AuditEntry.objects.get(action="inbound_event.open").subject == event.public_id
    InboundEvent.objects.update(state="processed")
    InboundEvent.objects.update(raw="")
    with pytest.raises(BodyForgotten):
        open_body(event_id=event.pk, actor=staff(1), at=AT, reason="Again.")


def test_the_truth_finds_an_event_that_waits_and_one_that_died_without_a_word(provider):
    provider.open_dispute()
    bring(provider, provider.events[0], again(provider.events[0]))
    broken = {one.name: one.broken for one in check_books({12}) if not one.ok}
    assert broken == {"inbound_events_are_done": 2}, "received in February, and nobody looked"
    work(at=AT)
    assert all(one.ok for one in check_books({9, 12}))
    InboundEvent.objects.filter(state="processed").update(state="dead", code="")
    assert {one.name for one in check_books({9, 12}) if not one.ok} == {"dead_events_say_why", "history_agrees_with_status"}
    assert [one.to_state for one in timeline(NOTICE, InboundEvent.objects.first().pk)] == ["received", "processing", "coalesced"]
