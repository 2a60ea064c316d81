"""Stripe's words → ours. What is not listed stays unknown: never a guess about money.

Sources: the API reference of the pinned version (payment intents, refunds, disputes, decline codes).
"""

from __future__ import annotations

from typing import Any

from billing.gateways.port import ABSENT, Answer, Outcome

PAYMENT = {
    "requires_payment_method": Outcome.DECLINED,
    "requires_confirmation": Outcome.PENDING,
    "requires_action": Outcome.NEEDS_ACTION,
    "processing": Outcome.PENDING,
    "requires_capture": Outcome.PENDING,
    "succeeded": Outcome.DONE,
    "canceled": Outcome.DECLINED,
}
REFUND = {
    "pending": Outcome.PENDING,
    "requires_action": Outcome.NEEDS_ACTION,
    "succeeded": Outcome.DONE,
    "failed": Outcome.DECLINED,
    "canceled": Outcome.DECLINED,
}
SETUP = {"open": Outcome.NEEDS_ACTION, "complete": Outcome.DONE, "expired": Outcome.DECLINED}

# Declines after which the same card is not tried again, by Stripe's and the networks' rules (Visa and Mastercard fine for it).
HARD_DECLINES = frozenset(
    """authentication_required currency_not_supported expired_card fraudulent incorrect_number invalid_account invalid_number lost_card
    merchant_blacklist new_account_information_available pickup_card restricted_card revocation_of_all_authorizations
    revocation_of_authorization security_violation stolen_card stop_payment_order transaction_not_allowed""".split()
)
# Refused before anything was executed: certain, and the same request would be refused again.
REFUSED_TYPES = frozenset({"invalid_request_error", "card_error", "idempotency_error"})
CANCEL_REASONS = frozenset({"duplicate", "fraudulent", "requested_by_customer", "abandoned"})
REFUND_REASONS = frozenset({"duplicate", "fraudulent", "requested_by_customer"})


def payment(body: dict[str, Any]) -> Answer:
    """Return what a payment intent says."""
    status = str(body.get("status", ""))
    error = body.get("last_payment_error") or {}
    outcome = PAYMENT.get(status, Outcome.UNKNOWN)
    declined = outcome == Outcome.DECLINED
    code = (
        decline_code(error)
        if declined and error
        else (f"canceled/{body.get('cancellation_reason') or ''}".rstrip("/") if declined else "")
    )
    metadata = body.get("metadata") or {}
    return Answer(
        outcome,
        provider_ref=str(body.get("id", "")),
        code=code,
        retryable=declined and status != "canceled" and _retryable(code),
        status=status,
        detail=str(error.get("message") or "") if declined else "",
        action_url=_action_url(body),
        facts={
            "amount_minor": int(body.get("amount_received") or 0) if outcome == Outcome.DONE else int(body.get("amount") or 0),
            "currency": str(body.get("currency", "")).upper(),
            "charge_ref": ref_of(body.get("latest_charge")),
            "method_ref": ref_of(body.get("payment_method")),
            "customer_ref": ref_of(body.get("customer")),
            "key": str(metadata.get("key", "")),
            "reference": str(metadata.get("reference", "")),
        },
    )


def refund(body: dict[str, Any]) -> Answer:
    """Return what a refund says."""
    status = str(body.get("status", ""))
    outcome = REFUND.get(status, Outcome.UNKNOWN)
    metadata = body.get("metadata") or {}
    return Answer(
        outcome,
        provider_ref=str(body.get("id", "")),
        code=str(body.get("failure_reason") or "") or (status if outcome == Outcome.DECLINED else ""),
        status=status,
        facts={
            "amount_minor": int(body.get("amount") or 0),
            "currency": str(body.get("currency", "")).upper(),
            "payment_ref": ref_of(body.get("payment_intent")),
            "pending_reason": str(body.get("pending_reason") or ""),
            "key": str(metadata.get("key", "")),
            "reference": str(metadata.get("reference", "")),
        },
    )


def dispute(body: dict[str, Any]) -> Answer:
    """Return what a dispute says: Stripe's whole object, which the room of disputes reads exactly (disputes/reading.py), and what the port names."""
    details = body.get("evidence_details") or {}
    return Answer(
        Outcome.DONE,
        provider_ref=str(body.get("id", "")),
        status=str(body.get("status", "")),
        facts=body
        | {
            "amount_minor": int(body.get("amount") or 0),
            "currency": str(body.get("currency", "")).upper(),
            "payment_ref": ref_of(body.get("payment_intent")),
            "charge_ref": ref_of(body.get("charge")),
            "reason": str(body.get("reason") or ""),
            "due_by": details.get("due_by"),
            "submission_count": int(details.get("submission_count") or 0),
            "evidence_ready": bool(details.get("has_evidence")),
            "balance_transactions": list(body.get("balance_transactions") or []),
            "created_at": body.get("created"),
        },
    )


def setup(body: dict[str, Any]) -> Answer:
    """Return what a hosted card set-up says; the method is there once it is complete."""
    intent = body.get("setup_intent")
    intent = intent if isinstance(intent, dict) else {}
    status = str(body.get("status", ""))
    return Answer(
        SETUP.get(status, Outcome.UNKNOWN),
        provider_ref=str(body.get("id", "")),
        code=status if status == "expired" else "",
        status=status,
        action_url=str(body.get("url") or ""),
        facts={
            "method_ref": ref_of(intent.get("payment_method")),
            "customer_ref": ref_of(body.get("customer")),
            "reference": str(body.get("client_reference_id") or ""),
        },
    )


def decline_code(error: dict[str, Any]) -> str:
    """Return `card_declined/insufficient_funds`, or the one code there is."""
    code, more = str(error.get("code") or error.get("type") or "declined"), str(error.get("decline_code") or "")
    return f"{code}/{more}" if more and more != code else code


def refused(error: dict[str, Any]) -> Answer:
    """Return the answer to a request that was refused, for certain, before anything was executed."""
    intent = error.get("payment_intent")
    if isinstance(intent, dict):
        return payment(
            intent | {"last_payment_error": {name: error.get(name) for name in ("code", "decline_code", "type", "message")}}
        )
    code = decline_code(error)
    return Answer(Outcome.DECLINED, code=code, retryable=False, detail=str(error.get("message") or "")[:300])


def unknown(reason: str) -> Answer:
    return Answer(Outcome.UNKNOWN, detail=reason)


def absent() -> Answer:
    return Answer(Outcome.UNKNOWN, code=ABSENT, detail="The provider does not know it.")


def ref_of(value: Any) -> str:
    """Return the id of what may be an id, an expanded object or nothing."""
    if isinstance(value, dict):
        return str(value.get("id") or "")
    return str(value or "")


def _action_url(body: dict[str, Any]) -> str:
    action = body.get("next_action") or {}
    return str((action.get("redirect_to_url") or {}).get("url") or "")


def _retryable(code: str) -> bool:
    return not HARD_DECLINES & set(code.split("/"))
