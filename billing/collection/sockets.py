"""Invoices and payments, as collection and subscriptions need them: what is asked of them is written down here, and plugged in by wiring.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.gates import Gate
from billing.invoices.claims import InvoiceFacts

# Asked in the transaction in which the collecting of an invoice ends or begins to fail; with collection, outcome ('settled', 'failed', 'exhausted',
# 'stopped'), actor, at. Who answers does what follows for the thing behind `origin`; objections are not expected.
outcome_told = Gate("collection_outcome")


class BillingNotWired(Refusal):
    code = "billing_not_wired"
    sentence = "No {what} are plugged into this installation, so nothing can be billed."
    http_status = 503


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an invoice to be; amounts signed, in minor units, before tax."""

    description: str
    quantity: Decimal
    unit_amount_minor: int
    amount_minor: int
    tax_code: str
    period_start: datetime
    period_end: datetime
    proration: bool = False


@dataclass(frozen=True, slots=True)
class InvoiceDraft:
    """An invoice to be; `origin` is the public id of what it is for, `key` makes it single."""

    customer_id: int
    currency: str
    lines: tuple[Line, ...]
    period_start: datetime
    period_end: datetime
    collection: str
    due_days: int
    origin: str
    key: str


@dataclass(frozen=True, slots=True)
class ChargeFacts:
    """What a charge came to: the payment's public id, its state (billing.md 3.3), the decline."""

    payment: str
    status: str
    code: str = ""
    retryable: bool = False


class Invoices(Protocol):
    """What is asked of the room of invoices. All but nothing of it touches the network: composable."""

    def issue(self, *, drafts: Sequence[InvoiceDraft], actor: Actor, at: datetime) -> list[InvoiceFacts]:
        """Draft and finalise, in the order given; one set, one block of numbers."""

    def facts(self, *, invoice: str) -> InvoiceFacts: ...
    def from_balance(self, *, invoice: str, actor: Actor, at: datetime, key: str) -> int: ...
    def void(self, *, invoice: str, actor: Actor, at: datetime, reason: str) -> None: ...


class Payments(Protocol):
    """What is asked of the room of payments: durable, and the same key never charges twice."""

    def charge(
        self,
        *,
        customer_id: int,
        amount_minor: int,
        currency: str,
        invoice: str,
        off_session: bool,
        actor: Actor,
        at: datetime,
        key: str,
    ) -> ChargeFacts: ...


@dataclass
class Plugged:
    invoices_room: Invoices | None = None
    payments_room: Payments | None = None

    def plug(self, *, invoices: Invoices | None = None, payments: Payments | None = None) -> None:
        self.invoices_room = invoices or self.invoices_room
        self.payments_room = payments or self.payments_room

    @property
    def invoices(self) -> Invoices:
        if self.invoices_room is None:
            raise BillingNotWired(what="invoices")
        return self.invoices_room

    @property
    def payments(self) -> Payments:
        if self.payments_room is None:
            raise BillingNotWired(what="payments")
        return self.payments_room


rooms = Plugged()
