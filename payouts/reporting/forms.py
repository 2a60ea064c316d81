"""Reports as CSV: DAC7 with exact amounts beside the message's whole units, Form 1099-K box by box; columns are described in docs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from django.conf import settings

from backoffice.kit.money import Money
from payouts.compliance.tax_answers import us_address_of
from payouts.reporting.figures import quarters
from payouts.reporting.identity import Identity
from payouts.reporting.models import TaxReport, TaxReportLine

MONTHS = "january february march april may june july august september october november december".split()
DAC7_COLUMNS = [
    "record", "reference", "corrects", "seller", "external_id", "name", "kind", "country", "tin", "vat", "registration", "address",
    "birth_on", "birth_place", "account", "account_holder", "currency",
    *[f"{what}_q{number}" for what in ("consideration", "activities", "fees", "taxes") for number in (1, 2, 3, 4)], "missing",
]  # fmt: skip
US_COLUMNS = [
    "record", "tax_year", "filer_name", "filer_tin", "filer_address", "filer_telephone", "filer_is_pse", "transactions", "payee_tin",
    "payee_tin_type", "payee_name", "payee_street", "payee_city", "payee_state", "payee_zip", "account_number",
    "box_1a_gross_amount", "box_1b_card_not_present", "box_2_merchant_category_code", "box_3_number_of_payment_transactions",
    "box_4_federal_income_tax_withheld", *[f"box_5{letter}_{month}" for letter, month in zip("abcdefghijkl", MONTHS, strict=True)],
    "box_6_state", "box_7_state_identification", "box_8_state_income_tax_withheld", "missing",
]  # fmt: skip
NEW, CORRECTED, DELETED = "new", "corrected", "deleted"
# What a spreadsheet would run (OWASP: CSV injection).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def dac7_csv(lines: Sequence[tuple[TaxReportLine, str]]) -> bytes:
    """Return one row per line with exact decimal amounts; lines come with new, corrected or deleted."""
    return _written(DAC7_COLUMNS, [_dac7_row(line, record) for line, record in lines])


def us_csv(report: TaxReport, lines: Sequence[tuple[TaxReportLine, str]]) -> bytes:
    """Return one row per form, dollars with two decimals. Box 1b and 2 are empty: the ledger does not know cards; boxes 4, 7, 8 are nothing."""
    return _written(US_COLUMNS, [_us_row(report, line, record) for line, record in lines])


def _dac7_row(line: TaxReportLine, record: str) -> list[str]:
    identity = Identity.opened(line.identity)
    money = [_decimals(quarters(months), line.currency) for months in (line.consideration, line.fees, line.taxes)]
    return [
        record, line.doc_ref, line.corrects_ref, line.seller.public_id, line.seller.external_id, identity.name,
        "entity" if identity.is_entity else "individual", identity.country, identity.tin, identity.vat, identity.registration,
        identity.address, identity.birth_on, identity.birth_place, identity.account, identity.account_holder, line.currency,
        *money[0], *[str(count) for count in quarters(line.activities)], *money[1], *money[2], " ".join(line.missing),
    ]  # fmt: skip


def _us_row(report: TaxReport, line: TaxReportLine, record: str) -> list[str]:
    identity = Identity.opened(line.identity)
    address = us_address_of(identity.address) or {"street": identity.address, "city": "", "state": "", "zip": ""}
    return [
        record, str(report.year), settings.PLATFORM_NAME, settings.PLATFORM_EIN, settings.PLATFORM_ADDRESS, settings.PLATFORM_PHONE,
        "yes", "third_party_network", identity.tin, "EIN" if identity.is_entity else "SSN", identity.name, address["street"],
        address["city"], address["state"], address["zip"], line.seller.public_id, _decimal(sum(line.gross), line.currency), "", "",
        str(sum(line.activities)), _decimal(0, line.currency), *_decimals(line.gross, line.currency), address["state"], "",
        _decimal(0, line.currency), " ".join(line.missing),
    ]  # fmt: skip


def _decimals(amounts: Sequence[int], currency: str) -> list[str]:
    return [_decimal(amount, currency) for amount in amounts]


def _decimal(amount_minor: int, currency: str) -> str:
    return Money(amount_minor, currency).decimal()


def _written(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_harmless(name, cell) for name, cell in zip(columns, row, strict=True)])
    return text.getvalue().encode()


_TEXTS = {
    "name", "address", "account_holder", "payee_name", "payee_street", "payee_city", "external_id", "birth_place", "registration",
    "filer_name", "filer_address", "filer_telephone", "tin", "payee_tin",
}  # fmt: skip


def _harmless(column: str, cell: str) -> str:
    return "'" + cell if column in _TEXTS and cell.startswith(_FORMULA_STARTS) else cell
