"""Hold a statement to its own totals: counts, sums, and opening plus movements = closing."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from backoffice.kit.money import Money
from payouts.bankfiles.records import Finding, Statement, StatementEntry
from payouts.bankfiles.safe_xml import Node


def check_summary(item: Node, statement: Statement) -> None:
    """Refuse (`control_sum_mismatch`) a statement whose TxsSummry does not fit its entries."""
    summary = item.child("TxsSummry")
    if summary is None:
        return
    entries = statement.entries
    _compare(summary, "TtlNtries", entries)
    _compare(summary, "TtlCdtNtries", [entry for entry in entries if entry.direction == "CRDT"])
    _compare(summary, "TtlDbtNtries", [entry for entry in entries if entry.direction == "DBIT"])


def _compare(summary: Node, name: str, entries: Sequence[StatementEntry]) -> None:
    total = summary.child(name)
    if total is None:
        return
    count = total.count("NbOfNtries")
    if count is not None and count != len(entries):
        raise total.fail("control_sum_mismatch", f"{name} counts {count} entries, the statement has {len(entries)}.")
    stated = total.number("Sum")
    found = sum((Decimal(entry.amount.decimal()) for entry in entries), Decimal(0))
    if stated is not None and stated != found:
        raise total.fail("control_sum_mismatch", f"{name} says {stated}, the entries add up to {found}.")


def balance_gap(statement: Statement, *, single_page: bool = True) -> Finding | None:
    """Return the money a statement does not explain (closing - opening - booked movements), or None when it closes or cannot be judged.

    Judged only where opening and closing booked balance and every entry are in one currency and the statement is not one of several pages.
    """
    opening, closing = statement.opening, statement.closing
    if opening is None or closing is None or not single_page or statement.kind not in ("camt.053", "mt940", "bai2", "csv"):
        return None
    booked = [entry for entry in statement.entries if entry.status == "BOOK"]
    if {opening.currency, closing.currency} | {entry.amount.currency for entry in booked} != {opening.currency}:
        return None
    gap = closing.amount_minor - opening.amount_minor - sum(entry.signed_minor for entry in booked)
    if gap == 0:
        return None
    sentence = (
        f"Opening balance plus booked entries is {Money(closing.amount_minor - gap, closing.currency)}, the closing balance says "
        f"{Money(closing.amount_minor, closing.currency)}: {Money(gap, closing.currency)} is not explained by any entry of the file."
    )
    return Finding("statement_gap", sentence, f"statement {statement.statement_id}", gap, closing.currency)
