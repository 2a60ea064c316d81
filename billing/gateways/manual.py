"""Bank transfers: no provider to call. A charge waits for money that staff record when it stands on the statement; a refund is sent by hand likewise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from billing.gateways.port import ABSENT, Answer, BalanceTransaction, Notice, NoticeRefused, Outcome


class ManualGateway:
    """Answers "pending" to what people do, and knows nothing by itself: what became of it, a person records."""

    name = "manual"
    livemode = True
    key_life_seconds = 20 * 3600.0
    visibility_lag_seconds = 0.0

    def create_customer(self, *, reference: str, name: str, email: str, key: str) -> Answer:
        return Answer(Outcome.DONE, provider_ref=reference, facts={"customer_ref": reference})

    def setup_card(self, *, customer_ref: str, reference: str, return_url: str, key: str) -> Answer:
        return _refused("cards_not_kept", "Bank transfers keep no card.")

    def charge(
        self,
        *,
        customer_ref: str,
        method_ref: str,
        amount_minor: int,
        currency: str,
        reference: str,
        description: str,
        off_session: bool,
        key: str,
        return_url: str = "",
    ) -> Answer:
        if amount_minor <= 0:
            return _refused("amount_too_small", "A transfer has an amount.")
        return Answer(
            Outcome.PENDING,
            provider_ref=_ref(key),
            status="processing",
            facts={"amount_minor": amount_minor, "currency": currency, "key": key, "reference": reference},
        )

    def cancel(self, *, provider_ref: str, reason: str, key: str) -> Answer:
        return Answer(Outcome.DECLINED, provider_ref=provider_ref, code=f"canceled/{reason}".rstrip("/"), status="canceled")

    def refund(self, *, payment_ref: str, amount_minor: int, currency: str, reference: str, reason: str, key: str) -> Answer:
        facts = {
            "amount_minor": amount_minor,
            "currency": currency,
            "payment_ref": payment_ref,
            "key": key,
            "reference": reference,
        }
        return Answer(Outcome.PENDING, provider_ref=_ref(key), status="pending", facts=facts)

    def get_payment(
        self, *, provider_ref: str = "", reference: str = "", key: str = "", customer_ref: str = "", since: datetime | None = None
    ) -> Answer:
        return self._waits(provider_ref, key, "processing")

    def get_refund(
        self, *, provider_ref: str = "", reference: str = "", key: str = "", payment_ref: str = "", since: datetime | None = None
    ) -> Answer:
        return self._waits(provider_ref, key, "pending")

    def get_setup(self, *, provider_ref: str) -> Answer:
        return Answer(Outcome.UNKNOWN, code=ABSENT)

    def get_dispute(self, *, provider_ref: str) -> Answer:
        return Answer(Outcome.UNKNOWN, code=ABSENT)

    def submit_evidence(self, *, provider_ref: str, evidence: Mapping[str, Any], final: bool, key: str) -> Answer:
        return _refused("resource_missing", "A bank transfer has no disputes.")

    def accept_dispute(self, *, provider_ref: str, key: str) -> Answer:
        return _refused("resource_missing", "A bank transfer has no disputes.")

    def list_balance_transactions(self, *, since: datetime, payout_ref: str = "") -> Iterator[BalanceTransaction]:
        return iter(())

    def list_events(self, *, since: datetime) -> Iterator[Notice]:
        return iter(())

    def verify_webhook(self, *, body: bytes, signature: str, at: datetime) -> Notice:
        raise NoticeRefused("Bank transfers send no events.")

    def _waits(self, provider_ref: str, key: str, status: str) -> Answer:
        """What was asked of a person waits for a person; there is nothing that could have been done twice."""
        if provider_ref.startswith("mt_") or key:
            facts = {"key": key} if key else {}
            return Answer(Outcome.PENDING, provider_ref=provider_ref or _ref(key), status=status, facts=facts)
        return Answer(Outcome.UNKNOWN, code=ABSENT)


def _ref(key: str) -> str:
    return f"mt_{key}"[:120]


def _refused(code: str, detail: str) -> Answer:
    return Answer(Outcome.DECLINED, code=code, detail=detail)
