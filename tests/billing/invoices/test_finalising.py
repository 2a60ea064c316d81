"""From draft to number: tax decided, claim booked, no number lost, what cannot be decided kept back with its reason."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from backoffice.kit.idempotency import KeyReused
from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import Event
from backoffice.kit.states import StateChange
from billing.customers.operations import accept_vat_number, update_customer
from billing.invoices.drafting import InvoiceInvalid
from billing.invoices.models import Invoice, LegalEntity
from billing.invoices.operations import (
    create_entity,
    draft_invoice,
    finalise_invoice,
    finalise_many,
    issue_credit_note,
    void_invoice,
)
from billing.invoices.queries import missing_numbers, series_state
from payouts.ledger.models import Posting
from tests.factories.billing import AT, ROBOT, capture, line, make_customer, make_draft, make_invoice, two_people

pytestmark = pytest.mark.django_db


def legs_of(posting_id):
    rows = Posting.objects.get(pk=posting_id).entries.select_related("account").order_by("position")
    return [(row.account.code, row.account.holder, row.amount_minor) for row in rows]


def books_hold():
    broken = {verdict.name: verdict.rows or verdict.error for verdict in check_books() if not verdict.ok}
    assert not broken, broken


def test_a_finalised_invoice_has_number_tax_due_date_and_posting():
    invoice = make_invoice(None, 8_000, 2_001)

    assert (invoice.status, invoice.number) == ("open", "MKT-INV-2026-000001")
    assert (invoice.subtotal_minor, invoice.tax_minor, invoice.total_minor, invoice.amount_due_minor) == (
        10_001,
        2_000,
        12_001,
        12_001,
    )
    assert (invoice.issued_on, invoice.due_on) == (AT.date(), AT.date() + timedelta(days=14))
    assert legs_of(invoice.posting_id) == [
        ("receivable.invoice", "", 12_001),
        ("revenue.subscription", "platform", -10_001),
        ("tax.payable", "FR", -2_000),
    ]
    told = Event.objects.get(type="invoice.finalised").payload
    assert (told["number"], told["total_minor"], told["amount_due_minor"]) == (invoice.number, 12_001, 12_001)
    assert "Customer" not in str(told)
    books_hold()


def test_the_same_key_drafts_once_and_other_content_is_refused():
    customer = make_customer()
    first = make_draft(customer, key="twice", origin="o")
    assert make_draft(customer, key="twice", origin="o") == first
    with pytest.raises(KeyReused):
        make_draft(customer, 9_999, key="twice", origin="o")


def test_finalising_again_changes_nothing():
    invoice = make_invoice()
    again = finalise_invoice(invoice_id=invoice.pk, actor=ROBOT, at=AT + timedelta(days=1))
    assert (again.number, again.issued_on, Invoice.objects.count()) == (invoice.number, invoice.issued_on, 1)


def test_an_invoice_of_nothing_is_paid_at_once_without_a_posting():
    invoice = make_invoice(None, 5_000, -5_000)
    assert (invoice.status, invoice.posting_id, invoice.number != "") == ("paid", None, True)
    assert list(StateChange.objects.filter(subject="invoice", subject_id=invoice.pk).values_list("to_state", flat=True)) == [
        "draft",
        "open",
        "paid",
    ]
    books_hold()


def test_a_batch_takes_one_block_and_leaves_out_what_cannot_be_taxed():
    good = [make_draft() for _ in range(3)]
    unchecked = make_draft(make_customer(country="DE", vat_number="DE136695976"))
    unknown = make_draft(lines=[line(tax_code="livestock")])
    below = make_draft(None, -500)

    report = finalise_many(invoice_ids=[one.pk for one in [*good, unchecked, unknown, below]], actor=ROBOT, at=AT)

    assert report.finalised == [one.pk for one in good]
    assert "NOT CHECKED" in report.failed[unchecked.pk] and "livestock" in report.failed[unknown.pk]
    numbers = list(Invoice.objects.exclude(number="").order_by("pk").values_list("number", flat=True))
    assert numbers == [f"MKT-INV-2026-00000{n}" for n in (1, 2, 3)]
    codes = Invoice.objects.filter(status="finalizing_failed").order_by("pk").values_list("status_code", flat=True)
    assert list(codes) == ["vat_not_checked", "tax_rate_missing", "invoice_below_zero"]
    assert Event.objects.filter(type="invoice.finalizing_failed").count() == 3
    books_hold()


def test_a_failed_invoice_is_finalised_once_its_cause_is_gone():
    customer = make_customer(country="DE", vat_number="DE136695976")
    invoice = make_invoice(customer)
    assert invoice.status == "finalizing_failed"
    maker, _ = two_people()
    accept_vat_number(customer_id=customer.pk, actor=maker, at=AT, reason="Certificate of the tax office, on file.")

    invoice = finalise_invoice(invoice_id=invoice.pk, actor=ROBOT, at=AT)

    assert (invoice.status, invoice.tax_minor, invoice.number) == ("open", 0, "MKT-INV-2026-000001")
    assert "196" in invoice.tax_note and invoice.tax_evidence["vat_check"]["state"] == "valid"
    books_hold()


def test_series_are_apart_by_entity_and_by_year_in_the_entitys_own_zone():
    create_entity(
        code="JP1", country="JP", name="Market KK", line1="1-1", postcode="100", town="Tokyo", time_zone="Asia/Tokyo",
        bills_countries=["JP"], vat_numbers={"JP": "T1234567890123"}, actor=ROBOT, at=AT,
    )  # fmt: skip
    eve = datetime(2026, 12, 31, 20, 0, tzinfo=UTC)
    french, japanese = make_invoice(at=eve), make_invoice(make_customer(country="JP", currency="JPY"), 1_000, at=eve)

    assert (french.number, japanese.number) == ("MKT-INV-2026-000001", "JP1-INV-2027-000001")
    assert (japanese.total_minor, japanese.issued_on.isoformat()) == (1_100, "2027-01-01")
    assert LegalEntity.objects.get(code="JP1").is_default is False
    books_hold()


def test_what_an_issued_invoice_says_cannot_be_changed_even_by_sql():
    invoice = make_invoice()
    changes = [
        lambda: Invoice.objects.filter(pk=invoice.pk).update(total_minor=1, subtotal_minor=1, tax_minor=0),
        lambda: Invoice.objects.filter(pk=invoice.pk).update(number="X"),
        lambda: Invoice.objects.filter(pk=invoice.pk).update(status="draft"),
        lambda: invoice.lines.update(amount_minor=1),
        lambda: invoice.lines.all().delete(),
        lambda: invoice.taxes.update(tax_minor=1),
        lambda: invoice.lines.create(
            position=9, description="x", quantity=1, unit_amount_minor=1, amount_minor=1, tax_code="standard"
        ),
        lambda: Invoice.objects.filter(pk=invoice.pk).delete(),
        lambda: Invoice.objects.filter(pk=invoice.pk).update(paid_minor=invoice.total_minor + 1),
        lambda: invoice.series.__class__.objects.update(last_number=0),
    ]
    for change in changes:
        with pytest.raises(IntegrityError), transaction.atomic():
            change()
    invoice.refresh_from_db()
    assert invoice.total_minor == 12_000


def test_the_buyer_is_frozen_and_sealed():
    customer = make_customer(name="Old Name SARL")
    invoice = make_invoice(customer)
    update_customer(customer_id=customer.pk, changes={"name": "New Name SARL"}, actor=ROBOT, at=AT)
    fresh = Invoice.objects.get(pk=invoice.pk)
    assert "Old Name SARL" in fresh.buyer and "Old Name" not in fresh.__dict__["buyer"]


def test_void_keeps_the_number_and_reverses_the_posting():
    first = make_invoice()
    voided = void_invoice(invoice_id=first.pk, actor=ROBOT, at=AT, reason="Billed the wrong customer.")
    second = make_invoice()
    assert (voided.status, voided.amount_due_minor, second.number) == ("void", 0, "MKT-INV-2026-000002")
    draft = void_invoice(invoice_id=make_draft().pk, actor=ROBOT, at=AT, reason="Not needed.")
    assert (draft.status, draft.number) == ("void", "")
    assert series_state()[0]["broken"] is False
    books_hold()


@pytest.mark.parametrize(
    "over", [{"lines": []}, {"currency": "XXX"}, {"due_days": 400}, {"lines": [line(10**13)]}, {"lines": [line(description=" ")]}]
)
def test_drafts_that_make_no_sense_are_refused(over):
    with pytest.raises(InvoiceInvalid):
        make_draft(**over)


def test_credit_of_a_customer_pays_the_next_invoice_first():
    customer = make_customer()
    paid = make_invoice(customer)
    from billing.invoices.operations import apply_payment

    apply_payment(invoice_id=paid.pk, amount_minor=12_000, payment="pmt_1", posting_id=capture(paid, 12_000), actor=ROBOT, at=AT)
    issue_credit_note(
        invoice_id=paid.pk, settlement="credit", reason_code="service", reason="A week without service.", actor=ROBOT, at=AT, key="c"
    )  # fmt: skip
    small, large = make_invoice(customer, 2_500), make_invoice(customer)

    assert (small.status, small.amount_due_minor, large.status, large.amount_due_minor) == ("paid", 0, "open", 3_000)
    books_hold()


def test_a_gap_planted_in_the_numbers_is_found_with_the_number_that_is_missing():
    invoice = make_invoice()
    invoice.series.__class__.objects.filter(pk=invoice.series_id).update(last_number=3)
    broken = next(verdict for verdict in check_books({10}) if verdict.name == "no_gap_in_numbers")
    assert (broken.ok, broken.rows[0]["missing"], missing_numbers(invoice.series_id)) == (False, [2, 3], [2, 3])


def test_draft_of_a_strangers_customer_is_not_found():
    from backoffice.kit.errors import NotFound

    with pytest.raises(NotFound):
        draft_invoice(
            customer_id=0, currency="EUR", lines=[line()], period_start=None, period_end=None, collection="card_only", due_days=0,
            origin="", key="k", actor=ROBOT, at=AT,
        )  # fmt: skip
