"""Verbs of exposure: take the night's snapshot of every seller at once, tell of those that crossed a threshold, forget old nights."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from backoffice.kit.actors import Actor
from backoffice.kit.outbox import tell_set
from backoffice.kit.transactions import composable, durable
from fraud.exposure.models import ExposureNight, ExposureSnapshot
from fraud.exposure.policy import exposure_policy
from fraud.policies.models import FraudPolicy

_SNAPSHOT = (Path(__file__).parent / "snapshot.sql").read_text()
# A seller is told of once when it crosses, and again when it comes back to a threshold after a night below it.
_CROSSED = """
SELECT n.public_id, jsonb_build_object('seller', s.public_id, 'level', n.level, 'currency', n.currency, 'amount_minor', n.exposure_minor,
                                       'reasons', n.reasons, 'why', initcap(n.level) || ': ' || coalesce((SELECT string_agg(
           CASE r WHEN 'exposure' THEN 'exposure' WHEN 'refunds' THEN 'refunds of ' || round(n.refund_basis_points / 100.0, 1) || ' %%'
                  WHEN 'chargebacks' THEN 'chargebacks of ' || round(n.chargeback_basis_points / 100.0, 2) || ' %%'
                  ELSE 'grew since ' || (n.on - %(trend)s)::text END, ', ') FROM jsonb_array_elements_text(n.reasons) r), '')), NULL::bigint
  FROM fraud_exposuresnapshot n JOIN payouts_seller s ON s.id = n.seller_id
  LEFT JOIN fraud_exposuresnapshot p ON p.seller_id = n.seller_id AND p.currency = n.currency
        AND p.on = (SELECT max(q.on) FROM fraud_exposuresnapshot q WHERE q.seller_id = n.seller_id AND q.currency = n.currency AND q.on < n.on)
 WHERE n.on = %(on)s AND n.level <> '' AND s.status <> 'closed'
   AND (p.id IS NULL OR p.level = '' OR (p.level = 'warn' AND n.level = 'critical'))"""
_SUMS = """
INSERT INTO fraud_exposurenight ("on", currency, sellers, exposure_minor, unsettled_minor, disputed_minor, debt_minor, advance_minor, reserved_minor,
                                warn, critical)
SELECT "on", currency, count(*), sum(exposure_minor), sum(unsettled_minor), sum(disputed_minor), sum(debt_minor), sum(advance_minor), sum(reserved_minor),
       count(*) FILTER (WHERE level = 'warn'), count(*) FILTER (WHERE level = 'critical')
  FROM fraud_exposuresnapshot WHERE "on" = %(on)s GROUP BY 1, 2"""
FORGET_AT_ONCE = 50_000


@composable
def snapshot_exposure(*, actor: Actor, at: datetime) -> dict[str, int]:
    """Write the snapshot of the day for every seller with money or sales, and tell `exposure.crossed` of whoever newly crossed a threshold.

    One set-based statement each; a second call on the same day writes and tells nothing. Answers the counts.
    """
    with connection.cursor() as cursor:
        # a rival that takes the same night waits, and then finds it taken
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('fraud.exposure', 0))")
    on = at.date()
    if ExposureSnapshot.objects.filter(on=on).exists():
        return {"written": 0, "crossed": 0}
    policy = exposure_policy()
    with connection.cursor() as cursor:
        cursor.execute(_SNAPSHOT, _facts(policy, at))
        written = cursor.rowcount
        cursor.execute(_SUMS, {"on": on})
    crossed = tell_set("exposure.crossed", _CROSSED, {"on": on, "trend": policy.content["trend_days"]}, at=at)
    return {"written": written, "crossed": crossed}


def _facts(policy: FraudPolicy, at: datetime) -> dict[str, Any]:
    says = policy.content
    facts: dict[str, Any] = {
        "at": at, "on": at.date(), "since": at - timedelta(days=says["window_days"]), "trend_on": at.date() - timedelta(days=says["trend_days"]),
        "exposure": json.dumps(says["exposure_minor"]), "growth_from": json.dumps(says["growth_from_minor"]), "policy": policy.number,
        "sales_least": says["sales_least"], "chargebacks_least": says["chargebacks_least"],
    }  # fmt: skip
    for name, key in (("refund", "refund_basis_points"), ("chargeback", "chargeback_basis_points"), ("growth", "growth_percent")):
        facts |= {f"{name}_warn": says[key]["warn"], f"{name}_critical": says[key]["critical"]}
    return facts


@durable
def forget_nights(*, at: datetime) -> int:
    """Delete snapshots past the policy's days, in pieces of a commit each; returns how many."""
    before = at.date() - timedelta(days=exposure_policy().content["keep_days"])
    ExposureNight.objects.filter(on__lt=before).delete()
    forgotten = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                'DELETE FROM fraud_exposuresnapshot WHERE id IN (SELECT id FROM fraud_exposuresnapshot WHERE "on" < %s ORDER BY id LIMIT %s)',
                [before, FORGET_AT_ONCE],
            )
            forgotten += cursor.rowcount
            if cursor.rowcount < FORGET_AT_ONCE:
                return forgotten
