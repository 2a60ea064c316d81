"""The feed: sales become events, chargebacks become labels, and sales nobody complained about become good ones.

Earnings come in by the hundred thousand, so the outbox only rings: what is new is copied in statements, from a mark no row can still appear
before. Copying the same row again changes nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from backoffice.kit.outbox import Event, subscribe
from fraud.features.models import Feed

EARNINGS = "earnings"
SLICE = 20_000
# Card schemes give 120 days for a dispute; nearly all fraud comes within 60. Later ones are labelled again, as fraud.
GOOD_AFTER = timedelta(days=60)
GOOD_AT_ONCE = 20_000

_BOUNDS = """
SELECT coalesce(max(id), 0), pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint
  FROM (SELECT id FROM payouts_earning WHERE id > %s ORDER BY id LIMIT %s) e"""
_SALES = """
INSERT INTO fraud_fraudevent (public_id, ref, kind, at, known_at, partner_id, buyer, seller, payee, device, country, currency, amount_minor, order_ref)
SELECT kit_typeid('fev'), left(e.source || ':' || e.external_id, 250), 'sale', e.occurred_at, %(at)s, s.partner_id, '', s.public_id, '', '',
       '', e.currency, e.gross_minor, e.order_ref
  FROM payouts_earning e JOIN payouts_seller s ON s.id = e.seller_id
 WHERE e.id > %(mark)s AND e.id <= %(upto)s AND e.kind = 'sale' AND e.gross_minor >= 0
ON CONFLICT (ref) DO NOTHING"""
_CHARGEBACKS = """
INSERT INTO fraud_fraudlabel (event_id, is_fraud, known_at, source, actor, buyer, seller, payee, device, country)
SELECT v.id, true, greatest(%(at)s, e.occurred_at), 'chargeback', 'system:feed', v.buyer, v.seller, v.payee, v.device, v.country
  FROM payouts_earning e JOIN payouts_seller s ON s.id = e.seller_id
  JOIN LATERAL (SELECT * FROM fraud_fraudevent f WHERE f.kind = 'sale' AND f.seller = s.public_id AND f.order_ref = e.order_ref AND f.order_ref <> ''
                 ORDER BY f.at, f.id LIMIT 1) v ON true
 WHERE e.id > %(mark)s AND e.id <= %(upto)s AND e.kind = 'chargeback'
ON CONFLICT (event_id, source, is_fraud) DO NOTHING"""
_AGED = """
INSERT INTO fraud_fraudlabel (event_id, is_fraud, known_at, source, actor, buyer, seller, payee, device, country)
SELECT v.id, false, %(at)s, 'aged', 'system:feed', v.buyer, v.seller, v.payee, v.device, v.country
  FROM fraud_fraudevent v
 WHERE v.kind = 'sale' AND v.at <= %(before)s AND v.at > %(since)s AND NOT EXISTS (SELECT 1 FROM fraud_fraudlabel l WHERE l.event_id = v.id)
 ORDER BY v.at LIMIT %(limit)s
ON CONFLICT (event_id, source, is_fraud) DO NOTHING"""


def take_earnings(event: Event) -> None:
    """Copy what earnings came since the last time; the row of the feed keeps two relays apart."""
    pull(at=event.occurred_at)


def pull(*, at: datetime, slices: int = 5) -> int:
    """Copy new earnings into the store, a few slices at most; return how many rows came."""
    copied = 0
    for _ in range(slices):
        with transaction.atomic():
            fresh, last = _pull_slice(at)
        copied += fresh
        if last:
            break
    return copied


def _pull_slice(at: datetime) -> tuple[int, bool]:
    Feed.objects.get_or_create(name=EARNINGS)
    feed = Feed.objects.select_for_update().get(name=EARNINGS)
    with connection.cursor() as cursor:
        cursor.execute(_BOUNDS, [feed.mark, SLICE])
        upto, xmin, xmax = cursor.fetchone()
        if feed.next_mark > feed.mark and feed.next_xmax <= xmin:
            feed.mark = feed.next_mark
            cursor.execute(_BOUNDS, [feed.mark, SLICE])
            upto, xmin, xmax = cursor.fetchone()
        facts: dict[str, Any] = {"mark": feed.mark, "upto": upto, "at": at}
        cursor.execute(_SALES, facts)
        copied = cursor.rowcount
        cursor.execute(_CHARGEBACKS, facts)
        copied += cursor.rowcount
    if upto > feed.mark and feed.next_mark <= feed.mark:  # one at a time: a mark that is still waited for is not moved
        feed.next_mark, feed.next_xmax = upto, xmax
    feed.save()
    return copied, upto == 0 or copied == 0


def label_aged(*, at: datetime) -> int:
    """Label sales good that nobody complained of in 60 days; a chargeback that comes later labels them fraud. Returns how many."""
    before = at - GOOD_AFTER
    facts: dict[str, Any] = {"at": at, "before": before, "since": before - timedelta(days=120), "limit": GOOD_AT_ONCE}
    with connection.cursor() as cursor:
        cursor.execute(_AGED, facts)
        return cursor.rowcount


def plug_in() -> None:
    subscribe("fraud.features.earnings", "earnings.recorded", take_earnings)
