"""Numbers and cents under rivals: two real connections, and no gap, no double, no cent spent twice."""

import pytest
from django.db import transaction

from backoffice.kit.errors import Refusal
from backoffice.kit.invariants import check_books
from billing.collection.operations import work as collect_due
from billing.invoices.models import CreditNote, Invoice
from billing.invoices.operations import (
    apply_payment,
    collect_from_balance,
    finalise_invoice,
    finalise_many,
    invoice_document,
    issue_credit_note,
    void_invoice,
)
from billing.invoices.queries import series_state
from billing.subscriptions.models import RenewalItem, Subscription
from billing.subscriptions.operations import renew_subscriptions
from payouts.ledger.queries import seller_buckets
from payouts.runs.models import Payout
from payouts.runs.operations import build_run
from tests.factories.billing import AT as BILLED_AT
from tests.factories.billing import ROBOT, capture, make_customer, make_draft, make_invoice
from tests.factories.runs import AT, MAKER, ON, make_payable_seller
from tests.factories.subscriptions import AT as SUBSCRIBED_AT
from tests.factories.subscriptions import make_customer as subscriber
from tests.factories.subscriptions import make_price, subscribe
from tests.races.test_run_races import second_waits, together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.races]


def books_hold():
    broken = {verdict.name: verdict.rows or verdict.error for verdict in check_books({1, 2, 3, 4, 5, 9, 10}) if not verdict.ok}
    assert not broken, broken


def finalise(ids):
    return lambda: finalise_many(invoice_ids=ids, actor=ROBOT, at=BILLED_AT)


def test_parallel_runs_that_share_invoices_leave_no_gap_and_no_double():
    ids = [make_draft().pk for _ in range(12)]

    def crash():
        try:
            with transaction.atomic():
                finalise_many(invoice_ids=ids[8:], actor=ROBOT, at=BILLED_AT)
                raise RuntimeError("killed before the commit")
        except RuntimeError:
            return

    together(finalise(ids[:8]), finalise(ids[4:]), crash, lambda: finalise_invoice(invoice_id=ids[0], actor=ROBOT, at=BILLED_AT))
    finalise(ids)()

    numbers = sorted(Invoice.objects.values_list("sequence", flat=True))
    assert numbers == list(range(1, 13))
    assert [row["broken"] for row in series_state()] == [False]
    books_hold()


def test_one_invoice_finalised_and_voided_at_once_ends_in_one_of_the_two():
    draft = make_draft()
    answers = together(
        lambda: finalise_invoice(invoice_id=draft.pk, actor=ROBOT, at=BILLED_AT),
        lambda: void_invoice(invoice_id=draft.pk, actor=ROBOT, at=BILLED_AT, reason="Not needed."),
    )
    assert Invoice.objects.get(pk=draft.pk).status == "void" or isinstance(answers[1], Refusal)
    books_hold()


def a_seller_who_owes():
    seller = make_payable_seller(10_000)
    return seller, make_invoice(make_customer(seller), 5_000)  # 60.00 due


def collect(invoice, key="a"):
    return lambda: collect_from_balance(invoice_id=invoice.pk, actor=ROBOT, at=AT, key=key)


def build():
    return lambda: build_run(on=ON, at=AT, actor=MAKER, key="run")


def test_a_fee_first_and_the_payout_gets_the_rest():
    seller, invoice = a_seller_who_owes()
    taken, run = second_waits(collect(invoice), build())
    assert (taken, Payout.objects.get(run=run).amount_minor) == (6_000, 4_000)
    assert seller_buckets([seller.pk])[seller.pk, "EUR"]["available"] == 0
    books_hold()


def test_a_payout_first_and_nothing_is_left_for_the_fee():
    _, invoice = a_seller_who_owes()
    run, taken = second_waits(build(), collect(invoice))
    assert (Payout.objects.get(run=run).amount_minor, taken) == (10_000, 0)
    assert Invoice.objects.get(pk=invoice.pk).amount_due_minor == 6_000
    books_hold()


def test_a_fee_and_a_payout_at_the_same_moment_never_spend_the_same_cent():
    seller, invoice = a_seller_who_owes()
    taken, _ = together(collect(invoice), build())
    assert taken + Payout.objects.get(seller=seller).amount_minor == 10_000
    books_hold()


def test_two_collections_and_a_payment_settle_an_invoice_once():
    _, invoice = a_seller_who_owes()

    def pay():
        with transaction.atomic():
            posting_id = capture(invoice, 3_000)
            return apply_payment(
                invoice_id=invoice.pk, amount_minor=3_000, payment="pmt_1", posting_id=posting_id, actor=ROBOT, at=AT
            )

    together(collect(invoice, "a"), collect(invoice, "b"), pay)

    fresh = Invoice.objects.get(pk=invoice.pk)
    assert (fresh.status, fresh.paid_minor) == ("paid", 6_000)
    books_hold()


def test_two_credit_notes_at_once_never_credit_a_line_twice():
    invoice = make_invoice()
    given = {"invoice_id": invoice.pk, "settlement": "offset", "reason_code": "goodwill", "reason": "r", "actor": ROBOT, "at": AT}
    answers = together(lambda: issue_credit_note(**given, key="a"), lambda: issue_credit_note(**given, key="b"))
    assert sum(isinstance(one, CreditNote) for one in answers) == 1
    books_hold()


def test_a_document_asked_for_by_two_is_one_document():
    invoice = make_invoice()
    ask = lambda: invoice_document(invoice_id=invoice.pk, at=AT)  # noqa: E731 - the same question twice
    first, second = together(ask, ask)
    assert first[1] == second[1] and first[0].pk == second[0].pk


def test_two_renewals_at_once_share_the_work_and_invoice_every_period_once():
    rows = [subscribe(subscriber(gateway_method="fake_ok"), make_price()) for _ in range(4)]
    collect_due(actor=ROBOT, at=SUBSCRIBED_AT)
    at = max(row.current_period_end for row in rows)

    together(lambda: renew_subscriptions(actor=ROBOT, at=at), lambda: renew_subscriptions(actor=ROBOT, at=at))
    renew_subscriptions(actor=ROBOT, at=at)

    assert sorted(Invoice.objects.values_list("sequence", flat=True)) == list(range(1, 9))
    assert RenewalItem.objects.filter(status="done").count() == 4
    assert set(Subscription.objects.values_list("current_period_start", flat=True)) == {at}
    books_hold()
