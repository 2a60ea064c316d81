"""Which tax a line bears: pure rules over our entity, the customer and the day, and the port another tax engine may plug into.

Place of supply of services: Directive 2006/112/EC, articles 44, 45 and 58 (one-stop shop), 196 (reverse charge). Tax is the rate on the sum of
the lines at that rate, rounded once, half away from zero (EN 16931, BR-CO-17); an invoice's tax is the sum of these.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from backoffice.kit.errors import Refusal
from billing.customers.models import CustomerKind
from billing.customers.vat import EU, NOT_CHECKED, VALID
from billing.invoices.models import TaxCategory, TaxRate

logger = logging.getLogger(__name__)

REVERSE_CHARGE_NOTE = "Reverse charge: VAT to be accounted for by the recipient (article 196, Directive 2006/112/EC)."
OUTSIDE_NOTE = "Outside the scope of VAT of the European Union (article 44, Directive 2006/112/EC)."
EXEMPT_CODE = "exempt"


class TaxUndecided(Refusal):
    """No tax can be named without guessing; the invoice waits and takes no number."""

    code = "tax_undecided"
    sentence = "{detail}"


class VatNotChecked(TaxUndecided):
    code = "vat_not_checked"
    sentence = (
        "The VAT number of {customer} was NOT CHECKED, so nobody knows who owes the tax. Check it on the customer's page, "
        "accept it there with your evidence, or take it off; then finalise again."
    )


class TaxRateMissing(TaxUndecided):
    code = "tax_rate_missing"
    sentence = "There is no rate for {tax_code} in {country} on {on}. Add it under Tax rates; then finalise again."


class TaxProviderFailed(TaxUndecided):
    code = "tax_provider_failed"
    sentence = "The tax provider could not answer, so no number was taken. It is logged; finalise again once it works."


@dataclass(frozen=True, slots=True)
class TaxFacts:
    """What the decision hangs on. `vat_state` is valid, not_checked, invalid or '' where no number was given."""

    entity_country: str
    entity_vat_countries: frozenset[str]
    oss: bool
    customer: str
    customer_country: str
    customer_kind: str
    vat_number: str
    vat_state: str
    on: date


@dataclass(frozen=True, slots=True)
class LineTax:
    """How one tax code is taxed: `jurisdiction` is whose tax it is."""

    category: str
    basis_points: int
    jurisdiction: str
    note: str = ""


Decide = Callable[[TaxFacts, str, "Rates"], LineTax]


@dataclass
class Rates:
    """The rates in force, read once a batch: the newest that has begun wins."""

    rows: Mapping[tuple[str, str], list[tuple[date, int]]] = field(default_factory=dict)

    @classmethod
    def load(cls) -> Rates:
        rows: dict[tuple[str, str], list[tuple[date, int]]] = {}
        found = TaxRate.objects.order_by("valid_from").values_list("country", "tax_code", "valid_from", "basis_points")
        for country, tax_code, valid_from, basis_points in found:
            rows.setdefault((country, tax_code), []).append((valid_from, basis_points))
        return cls(rows)

    def of(self, country: str, tax_code: str, on: date) -> int:
        """Return basis points. Refuses: TaxRateMissing."""
        begun = [points for valid_from, points in self.rows.get((country, tax_code), []) if valid_from <= on]
        if not begun:
            raise TaxRateMissing(tax_code=tax_code, country=country, on=on)
        return begun[-1]


def by_table(facts: TaxFacts, tax_code: str, rates: Rates) -> LineTax:
    """Decide from our own table. Refuses: VatNotChecked, TaxRateMissing."""
    home, there = facts.entity_country, facts.customer_country
    if tax_code == EXEMPT_CODE:
        return LineTax(TaxCategory.EXEMPT, 0, home, "Exempt from VAT.")
    if there == home or there in facts.entity_vat_countries:
        return LineTax(TaxCategory.STANDARD, rates.of(there, tax_code, facts.on), there)
    if there not in EU or home not in EU:
        return LineTax(TaxCategory.OUTSIDE, 0, home, OUTSIDE_NOTE)
    if facts.customer_kind == CustomerKind.BUSINESS and facts.vat_number:
        if facts.vat_state == VALID:
            return LineTax(TaxCategory.REVERSE_CHARGE, 0, home, REVERSE_CHARGE_NOTE)
        if facts.vat_state == NOT_CHECKED:
            raise VatNotChecked(customer=facts.customer)
    # a consumer, or a business that cannot show a valid number and counts as one (regulation 282/2011, article 18)
    taxed_in = there if facts.oss else home
    return LineTax(TaxCategory.STANDARD, rates.of(taxed_in, tax_code, facts.on), taxed_in)


@dataclass
class TaxPort:
    """Who decides; our own table unless another engine is plugged in. Asked inside the transaction: it answers from what it has at hand."""

    decide: Decide = by_table

    def plug(self, decide: Decide) -> None:
        self.decide = decide

    def unplug(self) -> None:
        self.decide = by_table

    def ask(self, facts: TaxFacts, tax_codes: Iterable[str], rates: Rates) -> dict[str, LineTax]:
        """Return how each tax code is taxed; a provider that crashes is a refusal, never a guess. Refuses: TaxUndecided."""
        found: dict[str, LineTax] = {}
        for tax_code in tax_codes:
            try:
                found[tax_code] = self.decide(facts, tax_code, rates)
            except TaxUndecided:
                raise
            except Exception as error:
                logger.exception("the tax provider failed")
                raise TaxProviderFailed() from error
        return found


provider = TaxPort()


def tax_of(base_minor: int, basis_points: int) -> int:
    """Return the tax on a base in minor units, rounded half away from zero."""
    rounded = (abs(base_minor) * basis_points + 5_000) // 10_000
    return rounded if base_minor >= 0 else -rounded


@dataclass(slots=True)
class Group:
    """Lines of one invoice at one rate."""

    category: str
    basis_points: int
    jurisdiction: str
    base_minor: int = 0

    @property
    def tax_minor(self) -> int:
        return tax_of(self.base_minor, self.basis_points)


def grouped(lines: Iterable[tuple[str, int]], taxes: Mapping[str, LineTax]) -> list[Group]:
    """Return one group per category and rate; `lines` are (tax_code, amount_minor)."""
    groups: dict[tuple[str, int], Group] = {}
    for tax_code, amount_minor in lines:
        tax = taxes[tax_code]
        group = groups.setdefault((tax.category, tax.basis_points), Group(tax.category, tax.basis_points, tax.jurisdiction))
        group.base_minor += amount_minor
    return list(groups.values())


def evidence(facts: TaxFacts, vat_evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the decision rested on, to be frozen with the invoice."""
    return {
        "seller_country": facts.entity_country,
        "customer_country": facts.customer_country,
        "customer_kind": facts.customer_kind,
        "vat_state": facts.vat_state,
        "vat_check": dict(vat_evidence) if facts.vat_number else {},
    }
