"""VAT numbers: their form, and whether the state that gave them knows them.

The form is checked here; the rest is asked of VIES through a port, outside any transaction. "Not checked" is an answer of its own, said loudly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from stdnum.eu import vat
from stdnum.exceptions import ValidationError
from stdnum.gb import vat as gb_vat

from backoffice.kit.errors import InputError

# The member states whose VAT is one area; Greece writes EL in its numbers.
EU = frozenset("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split())
VALID, INVALID, NOT_CHECKED = "valid", "invalid", "not_checked"


class VatNumberInvalid(InputError):
    code = "vat_number_invalid"
    sentence = "{number} is not a VAT number of {country}: {why}."


def normal_vat_number(number: str, country: str) -> str:
    """Return a number in one form, with its country in front; '' stays ''. Refuses: VatNumberInvalid. Numbers outside EU and GB pass as text."""
    plain = "".join(number.split()).upper().replace(".", "").replace("-", "")
    if not plain:
        return ""
    if country not in EU and country != "GB":
        return plain[:20]
    prefix = "EL" if country == "GR" else country
    if not plain.startswith(prefix):
        if plain[:2].isalpha() and plain[:2] != prefix:
            raise VatNumberInvalid(number=plain[:20], country=country, why=f"it begins with {plain[:2]}")
        plain = prefix + plain
    try:
        if country == "GB":
            return "GB" + gb_vat.validate(plain)
        return str(vat.validate(plain))
    except ValidationError as problem:
        raise VatNumberInvalid(number=plain[:20], country=country, why=str(problem).rstrip(".").lower()) from None


@dataclass(frozen=True, slots=True)
class VatAnswer:
    """What a checker said: valid, invalid or not_checked; `facts` is kept as evidence (consultation number, name match)."""

    state: str
    why: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


class VatChecker(Protocol):
    """Asks whether a number is known. Never called inside a transaction; never raises for what the other side may do."""

    name: str

    def check(self, *, number: str, requester: str) -> VatAnswer: ...


class NobodyChecks:
    """The default: no service is set, so nothing is checked, and the answer says so."""

    name = "none"

    def check(self, *, number: str, requester: str) -> VatAnswer:
        return VatAnswer(NOT_CHECKED, "No VAT service is set (VIES_URL).")


def vat_state(vat_number: str, evidence: dict[str, Any]) -> str:
    """Return what is known of a customer's number: '' where there is none, not_checked until somebody answered about this very number."""
    if not vat_number:
        return ""
    if evidence.get("number") != vat_number:
        return NOT_CHECKED
    return str(evidence.get("state", NOT_CHECKED))
