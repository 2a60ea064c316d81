"""Which bucket a line moves: pure arithmetic over one sale's earlier lines and the seller's balances, both read under lock.

A refund takes the sale's pending money, then what is reserved of it, then available down to the floor, then becomes debt. What it took although
its sale had not arrived is remembered as uncovered, and the sale heals it when it comes; therefore the order of lines does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Parts(NamedTuple):
    """The net amount of a line by bucket, signed like the line; `debt_minor` positive repays, negative adds to what is owed."""

    pending_minor: int = 0
    available_minor: int = 0
    reserved_minor: int = 0
    debt_minor: int = 0


@dataclass(slots=True)
class Purse:
    """A seller's available money and debt in one currency; `floor_minor` is how far available may fall (0 or less)."""

    available_minor: int
    floor_minor: int
    debt_minor: int

    def take(self, amount_minor: int) -> tuple[int, int]:
        """Take from available down to the floor and owe the rest; return (available, debt), both 0 or less."""
        from_available = max(0, min(amount_minor, self.available_minor - self.floor_minor))
        self.available_minor -= from_available
        self.debt_minor += amount_minor - from_available
        return -from_available, from_available - amount_minor

    def give(self, amount_minor: int) -> tuple[int, int]:
        """Repay debt first and add the rest to available; return (available, debt), both 0 or more."""
        repaid = min(amount_minor, self.debt_minor)
        self.debt_minor -= repaid
        self.available_minor += amount_minor - repaid
        return amount_minor - repaid, repaid


@dataclass(slots=True)
class SaleLine:
    """One booked (or about to be booked) line of a sale, with what still stands pending and what is still uncovered."""

    earning_id: int
    net_minor: int
    pending_minor: int
    uncovered_minor: int
    reserved_minor: int = 0
    changed: bool = False


@dataclass(slots=True)
class SaleGroup:
    """All lines of one sale: one seller, currency and order_ref, in booking order.

    Lines are only ever emptied, the oldest first, so the cursors never go back: a group of many thousand lines costs no more a line than one of two.
    """

    lines: list[SaleLine] = field(default_factory=list)
    uses: list[tuple[int, int]] = field(default_factory=list)
    balance_minor: int = 0
    uncovered_minor: int = 0
    _pending_from: int = 0
    _uncovered_from: int = 0
    _reserved_from: int = 0

    def recall(self, line: SaleLine) -> None:
        """Remember a line booked earlier."""
        self.lines.append(line)
        self.balance_minor += line.net_minor
        self.uncovered_minor += line.uncovered_minor

    def book(self, line: SaleLine, purse: Purse) -> Parts:
        """Allocate one more line and remember it; `uses` gathers (earning_id, amount) of reserved money taken."""
        self.uses = []
        parts = self._credit(line, purse) if line.net_minor >= 0 else self._debit(line, purse)
        self.recall(line)
        return parts

    def _credit(self, line: SaleLine, purse: Purse) -> Parts:
        healed = self._heal(line.net_minor)
        line.pending_minor = line.net_minor - healed
        if not healed:
            return Parts(pending_minor=line.pending_minor)
        available, debt = purse.give(healed)
        return Parts(line.pending_minor, available, 0, debt)

    def _debit(self, line: SaleLine, purse: Purse) -> Parts:
        wanted = -line.net_minor
        pending = self._take_pending(wanted)
        reserved = self._take_reserved(wanted - pending)
        rest = wanted - pending - reserved
        if not rest:
            return Parts(-pending, 0, -reserved, 0)
        beyond_its_sales = wanted - self.balance_minor - self.uncovered_minor
        line.uncovered_minor = max(0, min(rest, beyond_its_sales))
        available, debt = purse.take(rest)
        return Parts(-pending, available, -reserved, debt)

    def _heal(self, wanted: int) -> int:
        healed = 0
        while healed < wanted and self._uncovered_from < len(self.lines):
            refund = self.lines[self._uncovered_from]
            part = min(wanted - healed, refund.uncovered_minor)
            if part:
                refund.uncovered_minor -= part
                refund.changed = True
                healed += part
            if not refund.uncovered_minor:
                self._uncovered_from += 1
        self.uncovered_minor -= healed
        return healed

    def _take_pending(self, wanted: int) -> int:
        taken = 0
        while taken < wanted and self._pending_from < len(self.lines):
            sale = self.lines[self._pending_from]
            part = min(wanted - taken, sale.pending_minor)
            if part:
                sale.pending_minor -= part
                sale.changed = True
                taken += part
            if not sale.pending_minor:
                self._pending_from += 1
        return taken

    def _take_reserved(self, wanted: int) -> int:
        taken = 0
        while taken < wanted and self._reserved_from < len(self.lines):
            sale = self.lines[self._reserved_from]
            part = min(wanted - taken, sale.reserved_minor)
            if part:
                sale.reserved_minor -= part
                self.uses.append((sale.earning_id, part))
                taken += part
            if not sale.reserved_minor:
                self._reserved_from += 1
        return taken
