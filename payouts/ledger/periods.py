"""Accounting periods: open, soft-closed, closed."""

from __future__ import annotations

import calendar
import hashlib
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime, time, timedelta

from django.db import connection

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.transactions import composable
from payouts.ledger.models import Period, PeriodState
from payouts.ledger.queries import trial_balance


class PeriodNotOver(Refusal):
    code = "period_not_over"
    sentence = "The period {period} is not over yet; it can be closed from {on}."


class EarlierPeriodOpen(Refusal):
    code = "earlier_period_open"
    sentence = "An earlier period is still open: {period}. Close periods in order."


class PeriodAlreadyClosed(Refusal):
    code = "period_already_closed"
    sentence = "The period {period} is already {state}."


@composable
def open_period(*, month: date, at: datetime) -> Period:
    """Return the period of a month, made on first use."""
    first = month.replace(day=1)
    last = first.replace(day=calendar.monthrange(first.year, first.month)[1])
    return Period.objects.get_or_create(starts_on=first, defaults={"ends_on": last})[0]


@composable
def soft_close_period(*, month: date, actor: Actor, at: datetime) -> Period:
    """Close a month to everyone but those with the permit. Refuses: PeriodNotOver, PeriodAlreadyClosed."""
    return _close(month, PeriodState.SOFT_CLOSED, {PeriodState.OPEN}, actor, at)


@composable
def close_period(*, month: date, actor: Actor, at: datetime) -> Period:
    """Close a month for good and seal its trial balance by hash. Refuses: PeriodNotOver, PeriodAlreadyClosed, EarlierPeriodOpen."""
    first = month.replace(day=1)
    earlier = Period.objects.filter(starts_on__lt=first).exclude(state=PeriodState.CLOSED).order_by("starts_on").first()
    if earlier:
        raise EarlierPeriodOpen(period=f"{earlier.starts_on:%Y-%m}")
    period = _close(month, PeriodState.CLOSED, {PeriodState.OPEN, PeriodState.SOFT_CLOSED}, actor, at)
    period.trial_balance_hash = trial_balance_hash(period)
    period.save(update_fields=["trial_balance_hash"])
    return period


def _close(month: date, to: str, allowed: set[PeriodState], actor: Actor, at: datetime) -> Period:
    period = Period.objects.select_for_update().get(pk=open_period(month=month, at=at).pk)
    name = f"{period.starts_on:%Y-%m}"
    if period.state not in allowed:
        raise PeriodAlreadyClosed(period=name, state=period.get_state_display())
    if at.date() <= period.ends_on:
        raise PeriodNotOver(period=name, on=period.ends_on + timedelta(days=1))
    period.state, period.closed_by, period.closed_at = to, str(actor), at
    period.save()
    return period


def trial_balance_hash(period: Period) -> str:
    """Return the SHA-256 of the trial balance at the end of a period; it never changes once the period is closed."""
    end = datetime.combine(period.ends_on, time.max, tzinfo=UTC)
    rows = [(row["code"], row["currency"], row["signed_minor"]) for row in trial_balance(end)]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def soft_close_permit() -> AbstractContextManager[None]:
    """Allow postings into soft-closed periods for the rest of the transaction; the caller checks the permission first."""
    return _permit()


@contextmanager
def _permit() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL ledger.soft_close_permit = 'on'")
        yield
        cursor.execute("SET LOCAL ledger.soft_close_permit = 'off'")
