"""Read a dispute as the provider writes it into exact values. Pure: no database, no network.

The shape is Stripe's Dispute object (API 2026-10-28): minor units, epoch seconds, balance transactions inside. What is missing or of another kind
is refused with its name, so that a change of the provider's shape stops one event and books nothing wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from billing.disputes.states import DisputeStatus


class DisputeUnreadable(Exception):
    """The provider's object is not what we know how to read; the sentence names the field."""


@dataclass(frozen=True, slots=True)
class Movement:
    """One balance transaction, signed from our view: funds withdrawn are negative, net = amount − fee."""

    provider_ref: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    currency: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class DisputeFacts:
    """What the provider says of one dispute now."""

    provider_ref: str
    charge_ref: str
    payment_ref: str
    status: DisputeStatus
    amount_minor: int
    currency: str
    reason: str
    network_code: str
    livemode: bool
    opened_at: datetime
    due_by: datetime | None
    submission_count: int
    is_refundable: bool
    movements: tuple[Movement, ...]


@dataclass(frozen=True, slots=True)
class WarningFacts:
    """An early fraud warning: of a charge, before any dispute."""

    provider_ref: str
    charge_ref: str
    payment_ref: str
    fraud_type: str
    livemode: bool
    opened_at: datetime


def read_dispute(given: Mapping[str, Any]) -> DisputeFacts:
    """Return the facts of a Dispute object; raises DisputeUnreadable."""
    status = _text(given, "status")
    if status not in DisputeStatus.values or status == DisputeStatus.EARLY_WARNING:
        raise DisputeUnreadable(f"status {status[:40]!r} is not one we know.")
    details = _mapping(given.get("evidence_details"), "evidence_details")
    card = _mapping((given.get("payment_method_details") or {}).get("card"), "card")
    due = details.get("due_by")
    amount = _whole(given, "amount")
    if amount <= 0:
        raise DisputeUnreadable("amount is not above zero.")
    return DisputeFacts(
        provider_ref=_text(given, "id"), charge_ref=_ref(given.get("charge")), payment_ref=_ref(given.get("payment_intent")),
        status=DisputeStatus(status), amount_minor=amount, currency=_text(given, "currency").upper(),
        reason=str(given.get("reason") or "")[:60], network_code=str(card.get("network_reason_code") or "")[:20],
        livemode=given.get("livemode") is True, opened_at=_instant(given.get("created"), "created"),
        due_by=None if due is None else _instant(due, "evidence_details.due_by"),
        submission_count=int(details.get("submission_count") or 0), is_refundable=given.get("is_charge_refundable") is True,
        movements=_movements(given.get("balance_transactions") or ()),
    )  # fmt: skip


def read_warning(given: Mapping[str, Any]) -> WarningFacts:
    """Return the facts of an EarlyFraudWarning object; raises DisputeUnreadable."""
    return WarningFacts(
        provider_ref=_text(given, "id"), charge_ref=_ref(given.get("charge")), payment_ref=_ref(given.get("payment_intent")),
        fraud_type=str(given.get("fraud_type") or "")[:60], livemode=given.get("livemode") is True,
        opened_at=_instant(given.get("created"), "created"),
    )  # fmt: skip


def _movements(given: Any) -> tuple[Movement, ...]:
    """Return the balance transactions, what was taken before what came back, so that a receivable never falls below zero on the way."""
    found = []
    for one in given:
        moved = Movement(
            _text(one, "id"), _whole(one, "amount"), _whole(one, "fee"), _whole(one, "net"), _text(one, "currency").upper(),
            _instant(one.get("created"), "balance_transactions.created"),
        )  # fmt: skip
        if moved.net_minor != moved.amount_minor - moved.fee_minor:
            raise DisputeUnreadable("a balance transaction's net is not its amount less its fee.")
        found.append(moved)
    return tuple(sorted(found, key=lambda one: (one.occurred_at, one.amount_minor > 0, one.provider_ref)))


def _mapping(given: Any, name: str) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise DisputeUnreadable(f"{name} is no object.")
    return given


def _text(given: Any, name: str) -> str:
    value = given.get(name) if isinstance(given, Mapping) else None
    if not isinstance(value, str) or not value or len(value) > 120 or not value.isprintable():
        raise DisputeUnreadable(f"{name} is missing or no text.")
    return value


def _whole(given: Mapping[str, Any], name: str) -> int:
    value = given.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise DisputeUnreadable(f"{name} is no whole number.")
    return value


def _ref(given: Any) -> str:
    """Return an id, given as such or as the expanded object."""
    value = given.get("id") if isinstance(given, Mapping) else given
    return value[:120] if isinstance(value, str) else ""


def _instant(given: Any, name: str) -> datetime:
    if not isinstance(given, int) or isinstance(given, bool) or not 0 < given < 7_258_118_400:
        raise DisputeUnreadable(f"{name} is no instant.")
    return datetime.fromtimestamp(given, UTC)
