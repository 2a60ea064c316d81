"""What a report of a suspicion says about money: payouts that reached the seller's account, and the sales that fired in the case.

Only what moved in the currency the report is made in: it asks for each amount in that one, and we keep no rate of the day. What moved in others stands
in the narrative.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings

from backoffice.kit.money import Money
from fraud.cases.goaml import Account, Transfer
from fraud.cases.models import Alert, Case
from fraud.features.models import FraudEvent, Point
from payouts.runs.models import Payout
from payouts.runs.states import PayoutStatus
from payouts.sellers.models import PayeeKind

# Before the case was opened: what came earlier is another story, and a second report.
BEFORE = timedelta(days=90)
PAYOUTS_MAX, SALES_MAX, ELSEWHERE_MAX = 100, 200, 20
LEFT_US = (PayoutStatus.IN_TRANSIT, PayoutStatus.PAID, PayoutStatus.RETURNED)


def transfers_of(case: Case, currency: str) -> list[dict[str, Any]]:
    """Return the transfers of a case in one currency as facts to be kept sealed, the oldest first."""
    found = [*_payouts(case, currency), *_sales(case, currency)]
    return sorted(found, key=lambda one: str(one["at"]))


def _payouts(case: Case, currency: str) -> list[dict[str, Any]]:
    rows = Payout.objects.filter(seller=case.seller, currency=currency, status__in=LEFT_US, built_at__gt=case.opened_at - BEFORE)
    return [_payout(row) for row in rows.select_related("payee_account").order_by("-pk")[:PAYOUTS_MAX]]


def _payout(row: Payout) -> dict[str, Any]:
    account = row.payee_account
    came_back = f" It came back: {row.status_reason or row.status_code}." if row.status == PayoutStatus.RETURNED else ""
    return {
        "number": row.public_id, "at": (row.submitted_at or row.built_at).isoformat(), "posted_at": row.paid_at and row.paid_at.isoformat(),
        "amount": Money(row.amount_minor, row.currency).decimal(), "what": f"Payout of what was sold.{came_back}", "mode": f"Transfer by {row.rail}",
        "sender": settings.PLATFORM_NAME, "sender_is_entity": True, "sender_country": settings.PLATFORM_COUNTRY, "reference": row.reference,
        "account": {
            "institution": account.bank_name or account.bic or account.routing_number or account.country, "number": account.number,
            "currency": account.currency, "holder": account.account_holder, "bic": account.bic, "is_iban": account.kind == PayeeKind.IBAN,
        },
    }  # fmt: skip


def _sales(case: Case, currency: str) -> list[dict[str, Any]]:
    fired = Alert.objects.filter(case=case, decision__point=Point.SALE).values("decision__event")
    rows = FraudEvent.objects.filter(pk__in=fired, kind=Point.SALE, currency=currency, amount_minor__gt=0).order_by("-pk")
    return [
        {
            "number": row.public_id, "at": row.at.isoformat(), "amount": Money(row.amount_minor, row.currency).decimal(),
            "what": "Sale on the marketplace that the rules stopped or questioned.", "mode": "Card or account payment through a provider",
            "sender": row.buyer, "sender_is_entity": False, "sender_country": row.country, "reference": row.order_ref,
        }
        for row in rows[:SALES_MAX]
    ]  # fmt: skip


def paid_elsewhere(case: Case, currency: str) -> list[dict[str, str]]:
    """Return the payouts in other currencies than the report's, for the narrative."""
    rows = Payout.objects.filter(seller=case.seller, status__in=LEFT_US, built_at__gt=case.opened_at - BEFORE).exclude(
        currency=currency
    )
    return [
        {"on": f"{row.submitted_at or row.built_at:%Y-%m-%d}", "money": Money(row.amount_minor, row.currency).display()}
        for row in rows.order_by("-pk")[:ELSEWHERE_MAX]
    ]


def transfer_of(facts: dict[str, Any]) -> Transfer:
    """Return kept facts as the file takes them."""
    account = facts.get("account")
    return Transfer(
        number=facts["number"], at=_instant(facts["at"]), posted_at=_instant(facts["posted_at"]) if facts.get("posted_at") else None,
        amount=facts["amount"], what=facts["what"], mode=facts["mode"], sender=facts["sender"], sender_is_entity=facts["sender_is_entity"],
        sender_country=facts["sender_country"], reference=facts["reference"],
        account=Account(**account) if account else None,
    )  # fmt: skip


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
