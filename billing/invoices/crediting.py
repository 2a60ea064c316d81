"""Credit notes: what of an issued invoice is taken back, and where that goes. The only way to correct an invoice that has a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, Refusal
from backoffice.kit.idempotency import recall
from backoffice.kit.ids import new_id
from backoffice.kit.money import Money
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from billing.invoices.locks import lock_invoice
from billing.invoices.models import (
    CreditNote,
    CreditNoteLine,
    CreditNoteTax,
    CreditReason,
    Invoice,
    InvoiceLine,
    SeriesKind,
    Settlement,
    Source,
)
from billing.invoices.numbering import day_of_issue, number_text, reserve
from billing.invoices.queries import split_by_source
from billing.invoices.settling import apply
from billing.invoices.states import InvoiceStatus
from billing.invoices.telling import tell_of_note
from payouts.earnings.purses import lock_purses
from payouts.ledger import templates
from payouts.ledger.operations import Draft, post


class CreditInvalid(InputError):
    code = "credit_invalid"
    sentence = "{detail}"


class CreditExceedsLine(Refusal):
    code = "credit_exceeds_line"
    sentence = "Line {position} can still be credited by {left_minor} minor units net; {amount_minor} is more."


class CreditDoesNotFit(Refusal):
    code = "credit_does_not_fit"
    sentence = "{detail}"


@dataclass(frozen=True, slots=True)
class CreditLine:
    """What of one invoice line (by its position) is credited, net, in minor units with the line's own sign."""

    position: int
    amount_minor: int
    description: str = ""


@dataclass(slots=True)
class _Tax:
    category: str
    jurisdiction: str
    basis_points: int
    base_minor: int
    tax_minor: int


@dataclass(slots=True)
class _Where:
    """Where the total goes."""

    receivable_minor: int = 0
    available_minor: int = 0
    debt_minor: int = 0
    credit_minor: int = 0
    by_refund_minor: int = 0
    refund: str = ""


Chosen = list[tuple[InvoiceLine, int, str]]


@composable
def issue_credit_note(
    *,
    invoice_id: int,
    settlement: str,
    reason_code: str,
    reason: str,
    actor: Actor,
    at: datetime,
    key: str,
    lines: Sequence[CreditLine] = (),
) -> CreditNote:
    """Credit lines of an issued invoice (none named: all that is left of it), with the tax they bore; the same key answers the same note.

    `offset` makes less due on an open invoice. `credit` keeps paid money for coming invoices. `refund` gives paid money back where it came from,
    in proportion: to the seller's balance (repaying debt first) and to the customer's credit. What a card paid goes back by a refund of that
    payment, which makes its note itself (credit_refunded). Tells `credit_note.issued`, and `invoice.paid` where nothing is due any more.
    Refuses: NotFound, CreditInvalid, CreditExceedsLine, CreditDoesNotFit, KeyReused.
    """
    invoice = lock_invoice(invoice_id, with_seller=True)
    content = [invoice_id, [[one.position, one.amount_minor] for one in lines], settlement, reason_code, reason]
    earlier = recall(scope="issue_credit_note", key=key, content=content)
    if earlier.outcome is not None:
        return CreditNote.objects.get(pk=earlier.outcome)

    _check(invoice, settlement, reason_code, reason)
    chosen = _choose(invoice, lines)
    taxes = _taxes(invoice, chosen)
    net = sum(amount for _, amount, _ in chosen)
    total = net + sum(tax.tax_minor for tax in taxes)
    where = _where(invoice, settlement, total)

    note = _issue(invoice, chosen, taxes, where, _Said(settlement, reason_code, reason, actor, at))
    earlier.keep(note.pk)
    return note


@composable
def credit_refunded(*, invoice_id: int, amount_minor: int, refund: str, reason: str, actor: Actor, at: datetime) -> CreditNote:
    """Credit what a refund gave back of a paid invoice, tax included, over all its lines in proportion; once a refund.

    The refund has debited the customer's receivable and taken its part off the invoice (`claims`); the note closes that again, so a paid
    invoice stays paid. Tells `credit_note.issued`. Refuses: NotFound, CreditDoesNotFit.
    """
    invoice = lock_invoice(invoice_id)
    found = CreditNote.objects.filter(refund=refund).first()
    if found is not None:
        return found
    chosen, taxes = _of_gross(invoice, amount_minor)
    where = _Where(receivable_minor=amount_minor, by_refund_minor=amount_minor, refund=refund)
    return _issue(invoice, chosen, taxes, where, _Said(Settlement.REFUND, CreditReason.SERVICE, reason, actor, at))


@dataclass(frozen=True, slots=True)
class _Said:
    """Why, by whom and when a note is issued."""

    settlement: str
    reason_code: str
    reason: str
    actor: Actor
    at: datetime


def _issue(invoice: Invoice, chosen: Chosen, taxes: list[_Tax], where: _Where, said: _Said) -> CreditNote:
    """Book, settle, take the number and write the note; then tell of it."""
    net = sum(amount for _, amount, _ in chosen)
    total = net + sum(tax.tax_minor for tax in taxes)
    public_id = new_id("crn")
    posting_id = _book(invoice, public_id, net, taxes, where, said)
    if where.refund:
        # counted already, in the write that took the refunded part off (settling.give_back)
        invoice.applications.create(
            source=Source.CREDIT_NOTE, amount_minor=total, currency=invoice.currency, payment=public_id, posting_id=posting_id,
            actor=str(said.actor), at=said.at,
        )  # fmt: skip
    elif where.receivable_minor:
        apply(invoice, Source.CREDIT_NOTE, total, actor=said.actor, at=said.at, posting_id=posting_id, payment=public_id)
    else:
        Invoice.objects.filter(pk=invoice.pk).update(refunded_minor=invoice.refunded_minor + total)
    note = _write(invoice, public_id, chosen, taxes, where, posting_id, said)
    facts = {"invoice": invoice.public_id, "total_minor": total}
    audit.record(said.actor, "credit_note.issue", public_id, said.at, reason=said.reason, facts=facts)
    tell_of_note("credit_note.issued", invoice, _told(note), said.at)
    return note


def _check(invoice: Invoice, settlement: str, reason_code: str, reason: str) -> None:
    if settlement not in Settlement.values or reason_code not in CreditReason.values:
        raise CreditInvalid(detail="Name a settlement (offset, credit, refund) and a reason from the list.")
    if not reason.strip():
        raise CreditInvalid(detail="Give a reason: the customer reads it on the credit note.")
    if not invoice.number or invoice.status not in (InvoiceStatus.OPEN, InvoiceStatus.PAID):
        raise CreditDoesNotFit(detail=f"The invoice is {invoice.get_status_display()}; only an issued one is credited.")


def _left(invoice: Invoice) -> dict[int, tuple[InvoiceLine, int]]:
    """Return each line by position with what is left of it, net."""
    left = {line.pk: line.amount_minor for line in invoice.lines.all()}
    for pk, amount in CreditNoteLine.objects.filter(credit_note__invoice=invoice).values_list("invoice_line_id", "amount_minor"):
        left[pk] -= amount
    return {line.position: (line, left[line.pk]) for line in invoice.lines.order_by("position")}


def _choose(invoice: Invoice, lines: Sequence[CreditLine]) -> Chosen:
    """Return (line, net amount, description) of what is credited, within what is left of each line."""
    left = _left(invoice)
    wanted = list(lines) or [CreditLine(position, rest) for position, (_, rest) in left.items() if rest]
    chosen: Chosen = []
    for one in wanted:
        line, rest = left.get(one.position, (None, 0))
        if line is None or not one.amount_minor:
            raise CreditInvalid(detail=f"There is no line {one.position} to credit, or its amount is zero.")
        if (one.amount_minor > 0) != (rest > 0) or abs(one.amount_minor) > abs(rest):
            raise CreditExceedsLine(position=one.position, left_minor=rest, amount_minor=one.amount_minor)
        left[one.position] = (line, rest - one.amount_minor)
        chosen.append((line, one.amount_minor, (one.description or line.description).strip()[:300]))
    if not chosen:
        raise CreditDoesNotFit(detail="Nothing of this invoice is left to credit.")
    return chosen


def _taxes_left(invoice: Invoice) -> list[_Tax]:
    """Return base and tax of each rate that no note has taken back yet."""
    taken: dict[tuple[str, int], tuple[int, int]] = {}
    rows = CreditNoteTax.objects.filter(credit_note__invoice=invoice)
    for category, points, base, tax in rows.values_list("category", "basis_points", "base_minor", "tax_minor"):
        before = taken.get((category, points), (0, 0))
        taken[category, points] = (before[0] + base, before[1] + tax)
    found = []
    for row in invoice.taxes.order_by("id"):
        base, minor = taken.get((row.category, row.basis_points), (0, 0))
        found.append(_Tax(row.category, row.jurisdiction, row.basis_points, row.base_minor - base, row.tax_minor - minor))
    return found


def _taxes(invoice: Invoice, chosen: Chosen) -> list[_Tax]:
    """Return the tax taken back at each rate: its share of what is left, so that all notes together take back what was charged, to the cent."""
    now: dict[tuple[str, int], int] = {}
    for line, amount, _ in chosen:
        place = (line.tax_category, line.tax_basis_points or 0)
        now[place] = now.get(place, 0) + amount
    found = []
    for left in _taxes_left(invoice):
        base = now.get((left.category, left.basis_points))
        if base is not None:
            taken = share(left.tax_minor, base, left.base_minor) if left.base_minor else left.tax_minor
            found.append(_Tax(left.category, left.jurisdiction, left.basis_points, base, taken))
    return found


def _of_gross(invoice: Invoice, gross_minor: int) -> tuple[Chosen, list[_Tax]]:
    """Return lines and taxes that add up to a gross amount exactly: over the rates by what is left of them, over the lines of a rate likewise."""
    left = [one for one in _taxes_left(invoice) if one.base_minor + one.tax_minor > 0]
    if not 0 < gross_minor <= sum(one.base_minor + one.tax_minor for one in left):
        raise CreditDoesNotFit(detail=f"{gross_minor} minor units are more than is left of this invoice to credit.")
    parts = Money(gross_minor, invoice.currency).allocate([one.base_minor + one.tax_minor for one in left])
    chosen: Chosen = []
    taxes = []
    for one, part in zip(left, parts, strict=True):
        tax = share(one.tax_minor, part.amount_minor, one.base_minor + one.tax_minor)
        net = part.amount_minor - tax
        taxes.append(_Tax(one.category, one.jurisdiction, one.basis_points, net, tax))
        lines = [
            (line, rest)
            for line, rest in _left(invoice).values()
            if rest > 0 and (line.tax_category, line.tax_basis_points or 0) == (one.category, one.basis_points)
        ]
        shares = Money(net, invoice.currency).allocate([rest for _, rest in lines])
        chosen += [
            (line, amount.amount_minor, line.description)
            for (line, _), amount in zip(lines, shares, strict=True)
            if amount.amount_minor
        ]
    return chosen, taxes


def share(whole_minor: int, part: int, of: int) -> int:
    """Return part/of a whole amount, rounded half away from zero."""
    product = whole_minor * part
    rounded = (2 * abs(product) + abs(of)) // (2 * abs(of))
    return rounded if (product >= 0) == (of > 0) else -rounded


def _where(invoice: Invoice, settlement: str, total: int) -> _Where:
    if total <= 0:
        raise CreditDoesNotFit(detail="These lines add up to nothing that could be credited.")
    if settlement == Settlement.OFFSET:
        if total > invoice.amount_due_minor:
            raise CreditDoesNotFit(
                detail=f"{total} minor units would be credited and {invoice.amount_due_minor} are due. Settle what is paid already as credit or refund."
            )
        return _Where(receivable_minor=total)
    paid = invoice.paid_minor - invoice.refunded_minor
    if total > paid:
        raise CreditDoesNotFit(
            detail=f"{total} minor units would be given back and {paid} of this invoice stand paid. Offset what is not paid yet."
        )
    if settlement == Settlement.CREDIT:
        return _Where(credit_minor=total)
    return _to_sources(invoice, total)


def _to_sources(invoice: Invoice, total: int) -> _Where:
    where = _Where()
    for part in split_by_source(invoice.pk, total, invoice.currency):
        if part.source == Source.CARD:
            raise CreditDoesNotFit(
                detail="A card paid a part of this invoice. Refund the payment on its page: each source gets its share, and the credit note comes with it."
            )
        if part.source == Source.BALANCE:
            seller_id = invoice.customer.seller_id or 0
            where.available_minor, where.debt_minor = lock_purses([seller_id])[seller_id, invoice.currency].give(
                part.amount_minor
            )
        else:
            where.credit_minor += part.amount_minor
    return where


def _book(invoice: Invoice, public_id: str, net: int, taxes: list[_Tax], where: _Where, said: _Said) -> int:
    legs = templates.credit_note_issued(
        customer_id=invoice.customer_id,
        currency=invoice.currency,
        net_minor=net,
        taxes=[(tax.jurisdiction, tax.tax_minor) for tax in taxes],
        receivable_minor=where.receivable_minor,
        payable_minor=where.credit_minor,
        seller_id=invoice.customer.seller_id or 0,
        available_minor=where.available_minor,
        debt_minor=where.debt_minor,
    )
    draft = Draft("credit_note_issued", public_id, legs, "invoice", invoice.pk)
    return post(drafts=[draft], actor=said.actor, at=said.at, reason=f"{invoice.number}: {said.reason}")[0].posting_id


def _write(
    invoice: Invoice, public_id: str, chosen: Chosen, taxes: list[_Tax], where: _Where, posting_id: int, said: _Said
) -> CreditNote:
    """Take the number, last of all, and write the note."""
    net, tax_minor = sum(amount for _, amount, _ in chosen), sum(tax.tax_minor for tax in taxes)
    issued_on = day_of_issue(invoice.entity, said.at)
    series_id, sequence = reserve(invoice.entity, SeriesKind.CREDIT_NOTE, issued_on.year, 1)
    note = CreditNote.objects.create(
        public_id=public_id, invoice=invoice, customer=invoice.customer, series_id=series_id, sequence=sequence,
        number=number_text(invoice.entity.code, SeriesKind.CREDIT_NOTE, issued_on.year, sequence), settlement=said.settlement,
        reason_code=said.reason_code, reason=said.reason.strip(), currency=invoice.currency, subtotal_minor=net,
        tax_minor=tax_minor, total_minor=net + tax_minor, to_balance_minor=where.available_minor + where.debt_minor,
        to_customer_minor=where.credit_minor, by_refund_minor=where.by_refund_minor, refund=where.refund, posting_id=posting_id,
        issued_on=issued_on, created_by=str(said.actor), created_at=said.at,
    )  # fmt: skip
    CreditNoteLine.objects.bulk_create(
        [
            CreditNoteLine(credit_note=note, invoice_line=line, amount_minor=amount, description=text)
            for line, amount, text in chosen
        ]
    )
    CreditNoteTax.objects.bulk_create(
        [
            CreditNoteTax(
                credit_note=note,
                category=tax.category,
                jurisdiction=tax.jurisdiction,
                basis_points=tax.basis_points,
                base_minor=tax.base_minor,
                tax_minor=tax.tax_minor,
            )
            for tax in taxes
        ]
    )
    return note


def _told(note: CreditNote) -> dict[str, object]:
    return {
        "credit_note": note.public_id, "number": note.number, "settlement": note.settlement, "currency": note.currency,
        "total_minor": note.total_minor, "to_balance_minor": note.to_balance_minor, "to_customer_minor": note.to_customer_minor,
        "refund": note.refund, "code": note.reason_code,
    }  # fmt: skip
