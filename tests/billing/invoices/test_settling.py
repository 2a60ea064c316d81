"""Money against invoices: from the balance, by payments, written off by two, credited, given back; the books hold after each."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from backoffice.kit.approvals import ApproverIsMaker, ContentChanged
from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import Event
from billing.invoices.claims import InvoiceClaims, IssuedInvoices, row_id
from billing.invoices.crediting import CreditDoesNotFit, CreditExceedsLine
from billing.invoices.giving_up import InvoiceHasMoney
from billing.invoices.models import Application, Invoice
from billing.invoices.operations import (
    CreditLine,
    InvoiceDraft,
    apply_payment,
    approve_uncollectible,
    collect_from_balance,
    issue_credit_note,
    lock_receivable,
    mark_uncollectible,
    reopen_uncollectible,
    tell_overdue,
    unapply,
    void_invoice,
)
from billing.invoices.queries import BUCKETS, aging, aging_totals, credit_of, sources_of, split_by_source
from billing.invoices.settling import InvoiceNotOpen, PaidIsFinal, PaymentExceedsDue, PaymentNotBooked
from payouts.ledger.operations import Draft, account_of, post
from payouts.ledger.queries import balance_as_of, seller_buckets
from payouts.ledger.templates import Leg
from payouts.ledger.templates import customer as customer_leg
from payouts.ledger.templates import seller as seller_leg
from tests.factories.billing import AT, ROBOT, capture, line, make_customer, make_draft, make_invoice, two_people
from tests.factories.runs import give_money
from tests.factories.sellers import make_seller

pytestmark = pytest.mark.django_db


def books_hold():
    broken = {verdict.name: verdict.rows or verdict.error for verdict in check_books() if not verdict.ok}
    assert not broken, broken


def with_money(amount_minor):
    seller = make_seller()
    give_money(seller, amount_minor)
    return seller, make_customer(seller)


def available(seller):
    return seller_buckets([seller.pk])[seller.pk, "EUR"]["available"]


def pay(invoice, amount, payment="pmt_1"):
    return apply_payment(
        invoice_id=invoice.pk, amount_minor=amount, payment=payment, posting_id=capture(invoice, amount), actor=ROBOT, at=AT
    )


def fresh(invoice):
    return Invoice.objects.get(pk=invoice.pk)


def credit(invoice, settlement, *lines, key="credit"):
    return issue_credit_note(
        invoice_id=invoice.pk, lines=[CreditLine(*one) for one in lines], settlement=settlement, reason_code="goodwill",
        reason="Agreed by telephone.", actor=ROBOT, at=AT, key=key,
    )  # fmt: skip


def test_the_balance_pays_what_it_can_and_nothing_below_zero():
    seller, customer = with_money(10_000)
    invoice = make_invoice(customer)

    assert collect_from_balance(invoice_id=invoice.pk, limit_minor=4_000, actor=ROBOT, at=AT, key="a") == 4_000
    assert collect_from_balance(invoice_id=invoice.pk, limit_minor=4_000, actor=ROBOT, at=AT, key="a") == 4_000, "the same key"
    assert collect_from_balance(invoice_id=invoice.pk, actor=ROBOT, at=AT, key="b") == 6_000
    assert collect_from_balance(invoice_id=invoice.pk, actor=ROBOT, at=AT, key="c") == 0
    assert (available(seller), fresh(invoice).amount_due_minor, fresh(invoice).status) == (0, 2_000, "open")

    give_money(seller, 5_000)
    assert collect_from_balance(invoice_id=invoice.pk, actor=ROBOT, at=AT, key="d") == 2_000
    assert (available(seller), fresh(invoice).status) == (3_000, "paid")
    assert Event.objects.filter(type="invoice.paid").count() == 1
    books_hold()


def test_a_customer_without_a_balance_pays_nothing_from_it():
    invoice = make_invoice()
    assert collect_from_balance(invoice_id=invoice.pk, actor=ROBOT, at=AT, key="a") == 0
    with pytest.raises(InvoiceNotOpen):
        collect_from_balance(invoice_id=make_draft().pk, actor=ROBOT, at=AT, key="b")


def test_a_payment_is_applied_once_and_only_when_it_is_booked():
    invoice = make_invoice()
    posting_id = capture(invoice, 5_000)
    given = {"invoice_id": invoice.pk, "payment": "pmt_1", "posting_id": posting_id, "actor": ROBOT, "at": AT}
    with pytest.raises(PaymentNotBooked):
        apply_payment(amount_minor=4_999, **given)
    assert apply_payment(amount_minor=5_000, **given) == apply_payment(amount_minor=5_000, **given)
    with pytest.raises(PaymentExceedsDue):
        apply_payment(amount_minor=7_001, **(given | {"payment": "pmt_2"}))
    assert lock_receivable(invoice_id=invoice.pk) == 7_000
    books_hold()


def test_a_payment_that_did_not_hold_comes_off_an_open_invoice_and_never_off_a_paid_one():
    invoice = make_invoice()
    pay(invoice, 5_000)
    unapply(invoice_id=invoice.pk, payment="pmt_1", posting_id=capture(invoice, 5_000, back=True), actor=ROBOT, at=AT)
    assert fresh(invoice).amount_due_minor == 12_000
    pay(invoice, 12_000, "pmt_2")
    with pytest.raises(PaidIsFinal):
        unapply(invoice_id=invoice.pk, payment="pmt_2", posting_id=1, actor=ROBOT, at=AT)
    with pytest.raises(InvoiceNotOpen):
        void_invoice(invoice_id=invoice.pk, actor=ROBOT, at=AT, reason="r")
    books_hold()


def test_a_write_off_takes_two_people_and_exactly_what_was_shown():
    maker, checker = two_people()
    invoice = make_invoice()
    mark_uncollectible(invoice_id=invoice.pk, actor=maker, at=AT, reason="Bankrupt.")
    with pytest.raises(ApproverIsMaker):
        approve_uncollectible(invoice_id=invoice.pk, actor=maker, at=AT)
    pay(invoice, 2_000)
    with pytest.raises(ContentChanged):
        approve_uncollectible(invoice_id=invoice.pk, actor=checker, at=AT)
    with pytest.raises(InvoiceHasMoney):
        void_invoice(invoice_id=invoice.pk, actor=maker, at=AT, reason="r")

    mark_uncollectible(invoice_id=invoice.pk, actor=maker, at=AT, reason="Bankrupt.")
    done = approve_uncollectible(invoice_id=invoice.pk, actor=checker, at=AT)
    assert (done.status, done.given_up_minor, done.amount_due_minor) == ("uncollectible", 10_000, 0)
    books_hold()

    again = reopen_uncollectible(invoice_id=invoice.pk, actor=maker, at=AT, reason="The administrator pays after all.")
    assert (again.status, again.amount_due_minor) == ("open", 10_000)
    pay(invoice, 10_000, "pmt_late")
    assert fresh(invoice).status == "paid"
    books_hold()


def test_a_write_off_without_a_second_person_is_refused_by_the_database():
    invoice = make_invoice()
    with pytest.raises(IntegrityError), transaction.atomic():
        Application.objects.create(
            invoice=invoice, source="write_off", amount_minor=1, currency="EUR", payment="apr_none", actor="staff:1", at=AT
        )
    with pytest.raises(IntegrityError), transaction.atomic():
        pay(invoice, 100).__class__.objects.update(amount_minor=1)


def test_credit_notes_take_back_lines_and_their_tax_to_the_cent():
    invoice = make_invoice(None, 3_333, 3_333, 3_335)  # 10,001 net, 2,000 tax
    first = credit(invoice, "offset", (1, 3_333), key="a")
    second = credit(invoice, "offset", (2, 1), key="b")
    with pytest.raises(CreditExceedsLine):
        credit(invoice, "offset", (2, 3_333), key="c")
    last = credit(invoice, "offset", key="d")

    notes = (first, second, last)
    assert [note.number for note in notes] == [f"MKT-CRN-2026-00000{n}" for n in (1, 2, 3)]
    assert (sum(note.subtotal_minor for note in notes), sum(note.tax_minor for note in notes)) == (10_001, 2_000)
    assert (fresh(invoice).status, fresh(invoice).amount_due_minor) == ("paid", 0)
    with pytest.raises(CreditDoesNotFit):
        credit(invoice, "offset", key="e")
    assert credit(invoice, "offset", key="d") == last
    books_hold()


def test_what_is_not_paid_is_offset_and_what_is_paid_is_kept_or_given_back():
    invoice = make_invoice()
    with pytest.raises(CreditDoesNotFit):
        credit(invoice, "credit")
    pay(invoice, 12_000)
    with pytest.raises(CreditDoesNotFit):
        credit(invoice, "offset")
    with pytest.raises(CreditDoesNotFit, match="Refund the payment"):
        credit(invoice, "refund")
    note = credit(invoice, "credit", (1, 5_000))
    assert (note.to_customer_minor, credit_of([invoice.customer_id])) == (6_000, {(invoice.customer_id, "EUR"): 6_000})
    books_hold()


def test_what_the_balance_paid_goes_back_to_the_balance():
    seller, customer = with_money(12_000)
    invoice = make_invoice(customer)
    collect_from_balance(invoice_id=invoice.pk, actor=ROBOT, at=AT, key="a")
    note = credit(invoice, "refund", (1, 5_000))
    assert (note.to_balance_minor, available(seller), fresh(invoice).status) == (6_000, 6_000, "paid")
    books_hold()


def test_money_goes_back_to_its_sources_in_proportion():
    _, customer = with_money(4_000)
    invoice = make_invoice(customer)
    collect_from_balance(invoice_id=invoice.pk, actor=ROBOT, at=AT, key="a")
    pay(invoice, 8_000)
    assert [tuple(one) for one in sources_of(invoice.pk)] == [("balance", "", 4_000), ("card", "pmt_1", 8_000)]
    assert [one.amount_minor for one in split_by_source(invoice.pk, 100, "EUR")] == [34, 66]
    assert [one.amount_minor for one in split_by_source(invoice.pk, 12_000, "EUR")] == [4_000, 8_000]


def test_a_refund_of_a_payment_credits_itself_and_a_paid_invoice_stays_paid():
    invoice = make_invoice()
    pay(invoice, 12_000)
    claims = InvoiceClaims()
    back = {"purpose": invoice.public_id, "amount_minor": 3_001, "actor": ROBOT, "at": AT}
    posting_id = capture(invoice, 3_001, back=True)
    claims.unapply(**back, refund="ref_1", posting_id=posting_id)
    claims.unapply(**back, refund="ref_1", posting_id=posting_id)

    done = fresh(invoice)
    assert (done.status, done.paid_minor, done.credited_minor, done.credit_notes.count()) == ("paid", 8_999, 3_001, 1)
    assert (done.credit_notes.get().total_minor, done.credit_notes.get().refund) == (3_001, "ref_1")
    claims.unapply(**(back | {"amount_minor": 8_999}), refund="ref_2", posting_id=capture(invoice, 8_999, back=True))
    notes = fresh(invoice).credit_notes.all()
    assert (sum(n.subtotal_minor for n in notes), sum(n.tax_minor for n in notes)) == (10_000, 2_000)
    books_hold()


def test_refunds_hear_what_sellers_balances_paid():
    seller, customer = with_money(12_000)
    invoice = make_invoice(customer)
    collect_from_balance(invoice_id=invoice.pk, actor=ROBOT, at=AT, key="a")
    claims = InvoiceClaims()
    assert [tuple(one) for one in claims.balance_sources(purpose=invoice.public_id)] == [(seller.pk, 12_000)]
    assert claims.due(purpose=invoice.public_id) == (0, "EUR", customer.pk, customer.pk)


def test_what_subscriptions_ask_for_comes_numbered():
    _, customer = with_money(50_000)
    rooms = IssuedInvoices()
    draft = InvoiceDraft(customer.pk, "EUR", [line()], None, None, "balance_only", 0, "sub_1", "k1")
    (facts,) = rooms.issue(drafts=[draft], actor=ROBOT, at=AT)
    assert (facts.status, facts.due_minor, rooms.issue(drafts=[draft], actor=ROBOT, at=AT)[0]) == ("open", 12_000, facts)
    assert rooms.from_balance(invoice=facts.public_id, actor=ROBOT, at=AT, key="x") == 12_000
    assert (rooms.facts(invoice=facts.public_id).status, row_id(facts.public_id)) == ("paid", facts.row_id)


def test_overdue_is_told_once():
    invoice = make_invoice()
    paid = make_invoice()
    pay(paid, 12_000)
    late = AT + timedelta(days=15)
    assert (tell_overdue(at=AT), tell_overdue(at=late), tell_overdue(at=late)) == (0, 1, 0)
    assert Event.objects.get(type="invoice.overdue").subject == invoice.public_id


def test_the_aging_equals_the_ledger_at_every_instant():
    _, customer = with_money(7_000)
    other = make_customer()
    first = make_invoice(customer)
    second = make_invoice(customer, 20_000, at=AT + timedelta(days=40))
    make_invoice(other, 1_000, at=AT + timedelta(days=50))
    collect_from_balance(invoice_id=first.pk, actor=ROBOT, at=AT + timedelta(days=60), key="a")
    issue_credit_note(
        invoice_id=second.pk, lines=[CreditLine(1, 500)], settlement="offset", reason_code="goodwill", reason="r", actor=ROBOT,
        at=AT + timedelta(days=70), key="c",
    )  # fmt: skip
    for days in (0, 39, 45, 55, 65, 100, 200):
        at = AT + timedelta(days=days)
        rows = aging(at, at.date())
        for one in (customer, other):
            mine = [row["total"] for row in rows if row["customer_id"] == one.pk]
            account = account_of("receivable.invoice", one.pk, "EUR")
            assert sum(mine) == (balance_as_of(account.pk, at) if account else 0), days
        assert all(row["total"] == sum(row[name] for name in BUCKETS) for row in rows)
    totals = aging_totals(AT + timedelta(days=105), (AT + timedelta(days=105)).date())["EUR"]
    assert (totals["days_31_60"], totals["days_61_90"], totals["over_90"]) == (23_400 + 1_200, 0, 5_000)


def test_a_receivable_moved_behind_the_invoices_back_is_found():
    seller, customer = with_money(5_000)
    invoice = make_invoice(customer)
    legs = [seller_leg("available", seller.pk, "EUR", 1_000), customer_leg("receivable.invoice", customer.pk, "EUR", -1_000)]
    post(drafts=[Draft("invoice_collected_from_balance", "planted", [Leg(*leg) for leg in legs])], actor=ROBOT, at=AT)
    Invoice.objects.filter(pk=invoice.pk).update(paid_minor=500)
    broken = {verdict.name for verdict in check_books({10}) if not verdict.ok}
    assert broken == {"receivables_agree", "invoices_add_up"}
