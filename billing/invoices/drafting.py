"""Make drafts: one, or a renewal's thousands in a few statements. A draft has no number and no tax yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal

from django.conf import settings
from django.db import IntegrityError, transaction

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.idempotency import KeyReused, fingerprint
from backoffice.kit.money import AMOUNT_MINOR_MAX
from backoffice.kit.states import born_set
from backoffice.kit.transactions import composable
from billing.customers.models import Customer
from billing.invoices.models import Invoice, InvoiceLine, LegalEntity
from billing.invoices.states import INVOICE

LINES_MAX = 500
DUE_DAYS_MAX = 365
_QUANTITY_MAX = Decimal(10) ** 12
_BATCH = 2_000
Moment = datetime | date | None


class InvoiceInvalid(InputError):
    code = "invoice_invalid"
    sentence = "{detail}"


class NoLegalEntity(Refusal):
    code = "no_legal_entity"
    sentence = "No legal entity of ours issues invoices. Mark one as the default under Legal entities."


@dataclass(frozen=True, slots=True)
class LineDraft:
    """One line to be, net, in minor units of the invoice's currency. A credit within the invoice (a proration) is negative."""

    description: str
    quantity: Decimal
    unit_amount_minor: int
    amount_minor: int
    tax_code: str
    period_start: Moment = None
    period_end: Moment = None
    proration: bool = False


@dataclass(frozen=True, slots=True)
class InvoiceDraft:
    """One invoice to be; `origin` names what it bills, `key` makes it single."""

    customer_id: int
    currency: str
    lines: Sequence[LineDraft]
    period_start: Moment
    period_end: Moment
    collection: str
    due_days: int
    origin: str
    key: str


@composable
def draft_invoice(
    *,
    customer_id: int,
    currency: str,
    lines: Sequence[LineDraft],
    period_start: Moment,
    period_end: Moment,
    collection: str,
    due_days: int,
    origin: str,
    key: str,
    actor: Actor,
    at: datetime,
) -> Invoice:
    """Draft one invoice; the same key answers the same one. Refuses: InvoiceInvalid, NoLegalEntity, NotFound, KeyReused."""
    draft = InvoiceDraft(customer_id, currency, lines, period_start, period_end, collection, due_days, origin, key)
    return draft_many(drafts=[draft], actor=actor, at=at)[0]


@composable
def draft_many(*, drafts: Sequence[InvoiceDraft], actor: Actor, at: datetime) -> list[Invoice]:
    """Draft invoices, in the order given, all or none; keys known already answer the earlier drafts.

    Refuses: InvoiceInvalid, NoLegalEntity, NotFound, KeyReused.
    """
    for draft in drafts:
        _check(draft)
    if len({draft.key for draft in drafts}) != len(drafts):
        raise InvoiceInvalid(detail="One call names the same key twice.")
    prints = {draft.key: fingerprint(_content(draft)) for draft in drafts}
    found = _known(prints)
    fresh = [draft for draft in drafts if draft.key not in found]
    if fresh:
        try:
            with transaction.atomic():
                found |= _insert(fresh, prints, actor, at)
        except IntegrityError:
            # a twin in flight was first: what it drafted is the answer
            found |= _known(prints)
    missing = [draft.key for draft in drafts if draft.key not in found]
    if missing:
        raise InvoiceInvalid(
            detail=f"The draft {missing[0][:80]} was made by somebody else at this moment. Send the others again."
        )
    return [found[draft.key] for draft in drafts]


def _known(prints: dict[str, str]) -> dict[str, Invoice]:
    found = {}
    for invoice in Invoice.objects.filter(key__in=list(prints)).select_related("customer"):
        if invoice.fingerprint != prints[invoice.key]:
            raise KeyReused(key=invoice.key)
        found[invoice.key] = invoice
    return found


def _insert(drafts: Sequence[InvoiceDraft], prints: dict[str, str], actor: Actor, at: datetime) -> dict[str, Invoice]:
    customers = Customer.objects.in_bulk({draft.customer_id for draft in drafts})
    entities = list(LegalEntity.objects.all())
    invoices = []
    for draft in drafts:
        customer = customers.get(draft.customer_id)
        if customer is None:
            raise NotFound(what="customer", ref=draft.customer_id)
        subtotal = sum(line.amount_minor for line in draft.lines)
        invoices.append(
            Invoice(
                key=draft.key,
                fingerprint=prints[draft.key],
                customer=customer,
                entity=entity_of(customer.country, entities),
                currency=draft.currency,
                origin=draft.origin,
                collection=draft.collection,
                due_days=draft.due_days,
                period_start=_instant(draft.period_start),
                period_end=_instant(draft.period_end),
                subtotal_minor=subtotal,
                total_minor=subtotal,
                created_by=str(actor),
                created_at=at,
            )
        )
    Invoice.objects.bulk_create(invoices, batch_size=_BATCH)
    InvoiceLine.objects.bulk_create(
        [
            InvoiceLine(
                invoice=invoice,
                position=position,
                description=line.description.strip(),
                quantity=line.quantity,
                unit_amount_minor=line.unit_amount_minor,
                amount_minor=line.amount_minor,
                tax_code=line.tax_code,
                period_start=_instant(line.period_start),
                period_end=_instant(line.period_end),
                proration=line.proration,
            )
            for invoice, draft in zip(invoices, drafts, strict=True)
            for position, line in enumerate(draft.lines, 1)
        ],
        batch_size=_BATCH,
    )
    born_set(INVOICE, "SELECT unnest(%(ids)s::bigint[])", {"ids": [one.pk for one in invoices]}, actor=actor, at=at)
    return {invoice.key: invoice for invoice in invoices}


def entity_of(country: str, entities: Sequence[LegalEntity]) -> LegalEntity:
    """Return which of our companies bills a country: the one that names it, else the default. Refuses: NoLegalEntity."""
    named = next((one for one in entities if country in one.bills_countries), None)
    chosen = named or next((one for one in entities if one.is_default), None)
    if chosen is None:
        raise NoLegalEntity()
    return chosen


def _check(draft: InvoiceDraft) -> None:
    if draft.currency not in settings.CURRENCIES:
        raise InvoiceInvalid(detail=f"{draft.currency[:8]} is not a currency this installation keeps books in.")
    if not 1 <= len(draft.lines) <= LINES_MAX:
        raise InvoiceInvalid(detail=f"An invoice has 1 to {LINES_MAX} lines.")
    if not 0 <= draft.due_days <= DUE_DAYS_MAX:
        raise InvoiceInvalid(detail=f"An invoice is due within 0 to {DUE_DAYS_MAX} days.")
    if not 1 <= len(draft.key) <= 200 or not 1 <= len(draft.collection) <= 20 or len(draft.origin) > 80:
        raise InvoiceInvalid(detail="A draft has a key of 1 to 200 characters, a way of collection, and an origin of at most 80.")
    for line in draft.lines:
        _check_line(line)
    if abs(sum(line.amount_minor for line in draft.lines)) > AMOUNT_MINOR_MAX:
        raise InvoiceInvalid(detail="The lines add up to more than any amount this system books.")


def _check_line(line: LineDraft) -> None:
    if not 1 <= len(line.description.strip()) <= 300:
        raise InvoiceInvalid(detail="A line has a description of 1 to 300 characters.")
    if not line.tax_code or len(line.tax_code) > 40:
        raise InvoiceInvalid(detail="A line names its tax code.")
    if not isinstance(line.quantity, Decimal) or not line.quantity.is_finite() or abs(line.quantity) >= _QUANTITY_MAX:
        raise InvoiceInvalid(detail="A quantity is a decimal number.")
    if abs(line.amount_minor) > AMOUNT_MINOR_MAX or abs(line.unit_amount_minor) > AMOUNT_MINOR_MAX:
        raise InvoiceInvalid(detail="An amount of a line is larger than any this system books.")


def _content(draft: InvoiceDraft) -> list[object]:
    lines = [
        [line.description, str(line.quantity), line.unit_amount_minor, line.amount_minor, line.tax_code, line.period_start,
         line.period_end, line.proration]
        for line in draft.lines
    ]  # fmt: skip
    return [draft.customer_id, draft.currency, lines, draft.period_start, draft.period_end, draft.collection, draft.due_days,
            draft.origin]  # fmt: skip


def _instant(moment: Moment) -> datetime | None:
    if moment is None or isinstance(moment, datetime):
        return moment
    return datetime.combine(moment, time.min, tzinfo=UTC)
