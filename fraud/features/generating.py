"""Labelled history made to measure rules and models on: honest trade, and five kinds of fraud in it. Deterministic by seed; pure.

Every kind leaves the traces its real model leaves, and honest buyers leave some of them too (a journey, a new device, a large purchase), so that
no rule is right for free. Nobody in it is real: references are numbers.
"""

from __future__ import annotations

import csv
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from backoffice.kit.errors import InputError

COUNTRIES = ("DE", "FR", "ES", "IT", "NL", "AT", "BE", "PL")
FAR = ("US", "BR", "TR", "VN", "NG")
HONEST = "honest"
COLUMNS = (
    "event_id",
    "at",
    "buyer",
    "seller",
    "amount_minor",
    "currency",
    "is_fraud",
    "payee",
    "device",
    "country",
    "scenario",
    "label_known_at",
)
EVENTS_MIN, EVENTS_MAX, DAYS_MIN, DAYS_MAX = 1_000, 5_000_000, 14, 730
# Of all events, by kind; what is left is honest.
SHARES = {"stolen_card": 0.008, "compromised_seller": 0.008, "takeover": 0.006, "ring": 0.006, "refund_abuse": 0.007}


class HistoryInvalid(InputError):
    code = "history_invalid"
    sentence = "{detail}"


class Made(NamedTuple):
    """One sale as it is written; `known_at` is when its label became known."""

    at: datetime
    buyer: str
    seller: str
    amount_minor: int
    is_fraud: bool
    payee: str
    device: str
    country: str
    scenario: str
    known_at: datetime


@dataclass(slots=True)
class _Buyer:
    ref: str
    country: str
    device: str
    usual_minor: int


@dataclass(slots=True)
class _World:
    """Who trades, and the dice."""

    dice: random.Random
    begins: datetime
    days: int
    buyers: list[_Buyer] = field(default_factory=list)
    sellers: list[str] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    compromised: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    devices: int = 0

    def device(self) -> str:
        self.devices += 1
        return f"device-{self.devices}"

    def moment(self, room: float = 0.0) -> datetime:
        """Return an instant, more likely by day than by night; up to `room` days early, since what lasts may have begun before the history does."""
        hour = min(23.99, max(0.0, self.dice.gauss(15, 4.5)))
        day = self.dice.randrange(-int(room), self.days)
        return self.begins + timedelta(days=day, hours=hour, microseconds=self.dice.randrange(1_000_000))

    def seller(self) -> str:
        return self.dice.choices(self.sellers, self.weights)[0]

    def amount(self, usual_minor: float) -> int:
        return max(100, int(usual_minor * self.dice.lognormvariate(0, 0.5)))

    def sale(
        self,
        at: datetime,
        buyer: str,
        seller: str,
        amount_minor: int,
        device: str,
        country: str,
        scenario: str,
        *,
        payee: str = "",
    ) -> Made:
        """Return a sale; fraud is told within days, and that nothing came within a week."""
        is_fraud = scenario != HONEST
        waits = timedelta(days=self.dice.uniform(1, 9)) if is_fraud else timedelta(days=7)
        return Made(
            at, buyer, seller, amount_minor, is_fraud, payee or f"payee-of-{seller}", device, country, scenario, at + waits
        )


def _world(events: int, days: int, seed: int, ends: datetime) -> _World:
    dice = random.Random(seed)  # noqa: S311 - a history must be repeatable
    world = _World(dice, ends - timedelta(days=days), days)
    for number in range(max(50, events // 8)):
        usual = int(dice.lognormvariate(8.2, 0.7))
        world.buyers.append(_Buyer(f"buyer-{number}", dice.choice(COUNTRIES), world.device(), usual))
    for number in range(max(20, events // 150)):
        world.sellers.append(f"seller-{number}")
        world.weights.append(dice.lognormvariate(0, 1))
    return world


def _honest(world: _World, count: int) -> Iterator[Made]:
    for _ in range(count):
        buyer = world.dice.choice(world.buyers)
        luck = world.dice.random()
        device = world.device() if luck < 0.03 else buyer.device
        country = world.dice.choice(FAR) if 0.02 < luck < 0.04 else buyer.country
        usual = buyer.usual_minor * (6 if 0.5 < luck < 0.515 else 1)
        yield world.sale(world.moment(), buyer.ref, world.seller(), world.amount(usual), device, country, HONEST)


def _stolen_card(world: _World) -> Iterator[Made]:
    """A buyer's card in another's hands: a handful of large purchases within hours, from a device and a country never seen before."""
    while True:
        buyer, begins, device = world.dice.choice(world.buyers), world.moment(1), world.device()
        country = world.dice.choice(FAR)
        for _ in range(world.dice.randint(3, 8)):
            begins += timedelta(minutes=world.dice.uniform(2, 40))
            amount = world.amount(buyer.usual_minor * 4)
            yield world.sale(begins, buyer.ref, world.seller(), amount, device, country, "stolen_card")


def _compromised_seller(world: _World) -> Iterator[Made]:
    """A seller whose checkout is tapped for two weeks or so: honest-looking sales, and many of them turn out to be fraud."""
    while True:
        seller, begins = world.seller(), world.moment(20)
        for _ in range(world.dice.randint(15, 40)):
            buyer = world.dice.choice(world.buyers)
            at = begins + timedelta(days=world.dice.uniform(0, 16))
            yield world.sale(
                at, buyer.ref, seller, world.amount(buyer.usual_minor), buyer.device, buyer.country, "compromised_seller"
            )


def _takeover(world: _World) -> Iterator[Made]:
    """A seller's account in another's hands: another payee account, then two days of large sales to a few new buyers."""
    while True:
        seller, begins = world.seller(), world.moment(3)
        payee, devices = f"payee-{world.dice.randrange(10**9)}", [world.device() for _ in range(2)]
        for number in range(world.dice.randint(12, 30)):
            at = begins + timedelta(hours=world.dice.uniform(0, 44))
            buyer = f"buyer-t{world.dice.randrange(10**9)}-{number % 4}"
            yield world.sale(
                at,
                buyer,
                seller,
                world.amount(40_000),
                world.dice.choice(devices),
                world.dice.choice(COUNTRIES),
                "takeover",
                payee=payee,
            )


def _ring(world: _World) -> Iterator[Made]:
    """Buyers and sellers who are the same people: one device behind all of them, round amounts, back and forth for two weeks."""
    while True:
        device, begins = world.device(), world.moment(16)
        buyers = [f"buyer-r{world.dice.randrange(10**9)}" for _ in range(world.dice.randint(4, 6))]
        sellers = [world.seller() for _ in range(world.dice.randint(2, 3))]
        for _ in range(world.dice.randint(20, 45)):
            at = begins + timedelta(days=world.dice.uniform(0, 14))
            amount = world.dice.choice((5_000, 10_000, 15_000, 20_000, 25_000))
            yield world.sale(at, world.dice.choice(buyers), world.dice.choice(sellers), amount, device, "DE", "ring")


def _refund_abuse(world: _World) -> Iterator[Made]:
    """A buyer who orders day after day and has nearly everything refunded as never arrived."""
    while True:
        buyer, begins = world.dice.choice(world.buyers), world.moment(22)
        for _ in range(world.dice.randint(12, 30)):
            at = begins + timedelta(days=world.dice.uniform(0, 20))
            scenario = "refund_abuse" if world.dice.random() < 0.85 else HONEST
            yield world.sale(
                at, buyer.ref, world.seller(), world.amount(buyer.usual_minor * 1.5), buyer.device, buyer.country, scenario
            )


_KINDS: dict[str, Callable[[_World], Iterator[Made]]] = {
    "stolen_card": _stolen_card,
    "compromised_seller": _compromised_seller,
    "takeover": _takeover,
    "ring": _ring,
    "refund_abuse": _refund_abuse,
}


def make_history(*, events: int, days: int, seed: int, ends: datetime) -> list[Made]:
    """Return that many sales of that many days before `ends`, in their order. Refuses: HistoryInvalid."""
    if not EVENTS_MIN <= events <= EVENTS_MAX or not DAYS_MIN <= days <= DAYS_MAX:
        raise HistoryInvalid(detail=f"A history has {EVENTS_MIN} to {EVENTS_MAX} events in {DAYS_MIN} to {DAYS_MAX} days.")
    world = _world(events, days, seed, ends)
    made: list[Made] = []
    for kind, share in SHARES.items():
        inside = (one for one in _KINDS[kind](world) if world.begins <= one.at <= ends)
        made.extend(itertools.islice(inside, int(events * share)))
    made.extend(_honest(world, events - len(made)))
    return sorted(made, key=lambda one: (one.at, one.buyer))


def write_history(*, path: Path, events: int, days: int, seed: int, ends: datetime) -> dict[str, Any]:
    """Write a history as `backtest --events` and `train_model --events` read it, Parquet where the name ends so, else CSV; answer the counts."""
    made = make_history(events=events, days=days, seed=seed, ends=ends)
    rows = ([f"e{number}", one.at.isoformat(), one.buyer, one.seller, one.amount_minor, "EUR", int(one.is_fraud), one.payee, one.device, one.country,
             one.scenario, one.known_at.isoformat()] for number, one in enumerate(made))  # fmt: skip
    try:
        _write(path, rows)
    except OSError as problem:
        raise HistoryInvalid(detail=f"{path.name} cannot be written: {problem.strerror}.") from None
    counted = Counter(one.scenario for one in made)
    return {
        "events": len(made),
        "frauds": sum(one.is_fraud for one in made),
        "scenarios": dict(sorted(counted.items())),
        "file": path.name,
    }


def _write(path: Path, rows: Iterator[list[Any]]) -> None:
    if path.suffix != ".parquet":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(rows)
        return
    import pyarrow
    import pyarrow.parquet

    columns = list(zip(*rows, strict=True))
    pyarrow.parquet.write_table(pyarrow.table({name: list(column) for name, column in zip(COLUMNS, columns, strict=True)}), path)
