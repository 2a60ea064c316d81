"""The statement of a payout as JSON, CSV and PDF: one list of rows and one total, written three ways."""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import Any

from django.conf import settings

from backoffice.kit.money import Money
from payouts.runs.models import Payout
from payouts.runs.queries import PayoutLine, lines_total, payout_lines, summary_of
from payouts.statements.pdf import draw

CSV_COLUMNS = [
    "payout",
    "reference",
    "line",
    "kind",
    "text",
    "order_ref",
    "external_id",
    "occurred_at",
    "currency",
    "gross",
    "fee",
    "amount",
]
# Text that starts like this is taken for a formula by spreadsheets (OWASP: CSV injection); numbers are ours and stay numbers.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def statement(payout: Payout) -> dict[str, Any]:
    """Return a payout's statement as a JSON-ready object; its lines add up to its total."""
    lines = payout_lines(payout)
    return _head(payout) | {
        "lines": [_json_line(line) for line in lines],
        "summary": [
            {
                "kind": row["kind"],
                "label": row["label"],
                "count": row["count"],
                "amount": _json(row["amount_minor"], payout.currency),
            }
            for row in summary_of(lines)
        ],
        "total": _json(lines_total(lines), payout.currency),
    }


def statement_csv(payout: Payout) -> bytes:
    """Return the statement as UTF-8 CSV: a header, one row per line, and a last row of kind `total`."""
    lines = payout_lines(payout)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    for line in lines:
        writer.writerow(_csv_row(payout, line))
    total = Money(lines_total(lines), payout.currency).decimal()
    writer.writerow([payout.public_id, payout.reference, "", "total", "Total", "", "", "", payout.currency, "", "", total])
    return text.getvalue().encode()


def statement_pdf(payout: Payout) -> bytes:
    """Return the statement as a PDF: head, summary, lines, total, page numbers; the same bytes every time."""
    lines = payout_lines(payout)
    facts = [
        ("From", settings.PLATFORM_NAME),
        ("Paid to", f"{payout.seller.legal_name} ({payout.seller.external_id})"),
        ("Account", payout.payee_account.masked),
        ("Reference on the bank statement", payout.reference),
        ("Payout", payout.public_id),
        ("Built on", _day(payout.built_at)),
        ("Expected on", _day(payout.expected_arrival_on) if payout.expected_arrival_on else "-"),
        ("State", payout.get_status_display()),
    ]
    table = [
        (
            str(line.line_no),
            _day(line.occurred_at or line.recorded_at),
            line.text,
            line.order_ref or line.source,
            _grouped(line.gross_minor, line.currency),
            _grouped(line.fee_minor, line.currency),
            _grouped(line.amount_minor, line.currency),
        )
        for line in lines
    ]
    summary = [
        (row["label"].capitalize(), f"{row['count']:,}", _grouped(row["amount_minor"], payout.currency))
        for row in summary_of(lines)
    ]
    return draw(
        title="Payout statement",
        facts=facts,
        summary=summary,
        rows=table,
        total=Money(lines_total(lines), payout.currency).display(),
        currency=payout.currency,
        footer=payout.public_id,
    )


def _head(payout: Payout) -> dict[str, Any]:
    return {
        "object": "payout_statement",
        "payout": payout.public_id,
        "reference": payout.reference,
        "seller": {
            "id": payout.seller.public_id,
            "external_id": payout.seller.external_id,
            "legal_name": payout.seller.legal_name,
        },
        "payee_account": payout.payee_account.masked,
        "status": payout.status,
        "currency": payout.currency,
        "amount": _json(payout.amount_minor, payout.currency),
        "built_at": _instant(payout.built_at),
        "expected_arrival_on": payout.expected_arrival_on.isoformat() if payout.expected_arrival_on else None,
        "paid_at": _instant(payout.paid_at) if payout.paid_at else None,
    }


def _json_line(line: PayoutLine) -> dict[str, Any]:
    return {
        "line": line.line_no,
        "kind": line.kind,
        "text": line.text,
        "order_ref": line.order_ref,
        "external_id": line.external_id,
        "source": line.source,
        "occurred_at": _instant(line.occurred_at) if line.occurred_at else None,
        "gross": _json(line.gross_minor, line.currency),
        "fee": _json(line.fee_minor, line.currency),
        "amount": _json(line.amount_minor, line.currency),
    }


def _csv_row(payout: Payout, line: PayoutLine) -> list[str]:
    return [
        payout.public_id,
        payout.reference,
        str(line.line_no),
        line.kind,
        _safe(line.text),
        _safe(line.order_ref),
        _safe(line.external_id),
        _instant(line.occurred_at) if line.occurred_at else "",
        line.currency,
        _decimal(line.gross_minor, line.currency),
        _decimal(line.fee_minor, line.currency),
        _decimal(line.amount_minor, line.currency),
    ]


def _safe(text: str) -> str:
    return "'" + text if text.startswith(_FORMULA_STARTS) else text


def _json(amount_minor: int | None, currency: str) -> dict[str, int | str] | None:
    return None if amount_minor is None else Money(amount_minor, currency).as_json()


def _day(at: date) -> str:
    return f"{at.day} {at:%b %Y}"


def _grouped(amount_minor: int | None, currency: str) -> str:
    """Return an amount for people, without its currency, which stands above the column."""
    return "" if amount_minor is None else Money(amount_minor, currency).display().rpartition(" ")[0]


def _decimal(amount_minor: int | None, currency: str) -> str:
    return "" if amount_minor is None else Money(amount_minor, currency).decimal()


def _instant(at: Any) -> str:
    return str(at.strftime("%Y-%m-%dT%H:%M:%SZ"))
