"""Invoices as what stands behind them sees them: claims that payments settle and refunds give back, and documents that subscriptions ask for.

Both classes are plugged into the sockets of later rooms in `billing/plugs.py`; everything is named by public ids there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Sum

from backoffice.kit.actors import Actor
from backoffice.kit.errors import NotFound, Refusal
from backoffice.kit.transactions import composable
from billing.invoices import crediting, drafting, finalising, giving_up, settling
from billing.invoices.locks import lock_invoice
from billing.invoices.models import Application, Invoice, Source
from billing.invoices.states import InvoiceStatus


class CreditStands(Refusal):
    code = "credit_stands"
    sentence = "The credit note of {refund} was issued and stays; what came back belongs to the customer. Keep it as credit, or refund it again."


class Due(NamedTuple):
    """What is owed on an invoice now; `holder_id` is whose receivable it stands on."""

    amount_minor: int
    currency: str
    holder_id: int
    customer_id: int


class BalanceSource(NamedTuple):
    """What of an invoice was paid from a seller's balance, in minor units."""

    seller_id: int
    amount_minor: int


class InvoiceClaims:
    """Settle and give back by an invoice's public id; the money is booked by the caller, in the same transaction."""

    def due(self, *, purpose: str) -> Due:
        """Lock the invoice with its customer's balances, and return what is due. Refuses: NotFound."""
        invoice_id = row_id(purpose)
        amount = settling.lock_receivable(invoice_id=invoice_id)
        invoice = Invoice.objects.get(pk=invoice_id)
        return Due(amount, invoice.currency, invoice.customer_id, invoice.customer_id)

    def apply(self, *, purpose: str, amount_minor: int, payment: str, posting_id: int, actor: Actor, at: datetime) -> None:
        settling.apply_payment(
            invoice_id=row_id(purpose), amount_minor=amount_minor, payment=payment, posting_id=posting_id, actor=actor, at=at
        )

    def unapply(self, *, purpose: str, amount_minor: int, refund: str, posting_id: int, actor: Actor, at: datetime) -> None:
        """Take a refunded part off the invoice and credit it: what was paid stays paid, the tax is taken back, the receivable is even again."""
        take_back(row_id(purpose), amount_minor, refund, posting_id, actor, at)

    def reinstate(self, *, purpose: str, amount_minor: int, refund: str, posting_id: int, actor: Actor, at: datetime) -> None:
        """Refuse: a refund that failed after all leaves its credit note standing, and its money is the customer's credit."""
        raise CreditStands(refund=refund)

    def balance_sources(self, *, purpose: str) -> Sequence[BalanceSource]:
        """Return what sellers' balances paid in all."""
        rows = Application.objects.filter(invoice__public_id=purpose, source=Source.BALANCE, takes_back=None)
        sums = rows.values_list("invoice__customer__seller_id").annotate(total=Sum("amount_minor"))
        return [BalanceSource(seller_id, total) for seller_id, total in sums]


@composable
def take_back(invoice_id: int, amount_minor: int, refund: str, posting_id: int, actor: Actor, at: datetime) -> None:
    """Append what a refund gave back, against the applications that brought it (the latest first), and credit it. Refuses: NotFound, CreditDoesNotFit."""
    invoice = lock_invoice(invoice_id)
    if invoice.applications.filter(payment=refund, takes_back__isnull=False).exists():
        return
    settling.check_booked(invoice, posting_id, amount_minor)
    settling.give_back(invoice, amount_minor, refund, posting_id, actor, at)
    crediting.credit_refunded(
        invoice_id=invoice_id, amount_minor=amount_minor, refund=refund, reason=f"Refund {refund}", actor=actor, at=at
    )


@dataclass(frozen=True, slots=True)
class InvoiceFacts:
    """What is known of an invoice; `due_minor` is what is still to be paid, tax included."""

    row_id: int
    public_id: str
    status: str
    due_minor: int
    currency: str

    @property
    def is_collectible(self) -> bool:
        return self.status == InvoiceStatus.OPEN and self.due_minor > 0

    @property
    def is_paid(self) -> bool:
        return self.status == InvoiceStatus.PAID or (self.status == InvoiceStatus.OPEN and self.due_minor == 0)


class IssuedInvoices:
    """Draft, finalise, collect and void for rooms that bill something; drafts are anything with the fields of drafting.InvoiceDraft."""

    @composable
    def issue(self, *, drafts: Sequence[Any], actor: Actor, at: datetime) -> list[InvoiceFacts]:
        """Draft and finalise, in the order given: one set, one block of numbers."""
        made = drafting.draft_many(drafts=drafts, actor=actor, at=at)
        finalising.finalise_many(invoice_ids=[one.pk for one in made], actor=actor, at=at)
        fresh = Invoice.objects.in_bulk([one.pk for one in made])
        return [_facts(fresh[one.pk]) for one in made]

    def facts(self, *, invoice: str) -> InvoiceFacts:
        return _facts(Invoice.objects.get(pk=row_id(invoice)))

    def from_balance(self, *, invoice: str, actor: Actor, at: datetime, key: str) -> int:
        return settling.collect_from_balance(invoice_id=row_id(invoice), actor=actor, at=at, key=key)

    def void(self, *, invoice: str, actor: Actor, at: datetime, reason: str) -> None:
        giving_up.void_invoice(invoice_id=row_id(invoice), actor=actor, at=at, reason=reason)


def row_id(public_id: str) -> int:
    """Return the row id of an invoice. Refuses: NotFound."""
    found = Invoice.objects.filter(public_id=public_id).values_list("pk", flat=True).first()
    if found is None:
        raise NotFound(what="invoice", ref=public_id[:80])
    return found


def _facts(invoice: Invoice) -> InvoiceFacts:
    return InvoiceFacts(invoice.pk, invoice.public_id, invoice.status, invoice.amount_due_minor, invoice.currency)
