"""Disputes: money when it moves, the loss to whom it belongs, one answer that counts, and nothing left in doubt."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from backoffice.kit import failpoints
from backoffice.kit.actors import staff, system
from backoffice.kit.approvals import ApproverIsMaker
from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import Event
from billing.disputes import evidence, sockets
from billing.disputes.evidence import EvidenceInvalid, EvidenceTooLarge
from billing.disputes.models import Dispute, DisputeMovement, DisputePolicy, DisputeSubmission, EvidenceFile
from billing.disputes.money import MovementChanged
from billing.disputes.operations import (
    accept_dispute,
    accept_small_ones,
    add_evidence_file,
    adopt_policy,
    decide_warning,
    move_work,
    propose_policy,
    refresh_disputes,
    remove_evidence_file,
    see_dispute,
    send_submissions,
    submit_evidence,
    take_dispute,
    write_evidence,
)
from billing.disputes.policy import DisputePolicyInvalid
from billing.disputes.reading import DisputeUnreadable, read_dispute
from billing.disputes.submitting import DeadlinePassed, EvidenceChanged, EvidenceEmpty, GatewayTakesNoFiles
from billing.disputes.working import DisputeNeedsNoAnswer, NoEarlyWarning, WorkIsDone
from billing.gateways.port import Outcome
from billing.payments.models import Payment
from billing.refunds.models import Refund
from billing.webhooks.operations import take_in, work
from payouts.earnings.models import Earning
from payouts.ledger.models import Account
from payouts.ledger.queries import balance, seller_buckets
from payouts.ledger.templates import TEMPLATES, dispute_lost, dispute_moved
from tests.factories.notices import AT, DUE, TestProvider, provider_in
from tests.factories.runs import give_money
from tests.factories.sellers import make_seller, make_staff

pytestmark = pytest.mark.django_db
ROBOT = system("test")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def seller():
    found = make_seller()
    give_money(found, 20_000)
    return found


@pytest.fixture
def provider(seller):
    with provider_in(seller) as provider:
        yield provider


def look(provider: TestProvider, at=AT) -> Dispute:
    """Bring everything that happened at the provider here; return the newest dispute."""
    for notice in provider.events:
        take_in(provider="stripe", notice=notice, at=at)
    work(at=at)
    return Dispute.objects.select_related("seller").latest("id")


def payment_of(charge: str) -> Payment:
    return Payment.objects.get(charge_ref=charge)


def books() -> dict[str, int]:
    found: dict[str, int] = {}
    for account in Account.objects.exclude(code__startswith="seller.").exclude(code="suspense"):
        found[account.code] = found.get(account.code, 0) + balance(account.pk)
    return {code: amount for code, amount in found.items() if amount}


def available(seller) -> int:
    return seller_buckets([seller.pk])[seller.pk, "EUR"]["available"]


def assert_books_hold():
    assert not [one for one in check_books({1, 2, 3, 6, 7, 8, 9, 10}) if not one.ok]


# --- money


amounts = st.integers(1, 10**12)


@given(amount=amounts, fee=st.integers(-(10**9), 10**9), sign=st.sampled_from([1, -1]))
def test_every_movement_of_a_dispute_sums_to_zero_on_its_own_accounts(amount, fee, sign):
    legs = dispute_moved(
        dispute="dsp_x", currency="EUR", amount_minor=sign * amount, fee_minor=fee, net_minor=sign * amount - fee
    )
    assert sum(leg.amount_minor for leg in legs) == 0 and all(leg.amount_minor for leg in legs)
    assert {leg.code for leg in legs} <= TEMPLATES["dispute_withdrawn"].codes == TEMPLATES["dispute_reinstated"].codes
    for to_seller in (True, False):
        lost = dispute_lost(dispute="dsp_x", currency="EUR", amount_minor=amount, charged_to_seller=to_seller)
        assert sum(leg.amount_minor for leg in lost) == 0 and {leg.code for leg in lost} <= TEMPLATES["dispute_lost"].codes


def test_a_movement_whose_net_is_not_its_amount_less_its_fee_is_no_posting():
    with pytest.raises(ValueError, match="net"):
        dispute_moved(dispute="dsp_x", currency="EUR", amount_minor=-100, fee_minor=15, net_minor=-100)


def test_money_is_booked_when_the_provider_takes_it_and_not_by_status(provider, seller):
    before = books().get("psp.clearing", 0)
    ref = provider.open_dispute(status="warning_needs_response")
    assert look(provider).status == "warning_needs_response" and books().get("psp.clearing", 0) == before
    provider.move(ref, "needs_response")
    dispute = look(provider)
    assert books() == {"psp.clearing": before - 6_500, "receivable.dispute": 5_000, "expense.dispute": 1_500}
    assert (dispute.due_by, dispute.seller_due_by) == (DUE, DUE - timedelta(hours=72))
    assert available(seller) == 20_000
    assert_books_hold()


def test_a_lost_purchase_is_charged_to_the_seller_and_given_back_when_won_after_all(provider, seller):
    before = books().get("psp.clearing", 0)
    ref = provider.open_dispute()
    provider.move(ref, "lost")
    dispute = look(provider)
    assert (dispute.status, dispute.work_state, dispute.settled_minor) == ("lost", "closed", 5_000)
    assert available(seller) == 15_000
    assert books() == {"psp.clearing": before - 6_500, "expense.dispute": 1_500}
    assert_books_hold()

    provider.move(ref, "won")
    dispute = look(provider)
    assert (dispute.status, dispute.settled_minor, available(seller)) == ("won", 0, 20_000)
    assert books() == {"psp.clearing": before - 1_500, "expense.dispute": 1_500}
    kinds = Earning.objects.filter(source="disputes").order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["chargeback", "chargeback_reversal"]
    assert_books_hold()

    provider.move(ref, "lost")
    look(provider)
    assert available(seller) == 15_000
    assert_books_hold()


def test_a_loss_beyond_the_balance_becomes_the_sellers_debt(provider, seller):
    ref = provider.open_dispute(amount=900_000)
    provider.move(ref, "lost")
    look(provider)
    buckets = seller_buckets([seller.pk])[seller.pk, "EUR"]
    assert buckets["available"] + buckets["reserved"] + buckets["pending"] - buckets["debt"] == 20_000 - 900_000
    assert_books_hold()


def test_a_lost_payment_of_nobody_known_is_our_expense(db):
    with provider_in(None) as provider:
        ref = provider.open_dispute()
        provider.move(ref, "lost")
        look(provider)
    assert books() == {"psp.clearing": -6_500, "expense.dispute": 6_500}
    assert_books_hold()


def test_a_movement_that_changed_at_the_provider_is_refused_and_never_booked_over(provider):
    ref = provider.open_dispute()
    look(provider)
    provider.disputes[ref]["balance_transactions"][0] |= {"amount": -6_000, "net": -7_500}
    with pytest.raises(MovementChanged):
        see_dispute(provider="stripe", facts=read_dispute(provider.disputes[ref]), actor=ROBOT, at=AT)
    with pytest.raises(DatabaseError), transaction.atomic():
        DisputeMovement.objects.update(amount_minor=-6_000, net_minor=-7_500)


@pytest.mark.parametrize(
    ("table", "change", "truth"),
    [
        (Dispute, {"settled_minor": 4_000}, "lost_disputes_are_charged"),
        (Dispute, {"status": "under_review"}, "lost_disputes_are_charged"),
        (Dispute, {"settled_minor": 4_000}, "dispute_claims_agree"),
    ],
)
def test_planted_corruption_is_found(provider, table, change, truth):
    provider.move(provider.open_dispute(), "lost")
    look(provider)
    assert_books_hold()
    table.objects.update(**change)
    assert truth in {one.name for one in check_books() if not one.ok}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"status": "exotic"}, "status"),
        ({"amount": "50.00"}, "amount"),
        ({"amount": 0}, "amount"),
        ({"created": None}, "created"),
        ({"balance_transactions": [{"id": "t", "amount": -1, "fee": 0, "net": 1, "currency": "eur", "created": 1}]}, "net"),
        ({"evidence_details": []}, "evidence_details"),
    ],
)
def test_a_shape_we_do_not_know_is_named_and_books_nothing(provider, change, field):
    ref = provider.open_dispute()
    with pytest.raises(DisputeUnreadable, match=field):
        read_dispute(provider.disputes[ref] | change)


# --- early warnings


def test_a_warning_becomes_the_dispute_that_follows_it_whichever_comes_first(provider):
    provider.warn("ch_a", "issfr_a")
    warned = look(provider)
    assert (warned.status, warned.amount_minor, warned.payment) == ("early_warning", None, payment_of("ch_a").public_id)
    provider.open_dispute("dp_a", charge="ch_a")
    followed = look(provider)
    assert (followed.pk, followed.provider_ref, followed.warning_ref, followed.status) == (
        warned.pk,
        "dp_a",
        "issfr_a",
        "needs_response",
    )
    provider.open_dispute("dp_b", charge="ch_b")
    look(provider)
    provider.warn("ch_b", "issfr_b")
    look(provider)
    assert Dispute.objects.count() == 2 and Dispute.objects.get(warning_ref="issfr_b").provider_ref == "dp_b"
    assert_books_hold()


def test_a_warning_is_decided_once_and_a_refund_asks_for_the_whole_payment(provider):
    provider.warn("ch_w")
    warning = look(provider)
    lead = staff(make_staff("lead").pk)
    decide_warning(dispute_id=warning.pk, refund=True, actor=lead, at=AT, key="k", reason="Stolen card.")
    refund = Refund.objects.get()
    assert (refund.payment, refund.amount_minor, refund.cause) == (payment_of("ch_w"), 100_000, "fraudulent")
    with pytest.raises(WorkIsDone):
        decide_warning(dispute_id=warning.pk, refund=True, actor=lead, at=AT, key="k2", reason="Again.")
    provider.open_dispute("dp_w", charge="ch_w")
    dispute = look(provider)
    assert dispute.work_state == "triage", "the dispute came all the same, and needs an answer"
    with pytest.raises(NoEarlyWarning):
        decide_warning(dispute_id=dispute.pk, refund=False, actor=lead, at=AT, key="k3", reason="Late.")


# --- evidence


def png(side: int = 20) -> bytes:
    kept = io.BytesIO()
    Image.effect_noise((side, side), 90).save(kept, "PNG")
    return kept.getvalue()


def write(dispute, **texts):
    return write_evidence(dispute_id=dispute.pk, texts=texts, actor=ROBOT, at=AT)


def the_hash(dispute) -> str:
    return evidence.measure(evidence.pack_of(dispute)).content_hash


def test_a_pack_is_sealed_measured_and_bound_to_what_was_shown(provider):
    provider.open_dispute()
    dispute = look(provider)
    lead = staff(make_staff("lead").pk)
    with pytest.raises(EvidenceEmpty):
        submit_evidence(dispute_id=dispute.pk, content_hash=the_hash(dispute), actor=lead, at=AT)
    write(dispute, customer_name="Jane Doe", shipping_carrier="Colissimo")
    shown = the_hash(dispute)
    write(dispute, shipping_carrier="DHL")
    with pytest.raises(EvidenceChanged):
        submit_evidence(dispute_id=dispute.pk, content_hash=shown, actor=lead, at=AT)
    with pytest.raises(EvidenceInvalid):
        write(dispute, nonsense="x")
    assert evidence.texts_of(evidence.pack_of(dispute)) == {"customer_name": "Jane Doe", "shipping_carrier": "DHL"}
    assert "Jane" not in dispute.pack.__dict__["texts"]
    with pytest.raises(DeadlinePassed):
        submit_evidence(dispute_id=dispute.pk, content_hash=the_hash(dispute), actor=lead, at=DUE)


def test_files_are_counted_against_the_providers_limits_and_replaced_in_place(provider, monkeypatch):
    provider.open_dispute()
    dispute = look(provider)
    first = add_evidence_file(dispute_id=dispute.pk, field="receipt", data=png(), actor=ROBOT, at=AT)
    data = png(30)
    again = add_evidence_file(dispute_id=dispute.pk, field="receipt", data=data, actor=ROBOT, at=AT)
    first.refresh_from_db()
    assert first.removed_at and bytes(first.sealed) == b""
    assert evidence.bytes_of(EvidenceFile.objects.get(pk=again.pk)) == data and data not in bytes(again.sealed)
    monkeypatch.setattr(evidence, "BYTES_MAX", len(data) + 100)
    with pytest.raises(EvidenceTooLarge):
        add_evidence_file(dispute_id=dispute.pk, field="uncategorized_file", data=png(), actor=ROBOT, at=AT)
    remove_evidence_file(dispute_id=dispute.pk, field="receipt", actor=ROBOT, at=AT)
    assert evidence.measure(evidence.pack_of(dispute)).is_empty


# --- answers


def answered(provider, **outcome) -> DisputeSubmission:
    """Write a pack with a file, ask for it to be sent, and let the worker send it."""
    provider.open_dispute()
    dispute = look(provider)
    write(dispute, uncategorized_text="Delivered on 3 February.")
    add_evidence_file(dispute_id=dispute.pk, field="shipping_documentation", data=png(), actor=ROBOT, at=AT)
    for name, value in outcome.items():
        setattr(provider, name, value)
    asked = submit_evidence(dispute_id=dispute.pk, content_hash=the_hash(dispute), actor=ROBOT, at=AT)
    with pytest.raises(WorkIsDone):
        accept_dispute(dispute_id=dispute.pk, actor=ROBOT, at=AT, reason="Both at once.")
    send_submissions(at=AT)
    asked.refresh_from_db()
    return asked


def sent(provider) -> list[str]:
    return [what for what, _, _ in provider.calls if what != "upload"]


def test_evidence_is_sent_once_with_its_files_by_reference(provider):
    done = answered(provider)
    assert done.state == "done" and sent(provider) == ["submit"]
    content = provider.calls[-1][2]
    assert content["uncategorized_text"] == "Delivered on 3 February." and content["shipping_documentation"].startswith("file_")
    send_submissions(at=AT + timedelta(hours=1))
    assert sent(provider) == ["submit"]
    dispute = look(provider)
    assert (dispute.status, dispute.work_state, dispute.submission_count) == ("under_review", "submitted", 1)
    with pytest.raises(DisputeNeedsNoAnswer):
        write(dispute, uncategorized_text="And another thing.")
    assert_books_hold()


def test_a_refused_answer_goes_back_to_the_desk_with_its_code(provider):
    failed = answered(provider, outcome=Outcome.DECLINED)
    assert (failed.state, failed.code, failed.dispute.work_state) == ("failed", "refused_here", "ready")
    provider.outcome = Outcome.DONE
    dispute = Dispute.objects.get()
    submit_evidence(dispute_id=dispute.pk, content_hash=the_hash(dispute), actor=ROBOT, at=AT + MINUTE)
    send_submissions(at=AT + MINUTE)
    assert [one.state for one in DisputeSubmission.objects.order_by("number")] == ["failed", "done"]


@pytest.mark.parametrize("arrived", [True, False])
def test_an_unknown_answer_is_asked_about_and_never_sent_again(provider, arrived):
    unknown = answered(provider, outcome=Outcome.UNKNOWN, effect_despite_unknown=arrived)
    assert unknown.state == "unknown"
    provider.outcome = Outcome.DONE
    for minutes in range(1, 10):
        send_submissions(at=AT + minutes * MINUTE)
    unknown.refresh_from_db()
    assert unknown.state == ("done" if arrived else "failed")
    assert sent(provider) == (["submit"] if arrived else [])
    assert Dispute.objects.get().work_state == ("submitted" if arrived else "ready")
    assert_books_hold()


@pytest.mark.parametrize("boundary", ["dispute_claimed", "dispute_called"])
def test_a_crash_around_the_call_never_sends_twice(provider, boundary):
    class Killed(BaseException):
        pass

    def die():
        raise Killed

    failpoints.hook(boundary, die)
    try:
        with pytest.raises(Killed):
            answered(provider)
    finally:
        failpoints.hook(boundary, None)
    for minutes in range(1, 12):
        send_submissions(at=AT + minutes * MINUTE)
    expected = ("done", 1) if boundary == "dispute_called" else ("failed", 0)
    assert (DisputeSubmission.objects.get().state, len(sent(provider))) == expected


def test_accepting_loses_the_dispute_and_charges_the_seller(provider, seller):
    provider.open_dispute()
    dispute = look(provider)
    accept_dispute(dispute_id=dispute.pk, actor=staff(1), at=AT, reason="The parcel was lost.")
    send_submissions(at=AT)
    dispute = look(provider)
    assert (dispute.status, dispute.work_state, available(seller)) == ("lost", "closed", 15_000)
    assert_books_hold()


def test_a_gateway_that_takes_no_files_says_so_before_anything_is_asked(provider):
    provider.open_dispute()
    dispute = look(provider)
    add_evidence_file(dispute_id=dispute.pk, field="receipt", data=png(), actor=ROBOT, at=AT)
    sockets.gateways.by_name = lambda name: object()
    with pytest.raises(GatewayTakesNoFiles):
        submit_evidence(dispute_id=dispute.pk, content_hash=the_hash(dispute), actor=ROBOT, at=AT)


def test_a_quiet_dispute_is_looked_at_again_after_a_day(provider):
    ref = provider.open_dispute()
    look(provider)
    provider.disputes[ref]["status"] = "won"
    assert refresh_disputes(at=AT + timedelta(hours=23)) == {}
    assert refresh_disputes(at=AT + timedelta(hours=25)) == {"applied": 1}
    assert Dispute.objects.get().status == "won"


# --- the policy


def in_force(**over) -> DisputePolicy:
    maker, checker = staff(make_staff("finance").pk), staff(make_staff("lead").pk)
    wanted = {
        "seller_buffer_hours": 48,
        "auto_accept": True,
        "limits": {"EUR": 5_000},
        "notice_hours": 24,
        "reason": "Fees exceed it.",
    }
    policy = propose_policy(**(wanted | over), actor=maker, at=AT)
    with pytest.raises(ApproverIsMaker):
        adopt_policy(policy_id=policy.pk, actor=maker, at=AT)
    return adopt_policy(policy_id=policy.pk, actor=checker, at=AT)


def test_nothing_is_accepted_by_itself_until_two_people_say_so(provider, seller):
    provider.open_dispute()
    look(provider)
    assert accept_small_ones(at=AT)["announced"] == 0
    with pytest.raises(DatabaseError), transaction.atomic():
        DisputePolicy.objects.update(auto_accept=True, limits={"EUR": 1})
    with pytest.raises(DisputePolicyInvalid):
        in_force(limits={})
    in_force()
    assert accept_small_ones(at=AT)["announced"] == 1
    assert Event.objects.filter(type="dispute.acceptance_announced").exists()
    assert accept_small_ones(at=AT + timedelta(hours=23))["accepted"] == 0
    assert accept_small_ones(at=AT + timedelta(hours=24))["accepted"] == 1
    assert DisputeSubmission.objects.get().kind == "acceptance"
    assert_books_hold()


@pytest.mark.parametrize("step", ["take", "evidence", "seller", "spent", "large"])
def test_any_step_or_a_balance_gone_stops_the_automatic_acceptance(provider, seller, step):
    provider.open_dispute(amount=5_001 if step == "large" else 5_000)
    dispute = look(provider)
    in_force()
    accept_small_ones(at=AT)
    if step == "take":
        take_dispute(dispute_id=dispute.pk, actor=staff(1), at=AT)
    elif step == "evidence":
        write(dispute, uncategorized_text="It was delivered.")
    elif step == "seller":
        move_work(dispute_id=dispute.pk, to="waiting_seller", actor=staff(1), at=AT, reason="They have the receipt.")
        assert Event.objects.filter(type="dispute.evidence_wanted").exists()
    elif step == "spent":
        provider.move(provider.open_dispute(amount=19_000), "lost")
        look(provider)
    for hours in (1, 24, 48):
        accept_small_ones(at=AT + timedelta(hours=hours))
    assert not DisputeSubmission.objects.filter(dispute=dispute).exists()
    dispute.refresh_from_db()
    assert dispute.auto_accept_at is None


def test_events_about_disputes_name_nobody(provider):
    provider.open_dispute()
    dispute = look(provider)
    write(dispute, customer_name="Jane Doe")
    told = json.dumps(list(Event.objects.filter(subject=dispute.public_id).values_list("payload", flat=True)))
    assert "dispute" in str(Event.objects.values_list("type", flat=True)) and "Jane" not in told
