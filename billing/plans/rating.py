"""What a quantity costs: components of a price, as data that is checked once and never changed. Pure.

A component measures one thing (`one`, `seats`, `sales_count`, `sales_gross`) and rates it by one scheme: `unit` (so much each, `included` free),
`graduated` (each tier's own part at its own price), `volume` (everything at the price of the tier it ends in) or `share` (basis points of a gross).
What is measured by sales is counted usage: it is billed behind the period, the rest before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backoffice.kit.errors import InputError
from backoffice.kit.money import AMOUNT_MINOR_MAX

MEASURES = ("one", "seats", "sales_count", "sales_gross")
METERED = ("sales_count", "sales_gross")
SCHEMES = ("unit", "graduated", "volume", "share")
COMPONENTS_MAX = 10
TIERS_MAX = 20


class PriceInvalid(InputError):
    code = "price_invalid"
    sentence = "{detail}"


@dataclass(frozen=True, slots=True)
class Tier:
    """Up to this quantity (None: without end), so much a piece and so much for reaching the tier."""

    up_to: int | None
    unit_minor: int
    flat_minor: int


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a price; amounts in minor units of the price's currency."""

    code: str
    text: str
    measure: str
    scheme: str
    unit_minor: int = 0
    included: int = 0
    basis_points: int = 0
    tiers: tuple[Tier, ...] = ()

    @property
    def metered(self) -> bool:
        return self.measure in METERED

    def amount_minor(self, quantity: int) -> int:
        """Return what a quantity costs; a negative quantity costs nothing."""
        quantity = max(0, quantity)
        if self.scheme == "share":
            return (max(0, quantity - self.included) * self.basis_points + 5_000) // 10_000
        if self.scheme == "unit":
            return max(0, quantity - self.included) * self.unit_minor
        return self._volume(quantity) if self.scheme == "volume" else self._graduated(quantity)

    def _volume(self, quantity: int) -> int:
        if quantity == 0:
            return 0
        tier = next(one for one in self.tiers if one.up_to is None or quantity <= one.up_to)
        return quantity * tier.unit_minor + tier.flat_minor

    def _graduated(self, quantity: int) -> int:
        total, below = 0, 0
        for tier in self.tiers:
            if quantity <= below:
                break
            upper = quantity if tier.up_to is None else min(quantity, tier.up_to)
            total += (upper - below) * tier.unit_minor + tier.flat_minor
            below = upper
        return total


def components_of(rows: Sequence[Mapping[str, Any]]) -> tuple[Component, ...]:
    """Return stored components; what is stored was checked by `checked_components`."""
    return tuple(
        Component(
            row["code"], row["text"], row["measure"], row["scheme"], row["unit_minor"], row["included"], row["basis_points"],
            tuple(Tier(tier["up_to"], tier["unit_minor"], tier["flat_minor"]) for tier in row["tiers"]),
        )
        for row in rows
    )  # fmt: skip


def checked_components(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return components as they are stored, after every check. Refuses: PriceInvalid."""
    if not 1 <= len(rows) <= COMPONENTS_MAX:
        raise PriceInvalid(detail=f"A price has 1 to {COMPONENTS_MAX} components.")
    checked = [_checked(row) for row in rows]
    codes = [row["code"] for row in checked]
    if len(set(codes)) != len(codes):
        raise PriceInvalid(detail="Two components have the same code.")
    return checked


def _checked(row: Mapping[str, Any]) -> dict[str, Any]:
    code, measure, scheme = str(row.get("code", "")).strip(), row.get("measure", "one"), row.get("scheme", "unit")
    if not code or len(code) > 40:
        raise PriceInvalid(detail="A component has a code of 1 to 40 characters.")
    if measure not in MEASURES or scheme not in SCHEMES:
        raise PriceInvalid(detail=f"{code}: measure is one of {', '.join(MEASURES)}, scheme one of {', '.join(SCHEMES)}.")
    if (scheme == "share") != (measure == "sales_gross"):
        raise PriceInvalid(detail=f"{code}: a gross is charged by share (basis points), and nothing else is.")
    if measure == "one" and scheme != "unit":
        raise PriceInvalid(detail=f"{code}: a flat fee has the scheme unit.")
    tiers = _checked_tiers(code, row.get("tiers") or []) if scheme in ("graduated", "volume") else []
    return {
        "code": code,
        "text": str(row.get("text") or code.replace("_", " ")).strip()[:120],
        "measure": measure,
        "scheme": scheme,
        "unit_minor": _whole(code, "unit_minor", row.get("unit_minor", 0)),
        "included": _whole(code, "included", row.get("included", 0)),
        "basis_points": _whole(code, "basis_points", row.get("basis_points", 0), 10_000),
        "tiers": tiers,
    }


def _checked_tiers(code: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    if not 1 <= len(rows) <= TIERS_MAX or rows[-1].get("up_to") is not None:
        raise PriceInvalid(detail=f"{code}: there are 1 to {TIERS_MAX} tiers, and the last one has no end (up_to null).")
    below, tiers = 0, []
    for row in rows:
        up_to = row.get("up_to")
        if up_to is not None:
            up_to = _whole(code, "up_to", up_to)
            if up_to <= below:
                raise PriceInvalid(detail=f"{code}: each tier ends above the one before it.")
            below = up_to
        elif row is not rows[-1]:
            raise PriceInvalid(detail=f"{code}: only the last tier has no end.")
        amounts = {name: _whole(code, name, row.get(name, 0)) for name in ("unit_minor", "flat_minor")}
        tiers.append({"up_to": up_to, **amounts})
    return tiers


def _whole(code: str, name: str, value: Any, most: int = AMOUNT_MINOR_MAX) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise PriceInvalid(detail=f"{code}: {name} is a whole number from 0 to {most:,}.")
    return value
