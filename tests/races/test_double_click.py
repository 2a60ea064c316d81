"""Every button that moves money, pressed twice at the same moment on two connections: one effect, and the second press gets an answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections

from backoffice.kit.actors import staff
from backoffice.kit.errors import Refusal
from backoffice.kit.invariants import check_books
from payouts.dispatch import operations as dispatch
from payouts.dispatch.models import BankFile, BankFileEntry, PaymentOrder, RailFile
from payouts.earnings.lines import EarningLine
from payouts.earnings.models import Earning, RejectedLine
from payouts.earnings.operations import dismiss_rejected, record_earnings, retry_rejected
from payouts.holds import operations as holds
from payouts.ledger.adjustments import approve_correction, request_correction
from payouts.ledger.models import Posting
from payouts.ledger.operations import reverse
from payouts.ledger.queries import seller_buckets
from payouts.ledger.templates import platform, seller
from payouts.runs import operations as runs
from payouts.runs.models import Payout, PayoutRun
from payouts.sellers.models import Seller
from tests.factories.dispatch import orders_of, provider_in, rails_in
from tests.factories.runs import AT, MAKER, make_approved_run, make_checker, make_payable_seller, make_run
from tests.factories.sellers import make_seller
from tests.payouts.bankfiles import samples

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.races]
LATER = AT + timedelta(minutes=5)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    """Rails of this test's own; whatever was pressed, the books hold afterwards."""
    with rails_in(tmp_path):
        yield tmp_path
        red = {verdict.name: verdict.rows or verdict.error for verdict in check_books() if not verdict.ok}
        assert red == {}


def press_twice(verb: Callable[..., Any], **facts: Any) -> tuple[list[Any], list[Refusal]]:
    """Call the verb at the same moment on two connections; return the answers and the refusals. Anything else is a defect, and raised."""
    barrier = threading.Barrier(2)

    def press(_: int) -> Any:
        try:
            connection.ensure_connection()
            barrier.wait()
            return verb(**facts)
        except Refusal as refusal:
            return refusal
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(press, range(2)))
    return [one for one in found if not isinstance(one, Refusal)], [one for one in found if isinstance(one, Refusal)]


def buckets(one: Seller, currency: str = "EUR") -> tuple[int, int, int]:
    found = seller_buckets([one.pk]).get((one.pk, currency), {})
    return found.get("available", 0), found.get("reserved", 0), found.get("in_payout", 0)


def postings(template: str) -> int:
    return Posting.objects.filter(template=template).count()


def sent_order(to: str = "USD") -> PaymentOrder:
    """One order the sandbox has."""
    make_payable_seller(currency=to, country="US")
    run = make_approved_run()
    dispatch.submit_run(run_id=run.pk, actor=MAKER, at=LATER)
    dispatch.work(at=LATER)
    (order,) = orders_of(run)
    assert order.status == "sent"
    return order


# --- runs


def test_build_pressed_twice_is_one_run():
    one = make_payable_seller(10_000)

    answers, _ = press_twice(runs.build_run, on=AT.date(), actor=MAKER, key="twice", at=AT)

    assert {run.pk for run in answers} == {PayoutRun.objects.get().pk}
    assert buckets(one) == (0, 0, 10_000)


def test_a_payout_on_request_pressed_twice_is_one_payout():
    one = make_payable_seller(10_000)

    answers, _ = press_twice(runs.build_payout, seller_id=one.pk, currency="EUR", actor=MAKER, key="twice", at=AT)

    assert {payout.pk for payout in answers} == {Payout.objects.get().pk}
    assert buckets(one) == (0, 0, 10_000)


def test_approve_pressed_twice_approves_once():
    run = make_run(sellers=2)

    answers, refusals = press_twice(
        runs.approve_run, run_id=run.pk, content_hash=run.content_hash, actor=make_checker(), at=LATER
    )

    assert (len(answers), [refusal.code for refusal in refusals]) == (1, ["run_not_waiting"])


@pytest.mark.parametrize("act", ["deny_run", "cancel_run"])
def test_stopping_a_run_twice_gives_its_money_back_once(act: str):
    one = make_payable_seller(10_000)
    run = make_run()

    answers, refusals = press_twice(getattr(runs, act), run_id=run.pk, actor=make_checker(), at=LATER, reason="No.")

    assert (len(answers), len(refusals)) == (1, 1)
    assert buckets(one) == (10_000, 0, 0)
    assert postings("payout_canceled") == 1


def test_cancel_payout_pressed_twice_gives_the_money_back_once():
    one = make_payable_seller(10_000)
    payout = make_approved_run().payouts.get()

    answers, refusals = press_twice(runs.cancel_payout, payout_id=payout.pk, actor=MAKER, at=LATER, reason="No.")

    assert (len(answers), [refusal.code for refusal in refusals]) == (1, ["payout_on_its_way"])
    assert buckets(one) == (10_000, 0, 0)


def test_expiring_twice_at_once_gives_the_money_back_once():
    one = make_payable_seller(10_000)
    make_run()

    answers, _ = press_twice(runs.expire_runs, actor=MAKER, at=AT + timedelta(days=31))

    assert sum(len(ended) for ended in answers) == 1
    assert buckets(one) == (10_000, 0, 0)


# --- rails


def test_submit_pressed_twice_makes_one_order_and_one_file(folder: Path):
    run = make_approved_run(sellers=3)

    press_twice(dispatch.submit_run, run_id=run.pk, actor=MAKER, at=LATER)

    assert [order.attempt for order in orders_of(run)] == [1, 1, 1]
    file = RailFile.objects.get()
    assert file.state == "handed_over"
    assert [path.name for path in (folder / "bank-outbox").glob("*.xml")] == [file.file_name]
    assert set(Payout.objects.values_list("status", flat=True)) == {"in_transit"}


def test_two_workers_at_once_call_the_rail_once(folder: Path):
    for _ in range(5):
        make_payable_seller(currency="USD", country="US")
    run = make_approved_run()
    dispatch.submit_run(run_id=run.pk, actor=MAKER, at=LATER)

    press_twice(dispatch.work, at=LATER)

    assert sorted(row["reference"] for row in provider_in(folder).truth()) == sorted(order.key for order in orders_of(run))
    assert {order.status for order in orders_of(run)} == {"sent"}


def test_settle_pressed_twice_books_once():
    order = sent_order()

    answers, _ = press_twice(dispatch.settle, order_id=order.pk, actor=MAKER, at=LATER)

    assert sorted(answers) == ["already", "applied"]
    assert postings("payout_settled") == 1


@pytest.mark.parametrize("act", ["bounce", "reject"])
def test_money_that_comes_back_twice_at_once_is_booked_once(act: str):
    order = sent_order()

    answers, _ = press_twice(getattr(dispatch, act), order_id=order.pk, code="AC04", actor=MAKER, at=LATER)

    assert sorted(answers) == ["already", "applied"]
    assert buckets(order.payout.seller, "USD") == (10_000, 0, 0)
    assert postings("payout_bounced") == 1


def test_settled_and_bounced_at_once_ends_bounced():
    order = sent_order()
    acts = iter([dispatch.settle, lambda **facts: dispatch.bounce(code="AC04", **facts)])

    press_twice(lambda **facts: next(acts)(**facts), order_id=order.pk, actor=MAKER, at=LATER)

    assert buckets(order.payout.seller, "USD") == (10_000, 0, 0)
    assert (postings("payout_settled"), postings("payout_bounced")) == (1, 1)


def test_an_unknown_outcome_resolved_twice_is_resolved_once(folder: Path):
    make_payable_seller(currency="USD", country="US", legal_name="Sandbox silent")
    run = make_approved_run()
    dispatch.submit_run(run_id=run.pk, actor=MAKER, at=LATER)
    dispatch.work(at=LATER)
    (order,) = orders_of(run)
    assert order.status == "unknown"

    dispatch.request_absence(order_id=order.pk, code="MS03", reason="They say so.", actor=staff(7), at=LATER)
    answers, refusals = press_twice(dispatch.confirm_absence, order_id=order.pk, actor=staff(8), at=LATER)

    assert (len(answers), [refusal.code for refusal in refusals]) == (1, ["order_not_unknown"])
    assert buckets(order.payout.seller, "USD") == (10_000, 0, 0)


def test_a_bank_file_brought_twice_at_once_is_one_file():
    data = samples.pain002(lines=samples.status_line("nobody-knows", "RJCT", "AC04"))

    answers, _ = press_twice(dispatch.import_bank_file, data=data, file_name="x.xml", actor=MAKER, at=LATER)

    assert sorted(answer.duplicate_file for answer in answers) == [False, True]
    entry = BankFileEntry.objects.filter(bank_file=BankFile.objects.get(), state="unplaced").first()
    explained, refusals = press_twice(dispatch.explain_entry, entry_id=entry.pk, reason="A test.", actor=MAKER, at=LATER)
    assert (len(explained), [refusal.code for refusal in refusals]) == (1, ["entry_not_open"])


# --- earnings and holds


def line_of(one: Seller, **over: Any) -> EarningLine:
    facts = {"external_id": "x1", "seller": one.external_id, "kind": "sale", "order_ref": "o1", "currency": "EUR", "gross": "100.00",
             "fee": "10.00", "occurred_at": (AT - timedelta(days=20)).isoformat()}  # fmt: skip
    return EarningLine.of(1, facts | over)


def test_one_line_sent_twice_at_once_is_booked_once():
    one = make_seller()

    answers, _ = press_twice(record_earnings, lines=[line_of(one)], source="twice", actor=MAKER, at=AT)

    assert sorted(answer[0].outcome for answer in answers) == ["accepted", "duplicate"]
    assert (Earning.objects.count(), postings("sale")) == (1, 1)


def test_maturing_twice_at_once_frees_the_money_once():
    one = make_seller()
    record_earnings(lines=[line_of(one)], source="twice", actor=MAKER, at=AT)

    answers, _ = press_twice(holds.mature_earnings, actor=MAKER, at=AT)

    assert sorted(answer["earnings"] for answer in answers) == [0, 1]
    assert buckets(one) == (9_000, 0, 0)


def rejected_line() -> RejectedLine:
    fields = line_of(make_seller())._asdict()
    return RejectedLine.objects.create(
        source="twice", line_no=1, code="unknown_seller", reason="There is no such seller.", raw=json.dumps(fields), created_at=AT
    )


@pytest.mark.parametrize(("verb", "facts"), [(retry_rejected, {}), (dismiss_rejected, {"reason": "A test."})])
def test_a_rejected_line_dealt_with_twice_is_dealt_with_once(verb: Callable[..., Any], facts: dict[str, Any]):
    row = rejected_line()

    answers, refusals = press_twice(verb, rejected_id=row.pk, actor=MAKER, at=AT, **facts)

    assert (len(answers), [refusal.code for refusal in refusals]) == (1, ["rejected_line_is_closed"])
    assert Earning.objects.count() == (1 if verb is retry_rejected else 0)


def hold_facts(one: Seller, key: str, amount_minor: int = 6_000) -> dict[str, Any]:
    return {"seller_id": one.pk, "currency": "EUR", "amount_minor": amount_minor, "code": "look", "reason": "A look.",
            "seller_text": "We look.", "owner": "risk", "actor": MAKER, "key": key, "at": AT}  # fmt: skip


def test_a_hold_placed_twice_at_once_is_one_hold():
    one = make_payable_seller(10_000)

    answers, _ = press_twice(holds.place_hold, **hold_facts(one, "twice"))

    assert len({hold.pk for hold in answers}) == 1
    assert buckets(one) == (4_000, 6_000, 0)


def test_two_holds_at_once_never_hold_more_than_there_is():
    one = make_payable_seller(10_000)
    keys = iter(["one", "other"])

    answers, refusals = press_twice(lambda: holds.place_hold(**hold_facts(one, next(keys))))

    assert (len(answers), [refusal.code for refusal in refusals]) == (1, ["hold_exceeds_balance"])
    assert buckets(one) == (4_000, 6_000, 0)


def test_a_hold_released_twice_at_once_is_released_once():
    one = make_payable_seller(10_000)
    hold = holds.place_hold(**hold_facts(one, "one"))

    answers, refusals = press_twice(holds.release_hold, hold_id=hold.pk, actor=MAKER, at=LATER, reason="Seen.")

    assert (len(answers), [refusal.code for refusal in refusals]) == (1, ["hold_not_active"])
    assert buckets(one) == (10_000, 0, 0)


def test_what_is_due_released_twice_at_once_is_released_once():
    one = make_payable_seller(10_000)
    holds.place_hold(**hold_facts(one, "one"), release_at=LATER)

    answers, _ = press_twice(holds.release_due_holds, actor=MAKER, at=LATER)

    assert sum(answer["released"] for answer in answers) == 1
    assert buckets(one) == (10_000, 0, 0)


def test_a_reserve_plan_ended_twice_at_once_is_ended_once():
    one = make_seller()
    plan = holds.create_reserve_plan(
        seller_id=one.pk, currency="EUR", kind="rolling", basis_points=5_000, days=90, reason="New.", seller_text="Half.",
        actor=MAKER, key="plan", at=AT,
    )  # fmt: skip
    record_earnings(lines=[line_of(one)], source="twice", actor=MAKER, at=AT)
    holds.mature_earnings(actor=MAKER, at=AT)
    assert buckets(one) == (4_500, 4_500, 0)

    answers, refusals = press_twice(holds.disable_reserve_plan, plan_id=plan.pk, actor=MAKER, at=LATER, reason="Grown up.")

    assert (len(answers), [refusal.code for refusal in refusals]) == (1, ["reserve_plan_not_active"])
    assert buckets(one) == (9_000, 0, 0)


# --- the ledger's own


def test_a_correction_approved_twice_at_once_is_booked_once():
    one = make_payable_seller(10_000)
    legs = [platform("suspense", "EUR", 500), seller("available", one.pk, "EUR", -500)]
    asked = request_correction(template="adjustment", legs=legs, reason="Found money.", actor=staff(1), at=AT)

    answers, refusals = press_twice(approve_correction, subject=asked.subject, actor=staff(2), at=LATER)

    assert (len(answers), [refusal.code for refusal in refusals]) == (1, ["approval_not_open"])
    assert buckets(one) == (10_500, 0, 0)


def test_a_posting_reversed_twice_at_once_is_reversed_once():
    one = make_payable_seller(10_000)
    legs = [platform("suspense", "EUR", 500), seller("available", one.pk, "EUR", -500)]
    asked = request_correction(template="adjustment", legs=legs, reason="Found money.", actor=staff(1), at=AT)
    booked = approve_correction(subject=asked.subject, actor=staff(2), at=AT)

    press_twice(reverse, posting_id=booked.posting_id, actor=staff(1), approver=staff(2), at=LATER, reason="It was not ours.")

    assert buckets(one) == (10_000, 0, 0)
    assert postings("reversal") == 1
