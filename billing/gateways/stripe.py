"""Stripe by its own SDK: one client, one pinned version, no retries of its own. Mapping: stripe_mapping.py.

Requests carry our key as `Idempotency-Key`, and our reference and key as metadata. Look-ups list and filter: Stripe's search lags behind by up to a
minute, its lists do not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import stripe
from django.conf import settings
from stripe import StripeClient

from billing.gateways import stripe_mapping as mapping
from billing.gateways.port import Answer, BalanceTransaction, GatewayNotSetUp, Notice, Outcome
from billing.gateways.stripe_notices import notice_of, verify

logger = logging.getLogger(__name__)

API_VERSION = "2026-10-28.endive"
CONNECT_SECONDS = 3.0
PAGE = 100
# A look-up without a narrower window reads this far back: longer than any attempt stays unknown without a person.
LOOK_BACK = timedelta(days=3)
Body = dict[str, Any]


class StripeGateway:
    """Stripe as the port wants it. Keys are kept by Stripe for at least 24 hours; we count on 20."""

    name = "stripe"
    key_life_seconds = 20 * 3600.0
    visibility_lag_seconds = 5.0

    def __init__(
        self, secret_key: str, *, base: str = "", webhook_secrets: tuple[str, ...] = (), read_seconds: float = 20.0
    ) -> None:
        self.livemode = secret_key.startswith(("sk_live_", "rk_live_"))
        self.webhook_secrets = webhook_secrets
        client = stripe.RequestsClient(timeout=(CONNECT_SECONDS, read_seconds))
        addresses: Any = {"api": base} if base else None
        made = StripeClient(
            secret_key, stripe_version=API_VERSION, max_network_retries=0, http_client=client, base_addresses=addresses
        )
        self.api = made.v1

    @classmethod
    def from_settings(cls) -> StripeGateway:
        if not settings.STRIPE_SECRET_KEY:
            raise GatewayNotSetUp(name=cls.name, setting="STRIPE_SECRET_KEY")
        return cls(
            settings.STRIPE_SECRET_KEY,
            base=settings.STRIPE_API_BASE,
            webhook_secrets=tuple(settings.STRIPE_WEBHOOK_SECRETS),
            read_seconds=settings.STRIPE_READ_SECONDS,
        )

    # --- mutations: each with our key -----------------------------------------------------------------------------------

    def create_customer(self, *, reference: str, name: str, email: str, key: str) -> Answer:
        params: Body = {"metadata": _metadata(reference, key)}
        params |= {"name": name} if name else {}
        params |= {"email": email} if email else {}
        return self._call(lambda: self.api.customers.create(params, _options(key)), _customer)  # type: ignore[arg-type]

    def setup_card(self, *, customer_ref: str, reference: str, return_url: str, key: str) -> Answer:
        params: Body = {
            "mode": "setup",
            "customer": customer_ref,
            "payment_method_types": ["card"],
            "success_url": return_url,
            "client_reference_id": reference,
            "metadata": _metadata(reference, key),
            "setup_intent_data": {"metadata": _metadata(reference, key)},
        }
        return self._call(lambda: self.api.checkout.sessions.create(params, _options(key)), mapping.setup)  # type: ignore[arg-type]

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
        params: Body = {
            "amount": amount_minor,
            "currency": currency.lower(),
            "payment_method": method_ref,
            "payment_method_types": ["card"],
            "confirm": True,
            "metadata": _metadata(reference, key),
        }
        params |= {"customer": customer_ref} if customer_ref else {}
        params |= {"description": description} if description else {}
        params |= {"off_session": True} if off_session else {}
        params |= {"return_url": return_url} if return_url and not off_session else {}
        return self._call(lambda: self.api.payment_intents.create(params, _options(key)), mapping.payment)  # type: ignore[arg-type]

    def cancel(self, *, provider_ref: str, reason: str, key: str) -> Answer:
        params: Body = {"cancellation_reason": reason} if reason in mapping.CANCEL_REASONS else {}
        return self._call(
            lambda: self.api.payment_intents.cancel(provider_ref, params, _options(key)),  # type: ignore[arg-type]
            mapping.payment,
        )

    def refund(self, *, payment_ref: str, amount_minor: int, currency: str, reference: str, reason: str, key: str) -> Answer:
        params: Body = {"payment_intent": payment_ref, "amount": amount_minor, "metadata": _metadata(reference, key)}
        params |= {"reason": reason} if reason in mapping.REFUND_REASONS else {}
        return self._call(lambda: self.api.refunds.create(params, _options(key)), mapping.refund)  # type: ignore[arg-type]

    def submit_evidence(self, *, provider_ref: str, evidence: Mapping[str, Any], final: bool, key: str) -> Answer:
        params: Body = {"evidence": dict(evidence), "submit": final}
        return self._call(lambda: self.api.disputes.update(provider_ref, params, _options(key)), mapping.dispute)  # type: ignore[arg-type]

    def accept_dispute(self, *, provider_ref: str, key: str) -> Answer:
        return self._call(lambda: self.api.disputes.close(provider_ref, {}, _options(key)), mapping.dispute)

    # --- look-ups -------------------------------------------------------------------------------------------------------

    def get_payment(
        self, *, provider_ref: str = "", reference: str = "", key: str = "", customer_ref: str = "", since: datetime | None = None
    ) -> Answer:
        if provider_ref:
            return self._ask(lambda: self.api.payment_intents.retrieve(provider_ref), mapping.payment)
        params: Body = {"limit": PAGE, "created": {"gte": _seconds(since)}} | ({"customer": customer_ref} if customer_ref else {})
        return self._search(lambda: self.api.payment_intents.list(params), mapping.payment, reference, key)  # type: ignore[arg-type]

    def get_refund(
        self, *, provider_ref: str = "", reference: str = "", key: str = "", payment_ref: str = "", since: datetime | None = None
    ) -> Answer:
        if provider_ref:
            return self._ask(lambda: self.api.refunds.retrieve(provider_ref), mapping.refund)
        params: Body = {"limit": PAGE} | (
            {"payment_intent": payment_ref} if payment_ref else {"created": {"gte": _seconds(since)}}
        )
        return self._search(lambda: self.api.refunds.list(params), mapping.refund, reference, key)  # type: ignore[arg-type]

    def get_setup(self, *, provider_ref: str) -> Answer:
        params: Body = {"expand": ["setup_intent"]}
        return self._ask(lambda: self.api.checkout.sessions.retrieve(provider_ref, params), mapping.setup)  # type: ignore[arg-type]

    def get_dispute(self, *, provider_ref: str) -> Answer:
        return self._ask(lambda: self.api.disputes.retrieve(provider_ref), mapping.dispute)

    def list_balance_transactions(self, *, since: datetime, payout_ref: str = "") -> Iterator[BalanceTransaction]:
        """Yield movements, newest first; raises stripe.StripeError, since a page that is missing must not look like an end."""
        params: Body = {"limit": PAGE, "expand": ["data.source"]}
        params |= {"payout": payout_ref} if payout_ref else {"created": {"gte": _seconds(since)}}
        for one in self.api.balance_transactions.list(params).auto_paging_iter():  # type: ignore[arg-type]
            yield _balance_transaction(one.to_dict(), payout_ref)

    def list_events(self, *, since: datetime) -> Iterator[Notice]:
        """Yield events, newest first; raises stripe.StripeError."""
        for one in self.api.events.list({"limit": PAGE, "created": {"gte": _seconds(since)}}).auto_paging_iter():
            yield notice_of(one.to_dict())

    def verify_webhook(self, *, body: bytes, signature: str, at: datetime) -> Notice:
        return verify(body, signature, self.webhook_secrets, at)

    # --- answers --------------------------------------------------------------------------------------------------------

    def _call(self, act: Callable[[], Any], read: Callable[[Body], Answer]) -> Answer:
        """Return what a mutation was answered: refused only where Stripe says so for certain, else unknown."""
        try:
            return read(act().to_dict())
        except stripe.StripeError as problem:
            return self._problem(problem)

    def _ask(self, act: Callable[[], Any], read: Callable[[Body], Answer]) -> Answer:
        try:
            return read(act().to_dict())
        except stripe.InvalidRequestError as problem:
            if problem.code == "resource_missing":
                return mapping.absent()
            return mapping.unknown(f"The question was refused ({problem.code}).")
        except stripe.StripeError as problem:
            return mapping.unknown(f"The question failed ({type(problem).__name__}).")

    def _search(self, act: Callable[[], Any], read: Callable[[Body], Answer], reference: str, key: str) -> Answer:
        """Return the newest of a list that carries our key, or our reference where no key is given."""
        name, wanted = ("key", key) if key else ("reference", reference)
        try:
            for one in act().auto_paging_iter():
                body = one.to_dict()
                if wanted and (body.get("metadata") or {}).get(name) == wanted:
                    return read(body)
        except stripe.StripeError as problem:
            return mapping.unknown(f"The question failed ({type(problem).__name__}).")
        return mapping.absent()

    def _problem(self, problem: stripe.StripeError) -> Answer:
        """Map an error of a mutation. Codes and classes only are logged: a message may carry what was sent."""
        error = _error_of(problem)
        kind, status = str(error.get("type") or ""), problem.http_status or 0
        if kind == "idempotency_error" and status == 409:
            return mapping.unknown("The same attempt is being worked on at the provider.")
        if kind in mapping.REFUSED_TYPES and 400 <= status < 500 and status not in (401, 403, 408, 409, 429):
            return mapping.refused(error)
        if status in (401, 403):
            logger.error("stripe refuses our key: %s", error.get("code") or kind)
        return mapping.unknown(f"No certain answer ({type(problem).__name__}, {status or 'no status'}).")


def _error_of(problem: stripe.StripeError) -> Body:
    body = problem.json_body
    found = body.get("error") if isinstance(body, dict) else None
    return found if isinstance(found, dict) else {}


def _options(key: str) -> Any:
    return {"idempotency_key": key}


def _metadata(reference: str, key: str) -> dict[str, str]:
    return {"reference": reference, "key": key}


def _customer(body: Body) -> Answer:
    ref = mapping.ref_of(body)
    return Answer(Outcome.DONE, provider_ref=ref, facts={"customer_ref": ref})


def _seconds(since: datetime | None) -> int:
    return int((since or datetime.now(UTC) - LOOK_BACK).timestamp())


def _balance_transaction(body: Body, payout_ref: str) -> BalanceTransaction:
    source = body.get("source")
    metadata = (source.get("metadata") or {}) if isinstance(source, dict) else {}
    return BalanceTransaction(
        provider_ref=str(body["id"]),
        kind=str(body.get("type", "")),
        source_ref=mapping.ref_of(source),
        reference=str(metadata.get("reference", "")),
        payout_ref=payout_ref,
        amount_minor=int(body["amount"]),
        fee_minor=int(body.get("fee") or 0),
        net_minor=int(body["net"]),
        currency=str(body["currency"]).upper(),
        created_at=datetime.fromtimestamp(int(body["created"]), UTC),
        available_on=datetime.fromtimestamp(int(body["available_on"]), UTC),
    )
