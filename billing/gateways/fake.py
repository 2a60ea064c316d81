"""The fake: a card provider in this process, with its own tables, for sandboxes. It fails on request, by the card's name.

    fake_ok                      charged                          fake_unknown_before   no answer, nothing happened
    fake_declined                declined: insufficient funds     fake_unknown_after    no answer, but it was charged
    fake_stolen                  declined: stolen card            fake_pending          settles when it is next asked about
    fake_3ds                     asks the customer on session,    fake_pending_fails    fails when it is next asked about
                                 declined off session             fake_refund_pending   charged; its refunds settle later
    fake_refund_refused          charged; its refunds are refused fake_refund_fails     charged; its refunds succeed, then come back
    fake_refund_unknown          charged; no answer to its refunds, though they were made

Every other card is charged. A repeated key answers what it answered first; with other content it is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from backoffice.kit.ids import new_id
from billing.gateways.models import FakeObject
from billing.gateways.port import ABSENT, Answer, BalanceTransaction, Notice, NoticeRefused, Outcome

FEE_BASIS_POINTS = 150
_CHARGES = {
    "fake_declined": ("requires_payment_method", "card_declined/insufficient_funds"),
    "fake_stolen": ("requires_payment_method", "card_declined/stolen_card"),
    "fake_pending": ("processing", ""),
    "fake_pending_fails": ("processing", ""),
}
_OUTCOMES = {
    "succeeded": Outcome.DONE,
    "open": Outcome.NEEDS_ACTION,
    "complete": Outcome.DONE,
    "processing": Outcome.PENDING,
    "pending": Outcome.PENDING,
    "requires_action": Outcome.NEEDS_ACTION,
    "requires_payment_method": Outcome.DECLINED,
    "failed": Outcome.DECLINED,
    "canceled": Outcome.DECLINED,
}


class FakeGateway:
    """A provider whose keys never end and whose effects are seen at once."""

    name = "fake"
    livemode = False
    key_life_seconds = 20 * 3600.0
    visibility_lag_seconds = 0.0

    def create_customer(self, *, reference: str, name: str, email: str, key: str) -> Answer:
        row = self._once("customer", key, reference, {"reference": reference}, status="succeeded")
        return self._answer(row, customer_ref=row.ref) if row else _refused("idempotency_error")

    def setup_card(self, *, customer_ref: str, reference: str, return_url: str, key: str) -> Answer:
        row = self._once("setup", key, reference, {"customer": customer_ref}, status="open", customer_ref=customer_ref)
        return self._setup_answer(row) if row else _refused("idempotency_error")

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
            return _refused("amount_too_small")
        if method_ref == "fake_unknown_before":
            return Answer(Outcome.UNKNOWN, detail="No answer.")
        status, code = _CHARGES.get(method_ref, ("succeeded", ""))
        if method_ref == "fake_3ds":
            status, code = ("requires_payment_method", "authentication_required") if off_session else ("requires_action", "")
        content = {
            "amount": amount_minor,
            "currency": currency,
            "method": method_ref,
            "customer": customer_ref,
            "off": off_session,
        }
        row = self._once(
            "payment", key, reference, content, status=status, code=code, behaviour=method_ref, method_ref=method_ref,
            customer_ref=customer_ref, currency=currency, amount_minor=amount_minor,
        )  # fmt: skip
        if row is None:
            return _refused("idempotency_error")
        return Answer(Outcome.UNKNOWN, detail="No answer.") if method_ref == "fake_unknown_after" else self._answer(row)

    def cancel(self, *, provider_ref: str, reason: str, key: str) -> Answer:
        with transaction.atomic():
            row = FakeObject.objects.select_for_update().filter(kind="payment", ref=provider_ref).first()
            if row is None:
                return _refused("resource_missing")
            if row.status == "succeeded":
                return _refused("payment_intent_unexpected_state")
            if row.status != "canceled":
                row.status, row.code = "canceled", f"canceled/{reason}"[:80]
                row.save(update_fields=["status", "code"])
        return self._answer(row)

    def refund(self, *, payment_ref: str, amount_minor: int, currency: str, reference: str, reason: str, key: str) -> Answer:
        with transaction.atomic():
            paid = FakeObject.objects.select_for_update().filter(kind="payment", ref=payment_ref).first()
            known = FakeObject.objects.filter(kind="refund", key=key).first()
            if paid is None or paid.status != "succeeded":
                return _refused("charge_not_refundable")
            gone = FakeObject.objects.filter(kind="refund", parent_ref=payment_ref).exclude(status="failed")
            if known is None and amount_minor > paid.amount_minor - sum(gone.values_list("amount_minor", flat=True)):
                return _refused("charge_already_refunded")
            if paid.behaviour == "fake_refund_refused":
                return _refused("charge_not_refundable")
            row = self._once(
                "refund", key, reference, {"payment": payment_ref, "amount": amount_minor},
                status="pending" if paid.behaviour == "fake_refund_pending" else "succeeded", behaviour=paid.behaviour,
                parent_ref=payment_ref, currency=currency, amount_minor=amount_minor,
            )  # fmt: skip
        if row is None:
            return _refused("idempotency_error")
        return Answer(Outcome.UNKNOWN, detail="No answer.") if paid.behaviour == "fake_refund_unknown" else self._answer(row)

    def get_payment(
        self, *, provider_ref: str = "", reference: str = "", key: str = "", customer_ref: str = "", since: datetime | None = None
    ) -> Answer:
        return self._found("payment", provider_ref, reference, key)

    def get_refund(
        self, *, provider_ref: str = "", reference: str = "", key: str = "", payment_ref: str = "", since: datetime | None = None
    ) -> Answer:
        return self._found("refund", provider_ref, reference, key)

    def get_setup(self, *, provider_ref: str) -> Answer:
        with transaction.atomic():
            row = FakeObject.objects.select_for_update().filter(kind="setup", ref=provider_ref).first()
            if row is None:
                return Answer(Outcome.UNKNOWN, code=ABSENT)
            if row.status == "open":
                row.status, row.method_ref = "complete", "fake_ok"
                row.save(update_fields=["status", "method_ref"])
        return self._setup_answer(row)

    def get_dispute(self, *, provider_ref: str) -> Answer:
        return Answer(Outcome.UNKNOWN, code=ABSENT, detail="The fake has no disputes.")

    def submit_evidence(self, *, provider_ref: str, evidence: Mapping[str, Any], final: bool, key: str) -> Answer:
        return _refused("resource_missing")

    def accept_dispute(self, *, provider_ref: str, key: str) -> Answer:
        return _refused("resource_missing")

    def list_balance_transactions(self, *, since: datetime, payout_ref: str = "") -> Iterator[BalanceTransaction]:
        """Yield what was charged and refunded, newest first; the fake pays nothing out, so no movement belongs to a payout."""
        if payout_ref:
            return
        rows = FakeObject.objects.filter(kind__in=["payment", "refund"], status="succeeded", created_at__gte=since)
        for row in rows.order_by("-id").iterator():
            sign = 1 if row.kind == "payment" else -1
            fee = row.amount_minor * FEE_BASIS_POINTS // 10_000 if sign > 0 else 0
            yield BalanceTransaction(
                provider_ref=f"txn_{row.ref}", kind="charge" if sign > 0 else "refund", source_ref=row.ref, reference=row.reference,
                payout_ref="", amount_minor=sign * row.amount_minor, fee_minor=fee, net_minor=sign * row.amount_minor - fee,
                currency=row.currency, created_at=row.created_at, available_on=row.created_at + timedelta(days=2),
            )  # fmt: skip

    def list_events(self, *, since: datetime) -> Iterator[Notice]:
        return iter(())

    def verify_webhook(self, *, body: bytes, signature: str, at: datetime) -> Notice:
        raise NoticeRefused("The fake sends no events.")

    # --- its books ------------------------------------------------------------------------------------------------------

    def _once(self, kind: str, key: str, reference: str, content: dict[str, Any], **columns: Any) -> FakeObject | None:
        """Return the object of a key, made now or before; None when it was made of other content."""
        fingerprint = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        row, _ = FakeObject.objects.get_or_create(
            kind=kind,
            key=key,
            defaults=columns | {"ref": new_id(f"fk{kind[:2]}"), "fingerprint": fingerprint, "reference": reference},
        )
        return row if row.fingerprint == fingerprint else None

    def _found(self, kind: str, provider_ref: str, reference: str, key: str) -> Answer:
        wanted = {"ref": provider_ref} if provider_ref else {"key": key} if key else {"reference": reference}
        with transaction.atomic():
            row = FakeObject.objects.select_for_update().filter(kind=kind, **wanted).order_by("-id").first()
            if row is None:
                return Answer(Outcome.UNKNOWN, code=ABSENT, detail="The fake does not know it.")
            self._move_on(row)
        return self._answer(row)

    def _move_on(self, row: FakeObject) -> None:
        """Being asked about is what moves things on here."""
        if row.status in ("processing", "pending"):
            fails = row.behaviour == "fake_pending_fails"
            row.status, row.code = ("requires_payment_method", "card_declined/generic_decline") if fails else ("succeeded", "")
        elif row.kind == "refund" and row.status == "succeeded" and row.behaviour == "fake_refund_fails":
            row.status, row.code = "failed", "lost_or_stolen_card"
        elif row.kind == "payment" and row.status == "requires_action":
            row.status = "succeeded"
        row.times_asked += 1
        row.save(update_fields=["status", "code", "times_asked"])

    def _setup_answer(self, row: FakeObject) -> Answer:
        # The hosted page of a provider that has no pages: the look-up completes it.
        return self._answer(row, action_url="about:blank" if row.status == "open" else "", method_ref=row.method_ref)

    def _answer(self, row: FakeObject, action_url: str = "", **more: str) -> Answer:
        outcome = _OUTCOMES[row.status]
        facts = {
            "amount_minor": row.amount_minor, "currency": row.currency, "key": row.key, "reference": row.reference,
            "payment_ref": row.parent_ref, "method_ref": row.method_ref, "customer_ref": row.customer_ref,
        }  # fmt: skip
        retryable = outcome == Outcome.DECLINED and row.code.endswith(("insufficient_funds", "generic_decline"))
        if row.kind == "payment" and row.status == "requires_action":
            action_url = "about:blank"
        return Answer(outcome, row.ref, row.code, retryable, row.status, "", action_url, facts | more)


def _refused(code: str) -> Answer:
    return Answer(Outcome.DECLINED, code=code, detail="The fake refuses this request.")
