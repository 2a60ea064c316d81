"""Integer minor units with an ISO 4217 currency; the only place that knows exponents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from babel.numbers import format_decimal

# ISO 4217 (list one, 2026): every active currency whose exponent is not two. Withdrawn and test codes are not money here.
_EXPONENTS = (
    dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0)
    | dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3)
    | dict.fromkeys("CLF UYW".split(), 4)
)
_TWO = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK "
    "DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD "
    "KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP "
    "PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH "
    "USD UYU UZS VED VES WST XCD YER ZAR ZMW ZWG"
)
_EXPONENTS |= dict.fromkeys(_TWO.split(), 2)

# Ten billion euros: more than any one sale, and nine million of them still fit a BIGINT sum.
AMOUNT_MINOR_MAX = 10**12

# Far more digits than fit, so that a number that is too large is called so.
_DECIMAL = re.compile(r"[+-]?\d{1,80}(?:\.(\d{0,9}))?", re.ASCII)


class MoneyError(ValueError):
    """An amount or currency that is not money; `code` is for machines, the message for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


def exponent_of(currency: str) -> int:
    """Return the number of decimal places of an ISO 4217 currency; raise MoneyError `unknown_currency`."""
    try:
        return _EXPONENTS[currency]
    except (KeyError, TypeError):
        raise MoneyError("unknown_currency", f"{str(currency)[:12]!r} is not an ISO 4217 currency code.") from None


def to_minor(text: str, currency: str) -> int:
    """Turn a decimal string into minor units, exactly.

    Raises MoneyError: `unknown_currency`, `amount_not_a_number`, `wrong_exponent` (more decimals than the currency has),
    `amount_too_large`. Trailing zeros beyond the exponent are refused too: a file that writes JPY with decimals means something else.
    """
    exponent = exponent_of(currency)
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise MoneyError("amount_not_a_number", f"{text[:40]!r} is not an amount: digits, with a point before the decimals.")
    decimals = match.group(1)
    if decimals is None:
        minor = int(text) * 10**exponent
    elif len(decimals) > exponent or not decimals:
        raise MoneyError("wrong_exponent", f"{text[:40]!r}: {currency} is written with {exponent} decimal places at most.")
    else:
        minor = int(text.replace(".", "")) * 10 ** (exponent - len(decimals))
    if abs(minor) > AMOUNT_MINOR_MAX:
        raise MoneyError("amount_too_large", f"{text[:40]!r} is larger than any amount this system books.")
    return minor


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in minor units of one currency; arithmetic across currencies is refused."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        if not isinstance(self.amount_minor, int) or isinstance(self.amount_minor, bool):
            raise TypeError(f"Money takes whole minor units, not {type(self.amount_minor).__name__}.")
        exponent_of(self.currency)

    @classmethod
    def parse(cls, text: str, currency: str) -> Money:
        return cls(to_minor(text, currency), currency)

    def __add__(self, other: Money) -> Money:
        return Money(self.amount_minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount_minor - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount_minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.amount_minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.amount_minor <= self._same(other)

    def _same(self, other: Money) -> int:
        if self.currency != other.currency:
            raise MoneyError("currency_mismatch", f"{self.currency} and {other.currency} do not add up.")
        return other.amount_minor

    def share(self, basis_points: int) -> Money:
        """Return basis_points/10,000 of the amount, rounded half up away from zero."""
        product = abs(self.amount_minor) * basis_points
        rounded = (product + 5_000) // 10_000
        return Money(rounded if self.amount_minor >= 0 else -rounded, self.currency)

    def allocate(self, weights: list[int]) -> list[Money]:
        """Split by weights without losing a minor unit; the first parts take the remainder."""
        total = sum(weights)
        if total <= 0 or min(weights) < 0:
            raise ValueError("Weights must be positive.")
        sign = 1 if self.amount_minor >= 0 else -1
        parts = [abs(self.amount_minor) * weight // total for weight in weights]
        for index in range(abs(self.amount_minor) - sum(parts)):
            parts[index % len(parts)] += 1
        return [Money(sign * part, self.currency) for part in parts]

    def decimal(self) -> str:
        """Return the plain decimal string, as files and APIs of others want it: '95.04'."""
        exponent = exponent_of(self.currency)
        return str(Decimal(self.amount_minor).scaleb(-exponent).quantize(Decimal(1).scaleb(-exponent)))

    def display(self) -> str:
        """Return the amount for a screen: '1,234.50 EUR', always with its currency."""
        exponent = exponent_of(self.currency)
        pattern = "#,##0" + ("." + "0" * exponent if exponent else "")
        return f"{format_decimal(Decimal(self.amount_minor).scaleb(-exponent), pattern, locale='en')} {self.currency}"

    def as_json(self) -> dict[str, int | str]:
        return {"amount_minor": self.amount_minor, "currency": self.currency}

    def __str__(self) -> str:
        return self.display()
