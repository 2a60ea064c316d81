"""A card provider in this process: disputes that move, a log of events about them, and calls that fail when told to.

It keeps its own truth (`disputes`, `calls`), so that a test can ask what really arrived. Deliveries are signed bodies, in any order the test likes.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from backoffice.kit.actors import system
from billing.disputes import sockets
from billing.disputes.models import Dispute
from billing.disputes.operations import accept_dispute, see_dispute
from billing.disputes.reading import read_dispute
from billing.gateways import registry
from billing.gateways.port import Answer, Notice, Outcome
from billing.payments.models import Payment
from billing.webhooks import bodies
from billing.webhooks.operations import heal, take_in, work
from billing.webhooks.receiving import count_refused
from payouts.sellers.models import Seller
from tests.factories.payments import pay_at_stripe

OPENED = datetime(2026, 2, 2, 9, 0, tzinfo=UTC)
AT = OPENED + timedelta(hours=1)
DUE = OPENED + timedelta(days=14)
SECRET = "whsec_test_current"
_numbers = itertools.count(1)


class TestProvider:
    """One provider called `stripe`; `busy` makes questions fail, `outcome` decides the next mutations: DONE, DECLINED, UNKNOWN (with or without effect)."""

    __test__ = False
    name = "stripe"
    livemode = False

    def __init__(self, seller: Seller | None = None) -> None:
        self.seller = seller
        self.disputes: dict[str, dict[str, Any]] = {}
        self.events: list[Notice] = []
        self.asked: list[str] = []
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.busy = 0
        self.outcome = Outcome.DONE
        self.effect_despite_unknown = True

    # --- what happens at the provider

    def open_dispute(
        self, ref: str = "", *, amount: int = 5_000, status: str = "needs_response", charge: str = "", **over: Any
    ) -> str:
        """Open a dispute over money already taken, unless it is an inquiry; tell of it."""
        ref = ref or f"dp_{next(_numbers)}"
        self._pay(charge or f"ch_{ref}")
        self.disputes[ref] = {
            "id": ref, "object": "dispute", "amount": amount, "currency": "eur", "charge": charge or f"ch_{ref}", "payment_intent": f"pi_{ref}",
            "reason": "product_not_received", "status": status, "created": int(OPENED.timestamp()), "livemode": False, "is_charge_refundable": False,
            "balance_transactions": [], "evidence_details": {"due_by": int(DUE.timestamp()), "submission_count": 0, "has_evidence": False},
            "payment_method_details": {"card": {"network_reason_code": "13.1"}, "type": "card"},
        } | over  # fmt: skip
        self.tell(ref, "charge.dispute.created")
        if not status.startswith("warning"):
            self.move_funds(ref, -amount, fee=1_500)
        return ref

    def move_funds(self, ref: str, amount: int, *, fee: int = 0) -> None:
        number = len(self.disputes[ref]["balance_transactions"]) + 1
        self.disputes[ref]["balance_transactions"].append(
            {
                "id": f"txn_{ref}_{number}", "amount": amount, "fee": fee, "net": amount - fee, "currency": "eur",
                "created": int(OPENED.timestamp()) + number, "type": "adjustment",
            }
        )  # fmt: skip
        self.tell(ref, "charge.dispute.funds_withdrawn" if amount < 0 else "charge.dispute.funds_reinstated")

    def move(self, ref: str, status: str) -> None:
        """Decide something about a dispute; a won one gives the money back."""
        amount = self.disputes[ref]["amount"]
        self.disputes[ref]["status"] = status
        self.tell(ref, "charge.dispute.closed" if status in ("won", "lost", "warning_closed") else "charge.dispute.updated")
        taken = -sum(one["amount"] for one in self.disputes[ref]["balance_transactions"])
        if status == "won" and taken > 0:
            self.move_funds(ref, taken)
        elif status in ("lost", "needs_response") and taken == 0:
            self.move_funds(ref, -amount, fee=1_500)

    def warn(self, charge: str, ref: str = "") -> Notice:
        """Tell of an early fraud warning of a charge."""
        self._pay(charge)
        about = {
            "id": ref or f"issfr_{next(_numbers)}", "object": "radar.early_fraud_warning", "charge": charge, "payment_intent": f"pi_{charge[3:]}",
            "fraud_type": "made_with_stolen_card", "created": int(OPENED.timestamp()), "livemode": False, "actionable": True,
        }  # fmt: skip
        return self._event("radar.early_fraud_warning.created", about)

    def _pay(self, charge: str) -> None:
        """Let a buyer have paid for an order of the seller's, once a charge; without a seller nobody here knows of it."""
        if self.seller is not None and not Payment.objects.filter(gateway=self.name, charge_ref=charge).exists():
            pay_at_stripe(self.seller, f"order-{charge}", charge)

    def tell(self, ref: str, kind: str) -> Notice:
        return self._event(kind, self.disputes[ref])

    def _event(self, kind: str, about: Mapping[str, Any]) -> Notice:
        number = len(self.events) + 1
        given = {
            "id": f"evt_{next(_numbers)}", "object": "event", "type": kind, "created": int(OPENED.timestamp()) + number // 2, "livemode": False,
            "api_version": "2026-10-28", "data": {"object": copy.deepcopy(about)}, "request": {"id": None},
        }  # fmt: skip
        notice = bodies.read(json.dumps(given).encode(), livemode=False)
        self.events.append(notice)
        return notice

    # --- the port

    def list_events(self, *, since: datetime) -> Iterator[Notice]:
        return (one for one in reversed(self.events) if one.created_at >= since)

    def get_dispute(self, *, provider_ref: str) -> Answer:
        self.asked.append(provider_ref)
        if self.busy:
            self.busy -= 1
            return Answer(Outcome.UNKNOWN, code="rate_limited")
        if provider_ref not in self.disputes:
            return Answer(Outcome.DECLINED, code="resource_missing")
        return Answer(Outcome.DONE, provider_ref, facts=copy.deepcopy(self.disputes[provider_ref]))

    def submit_evidence(self, *, provider_ref: str, evidence: Mapping[str, Any], final: bool, key: str) -> Answer:
        def effect() -> None:
            self.disputes[provider_ref]["evidence_details"]["submission_count"] += 1
            self.move(provider_ref, "under_review")

        return self._mutate("submit", key, dict(evidence), effect)

    def accept_dispute(self, *, provider_ref: str, key: str) -> Answer:
        return self._mutate("accept", key, {}, lambda: self.move(provider_ref, "lost"))

    def upload_file(self, *, data: bytes, media_type: str, purpose: str, key: str) -> Answer:
        self.calls.append(("upload", key, {"bytes": len(data), "media_type": media_type}))
        return Answer(Outcome.DONE, f"file_{len(self.calls)}")

    def _mutate(self, what: str, key: str, content: dict[str, Any], effect: Any) -> Answer:
        """Do it at most once a key, as a provider with idempotency keys does."""
        arrives = self.outcome == Outcome.DONE or (self.outcome == Outcome.UNKNOWN and self.effect_despite_unknown)
        if arrives and not any(one[1] == key for one in self.calls):
            effect()
        if arrives:
            self.calls.append((what, key, content))
        return Answer(self.outcome, code="" if self.outcome == Outcome.DONE else "refused_here")


def signed(notice: Notice, at: datetime, secret: str = SECRET) -> tuple[bytes, str]:
    """Return body and header of a delivery."""
    return notice.raw, bodies.sign(notice.raw, secret, int(at.timestamp()))


def again(notice: Notice) -> Notice:
    """Return the same change under another event id: the provider does that, too."""
    given = json.loads(notice.raw)
    given["id"] = f"evt_{next(_numbers)}"
    return replace(notice, event_ref=given["id"], raw=json.dumps(given).encode())


@contextmanager
def provider_in(seller: Seller | None = None) -> Iterator[TestProvider]:
    """Put a provider behind the name `stripe`; every payment it disputes is a purchase from `seller`, or one nobody knows."""
    provider = TestProvider(seller)
    kept = dict(vars(sockets.gateways)), dict(vars(sockets.payments))
    registry.register("stripe", lambda: provider)  # type: ignore[arg-type, return-value]
    try:
        yield provider
    finally:
        registry.register("stripe", registry._stripe)
        vars(sockets.gateways).update(kept[0])
        vars(sockets.payments).update(kept[1])


def make_dispute(seller: Seller, **over: Any) -> Dispute:
    """Return a dispute of a sale of this seller as the provider's events make it; `over` as in open_dispute."""
    with provider_in(seller) as provider:
        ref = provider.open_dispute(**over)
        see_dispute(provider="stripe", facts=read_dispute(provider.disputes[ref]), actor=system("test"), at=AT)
        return Dispute.objects.get(provider_ref=ref)


def bring_events(seller: Seller, *, worked: bool = False) -> None:
    """Take in the events of a fresh dispute of this seller's sale, and process them where asked to."""
    with provider_in(seller) as provider:
        provider.open_dispute()
        for notice in provider.events:
            take_in(provider="stripe", notice=notice, at=AT)
        if worked:
            work(at=AT)


def furnish(seller: Seller) -> Dispute:
    """Put one of everything of these screens into a marketplace: events worked on, a refused body, a list that was read, an answer on its way."""
    with provider_in(seller) as provider:
        provider.open_dispute()
        for notice in provider.events:
            take_in(provider="stripe", notice=notice, at=AT)
        work(at=AT)
        heal(at=AT)
    count_refused(provider="stripe", code="bad_signature", at=AT)
    dispute = make_dispute(seller)
    accept_dispute(dispute_id=dispute.pk, actor=system("test"), at=AT, reason="Too small to fight for.")
    return dispute
