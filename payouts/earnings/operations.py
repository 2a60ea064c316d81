"""Verbs of earnings: record lines, deal with rejected ones. Files come in through importing.py."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import DataError, IntegrityError, connection, transaction
from psycopg.errors import NumericValueOutOfRange, UniqueViolation

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.outbox import tell
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from payouts.earnings.booking import Booked, book
from payouts.earnings.bulk import array
from payouts.earnings.lines import COLUMNS, EarningLine, LineResult, ParsedLine, parse_all, rejected
from payouts.earnings.models import RejectedLine, RejectedState

LINES_MAX = 5_000
RIVAL_TRIES = 3


class TooManyLines(InputError):
    code = "too_many_lines"
    sentence = "{count} lines came at once; {limit} are the most."


class RejectedLineIsClosed(Refusal):
    code = "rejected_line_is_closed"
    sentence = "This line was dealt with before ({state})."


class LineCannotBeRetried(Refusal):
    code = "line_cannot_be_retried"
    sentence = "The line could not be read at all, so there is nothing to try again. Send it corrected, and dismiss this one."


class StillRejected(Refusal):
    code = "still_rejected"
    sentence = "Still rejected: {why}"


class ReasonMissing(InputError):
    code = "reason_missing"
    sentence = "Give a reason: it is kept with the line."


@composable
def record_earnings(
    *,
    lines: Sequence[EarningLine],
    source: str,
    actor: Actor,
    at: datetime,
    batch_id: int | None = None,
    partner_id: int | None = None,
) -> list[LineResult]:
    """Book up to 5,000 lines and answer what became of each, in their order: accepted, duplicate (the same content came before) or rejected.

    A rejected line never keeps the others from being booked. A later line cannot change an earlier one (a delivery date known only now, say): the
    same external_id with other content is rejected, and the time until the money is free keeps counting from what came first. With `partner_id`, only that partner's sellers are known. Tells
    `earnings.recorded` once, with counts. Refuses: TooManyLines.
    """
    if len(lines) > LINES_MAX:
        raise TooManyLines(count=len(lines), limit=LINES_MAX)
    parsed = parse_all(lines, at)
    return record_parsed(parsed=parsed, source=source, actor=actor, at=at, batch_id=batch_id, partner_id=partner_id).results


@composable
def record_parsed(
    *,
    parsed: Sequence[ParsedLine | LineResult],
    source: str,
    actor: Actor,
    at: datetime,
    batch_id: int | None = None,
    partner_id: int | None = None,
    subject: str = "",
) -> Booked:
    """The same for lines that are parsed already; the import parses ahead while the database works."""
    booked = _book_what_fits(parsed, source=source, actor=actor, at=at, batch_id=batch_id, partner_id=partner_id)
    if booked.totals:
        first = next(result.earning_public_id for result in booked.results if result.outcome == "accepted")
        counts = {outcome: booked.count(outcome) for outcome in ("accepted", "duplicate", "rejected")}
        payload: dict[str, Any] = {"source": source, "totals": booked.totals} | counts
        tell("earnings.recorded", subject=subject or first, payload=payload, at=at, partner_id=partner_id)
    return booked


def _book_what_fits(parsed: Sequence[ParsedLine | LineResult], **facts: Any) -> Booked:
    """Book all of a set; where a balance would grow beyond what can be counted, halve it until the lines that do not fit stand alone.

    Their order is kept, so the first lines that fit are booked, as if each had come by itself.
    """
    try:
        return _book_against_rivals(parsed, **facts)
    except DataError as error:
        if not isinstance(error.__cause__, NumericValueOutOfRange):
            raise
    if len(parsed) == 1:
        (line,) = (one.line for one in parsed if isinstance(one, ParsedLine))
        return Booked(
            [rejected(line, "balance_out_of_range", "The seller's balance would be larger than the books can count.")], {}
        )
    middle = len(parsed) // 2
    first, second = _book_what_fits(parsed[:middle], **facts), _book_what_fits(parsed[middle:], **facts)
    totals = {currency: dict(sums) for currency, sums in first.totals.items()}
    for currency, sums in second.totals.items():
        before = totals.get(currency, dict.fromkeys(sums, 0))
        totals[currency] = {name: before[name] + amount for name, amount in sums.items()}
    return Booked(first.results + second.results, totals)


def _book_against_rivals(parsed: Sequence[ParsedLine | LineResult], **facts: Any) -> Booked:
    """Book in a savepoint; a rival that books one of the external ids for another seller just now makes us look again."""
    for attempt in range(1, RIVAL_TRIES + 1):
        try:
            with transaction.atomic():
                return book(parsed, **facts)
        except (UniqueViolation, IntegrityError) as error:
            if attempt == RIVAL_TRIES or "earning_once" not in str(error):
                raise
    raise AssertionError("unreachable")


@composable
def mark_matured(*, earning_ids: Sequence[int], at: datetime) -> int:
    """Note that what these earnings had pending has become available; the caller (holds) has locked them and books the money."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payouts_earning SET pending_minor = 0, matured_at = %s WHERE id = ANY(%s::bigint[]) AND pending_minor > 0",
            [at, array(earning_ids)],
        )
        return cursor.rowcount


@composable
def retry_rejected(*, rejected_id: int, actor: Actor, at: datetime) -> RejectedLine:
    """Book a rejected line again as it stands, after what kept it out was put right (an unknown seller, say).

    Refuses: NotFound, RejectedLineIsClosed, LineCannotBeRetried, StillRejected.
    """
    row = _open_line(rejected_id)
    line = line_of(row)
    if line is None:
        raise LineCannotBeRetried()
    result = record_earnings(lines=[line], source=row.source, actor=actor, at=at, batch_id=row.batch_id)[0]
    if result.outcome == "rejected":
        raise StillRejected(why=result.reason)
    close_rejected(row, RejectedState.RETRIED, actor=actor, at=at, reason=result.outcome)
    audit.record(
        actor, "earning.retry", row.public_id, at, facts={"earning": result.earning_public_id, "outcome": result.outcome}
    )
    return row


@composable
def dismiss_rejected(*, rejected_id: int, reason: str, actor: Actor, at: datetime) -> RejectedLine:
    """Say that a rejected line needs nothing more, and why. Refuses: NotFound, RejectedLineIsClosed, ReasonMissing."""
    if not reason.strip():
        raise ReasonMissing()
    row = _open_line(rejected_id)
    close_rejected(row, RejectedState.DISMISSED, actor=actor, at=at, reason=reason)
    audit.record(actor, "earning.dismiss", row.public_id, at, reason=reason)
    return row


def _open_line(rejected_id: int) -> RejectedLine:
    row = RejectedLine.objects.select_for_update().filter(pk=rejected_id).first()
    if row is None:
        raise NotFound(what="rejected line", ref=rejected_id)
    if row.state != RejectedState.OPEN:
        raise RejectedLineIsClosed(state=row.get_state_display())
    return row


def close_rejected(row: RejectedLine, state: str, *, actor: Actor, at: datetime, reason: str) -> None:
    row.state, row.closed_by, row.closed_reason, row.closed_at = state, str(actor), reason, at
    row.save(update_fields=["state", "closed_by", "closed_reason", "closed_at"])


def line_of(row: RejectedLine) -> EarningLine | None:
    """Return the line a rejected row keeps, or None when it never could be split into fields."""
    try:
        fields = json.loads(row.raw)
    except ValueError:
        return None
    if not isinstance(fields, dict) or not set(fields) & set(COLUMNS):
        return None
    return EarningLine.of(row.line_no, fields)
