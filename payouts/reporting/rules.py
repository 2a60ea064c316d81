"""The rules of each regime: who is reportable, what is asked of them, when payouts stop. Data in `rules/*.toml`; this reads and checks it."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from backoffice.kit.errors import InputError, Refusal
from backoffice.kit.money import exponent_of
from payouts.compliance.numbers import KINDS
from payouts.compliance.tax import TaxItem
from payouts.reporting.states import Exclusion, Regime
from payouts.sellers.countries import COUNTRIES
from payouts.sellers.models import EntityType

FOLDER = Path(__file__).parent / "rules"
_ANY = "any"


class RulesWrong(Exception):
    """A file of rules cannot be used; the message names file and what is wrong."""


class UnknownRegime(InputError):
    code = "unknown_regime"
    sentence = "{regime} is not a regime: dac7 or 1099k."


class NoThresholdForYear(Refusal):
    code = "no_threshold_for_year"
    sentence = "The rules of {regime} say no threshold for {year}. Add it with its source before a report is made."


class OperatorOutsideUnion(Refusal):
    code = "operator_outside_union"
    sentence = "PLATFORM_COUNTRY is {country}, no member state: say in it where the operator reports."


@dataclass(frozen=True, slots=True)
class Country:
    """A state whose residents are reportable, its zone, and where their tax numbers are found; '' checks any number."""

    code: str
    zone: str
    entity_tin: str
    entity_tin_from: tuple[str, ...]
    person_tin: str
    person_tin_from: tuple[str, ...]

    def tin_kind(self, is_entity: bool) -> str:
        return (self.entity_tin if is_entity else self.person_tin) or _ANY


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of data, of whom it is asked, and what makes it needless (`unless`)."""

    name: str
    entities: tuple[str, ...]
    unless: str
    asked: TaxItem


@dataclass(frozen=True, slots=True)
class Threshold:
    """From which year on a seller is reported only beyond a number and an amount. `is_exclusion`: below both it is left out (DAC7)."""

    from_year: int
    count: int
    amount_minor: int
    currency: str
    source: str
    is_exclusion: bool

    def leaves_out(self, count: int, amounts: Mapping[str, int]) -> bool:
        """Tell whether a seller stays unreported with so many sales and these amounts, by currency.

        An amount in another currency cannot be shown to lie below, so it never leaves anybody out of DAC7.
        """
        own = amounts.get(self.currency, 0)
        if self.is_exclusion:
            return (
                count < self.count and own <= self.amount_minor and not any(a for c, a in amounts.items() if c != self.currency)
            )
        return not (count > self.count and own > self.amount_minor)


@dataclass(frozen=True, slots=True)
class Rules:
    regime: str
    title: str
    version: str
    source: str
    currencies: tuple[str, ...]
    own_zone: str
    exclusions: tuple[str, ...]
    countries: Mapping[str, Country]
    thresholds: tuple[Threshold, ...]
    items: tuple[Item, ...]
    first_days: int
    second_days: int
    stop_days: int
    stop_source: str

    @property
    def zone(self) -> str:
        """Where the report's year begins: the regime's own zone, else that of the state the operator reports in. Refuses: OperatorOutsideUnion."""
        if self.own_zone:
            return self.own_zone
        if settings.PLATFORM_COUNTRY not in self.countries:
            raise OperatorOutsideUnion(country=settings.PLATFORM_COUNTRY)
        return self.countries[settings.PLATFORM_COUNTRY].zone

    def threshold_of(self, year: int) -> Threshold:
        """Return the threshold in force. Refuses: NoThresholdForYear."""
        known = [one for one in self.thresholds if one.from_year <= year]
        if not known:
            raise NoThresholdForYear(regime=self.title, year=year)
        return max(known, key=lambda one: one.from_year)


def rules_of(regime: str) -> Rules:
    """Return a regime's rules. Refuses: UnknownRegime."""
    found = all_rules().get(regime)
    if found is None:
        raise UnknownRegime(regime=str(regime)[:20])
    return found


@functools.cache
def all_rules() -> Mapping[str, Rules]:
    """Return every regime's rules, read once. Raises RulesWrong."""
    return load(FOLDER)


def load(folder: Path) -> dict[str, Rules]:
    """Read and check every file of a folder. Raises RulesWrong."""
    found: dict[str, Rules] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            one = _read(tomllib.loads(path.read_text(encoding="utf-8")))
        except (RulesWrong, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as problem:
            raise RulesWrong(f"{path.name}: {type(problem).__name__}: {problem}") from None
        found[one.regime] = one
    if set(found) != set(Regime.values):
        raise RulesWrong(f"rules are there for {sorted(found)}, and {sorted(Regime.values)} are wanted")
    return found


def _read(raw: dict[str, Any]) -> Rules:
    _only(
        raw,
        set("version regime title source currencies zone exclusions exclusion threshold country reminders item".split()),
        "the file",
    )
    countries = {one["code"]: _country(one) for one in raw["country"]}
    if unknown := set(countries) - COUNTRIES:
        raise RulesWrong(f"{sorted(unknown)} are no countries")
    times = raw["reminders"]
    _only(times, {"first_days", "second_days", "stop_days", "source"}, "reminders")
    if not 0 < times["first_days"] < times["second_days"] <= times["stop_days"]:
        raise RulesWrong("reminders come one after the other, and payouts stop no sooner than the second")
    for one in raw["currencies"]:
        exponent_of(one)
    if raw["zone"]:
        ZoneInfo(raw["zone"])
    if unknown := set(raw["exclusions"]) - set(Exclusion.values):
        raise RulesWrong(f"{sorted(unknown)} are no exclusions")
    return Rules(
        regime=raw["regime"], title=raw["title"], version=raw["version"], source=raw["source"], currencies=tuple(raw["currencies"]),
        own_zone=raw["zone"], exclusions=tuple(raw["exclusions"]), countries=countries, thresholds=tuple(_thresholds(raw)),
        items=tuple(_item(one) for one in raw["item"]),
        first_days=times["first_days"], second_days=times["second_days"], stop_days=times["stop_days"], stop_source=times["source"],
    )  # fmt: skip


def _thresholds(raw: dict[str, Any]) -> list[Threshold]:
    if "exclusion" in raw:
        one = raw["exclusion"]
        _only(one, {"activities_below", "amount_minor_max", "currency", "source"}, "exclusion")
        return [Threshold(0, one["activities_below"], one["amount_minor_max"], one["currency"], one["source"], is_exclusion=True)]
    found = []
    for one in raw["threshold"]:
        _only(one, {"from_year", "transactions_above", "amount_minor_above", "currency", "source"}, "threshold")
        found.append(
            Threshold(
                one["from_year"], one["transactions_above"], one["amount_minor_above"], one["currency"], one["source"], False
            )
        )
    return found


def _country(raw: dict[str, Any]) -> Country:
    _only(raw, set("code zone entity_tin entity_tin_from person_tin person_tin_from".split()), f"country {raw.get('code')}")
    ZoneInfo(raw["zone"])
    for name in ("entity_tin", "person_tin"):
        if raw.get(name, _ANY) not in KINDS:
            raise RulesWrong(f"country {raw['code']}: nothing checks {raw[name]!r}")
    return Country(
        raw["code"], raw["zone"], raw.get("entity_tin", ""), tuple(raw.get("entity_tin_from", [])), raw.get("person_tin", ""),
        tuple(raw.get("person_tin_from", [])),
    )  # fmt: skip


def _item(raw: dict[str, Any]) -> Item:
    _only(raw, set("name entities code title text why source evidence unless".split()), f"item {raw.get('name')}")
    if not raw["entities"] or set(raw["entities"]) - set(EntityType.values):
        raise RulesWrong(f"item {raw['name']}: entities are some of {', '.join(EntityType.values)}")
    asked = TaxItem(**{name: raw[name] for name in ("code", "title", "text", "why", "source", "evidence")})
    return Item(raw["name"], tuple(raw["entities"]), raw.get("unless", ""), asked)


def _only(raw: dict[str, Any], known: set[str], where: str) -> None:
    if unknown := set(raw) - known:
        raise RulesWrong(f"{where}: unknown {sorted(unknown)}")
