"""Check what people write about sellers and their bank accounts; every refusal has a code and names no number."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from django.conf import settings
from schwifty import BIC, IBAN
from schwifty.exceptions import SchwiftyException

from backoffice.kit.errors import InputError
from backoffice.kit.money import MoneyError, exponent_of
from payouts.sellers.countries import COUNTRIES
from payouts.sellers.models import PayeeKind

HOLDER_MAX = 140  # pain.001 Nm is Max140Text; a rail that takes less shortens at its own edge
_US_ACCOUNT = re.compile(r"\d{4,17}", re.ASCII)  # NACHA entry detail, positions 13-29
# Joiners are letters' business in Persian and Indic names; every other invisible character only hides something.
_JOINERS = {"\u200c", "\u200d"}


class InvalidIban(InputError):
    code = "invalid_iban"
    sentence = "The IBAN is not valid: {why}."


class InvalidBic(InputError):
    code = "invalid_bic"
    sentence = "The BIC is not valid."


class InvalidRoutingNumber(InputError):
    code = "invalid_routing_number"
    sentence = "The US routing number is not valid: nine digits with an ABA check digit."


class InvalidAccountNumber(InputError):
    code = "invalid_account_number"
    sentence = "The US account number is not valid: 4 to 17 digits."


class InvalidAccountHolder(InputError):
    code = "invalid_account_holder"
    sentence = "The account holder is not valid: {why}."


class UnknownPayeeKind(InputError):
    code = "unknown_payee_kind"
    sentence = "A payee account is an iban or a us_account."


class CurrencyNotForKind(InputError):
    code = "currency_not_for_kind"
    sentence = "A US account is paid in USD, not in {currency}."


class InvalidText(InputError):
    code = "invalid_text"
    sentence = "{what}: {why}."


class UnknownCountry(InputError):
    code = "unknown_country"
    sentence = "The country is not an ISO 3166 code of two capital letters."


class CurrencyNotSupported(InputError):
    code = "currency_not_supported"
    sentence = "Sellers are not paid in this currency."


class UnknownCurrency(InputError):
    code = "unknown_currency"
    sentence = "The currency is not an ISO 4217 code."


@dataclass(frozen=True, slots=True)
class ParsedPayee:
    """A checked account: `number` in its compact form, `country` where the bank is."""

    kind: str
    number: str
    bic: str
    routing_number: str
    country: str
    bank_name: str

    @property
    def last4(self) -> str:
        return self.number[-4:]


def parse_payee(kind: str, number: str, bic: str = "", routing_number: str = "", country: str = "") -> ParsedPayee:
    """Return the checked account behind what somebody typed; spaces and case do not matter.

    The IBAN's structure and mod-97 digits count, not national checksums: several countries' registries are wrong about valid accounts. An
    IBAN of another country than the seller's (`country`) is fine: refusing it would be IBAN discrimination (EU 260/2012, article 9).
    Refuses: InvalidIban, InvalidBic, InvalidRoutingNumber, InvalidAccountNumber, UnknownPayeeKind.
    """
    if kind == PayeeKind.IBAN:
        return _parse_iban(number, bic)
    if kind == PayeeKind.US_ACCOUNT:
        return _parse_us_account(number, routing_number)
    raise UnknownPayeeKind()


def _parse_iban(number: str, bic: str) -> ParsedPayee:
    compact = "".join(number.split()).upper()
    if not compact.isascii() or not compact.isalnum():
        raise InvalidIban(why="it is empty or has characters other than letters and digits")
    try:
        iban = IBAN(compact)
    except SchwiftyException as error:
        raise InvalidIban(why=_why(error)) from None
    bic = "".join(bic.split()).upper()
    if bic:
        _check_bic(bic)
    known_bic = bic or str(iban.bic or "")
    return ParsedPayee(PayeeKind.IBAN, compact, known_bic, "", str(iban.country_code), str(iban.bank_name or "")[:120])


def _why(error: SchwiftyException) -> str:
    """Say which rule failed without repeating the number, as the library's own messages may."""
    return {
        "InvalidChecksumDigits": "its check digits do not fit",
        "InvalidLength": "it is too long or too short for its country",
        "InvalidCountryCode": "there is no IBAN in that country",
    }.get(type(error).__name__, "it is not built as its country builds them")


def _check_bic(bic: str) -> None:
    """Refuse what is no BIC. One of another country than the IBAN's is fine: branches use their head office's."""
    try:
        BIC(bic)
    except SchwiftyException:
        raise InvalidBic() from None


def _parse_us_account(number: str, routing_number: str) -> ParsedPayee:
    routing = "".join(routing_number.split())
    if not is_routing_number(routing):
        raise InvalidRoutingNumber()
    compact = "".join(number.replace("-", "").split())
    if not _US_ACCOUNT.fullmatch(compact) or not compact.strip("0"):
        raise InvalidAccountNumber()
    return ParsedPayee(PayeeKind.US_ACCOUNT, compact, "", routing, "US", "")


def is_routing_number(text: str) -> bool:
    """Tell whether nine digits are an ABA routing number: Federal Reserve district and the 3-7-1 check digit."""
    if len(text) != 9 or not text.isascii() or not text.isdigit():
        return False
    district = int(text[:2])
    if not (1 <= district <= 12 or 21 <= district <= 32 or 61 <= district <= 72):
        return False
    return sum(int(digit) * weight for digit, weight in zip(text, (3, 7, 1) * 3, strict=True)) % 10 == 0


def clean_holder(text: str) -> str:
    """Return the account holder without outer blanks. Refuses: InvalidAccountHolder."""
    try:
        return clean_text("account holder", text, HOLDER_MAX)
    except InvalidText as refusal:
        raise InvalidAccountHolder(why=refusal.facts["why"]) from None


def clean_text(what: str, text: str, longest: int) -> str:
    """Return a line of text without outer blanks. Refuses: InvalidText when empty, too long, or with control or hidden characters."""
    if has_hidden(text):
        raise InvalidText(what=what, why="it has control or invisible characters")
    stripped = text.strip()
    if not stripped:
        raise InvalidText(what=what, why="it is missing")
    if len(stripped) > longest:
        raise InvalidText(what=what, why=f"it is longer than {longest} characters")
    return stripped


def has_hidden(text: str) -> bool:
    """Tell whether a text has characters nobody sees: controls, direction marks, lone surrogates, unassigned."""
    if text.isascii() and text.isprintable():
        return False
    return any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} and char not in _JOINERS for char in text)


def check_country(code: str) -> str:
    """Return an ISO 3166 code. Refuses: UnknownCountry."""
    if code not in COUNTRIES:
        raise UnknownCountry()
    return code


def check_currency(code: str) -> str:
    """Return a currency sellers are paid in. Refuses: UnknownCurrency, CurrencyNotSupported."""
    try:
        exponent_of(code)
    except MoneyError:
        raise UnknownCurrency() from None
    if code not in settings.CURRENCIES:
        raise CurrencyNotSupported()
    return code


def check_kind_fits(kind: str, currency: str) -> None:
    """Refuse a US account for another currency than USD."""
    if kind == PayeeKind.US_ACCOUNT and currency != "USD":
        raise CurrencyNotForKind(currency=currency)
