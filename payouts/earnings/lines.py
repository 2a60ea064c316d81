"""One line of earnings: from text to exact values, or to a code and a sentence. Pure: no database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings

from backoffice.kit.money import MoneyError, exponent_of, to_minor
from payouts.earnings.models import EarningKind

COLUMNS = ("external_id", "seller", "kind", "order_ref", "occurred_at", "delivered_at", "currency", "gross", "fee")
TEXT_MAX = 120
FUTURE_TOLERANCE = timedelta(days=1)
# Shops export the delivery date their carrier announced; money then simply waits for it. A date further off is a mistake.
DELIVERY_AHEAD_MAX = timedelta(days=90)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_NEGATIVE_KINDS = {EarningKind.REFUND.value, EarningKind.CHARGEBACK.value}
_POSITIVE_KINDS = {EarningKind.SALE.value, EarningKind.CHARGEBACK_REVERSAL.value}
_ADJUSTMENT = EarningKind.ADJUSTMENT.value


class EarningLine(NamedTuple):
    """A line as it was read: text only, amounts as decimal strings, instants in ISO 8601 (UTC where no offset is written)."""

    line_no: int
    external_id: str
    seller: str
    kind: str
    order_ref: str
    occurred_at: str
    delivered_at: str
    currency: str
    gross: str
    fee: str

    @classmethod
    def of(cls, line_no: int, fields: Mapping[str, Any]) -> EarningLine:
        """Return a line from named fields; missing ones and None are empty."""
        return cls(line_no, *[str(value) if (value := fields.get(name)) is not None else "" for name in COLUMNS])


class BadLine(NamedTuple):
    """Something that stood where a line should be and could not even be split into fields; `raw` is its beginning."""

    line_no: int
    code: str
    reason: str
    raw: str


class ParsedLine(NamedTuple):
    """A valid line: instants in UTC, amounts in minor units, signed from the seller's view (a refund is negative).

    `times` are its two instants as COPY reads them: written out for the fingerprint anyway, and needed again when it is booked.
    """

    line: EarningLine
    external_id: str
    seller: str
    kind: str
    order_ref: str
    occurred_at: datetime
    delivered_at: datetime | None
    currency: str
    gross_minor: int
    fee_minor: int
    net_minor: int
    fingerprint: str
    times: str


class LineResult(NamedTuple):
    """What became of a line: outcome accepted, duplicate or rejected; rejected ones with a code and a sentence."""

    line_no: int
    external_id: str
    outcome: str
    code: str = ""
    reason: str = ""
    earning_public_id: str = ""


class LineRejected(Exception):
    """A line breaks a rule; carries the code and the sentence its sender gets."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def rejected(line: EarningLine | BadLine, code: str, reason: str) -> LineResult:
    external_id = line.external_id if isinstance(line, EarningLine) else ""
    return LineResult(line.line_no, printable(external_id), "rejected", code, reason)


def printable(text: str) -> str:
    """Return at most TEXT_MAX characters that can be stored and shown; what cannot becomes U+FFFD."""
    text = text[:TEXT_MAX]
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


def parse_all(lines: Iterable[EarningLine | BadLine], at: datetime) -> list[ParsedLine | LineResult]:
    """Parse every line, in order; a line that breaks a rule becomes its rejected LineResult."""
    latest = at + FUTURE_TOLERANCE
    parsed: list[ParsedLine | LineResult] = []
    for line in lines:
        if isinstance(line, BadLine):
            parsed.append(rejected(line, line.code, line.reason))
            continue
        try:
            parsed.append(parse(line, latest))
        except LineRejected as problem:
            parsed.append(rejected(line, problem.code, problem.reason))
    return parsed


def parse(line: EarningLine, latest: datetime) -> ParsedLine:
    """Return the exact values of a line. Raises LineRejected.

    Codes: missing_field, field_too_long, bad_character, unknown_kind, unknown_currency, currency_not_supported, amount_not_a_number, wrong_exponent,
    amount_too_large, negative_amount, fee_exceeds_gross, bad_timestamp, in_the_future.
    """
    _, external_id, seller, kind, order_ref, occurred_at, delivered_at, currency, gross, fee = line
    if not (external_id and seller and kind and occurred_at and currency and gross):
        _refuse_missing(line)
    if not (external_id.isprintable() and seller.isprintable() and order_ref.isprintable()):
        raise LineRejected("bad_character", "external_id, seller or order_ref holds a character that cannot be printed.")
    if len(external_id) > TEXT_MAX or len(seller) > TEXT_MAX or len(order_ref) > TEXT_MAX:
        raise LineRejected("field_too_long", f"external_id, seller and order_ref have {TEXT_MAX} characters at most.")
    if currency not in settings.CURRENCIES:
        _refuse_currency(currency)
    try:
        gross_minor = to_minor(gross, currency)
        fee_minor = to_minor(fee, currency) if fee else 0
    except MoneyError as problem:
        raise LineRejected(problem.code, problem.sentence) from None
    if kind != _ADJUSTMENT:
        gross_minor, fee_minor = _signed(line, gross_minor, fee_minor)
    occurred = _instant("occurred_at", occurred_at, latest)
    delivered = _instant("delivered_at", delivered_at, latest + DELIVERY_AHEAD_MAX) if delivered_at else None
    occurred_text, delivered_text = str(occurred), str(delivered) if delivered else NULL
    content = (
        f"{seller}\x1f{kind}\x1f{order_ref}\x1f{occurred_text}\x1f{delivered_text}\x1f{currency}\x1f{gross_minor}\x1f{fee_minor}"
    )
    fingerprint = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
    return ParsedLine(
        line, external_id, seller, kind, order_ref, occurred, delivered, currency, gross_minor, fee_minor,
        gross_minor - fee_minor, fingerprint, f"{occurred_text}\t{delivered_text}",
    )  # fmt: skip


NULL = "\\N"


def copied(text: str) -> str:
    """Return printable text as COPY reads it; the backslash is its only special character."""
    return text.replace("\\", "\\\\") if "\\" in text else text


def _refuse_missing(line: EarningLine) -> None:
    required = ("external_id", "seller", "kind", "occurred_at", "currency", "gross")
    missing = [name for name in required if not getattr(line, name)]
    raise LineRejected("missing_field", f"Missing: {', '.join(missing)}.")


def _refuse_currency(currency: str) -> None:
    try:
        exponent_of(currency)
    except MoneyError as problem:
        raise LineRejected(problem.code, problem.sentence) from None
    raise LineRejected("currency_not_supported", f"{currency} is not among the currencies of this marketplace.")


def _signed(line: EarningLine, gross_minor: int, fee_minor: int) -> tuple[int, int]:
    """Check the amounts of a sale, refund or chargeback (written without sign) and sign them from the seller's view."""
    negative = line.kind in _NEGATIVE_KINDS
    if not negative and line.kind not in _POSITIVE_KINDS:
        raise LineRejected("unknown_kind", f"{line.kind[:40]!r} is not a kind: {', '.join(EarningKind.values)}.")
    if gross_minor < 0 or fee_minor < 0:
        raise LineRejected(
            "negative_amount", f"gross and fee of a {line.kind} are written without a sign; its kind says the direction."
        )
    if fee_minor > gross_minor:
        raise LineRejected("fee_exceeds_gross", f"The fee {line.fee} is larger than the gross amount {line.gross}.")
    if not line.order_ref:
        raise LineRejected("missing_field", f"Missing: order_ref (a {line.kind} belongs to a sale).")
    return (-gross_minor, -fee_minor) if negative else (gross_minor, fee_minor)


def _instant(field: str, text: str, latest: datetime) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
        instant = instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise LineRejected("bad_timestamp", f"{field} {text[:40]!r} is not an ISO 8601 instant.") from None
    if instant > latest:
        raise LineRejected("in_the_future", f"{field} {text[:40]} lies in the future.")
    if instant < EARLIEST:
        raise LineRejected("bad_timestamp", f"{field} {text[:40]} lies before {EARLIEST.year}.")
    return instant
