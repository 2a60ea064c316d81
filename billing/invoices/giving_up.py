"""Give a claim up: void it while nothing was paid, or write it off by two people; and take a write-off back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, Refusal
from backoffice.kit.idempotency import fingerprint
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from billing.invoices.gates import before_giving_up
from billing.invoices.locks import lock_invoice
from billing.invoices.models import Application, Invoice, Source
from billing.invoices.settling import InvoiceNotOpen, apply
from billing.invoices.states import INVOICE, NOT_YET, InvoiceStatus
from billing.invoices.telling import tell_of
from payouts.ledger import templates
from payouts.ledger.operations import Draft, post, reverse

WRITE_OFF = "invoice_write_off"


class ReasonMissing(InputError):
    code = "reason_missing"
    sentence = "Give a reason: it is kept in the history."


class InvoiceHasMoney(Refusal):
    code = "invoice_has_money"
    sentence = "A part of this invoice is paid or credited. Issue a credit note instead of voiding it."


class InvoiceBeingPaid(Refusal):
    code = "invoice_being_paid"
    sentence = "{why} Wait until its outcome is known, then look again."


class NotWrittenOff(Refusal):
    code = "not_written_off"
    sentence = "The invoice is {state}; only one that was written off is opened again."


@composable
def void_invoice(*, invoice_id: int, actor: Actor, at: datetime, reason: str) -> Invoice:
    """End a draft, or an open invoice on which nothing was paid; a number stays used, and its posting is reversed.

    Collecting it ends with it. Tells `invoice.voided`. Refuses: NotFound, ReasonMissing, InvoiceNotOpen, InvoiceHasMoney, InvoiceBeingPaid.
    """
    if not reason.strip():
        raise ReasonMissing()
    _stop_collecting(invoice_id, actor, at, f"The invoice was voided: {reason}")
    invoice = lock_invoice(invoice_id)
    if invoice.status in NOT_YET:
        transition(INVOICE, invoice, InvoiceStatus.VOID, actor=actor, at=at, reason=reason)
    else:
        _void_numbered(invoice, actor, at, reason)
    audit.record(actor, "invoice.void", invoice.public_id, at, reason=reason, facts={"number": invoice.number})
    tell_of("invoice.voided", [invoice.pk], at)
    return invoice


def _stop_collecting(invoice_id: int, actor: Actor, at: datetime, reason: str) -> None:
    """Let who collects the invoice stop, before it is locked: the customer's lock comes before the invoice's."""
    known = Invoice.objects.filter(pk=invoice_id).values_list("public_id", "customer_id").first()
    if known is None:
        return
    objections = before_giving_up.ask(invoice=known[0], customer_id=known[1], actor=actor, at=at, reason=reason)
    if objections:
        raise InvoiceBeingPaid(why=objections[0].reason)


def _void_numbered(invoice: Invoice, actor: Actor, at: datetime, reason: str) -> None:
    if invoice.status != InvoiceStatus.OPEN:
        raise InvoiceNotOpen(state=invoice.get_status_display())
    if invoice.paid_minor or invoice.credited_minor or invoice.posting_id is None:
        raise InvoiceHasMoney()
    posted = reverse(posting_id=invoice.posting_id, actor=actor, at=at, reason=reason)
    apply(invoice, Source.VOID, invoice.total_minor, actor=actor, at=at, posting_id=posted.posting_id, ends_in=InvoiceStatus.VOID)


@composable
def mark_uncollectible(*, invoice_id: int, actor: Actor, at: datetime, reason: str) -> approvals.Approval:
    """Ask for what is due on an open invoice to be written off; nothing is booked until another person approves exactly this amount.

    Refuses: NotFound, ReasonMissing, InvoiceNotOpen.
    """
    if not reason.strip():
        raise ReasonMissing()
    invoice = lock_invoice(invoice_id)
    if invoice.status != InvoiceStatus.OPEN:
        raise InvoiceNotOpen(state=invoice.get_status_display())
    content = write_off_content(invoice)
    audit.record(actor, "invoice.write_off_asked", invoice.public_id, at, reason=reason, facts=content)
    return approvals.request_approval(
        action=WRITE_OFF,
        subject=invoice.public_id,
        content_hash=fingerprint(content),
        shown=content | {"reason": reason},
        maker=actor,
        at=at,
    )


@composable
def approve_uncollectible(*, invoice_id: int, actor: Actor, at: datetime) -> Invoice:
    """Approve a write-off as another person, and book it; what was paid since it was asked makes it another content, and refuses it.

    Collecting it ends with it. Tells `invoice.uncollectible`. Refuses: NotFound, InvoiceNotOpen, InvoiceBeingPaid, and as kit.approvals does.
    """
    _stop_collecting(invoice_id, actor, at, "The invoice was written off.")
    invoice = lock_invoice(invoice_id)
    if invoice.status != InvoiceStatus.OPEN:
        raise InvoiceNotOpen(state=invoice.get_status_display())
    digest = fingerprint(write_off_content(invoice))
    request = approvals.approve(action=WRITE_OFF, subject=invoice.public_id, content_hash=digest, checker=actor, at=at)
    approvals.use_approval(action=WRITE_OFF, subject=invoice.public_id, content_hash=digest, at=at)
    reason, maker = str(request.shown["reason"]), Actor.parse(request.maker)

    amount = invoice.amount_due_minor
    legs = templates.written_off(customer_id=invoice.customer_id, currency=invoice.currency, amount_minor=amount)
    draft = Draft("write_off", f"invoice:{invoice.public_id}:{request.public_id}", legs, "invoice", invoice.pk)
    posted = post(drafts=[draft], actor=maker, approver=actor, at=at, reason=reason)[0]
    apply(
        invoice,
        Source.WRITE_OFF,
        amount,
        actor=actor,
        at=at,
        posting_id=posted.posting_id,
        payment=request.public_id,
        ends_in=InvoiceStatus.UNCOLLECTIBLE,
    )
    audit.record(actor, "invoice.write_off", invoice.public_id, at, reason=reason, facts={"maker": str(maker)})
    tell_of("invoice.uncollectible", [invoice.pk], at)
    return invoice


@composable
def refuse_uncollectible(*, invoice_id: int, actor: Actor, at: datetime, reason: str) -> approvals.Approval:
    """Refuse a write-off, or withdraw one's own request. Refuses: NotFound, ReasonMissing, and as kit.approvals does."""
    if not reason.strip():
        raise ReasonMissing()
    invoice = lock_invoice(invoice_id)
    return approvals.refuse(action=WRITE_OFF, subject=invoice.public_id, checker=actor, at=at, reason=reason)


@composable
def reopen_uncollectible(*, invoice_id: int, actor: Actor, at: datetime, reason: str) -> Invoice:
    """Open an invoice again that was written off, because money comes after all. Tells `invoice.reopened`. Refuses: NotFound, ReasonMissing, NotWrittenOff."""
    if not reason.strip():
        raise ReasonMissing()
    invoice = lock_invoice(invoice_id)
    if invoice.status != InvoiceStatus.UNCOLLECTIBLE:
        raise NotWrittenOff(state=invoice.get_status_display())
    earlier = Application.objects.get(invoice=invoice, source=Source.WRITE_OFF, takes_back=None, takings=None)
    legs = templates.written_off(customer_id=invoice.customer_id, currency=invoice.currency, amount_minor=-earlier.amount_minor)
    draft = Draft("write_off_recovered", f"invoice:{earlier.public_id}", legs, "invoice", invoice.pk)
    posted = post(drafts=[draft], actor=actor, at=at, reason=reason)[0]
    transition(INVOICE, invoice, InvoiceStatus.OPEN, actor=actor, at=at, reason=reason)
    apply(invoice, Source.WRITE_OFF, -earlier.amount_minor, actor=actor, at=at, posting_id=posted.posting_id, takes_back=earlier)
    audit.record(actor, "invoice.reopen", invoice.public_id, at, reason=reason, facts={})
    tell_of("invoice.reopened", [invoice.pk], at)
    return invoice


def write_off_content(invoice: Invoice) -> dict[str, Any]:
    """Return what an approval of a write-off is bound to."""
    return {
        "invoice": invoice.public_id,
        "number": invoice.number,
        "writes_off": {invoice.currency: invoice.amount_due_minor},
    }


def open_request(invoice: Invoice) -> approvals.Approval | None:
    """Return the request for a write-off that waits for a second person."""
    return approvals.Approval.objects.filter(
        action=WRITE_OFF, subject=invoice.public_id, state=approvals.ApprovalState.REQUESTED
    ).first()
