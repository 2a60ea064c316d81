"""Settle: from the seller's balance, by a payment; and take back a payment that did not hold."""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.db.models import Sum
from django.db.models.functions import Coalesce

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, Refusal
from backoffice.kit.idempotency import recall
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable
from billing.invoices.locks import lock_invoice
from billing.invoices.models import Application, Invoice, Source
from billing.invoices.states import INVOICE, InvoiceStatus
from billing.invoices.telling import tell_of
from payouts.earnings.purses import lock_purses
from payouts.ledger import templates
from payouts.ledger.models import Posting
from payouts.ledger.operations import Draft, post

# The posting by which refunds give a claim's money back to a seller's balance.
REFUNDED_TO_BALANCE = "claim_refunded_to_balance"
# Which column of the invoice sums a source up.
SUMMED_IN = {
    Source.BALANCE: "paid_minor", Source.CARD: "paid_minor", Source.CREDIT: "paid_minor", Source.CREDIT_NOTE: "credited_minor",
    Source.VOID: "given_up_minor", Source.WRITE_OFF: "given_up_minor",
}  # fmt: skip


class InvoiceNotOpen(Refusal):
    code = "invoice_not_open"
    sentence = "The invoice is {state}; only an open one is settled."


class PaymentExceedsDue(Refusal):
    code = "payment_exceeds_due"
    sentence = "{due_minor} minor units are due on this invoice, and {amount_minor} were to be applied. Book the rest as the customer's credit."


class PaymentNotBooked(Refusal):
    code = "payment_not_booked"
    sentence = "The posting {posting_id} does not credit this customer's receivable by {amount_minor}; book the money first."


class PaidIsFinal(Refusal):
    code = "paid_is_final"
    sentence = "The invoice is paid, and stays so: correct it with a credit note."


class NotApplied(Refusal):
    code = "not_applied"
    sentence = "No part of {payment} is applied to this invoice."


class AmountInvalid(InputError):
    code = "amount_invalid"
    sentence = "An amount is more than zero."


@composable
def lock_receivable(*, invoice_id: int) -> int:
    """Lock an invoice with its customer's balances, in the house's order, and return what is due on it now, in minor units.

    Call it before booking money that pays the invoice: what was captured beyond the answer belongs to the customer (`buyer.payable`). 0 where
    the invoice is not open. Refuses: NotFound.
    """
    invoice = lock_invoice(invoice_id)
    return invoice.amount_due_minor if invoice.status == InvoiceStatus.OPEN else 0


@composable
def collect_from_balance(*, invoice_id: int, actor: Actor, at: datetime, key: str, limit_minor: int | None = None) -> int:
    """Pay an open invoice from its seller's available money, as far as it goes; return the minor units taken, 0 where there are none.

    Takes what is above zero only, never credit within the debt limit, under the seller's lock that building a payout takes: a fee and a payout
    never spend the same cent. The same key answers the same amount. Tells `invoice.paid`. Refuses: NotFound, InvoiceNotOpen, AmountInvalid, KeyReused.
    """
    if limit_minor is not None and limit_minor <= 0:
        raise AmountInvalid()
    invoice = lock_invoice(invoice_id, with_seller=True)
    earlier = recall(scope="collect_from_balance", key=key, content=[invoice_id, limit_minor])
    if earlier.outcome is not None:
        return int(earlier.outcome)

    _check_open(invoice)
    taken = min(_available(invoice), invoice.amount_due_minor, limit_minor or invoice.amount_due_minor)
    if taken <= 0:
        earlier.keep(0)
        return 0

    seller_id = invoice.customer.seller_id
    legs = templates.invoice_collected_from_balance(
        seller_id=seller_id or 0, customer_id=invoice.customer_id, currency=invoice.currency, amount_minor=taken
    )
    nth = invoice.applications.count() + 1
    draft = Draft("invoice_collected_from_balance", f"{invoice.public_id}:{nth}", legs, "invoice", invoice.pk)
    posted = post(drafts=[draft], actor=actor, at=at, reason=invoice.number)[0]
    apply(invoice, Source.BALANCE, taken, actor=actor, at=at, posting_id=posted.posting_id)
    earlier.keep(taken)
    return taken


def _available(invoice: Invoice) -> int:
    seller_id = invoice.customer.seller_id
    purse = lock_purses([seller_id]).get((seller_id, invoice.currency)) if seller_id is not None else None
    return max(0, purse.available_minor) if purse is not None else 0


@composable
def apply_payment(
    *, invoice_id: int, amount_minor: int, payment: str, posting_id: int, actor: Actor, at: datetime
) -> Application:
    """Write down that a payment settled a part of an open invoice; the posting that booked it is made by payments, in this transaction.

    The same payment is applied once. Tells `invoice.paid` when nothing is due any more. Refuses: NotFound, InvoiceNotOpen, PaymentExceedsDue,
    PaymentNotBooked, AmountInvalid.
    """
    if amount_minor <= 0 or not payment:
        raise AmountInvalid()
    invoice = lock_invoice(invoice_id)
    found = invoice.applications.filter(source=Source.CARD, payment=payment, takes_back=None).first()
    if found is not None and found.amount_minor == amount_minor:
        return found
    _check_open(invoice)
    if amount_minor > invoice.amount_due_minor:
        raise PaymentExceedsDue(due_minor=invoice.amount_due_minor, amount_minor=amount_minor)
    check_booked(invoice, posting_id, -amount_minor)
    return apply(invoice, Source.CARD, amount_minor, actor=actor, at=at, posting_id=posting_id, payment=payment)


@composable
def unapply(*, invoice_id: int, payment: str, posting_id: int, actor: Actor, at: datetime) -> Application:
    """Take a payment off an invoice that is still open, because the money did not stay; `posting_id` booked it back.

    A paid invoice stays paid: a credit note corrects it. Refuses: NotFound, PaidIsFinal, InvoiceNotOpen, NotApplied, PaymentNotBooked.
    """
    invoice = lock_invoice(invoice_id)
    if invoice.status == InvoiceStatus.PAID:
        raise PaidIsFinal()
    _check_open(invoice)
    earlier = invoice.applications.filter(source=Source.CARD, payment=payment, takes_back=None).first()
    if earlier is None or earlier.takings.exists():
        raise NotApplied(payment=payment)
    check_booked(invoice, posting_id, earlier.amount_minor)
    return apply(
        invoice,
        Source.CARD,
        -earlier.amount_minor,
        actor=actor,
        at=at,
        posting_id=posting_id,
        payment=payment,
        takes_back=earlier,
    )


def apply(
    invoice: Invoice,
    source: Source,
    amount_minor: int,
    *,
    actor: Actor,
    at: datetime,
    posting_id: int | None,
    payment: str = "",
    takes_back: Application | None = None,
    ends_in: InvoiceStatus = InvoiceStatus.PAID,
) -> Application:
    """Append an application to a locked invoice and move it on when nothing is due any more. For verbs of this room."""
    made = Application.objects.create(
        invoice=invoice, source=source, amount_minor=amount_minor, currency=invoice.currency, payment=payment,
        posting_id=posting_id, takes_back=takes_back, actor=str(actor), at=at,
    )  # fmt: skip
    column = SUMMED_IN[source]
    setattr(invoice, column, getattr(invoice, column) + amount_minor)
    if invoice.status == InvoiceStatus.OPEN and due_of(invoice) == 0:
        _write_sums(invoice)
        transition(INVOICE, invoice, ends_in, actor=actor, at=at)
        if ends_in == InvoiceStatus.PAID:
            tell_of("invoice.paid", [invoice.pk], at)
    else:
        _write_sums(invoice)
    return made


def give_back(invoice: Invoice, amount_minor: int, refund: str, posting_id: int, actor: Actor, at: datetime) -> None:
    """Take a refunded part off what brought it, the latest first: the balance's or the card's, as the posting says. For verbs of this room."""
    template = Posting.objects.values_list("template", flat=True).get(pk=posting_id)
    source = Source.BALANCE if template == REFUNDED_TO_BALANCE else Source.CARD
    rows = invoice.applications.filter(source=source, takes_back=None).annotate(back=Coalesce(Sum("takings__amount_minor"), 0))
    left, takings = amount_minor, []
    for row in rows.order_by("-id"):
        part = min(left, row.amount_minor + row.back)
        if part > 0:
            takings.append((row, part))
            left -= part
    if left or sum(part for _, part in takings) != amount_minor:
        raise NotApplied(payment=refund)
    for row, part in takings:
        Application.objects.create(
            invoice=invoice, source=source, amount_minor=-part, currency=invoice.currency, payment=refund, posting_id=posting_id,
            takes_back=row, actor=str(actor), at=at,
        )  # fmt: skip
    # in one write, so that a paid invoice owes nothing at any moment: the credit note that follows in this transaction is counted here
    invoice.paid_minor -= amount_minor
    invoice.credited_minor += amount_minor
    _write_sums(invoice)


def due_of(invoice: Invoice) -> int:
    return invoice.total_minor - invoice.paid_minor - invoice.credited_minor - invoice.given_up_minor


def _write_sums(invoice: Invoice) -> None:
    names = ["paid_minor", "credited_minor", "given_up_minor", "refunded_minor"]
    Invoice.objects.filter(pk=invoice.pk).update(**{name: getattr(invoice, name) for name in names})
    invoice.refresh_from_db(fields=["amount_due_minor"])


def _check_open(invoice: Invoice) -> None:
    if invoice.status != InvoiceStatus.OPEN:
        raise InvoiceNotOpen(state=invoice.get_status_display())


def check_booked(invoice: Invoice, posting_id: int, wanted_minor: int) -> None:
    """Refuse a posting that does not move this customer's receivable by exactly this (debit positive)."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT coalesce(sum(e.amount_minor), 0)::bigint FROM payouts_entry e JOIN payouts_account a ON a.id = e.account_id
                WHERE e.posting_id = %s AND a.code = 'receivable.invoice' AND a.holder_id = %s AND a.currency = %s""",
            [posting_id, invoice.customer_id, invoice.currency],
        )
        if cursor.fetchone()[0] != wanted_minor:
            raise PaymentNotBooked(posting_id=posting_id, amount_minor=abs(wanted_minor))
