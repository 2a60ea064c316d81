"""Sockets of earnings that later rooms plug into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from backoffice.kit.actors import Actor


class ReserveUse(NamedTuple):
    """That a refund or chargeback took reserved money of a sale: `earning_id` is the sale, `by_kind` the kind of what took it."""

    earning_id: int
    amount_minor: int
    by_kind: str


@dataclass
class ReserveOfSale:
    """How a refund uses reserved money of the same sale first. `holds` plugs in; without it nothing is reserved.

    `kept(earning_ids)` answers {earning_id: minor units still reserved}, locked until the transaction ends; `use(uses, actor, at)` writes
    down what was taken, in the transaction that books it.
    """

    kept: Callable[[Sequence[int]], dict[int, int]] = lambda earning_ids: {}
    use: Callable[[Sequence[ReserveUse], Actor, datetime], None] = lambda uses, actor, at: None

    def plug(
        self,
        kept: Callable[[Sequence[int]], dict[int, int]],
        use: Callable[[Sequence[ReserveUse], Actor, datetime], None],
    ) -> None:
        self.kept, self.use = kept, use


reserve_of_sale = ReserveOfSale()


@dataclass
class SalesRecorded:
    """Told of sales in the transaction that books them, whole sets at a time: a check that crashes takes the booking back.

    Nobody decides here: a million lines are booked in a minute and a half. Whoever has to look at a sale before its money is free notes it, and
    answers `holds/gates.py` until it did.
    """

    checks: dict[str, Callable[[Sequence[int], datetime], None]] = field(default_factory=dict)

    def plug(self, name: str, check: Callable[[Sequence[int], datetime], None]) -> None:
        self.checks[name] = check

    def tell(self, earning_ids: Sequence[int], at: datetime) -> None:
        for check in self.checks.values():
            check(earning_ids, at)


sales_recorded = SalesRecorded()
