"""What a seller's money should be: the rules of docs/money.md once more, as short as they can be said, for one seller and currency.

`free` is available money less debt in one number: above the floor it is all available, what is below the floor is debt.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class Kept:
    """Money set aside: by a plan from a sale, or by hand."""

    amount: int
    until: datetime | None = None
    sale: str = ""
    plan: Any = None


@dataclass
class Purse:
    """Pending by sale line, kept by hold, free, and promised to payouts; `net` is what each order left so far."""

    floor: int
    free: int = 0
    out: int = 0
    pending: dict[str, int] = field(default_factory=dict)
    kept: dict[Any, Kept] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    net: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def buckets(self) -> dict[str, int]:
        available, debt = max(self.free, self.floor), max(0, self.floor - self.free)
        reserved, pending = sum(kept.amount for kept in self.kept.values()), sum(self.pending.values())
        return {"pending": pending, "available": available, "reserved": reserved, "in_payout": self.out, "debt": debt}

    def earn(self, line: str, order: str, net: int) -> None:
        """A credit first heals what was refunded before it came, the rest is pending; a debit takes pending, kept, then free money of its order."""
        order = order or line
        before, self.net[order] = self.net[order], self.net[order] + net
        if net >= 0:
            healed = min(net, max(0, -before))
            self.free, self.pending[line] = self.free + healed, net - healed
        else:
            mine = self.lines[order]
            left = _take(self.pending, mine, -net)
            for kept in [kept for sale in mine for kept in self.kept.values() if kept.sale == sale]:
                used = min(left, kept.amount)
                kept.amount, left = kept.amount - used, left - used
            self.free -= left
        self.lines[order].append(line)

    def mature(self, line: str, plans: list[tuple[Any, int, int | None, datetime]]) -> None:
        """Pending becomes free; of what debt leaves available, each plan (key, basis points, cap, until) keeps its share."""
        amount, before = self.pending.pop(line), self.buckets()["debt"]
        self.free += amount
        available = amount - (before - self.buckets()["debt"])
        room = available
        for key, basis_points, cap, until in plans:
            held = sum(kept.amount for kept in self.kept.values() if kept.plan == key)
            share = min(
                (available * basis_points + 5_000) // 10_000, room, max(0, self.free), *([cap - held] if cap is not None else [])
            )
            if share > 0:
                self.kept[(line, key)] = Kept(share, until, line, key)
                self.free, room = self.free - share, room - share

    def hold(self, key: Any, amount: int, until: datetime | None) -> None:
        self.kept[key], self.free = Kept(amount, until), self.free - amount

    def release(self, key: Any) -> None:
        self.free += self.kept.pop(key).amount


def _take(parts: dict[str, int], keys: list[str], wanted: int) -> int:
    """Take from the parts in order; return what could not be taken."""
    for key in keys:
        used = min(wanted, parts.get(key, 0))
        if used:
            parts[key], wanted = parts[key] - used, wanted - used
    return wanted
