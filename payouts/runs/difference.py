"""What is different from the run before: who is new, who is gone, whose amount moved far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from payouts.runs.models import Payout, PayoutRun, RunKind
from payouts.runs.states import PayoutStatus, RunStatus

# An amount moved far when it changed by at least this share and this much; weekly amounts never repeat, so smaller moves say nothing.
FAR_PERCENT = 50
FAR_MINOR = 10_000
_UNDONE_RUNS = [RunStatus.DENIED, RunStatus.CANCELED, RunStatus.EXPIRED]
_TAKEN_OUT = [PayoutStatus.DENIED, PayoutStatus.CANCELED, PayoutStatus.EXPIRED]


class Planned(Protocol):
    """A row of a plan, or anything else that names a seller and what he gets."""

    @property
    def seller_id(self) -> int: ...
    @property
    def seller(self) -> str: ...
    @property
    def external_id(self) -> str: ...
    @property
    def currency(self) -> str: ...
    @property
    def amount_minor(self) -> int: ...


class DifferenceRow(NamedTuple):
    """One seller whose payout is new, gone or changed; minor units."""

    seller_id: int
    seller: str
    external_id: str
    currency: str
    before_minor: int
    after_minor: int

    @property
    def change_minor(self) -> int:
        return self.after_minor - self.before_minor


@dataclass
class Difference:
    """The difference from one earlier run; `changed` holds the amounts that moved far only, the largest first."""

    previous: str
    new: list[DifferenceRow] = field(default_factory=list)
    gone: list[DifferenceRow] = field(default_factory=list)
    changed: list[DifferenceRow] = field(default_factory=list)
    totals: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        return {"new": len(self.new), "gone": len(self.gone), "changed": len(self.changed)}


def previous_run(*, currency: str = "", before: PayoutRun | None = None) -> PayoutRun | None:
    """Return the newest run of several sellers that was not undone and pays the same currency (or all)."""
    runs = PayoutRun.objects.exclude(status__in=_UNDONE_RUNS).exclude(kind=RunKind.SINGLE).filter(currency=currency)
    if before is not None:
        runs = runs.filter(pk__lt=before.pk)
    return runs.order_by("-pk").first()


def amounts_of(run: PayoutRun) -> list[DifferenceRow]:
    """Return what a run pays each seller, as rows from nothing to the amount."""
    payouts = Payout.objects.filter(run=run).exclude(status__in=_TAKEN_OUT)
    columns = ("seller_id", "seller__public_id", "seller__external_id", "currency", "amount_minor")
    return [
        DifferenceRow(seller_id, seller, external_id, currency, 0, amount)
        for seller_id, seller, external_id, currency, amount in payouts.values_list(*columns).iterator(chunk_size=5_000)
    ]


def run_difference(run: PayoutRun) -> Difference | None:
    """Compare a built run with the one before it."""
    previous = run.previous
    if previous is None:
        return None
    return _compare(
        previous, [(row.seller_id, row.seller, row.external_id, row.currency, row.after_minor) for row in amounts_of(run)]
    )


def difference_from(previous: PayoutRun | None, planned: Iterable[Planned]) -> Difference | None:
    """Compare planned payouts with an earlier run."""
    if previous is None:
        return None
    return _compare(previous, [(row.seller_id, row.seller, row.external_id, row.currency, row.amount_minor) for row in planned])


def _compare(previous: PayoutRun, now: list[tuple[int, str, str, str, int]]) -> Difference:
    difference = Difference(previous=previous.public_id)
    earlier = {(row.seller_id, row.currency): row for row in amounts_of(previous)}
    sums: dict[str, list[int]] = {}
    for row in earlier.values():
        sums.setdefault(row.currency, [0, 0])[0] += row.after_minor
    for seller_id, seller, external_id, currency, amount in now:
        sums.setdefault(currency, [0, 0])[1] += amount
        before = earlier.pop((seller_id, currency), None)
        row = DifferenceRow(seller_id, seller, external_id, currency, before.after_minor if before else 0, amount)
        if before is None:
            difference.new.append(row)
        elif abs(row.change_minor) >= max(FAR_MINOR, row.before_minor * FAR_PERCENT // 100):
            difference.changed.append(row)
    difference.gone = [row._replace(before_minor=row.after_minor, after_minor=0) for row in earlier.values()]
    for rows in (difference.new, difference.gone, difference.changed):
        rows.sort(key=lambda row: -abs(row.change_minor))
    difference.totals = {currency: (before, after) for currency, (before, after) in sorted(sums.items())}
    return difference
