"""Everything else a rule may look at: the event itself, the seller's past, who it is linked to, lists and screening.

Each source is a statement or two behind a savepoint: what cannot be read is missing, and a rule that needs it is unknown, never clean.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import Error, transaction

from backoffice.kit.statements import one_row
from fraud.features.catalogue import features, of_source
from fraud.features.exposing import exposure
from fraud.features.models import FraudEvent, Point
from fraud.features.velocity import velocity
from fraud.features.windows import Seen
from fraud.screening.queries import standing

logger = logging.getLogger(__name__)
_Read = Callable[[], dict[str, Any]]


@dataclass(slots=True)
class Values:
    """Features as of a moment: `known` by name, `missing` with why, and how long each source took in microseconds."""

    known: dict[str, Any] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    durations: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about: the event, what is listed of its subjects, and the rows of payouts behind it where there are any."""

    event: FraudEvent
    listed: Mapping[str, str]
    seller_id: int | None = None
    payee_id: int | None = None


def values_of(asked: Asked, names: frozenset[str], *, at: datetime) -> Values:
    """Return the features among `names` as of an event, with what is known at `at`."""
    values = Values()
    sources: dict[str, _Read] = {
        "event": lambda: of_event(asked.event),
        "events": lambda: velocity(asked.event, names),
        "history": lambda: _history(asked, names, at),
        "links": lambda: _links(asked, names, at),
        "lists": lambda: {f"list.{kind}": said for kind, said in asked.listed.items()},
        "exposure": lambda: exposure(asked.seller_id, asked.event.currency) if asked.seller_id and asked.event.currency else {},
        "screening": lambda: {"seller.screening": standing(asked.event.seller)} if asked.seller_id else {},
    }
    wanted = {source: [one.name for one in of_source(names, source)] for source in sources}
    reads = {source: read for source, read in sources.items() if wanted[source]}
    for source, found in _read(reads, values.durations).items():
        if found is None:
            values.missing.update(dict.fromkeys(wanted[source], "the source could not be read"))
            continue
        values.known.update({name: found[name] for name in wanted[source] if found.get(name) is not None})
        values.missing.update({name: "nothing is known of it here" for name in wanted[source] if found.get(name) is None})
    values.missing.update(dict.fromkeys(names - features().keys(), "no such feature"))
    return values


def _read(reads: Mapping[str, _Read], durations: dict[str, int]) -> dict[str, dict[str, Any] | None]:
    """Read all sources in one savepoint, which is two round trips; when one fails, each in its own, so that only that one is missing."""

    def timed(source: str, read: _Read) -> dict[str, Any]:
        started = time.perf_counter()
        found = read()
        durations[source] = int((time.perf_counter() - started) * 1_000_000)
        return found

    def alone(source: str, read: _Read) -> dict[str, Any] | None:
        try:
            with transaction.atomic():
                return timed(source, read)
        except Error:
            logger.exception("features: the source %s could not be read", source)
            return None

    try:
        with transaction.atomic():
            return {source: timed(source, read) for source, read in reads.items()}
    except Error:
        return {source: alone(source, read) for source, read in reads.items()}


def of_event(event: FraudEvent) -> dict[str, Any]:
    at = event.at.astimezone(UTC)
    return {
        "event.kind": event.kind,
        "event.amount_minor": event.amount_minor if event.currency else None,
        "amount_minor": event.amount_minor if event.currency else None,
        "event.currency": event.currency or None,
        "currency": event.currency or None,
        "event.country": event.country or None,
        "event.hour": at.hour,
        "event.weekday": at.isoweekday(),
    }


def of_seen(event: Seen) -> dict[str, Any]:
    """Return the features of an event itself as a back-test has it: a sale."""
    at = datetime.fromtimestamp(event.at // 1_000_000, UTC)
    return of_event(
        FraudEvent(kind=Point.SALE, at=at, amount_minor=event.amount_minor, currency=event.currency, country=event.country)
    )


_HISTORY_SQL = """
SELECT s.country, s.entity_type, s.status, t.code, floor(extract(epoch FROM %(at)s - s.created_at) / 86400)::int AS age,
       {paid} AS paid, {returned} AS returned, {earned},
       floor(extract(epoch FROM %(at)s - a.created_at) / 3600)::int AS payee_age, {changes} AS changes, a.version = 1 AS first, a.name_check, a.country AS payee_country
  FROM payouts_seller s JOIN payouts_tier t ON t.id = s.tier_id LEFT JOIN payouts_payeeaccount a ON a.id = %(payee)s::bigint{counted}
 WHERE s.id = %(seller)s"""
# sales, refunds and chargebacks in one look at the earnings
_EARNED = """
       CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE e.kind = 'sale') AS sales, count(*) FILTER (WHERE e.kind = 'refund') AS refunds,
                                  count(*) FILTER (WHERE e.kind = 'chargeback') AS chargebacks
                             FROM payouts_earning e WHERE e.seller_id = s.id AND e.occurred_at <= %(at)s AND e.occurred_at > %(since)s) earned"""
_PAID = """(SELECT count(*) FROM payouts_payout p WHERE p.seller_id = s.id AND p.status {states})"""
_CHANGES = """(SELECT count(*) FROM payouts_payeeaccount c WHERE c.seller_id = s.id AND c.currency = a.currency AND c.created_at > %(month)s AND c.created_at <= %(at)s)"""


def _history(asked: Asked, names: frozenset[str], at: datetime) -> dict[str, Any]:
    if asked.seller_id is None:
        return {}

    def when(wanted: str, sql: str) -> str:
        return sql if wanted in names else "NULL::bigint"

    rates = ("seller.refund_rate_90d", "seller.chargeback_rate_90d")
    counted = not names.isdisjoint({"seller.sales_90d", *rates})
    sql = _HISTORY_SQL.format(
        paid=when("seller.payouts_paid", _PAID.format(states="= 'paid'")),
        returned=when("seller.payouts_returned", _PAID.format(states="IN ('returned', 'rejected')")),
        earned="earned.sales, earned.refunds, earned.chargebacks" if counted else "NULL::bigint, NULL::bigint, NULL::bigint",
        counted=_EARNED if counted else "",
        changes=when("payee.changes_30d", _CHANGES),
    )
    facts = {
        "seller": asked.seller_id,
        "payee": asked.payee_id,
        "at": at,
        "since": at - timedelta(days=90),
        "month": at - timedelta(days=30),
    }
    row = one_row(sql, facts)
    if row is None:
        return {}
    country, entity, status, tier, age, paid, returned, sales, refunds, chargebacks, payee_age, changes, first, check, where = row
    found = {
        "seller.country": country, "seller.entity_type": entity, "seller.status": status, "seller.tier": tier, "seller.age_days": max(age, 0),
        "seller.payouts_paid": paid, "seller.payouts_returned": returned, "seller.sales_90d": sales,
        rates[0]: _rate(refunds, sales), rates[1]: _rate(chargebacks, sales),
    }  # fmt: skip
    if asked.payee_id is not None and payee_age is not None:
        found |= {"payee.age_hours": max(payee_age, 0), "payee.changes_30d": changes, "payee.is_first": first,
                  "payee.name_check": check, "payee.country": where}  # fmt: skip
    return found


def _rate(part: int | None, whole: int | None) -> float | None:
    if part is None or whole is None:
        return None
    return part / whole if whole else 0.0


_LINK_SQL = {
    "link.sellers_on_bank_account": """SELECT count(DISTINCT o.seller_id) FROM payouts_payeeaccount m
        JOIN payouts_payeeaccount o ON o.number_index = m.number_index AND o.seller_id <> m.seller_id WHERE m.seller_id = %(seller)s""",
    "link.blocked_sellers": """SELECT count(DISTINCT o.seller_id) FROM payouts_payeeaccount m
        JOIN payouts_payeeaccount o ON o.number_index = m.number_index AND o.seller_id <> m.seller_id
        JOIN payouts_seller b ON b.id = o.seller_id AND b.status = 'blocked' WHERE m.seller_id = %(seller)s""",
    "link.sellers_with_person": """SELECT count(DISTINCT o.seller_id) FROM payouts_person m
        JOIN payouts_person o ON o.name_index = m.name_index AND o.seller_id <> m.seller_id WHERE m.seller_id = %(seller)s AND m.name_index <> ''""",
    "link.sellers_with_phone": """SELECT count(DISTINCT o.seller_id) FROM payouts_person m
        JOIN payouts_person o ON o.phone_index = m.phone_index AND o.seller_id <> m.seller_id WHERE m.seller_id = %(seller)s AND m.phone_index <> ''""",
    "link.sellers_at_address": """SELECT count(DISTINCT o.seller_id) FROM payouts_person m
        JOIN payouts_person o ON o.address_index = m.address_index AND o.seller_id <> m.seller_id WHERE m.seller_id = %(seller)s AND m.address_index <> ''""",
}
_DEVICE_SQL = """SELECT count(DISTINCT e.seller) FROM fraud_fraudevent e WHERE e.kind = 'sale' AND e.device = %(device)s AND e.device <> ''
    AND e.at > %(month)s AND e.at <= %(at)s AND e.seller <> %(name)s AND e.seller <> ''"""


def _links(asked: Asked, names: frozenset[str], at: datetime) -> dict[str, Any]:
    wanted = {name: sql for name, sql in _LINK_SQL.items() if name in names and asked.seller_id is not None}
    if "link.sellers_on_device" in names and asked.event.device:
        wanted["link.sellers_on_device"] = _DEVICE_SQL
    if not wanted:
        return {}
    sql = "SELECT " + ", ".join(f"({one})" for one in wanted.values())
    facts = {
        "seller": asked.seller_id,
        "device": asked.event.device,
        "name": asked.event.seller,
        "at": at,
        "month": at - timedelta(days=30),
    }
    row = one_row(sql, facts)
    return dict(zip(wanted, row, strict=True)) if row else {}
