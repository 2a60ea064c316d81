"""One payout, three forms: the same rows, the same total, the reference of the bank statement, and no formula for a spreadsheet."""

import csv
import io
import json
import re
from datetime import timedelta
from decimal import Decimal

import pytest

from backoffice.kit.money import Money
from payouts.earnings.lines import EarningLine
from payouts.earnings.operations import record_earnings
from payouts.holds.operations import create_reserve_plan, mature_earnings
from payouts.runs.models import Payout
from payouts.runs.operations import cancel_payout
from payouts.runs.queries import find_payout, lines_total, payout_lines, summary_of
from payouts.statements.render import statement, statement_csv, statement_pdf
from tests.factories.runs import AT, MAKER, make_run
from tests.factories.sellers import make_payee, make_seller
from tests.payouts.statements.test_pdf import pages_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def payout():
    """A payout with sales, a refund of one of them, a reserve, and money of an earlier payout that was cancelled."""
    seller = make_seller(tier="trusted")
    make_payee(seller)
    lines = [
        EarningLine(1, "s1", seller.external_id, "sale", "=HYPERLINK(1)", "2025-12-01T10:00:00Z", "", "EUR", "120.00", "12.00"),
        EarningLine(2, "s2", seller.external_id, "sale", "o-2", "2025-12-02T10:00:00Z", "", "EUR", "50.00", "5.00"),
        EarningLine(3, "s3", seller.external_id, "sale", "o-3", "2025-12-03T10:00:00Z", "", "EUR", "80.00", "8.00"),
        EarningLine(4, "r2", seller.external_id, "refund", "o-2", "2025-12-04T10:00:00Z", "", "EUR", "10.00", "1.00"),
    ]
    record_earnings(lines=lines[:2], source="shop", actor=MAKER, at=AT)
    mature_earnings(actor=MAKER, at=AT)
    first = Payout.objects.get(run=make_run())
    cancel_payout(payout_id=first.pk, actor=MAKER, at=AT, reason="wrong day")
    create_reserve_plan(seller_id=seller.pk, currency="EUR", kind="rolling", basis_points=1_000, days=180, reason="new shop", seller_text="10 % for 180 days",
                        actor=MAKER, key="plan", at=AT)  # fmt: skip
    record_earnings(lines=lines[2:], source="shop", actor=MAKER, at=AT)
    mature_earnings(actor=MAKER, at=AT)
    return find_payout(Payout.objects.get(run=make_run(at=AT + timedelta(minutes=1))).public_id)


def decimals(pairs):
    return [(Money(amount, "EUR").decimal()) for amount in pairs]


def test_the_lines_explain_the_payout_to_the_cent(payout):
    lines = payout_lines(payout)

    assert lines_total(lines) == payout.amount_minor == sum(row["amount_minor"] for row in summary_of(lines))
    assert {"payout_canceled", "sale", "refund", "reserve"} <= {line.kind for line in lines}
    assert [line.line_no for line in lines] == list(range(1, len(lines) + 1))


def test_lines_can_be_read_in_pages(payout):
    whole = payout_lines(payout)

    assert payout_lines(payout, limit=2) + payout_lines(payout, after_line=2) == whole


def test_json_csv_and_pdf_hold_the_same_rows_and_the_same_total(payout):
    document = json.loads(json.dumps(statement(payout)))
    rows = list(csv.DictReader(io.StringIO(statement_csv(payout).decode(), newline="")))
    text = " ".join(pages_of(statement_pdf(payout)))

    from_json = decimals(line["amount"]["amount_minor"] for line in document["lines"])
    from_csv = [row["amount"] for row in rows[:-1]]
    assert from_json == from_csv == decimals(line.amount_minor for line in payout_lines(payout))
    total = Money(payout.amount_minor, "EUR")
    assert (document["total"], rows[-1]["kind"], rows[-1]["amount"]) == (total.as_json(), "total", total.decimal())
    table = text[text.index("Amounts in EUR") :]
    assert all(f"{Decimal(amount):,}" in table for amount in from_json)
    assert text.count(total.display()) == 2


def test_every_form_names_the_reference_of_the_bank_statement(payout):
    assert statement(payout)["reference"] == payout.reference
    assert payout.reference in statement_csv(payout).decode()
    assert payout.reference in " ".join(pages_of(statement_pdf(payout)))
    assert find_payout(payout.reference.lower().replace(" ", "")).pk == payout.pk


def test_a_carried_over_line_names_the_payout_it_comes_from(payout):
    (line,) = [line for line in payout_lines(payout) if line.kind == "payout_canceled"]

    earlier = Payout.objects.get(public_id=line.source)
    assert line.text == f"Carried over from a payout that was cancelled: {earlier.reference}"
    assert line.amount_minor == earlier.amount_minor


def test_no_cell_is_taken_for_a_formula(payout):
    first = find_payout(Payout.objects.order_by("pk").first().public_id)

    cells = [cell for row in csv.reader(io.StringIO(statement_csv(first).decode(), newline="")) for cell in row]

    assert "'=HYPERLINK(1)" in cells
    assert not [cell for cell in cells if re.match(r"[=+@\t\r]|-\D", cell)]


def test_no_form_shows_the_account_number(payout):
    number = str(payout.payee_account.last4)
    for form in (json.dumps(statement(payout), ensure_ascii=False), statement_csv(payout).decode()):
        assert re.search(rf"[A-Z]{{2}}\d{{10,}}{number}", form) is None
    assert payout.payee_account.masked in json.dumps(statement(payout), ensure_ascii=False)
