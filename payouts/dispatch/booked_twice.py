"""Find what our own statements book a second time: a payment the bank debited twice, a return it took back.

The same booking may be told by several messages, and again by a longer statement; those repeat the bank's own reference. An end-of-day line
under an id that was booked in the same direction before, and is not that line again, is money that moved once more: a person looks, and it
stands in suspense, so that bank.cash agrees with the bank.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import Q

from payouts.dispatch.bank_lines import Line
from payouts.dispatch.models import BankFileEntry
from payouts.dispatch.states import EntryState

_Name = tuple[str, str, str]
_END_OF_DAY = (
    Q(bank_file__format__startswith="camt.053")
    | Q(bank_file__format__startswith="mt940")
    | Q(bank_file__format__in=["bai2", "csv"])
)


def set_aside_second_bookings(lines: Iterable[Line]) -> None:
    """Take the outcomes off lines that book again what was booked before, in this file or an earlier one."""
    booking = [line for line in lines if line.books_cash and line.outcomes and line.end_to_end_id]
    before = _before({line.end_to_end_id for line in booking})
    for line in booking:
        known = before[(line.account[:34], line.end_to_end_id, line.direction)]
        if known and not any(_is_same(line, servicer_ref, line_ref) for servicer_ref, line_ref in known):
            line.outcomes, line.problem = [], "booked_twice"
        else:
            known.append((line.servicer_ref, line.line_ref))


def _before(ids: set[str]) -> dict[_Name, list[tuple[str, str]]]:
    found: dict[_Name, list[tuple[str, str]]] = defaultdict(list)
    wanted = sorted(ids)
    for start in range(0, len(wanted), 5_000):
        rows = BankFileEntry.objects.filter(
            _END_OF_DAY,
            end_to_end_id__in=wanted[start : start + 5_000],
            kind="booking",
            state__in=[EntryState.APPLIED, EntryState.INFO],
        )
        columns = ("account_iban", "end_to_end_id", "direction", "servicer_ref", "line_ref")
        for account, name, direction, servicer_ref, line_ref in rows.values_list(*columns):
            found[(account, name, direction)].append((servicer_ref, line_ref))
    return found


def _is_same(line: Line, servicer_ref: str, line_ref: str) -> bool:
    if line.servicer_ref and servicer_ref:
        return line.servicer_ref == servicer_ref
    return line_ref.endswith("/" + line.name)
