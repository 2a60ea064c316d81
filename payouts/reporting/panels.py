"""The tables on a tax report's page, and the downloads of its files and lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.html import format_html

from backoffice.kit.admin import Column, Look, Table, display
from payouts.reporting.copy_b import copy_b
from payouts.reporting.figures import quarters
from payouts.reporting.models import TaxReport, TaxReportFile, TaxReportLine
from payouts.reporting.rules import rules_of
from payouts.reporting.states import Regime
from payouts.reporting.vault import read_file

_TOTALS = {
    "gross_minor": "Gross sales",
    "fees_minor": "Fees",
    "taxes_minor": "Taxes",
    "consideration_minor": "Consideration of all with figures",
    "ledger_consideration_minor": "The same by the ledger",
    "difference_minor": "Difference",
    "reported_minor": "Consideration that is reported",
}


def totals(report: TaxReport, look: Look) -> Table:
    """Return what the lines say beside what the ledger says, a column per currency."""
    sums = list(report.totals.items())
    rows = [(title, *(display.money(one[name], currency) for currency, one in sums)) for name, title in _TOTALS.items()]
    return Table(
        [Column("What"), *(Column(currency, money=True) for currency, _ in sums)],
        rows if sums else [],
        empty="No seller of these countries had a posting in the year.",
        note="Consideration is net of refunds and fees. The ledger is counted again by whose account each entry stands on.",
    )


def missing_text(names: Sequence[str], regime: str) -> str:
    """Return what is missing in the words the seller is asked with."""
    titles = {item.name: item.asked.title for item in rules_of(regime).items}
    return ", ".join(titles.get(name, name) for name in names).capitalize()


def lines(report: TaxReport, look: Look) -> Table:
    """Return the reported lines first seen, then why others are not; missing data named."""
    found, older = look.slice_of(TaxReportLine.objects.filter(report=report).select_related("seller").defer("identity"))
    return lines_table(report, found, older)


def lines_of_reported(report: TaxReport, look: Look) -> Table:
    rows = TaxReportLine.objects.filter(report=report, code="").select_related("seller").defer("identity")
    found, older = look.slice_of(rows)
    table = lines_table(report, found, older)
    table.empty = "Nobody is reported."
    return table


def lines_table(report: TaxReport, found: list[TaxReportLine], older: int | None) -> Table:
    is_form = report.regime == Regime.US_1099K
    columns = [Column("Seller"), Column("Reported, or what is missing"), Column("Sales")]
    columns += [Column("Gross", money=True)] if is_form else [Column(f"Q{number}", money=True) for number in (1, 2, 3, 4)]
    rows = []
    for line in found:
        amounts = [sum(line.gross)] if is_form else quarters(line.consideration)
        rows.append(
            (
                display.link(line, line.seller.legal_name),
                _reported_or_missing(line, report.regime),
                display.number(sum(line.activities)),
                *(display.money(amount, line.currency) for amount in amounts),
            )
        )
    return Table(columns, rows, empty="No seller had a posting in the year.", older=older, older_label="More")


def reported(line: TaxReportLine) -> Any:
    return display.label("reported", "good") if not line.code else line.get_code_display()


def _reported_or_missing(line: TaxReportLine, regime: str) -> Any:
    missing = missing_text(line.missing, regime)
    return format_html("{}<br>{}", reported(line), missing) if missing else reported(line)


def files(report: TaxReport, look: Look) -> Table:
    rows = list(TaxReportFile.objects.filter(report=report).defer("sealed", "data_key").order_by("name"))
    return Table(
        [Column("File"), Column("Bytes"), Column("SHA-256"), Column("Frozen")],
        [
            (
                display.link(one, one.name),
                display.number(one.size_bytes),
                display.copyable(one.sha256, one.sha256[:12]),
                display.instant(one.created_at),
            )
            for one in rows
        ],
        empty="Files are written when the report is frozen.",
    )


def file_bytes(file: TaxReportFile) -> tuple[bytes, str, str]:
    return read_file(file), file.media_type, file.name


def payee_copy(line: TaxReportLine) -> tuple[bytes, str, str]:
    return copy_b(line), "application/pdf", f"1099-K-{line.report.year}-{line.public_id}.pdf"


def months(line: TaxReportLine, look: Look) -> Table:
    """Return a line's figures by month."""
    names = "January February March April May June July August September October November December".split()
    rows = [
        (name, display.number(line.activities[place]), *(display.money(one[place], line.currency) for one in _amounts(line)))
        for place, name in enumerate(names)
    ]
    foot = ("Year", display.number(sum(line.activities)), *(display.money(sum(one), line.currency) for one in _amounts(line)))
    columns = ["Gross sales", "Fees", "Taxes", "Consideration"]
    return Table([Column("Month"), Column("Sales"), *(Column(name, money=True) for name in columns)], rows, foot=foot)


def _amounts(line: TaxReportLine) -> list[list[int]]:
    return [line.gross, line.fees, line.taxes, line.consideration]
