"""The catalogue: which country asks whom for what, why, and what it keeps them from. Data in `catalogue/*.toml`; this reads and checks it.

Adding a country is adding a file. A file that is wrong in any way stops the start (a system check reads them all), so that a rule is never
silently left out.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from payouts.compliance.models import Role
from payouts.compliance.numbers import KINDS
from payouts.compliance.states import Capability
from payouts.sellers.countries import COUNTRIES
from payouts.sellers.models import EntityType

FOLDER = Path(__file__).parent / "catalogue"
ELSEWHERE = "*"
# What may prove something: plain names, and families with a member after the colon.
PLAIN = {"text", "terms", "ownership", "payee_account", "screening", "review"}
DOCUMENT_KINDS = {"registration", "identity", "address", "tax_form", "bank_account", "articles", "other"}
_FAMILIES: dict[str, set[str]] = {"number": set(KINDS), "document": DOCUMENT_KINDS, "role": set(Role.values)}
_RULE_KEYS = set(
    "code title text why source entities capabilities evidence per by_person gating grace_days valid_days alternatives threshold".split()
)


class CatalogueWrong(Exception):
    """A file of the catalogue cannot be used; the message names file, rule and what is wrong."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """From which volume within `days` a rule applies: sales and amount (minor units of the file's currency), both, or `any` of them."""

    days: int
    sales: int = 0
    amount_minor: int = 0
    any: bool = False

    def reached(self, sales: int, amount_minor: int) -> bool:
        tests = [sales >= self.sales] * bool(self.sales) + [amount_minor >= self.amount_minor] * bool(self.amount_minor)
        return any(tests) if self.any else all(tests)


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing to show. `per` is 'seller', or the role of the persons each of whom has to show it."""

    code: str
    title: str
    text: str
    why: str
    source: str
    entities: tuple[str, ...]
    capabilities: tuple[str, ...]
    evidence: str
    per: str
    by_person: bool
    gating: bool
    grace_days: int
    valid_days: int
    alternatives: tuple[str, ...]
    threshold: Threshold | None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The rules of one country, and from which share on somebody is an owner."""

    country: str
    version: str
    currency: str
    threshold_basis_points: int
    threshold_inclusive: bool
    owners_source: str
    rules: tuple[Rule, ...]

    @property
    def name(self) -> str:
        return f"{self.country} {self.version}"

    def rules_for(self, entity_type: str) -> list[Rule]:
        return [rule for rule in self.rules if entity_type in rule.entities]


def catalogue_of(country: str) -> Catalogue:
    """Return the rules of a country; one without a file of its own gets those of `elsewhere`, never none."""
    found = catalogues()
    return found.get(country, found[ELSEWHERE])


@functools.cache
def catalogues() -> Mapping[str, Catalogue]:
    """Return every country's rules, read once. Raises CatalogueWrong."""
    return load(FOLDER)


def load(folder: Path) -> dict[str, Catalogue]:
    """Read and check every file of a folder. Raises CatalogueWrong."""
    found: dict[str, Catalogue] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            one = _read(tomllib.loads(path.read_text(encoding="utf-8")))
        except (CatalogueWrong, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as problem:
            raise CatalogueWrong(f"{path.name}: {type(problem).__name__}: {problem}") from None
        if one.country in found:
            raise CatalogueWrong(f"{path.name}: {one.country} has a file already")
        found[one.country] = one
    if ELSEWHERE not in found:
        raise CatalogueWrong(f"no file for the country {ELSEWHERE!r}: sellers of other countries would have nothing to show")
    return found


def _read(raw: dict[str, Any]) -> Catalogue:
    _only(raw, {"version", "country", "currency", "owners", "rule"}, "the file")
    _only(raw["owners"], {"threshold_basis_points", "inclusive", "source"}, "owners")
    if raw["country"] != ELSEWHERE and raw["country"] not in COUNTRIES:
        raise CatalogueWrong(f"{raw['country']!r} is no country")
    rules = tuple(_rule(one) for one in raw["rule"])
    codes = [rule.code for rule in rules]
    if len(codes) != len(set(codes)):
        raise CatalogueWrong(f"a code stands twice: {sorted(code for code in set(codes) if codes.count(code) > 1)}")
    for entity in EntityType.values:
        if not any(entity in rule.entities and rule.gating and "pay_out" in rule.capabilities for rule in rules):
            raise CatalogueWrong(f"nothing keeps a new {entity} from being paid")
    share = raw["owners"]["threshold_basis_points"]
    if not isinstance(share, int) or not 1 <= share <= 10_000:
        raise CatalogueWrong("the owners' threshold is 1 to 10000 basis points")
    return Catalogue(
        country=raw["country"],
        version=_text(raw, "version"),
        currency=_text(raw, "currency"),
        threshold_basis_points=share,
        threshold_inclusive=raw["owners"]["inclusive"],
        owners_source=_text(raw["owners"], "source"),
        rules=rules,
    )


def _rule(raw: dict[str, Any]) -> Rule:
    where = f"rule {raw.get('code', '?')}"
    _only(raw, _RULE_KEYS, where)
    for name, allowed in (("entities", EntityType.values), ("capabilities", Capability.values)):
        if not raw[name] or set(raw[name]) - set(allowed):
            raise CatalogueWrong(f"{where}: {name} are some of {', '.join(allowed)}")
    _check_evidence(raw["evidence"], where)
    if raw["per"] not in {"seller", *Role.values}:
        raise CatalogueWrong(f"{where}: per is seller or a role")
    for name in ("grace_days", "valid_days"):
        if not isinstance(raw[name], int) or not 0 <= raw[name] <= 3_660:
            raise CatalogueWrong(f"{where}: {name} is a number of days")
    for name in ("by_person", "gating"):
        if not isinstance(raw[name], bool):
            raise CatalogueWrong(f"{where}: {name} is true or false")
    threshold = Threshold(**raw["threshold"]) if "threshold" in raw else None
    if threshold is not None and not (threshold.days > 0 and (threshold.sales > 0 or threshold.amount_minor > 0)):
        raise CatalogueWrong(f"{where}: a threshold has days and sales or an amount")
    texts = {name: _text(raw, name) for name in ("code", "title", "text", "why", "source", "evidence", "per")}
    return Rule(
        **texts,
        entities=tuple(raw["entities"]),
        capabilities=tuple(raw["capabilities"]),
        by_person=raw["by_person"],
        gating=raw["gating"],
        grace_days=raw["grace_days"],
        valid_days=raw["valid_days"],
        alternatives=tuple(raw["alternatives"]),
        threshold=threshold,
    )


def _check_evidence(evidence: str, where: str) -> None:
    family, _, member = evidence.partition(":")
    if evidence not in PLAIN and member not in _FAMILIES.get(family, set()):
        raise CatalogueWrong(f"{where}: nothing checks the evidence {evidence!r}")


def _only(raw: dict[str, Any], known: set[str], where: str) -> None:
    if unknown := set(raw) - known:
        raise CatalogueWrong(f"{where}: unknown {sorted(unknown)}")


def _text(raw: dict[str, Any], name: str) -> str:
    if not isinstance(raw[name], str) or not raw[name].strip():
        raise CatalogueWrong(f"{name} is missing")
    return str(raw[name])
