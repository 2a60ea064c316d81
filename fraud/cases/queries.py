"""Questions about cases: whom a seller is linked to, what stands at stake, and what became of a rule's alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from backoffice.kit.invariants import rows_of
from fraud.cases.models import Case
from fraud.cases.states import LIVE, CaseState
from payouts.compliance.queries import linked_sellers
from payouts.sellers.models import Seller

LINK_DAYS = 90
LINKS_MAX = 12


def waiting_cases(at: datetime) -> QuerySet[Case]:
    return Case.objects.filter(state=CaseState.OPEN, is_escalated=False)


def escalated_cases(at: datetime) -> QuerySet[Case]:
    return Case.objects.filter(state=CaseState.OPEN, is_escalated=True)


def overdue_cases(at: datetime) -> QuerySet[Case]:
    return Case.objects.filter(state__in=LIVE, due_at__lt=at)


@dataclass(frozen=True, slots=True)
class LinkedSubject:
    """Another seller and what both share; whether it has an open case."""

    seller: Seller
    what: str
    has_case: bool


_DEVICES = """
SELECT other.seller, count(DISTINCT other.device) FROM fraud_fraudevent mine
  JOIN fraud_fraudevent other ON other.kind = 'sale' AND other.device = mine.device AND other.at > %(since)s AND other.seller <> mine.seller
 WHERE mine.kind = 'sale' AND mine.seller = %(seller)s AND mine.at > %(since)s AND mine.device <> '' AND other.seller <> ''
 GROUP BY 1 ORDER BY 2 DESC LIMIT %(limit)s"""


def linked_subjects(case: Case, at: datetime) -> list[LinkedSubject]:
    """Return sellers that share an account, a person, a phone, an address, or a buyer's device in the last 90 days, with what they share."""
    if case.seller is None:
        return []
    shared: dict[int, tuple[Seller, list[str]]] = {}
    for link in linked_sellers(case.seller, LINKS_MAX):
        shared.setdefault(link.seller.pk, (link.seller, []))[1].append(link.what)
    with connection.cursor() as cursor:
        facts: dict[str, Any] = {"seller": case.seller.public_id, "since": at - timedelta(days=LINK_DAYS), "limit": LINKS_MAX}
        cursor.execute(_DEVICES, facts)
        devices = dict(cursor.fetchall())
    for seller in Seller.objects.filter(public_id__in=devices):
        shared.setdefault(seller.pk, (seller, []))[1].append("device")
    subjects = [seller.public_id for seller, _ in shared.values()]
    open_ones = set(Case.objects.filter(subject__in=subjects, state__in=LIVE).values_list("subject", flat=True))
    found = [
        LinkedSubject(seller, ", ".join(dict.fromkeys(what)), seller.public_id in open_ones) for seller, what in shared.values()
    ]
    return found[:LINKS_MAX]


_FIRED = """
    SELECT DISTINCT a.id, a.is_repeat, d.outcome, d.amount_minor, d.currency, d.subject, c.state, c.label
      FROM fraud_rulehit h JOIN fraud_decision d ON d.id = h.decision_id JOIN fraud_alert a ON a.decision_id = d.id JOIN fraud_case c ON c.id = a.case_id
     WHERE h.version_id = %(version)s AND h.is_hit AND h.counted AND h.at > %(since)s"""
_COUNTS = f"""
WITH fired AS ({_FIRED})
SELECT count(*) AS alerts, count(*) FILTER (WHERE is_repeat) AS repeats, count(*) FILTER (WHERE state = 'closed') AS closed,
       count(*) FILTER (WHERE label = 'fraud') AS fraud, count(*) FILTER (WHERE label = 'justified') AS justified,
       count(*) FILTER (WHERE label = 'false_alarm') AS false_alarms FROM fired"""  # noqa: S608 - constants of this module
_PREVENTED = f"""
WITH fired AS ({_FIRED})
SELECT currency, sum(most)::bigint AS prevented
  FROM (SELECT currency, subject, max(amount_minor) AS most FROM fired
         WHERE label = 'fraud' AND outcome IN ('hold', 'block') AND currency <> '' GROUP BY 1, 2) each
 GROUP BY 1"""  # noqa: S608 - constants of this module


def rule_figures(version_id: int, *, since: datetime) -> dict[str, Any]:
    """Return what became of a version's alerts: counts, `precision` (fraud of all that were closed), `repeat_rate`, and `prevented` {currency: minor}.

    Prevented is what it held or blocked and a person called fraud, each payout or account once. Shares are None where there is nothing to divide by.
    """
    facts = {"version": version_id, "since": since}
    counts: dict[str, Any] = rows_of(_COUNTS, facts)[0]
    counts["precision"] = counts["fraud"] / counts["closed"] if counts["closed"] else None
    counts["repeat_rate"] = counts["repeats"] / counts["alerts"] if counts["alerts"] else None
    counts["prevented"] = {row["currency"]: row["prevented"] for row in rows_of(_PREVENTED, facts)}
    return counts
