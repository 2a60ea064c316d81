"""What sellers answer for tax reports, checked for its shape when it is given: a report cannot ask back. Pure: no database."""

from __future__ import annotations

import re
from datetime import date, datetime

from backoffice.kit.errors import InputError
from payouts.sellers.countries import COUNTRIES
from payouts.sellers.validation import clean_text

_PLACE = re.compile(r"(?P<city>[^,]{2,100}),\s*(?P<country>[A-Za-z]{2})")
_US_ADDRESS = re.compile(
    r"(?P<street>.{3,100}),\s*(?P<city>[^,]{2,40}),\s*(?P<state>[A-Z]{2})\s+(?P<zip>\d{5}(?:-\d{4})?)", re.ASCII
)
_YEARS_MIN, _YEARS_MAX = 16, 130


class TaxAnswerInvalid(InputError):
    code = "tax_answer_invalid"
    sentence = "{detail}"


def check_tax_answer(what: str, value: str, at: datetime) -> str:
    """Return the answer as it is kept. `what` is address, us_address, birth_on or birth_place. Refuses: TaxAnswerInvalid, InvalidText."""
    text = " ".join(clean_text("answer", value, 300).split())
    if what == "birth_on":
        return _birth_on(text, at)
    if what == "birth_place":
        city, country = birth_place_of(text)
        return f"{city}, {country}"
    if what == "us_address" and _US_ADDRESS.fullmatch(text) is None:
        raise TaxAnswerInvalid(
            detail="Write the address as street, city, state and ZIP code: 12 Main Street, Springfield, IL 62701."
        )
    if len(text) < 8:
        raise TaxAnswerInvalid(detail="Write the whole address: street, number, post code and town.")
    return text


def birth_place_of(text: str) -> tuple[str, str]:
    """Return (city, country) of an answer such as 'Lyon, FR'. Refuses: TaxAnswerInvalid."""
    match = _PLACE.fullmatch(text)
    if match is None or match["country"].upper() not in COUNTRIES:
        raise TaxAnswerInvalid(detail="Write the place of birth as town and country code: Lyon, FR.")
    return match["city"].strip(), match["country"].upper()


def us_address_of(text: str) -> dict[str, str] | None:
    """Return street, city, state and zip of an American address in one line, None where it is not written that way."""
    match = _US_ADDRESS.fullmatch(" ".join(text.split()))
    return match.groupdict() if match else None


def _birth_on(text: str, at: datetime) -> str:
    try:
        born = date.fromisoformat(text)
    except ValueError:
        raise TaxAnswerInvalid(detail="Write the date of birth as YYYY-MM-DD.") from None
    if not _YEARS_MIN <= at.year - born.year <= _YEARS_MAX:
        raise TaxAnswerInvalid(detail="This is not the date of birth of somebody who sells.")
    return born.isoformat()
