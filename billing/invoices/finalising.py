"""Finalise: decide the tax, book the claim, take a number; one invoice or thousands in a few statements.

What cannot be decided without guessing keeps its draft, says why, and takes no number. Everything is computed first; the counter is locked last.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection

from backoffice.kit.actors import Actor
from backoffice.kit.errors import NotFound, Refusal
from backoffice.kit.states import transition, transition_set
from backoffice.kit.transactions import composable
from billing.customers.vat import vat_state
from billing.invoices.locks import lock_balances, lock_invoices
from billing.invoices.models import Application, Invoice, InvoiceLine, InvoiceTax, SeriesKind, Source
from billing.invoices.numbering import day_of_issue, number_text, reserve
from billing.invoices.queries import credit_of
from billing.invoices.states import INVOICE, NOT_YET, InvoiceStatus
from billing.invoices.tax import Group, LineTax, Rates, TaxFacts, TaxUndecided, evidence, grouped, provider
from billing.invoices.telling import tell_of
from payouts.ledger import templates
from payouts.ledger.operations import Draft, post


class InvoiceBelowZero(TaxUndecided):
    code = "invoice_below_zero"
    sentence = "The lines add up to less than nothing. Void this draft and issue a credit note on the invoice that was too high."


class InvoiceNotDraft(Refusal):
    code = "invoice_not_draft"
    sentence = "The invoice is {state} and cannot be finalised."


@dataclass(frozen=True, slots=True)
class FinaliseReport:
    """Row ids that have a number now, and for each that has none why not."""

    finalised: list[int]
    failed: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Plan:
    """What will be written of one invoice."""

    invoice: Invoice
    groups: list[Group]
    taxes: dict[str, LineTax]
    facts: TaxFacts
    issued_on: date
    credit_minor: int = 0
    posting_id: int | None = None
    credit_posting_id: int | None = None
    series_id: int = 0
    sequence: int = 0
    number: str = ""

    @property
    def tax_minor(self) -> int:
        return sum(group.tax_minor for group in self.groups)

    @property
    def total_minor(self) -> int:
        return self.invoice.subtotal_minor + self.tax_minor


@composable
def finalise_invoice(*, invoice_id: int, actor: Actor, at: datetime) -> Invoice:
    """Finalise one draft; a number, or the state `finalizing_failed` with its reason. One that has a number already is answered as it is.

    Tells `invoice.finalised` (and `invoice.paid` where nothing is due), or `invoice.finalizing_failed`. Refuses: NotFound, InvoiceNotDraft.
    """
    state = Invoice.objects.filter(pk=invoice_id).values_list("status", "number").first()
    if state is None:
        raise NotFound(what="invoice", ref=invoice_id)
    if state[0] == InvoiceStatus.VOID:
        raise InvoiceNotDraft(state=InvoiceStatus(state[0]).label)
    finalise_many(invoice_ids=[invoice_id], actor=actor, at=at)
    return Invoice.objects.select_related("customer", "entity").get(pk=invoice_id)


@composable
def finalise_many(*, invoice_ids: Sequence[int], actor: Actor, at: datetime) -> FinaliseReport:
    """Finalise drafts: compute all, book them in one batch, then take one block of numbers per series. Others than drafts are left alone.

    Numbers follow the invoices' row ids. A customer's credit is used first. Tells as finalise_invoice does, an event an invoice.
    """
    customers = Invoice.objects.filter(pk__in=list(invoice_ids)).values_list("customer_id", flat=True)
    lock_balances(customer_ids=set(customers))
    invoices = [one for one in lock_invoices(invoice_ids) if one.status in NOT_YET]
    plans, failed = _plan(invoices, at)
    _fail(invoices, failed, actor, at)
    if plans:
        _use_credit(plans)
        _write_taxes(plans)
        _book(plans, actor, at)
        _number(plans)
        _write_invoices(plans, at)
        _open(plans, actor, at)
    return FinaliseReport([plan.invoice.pk for plan in plans], {pk: str(problem) for pk, problem in failed.items()})


def _plan(invoices: list[Invoice], at: datetime) -> tuple[list[_Plan], dict[int, TaxUndecided]]:
    lines: dict[int, list[tuple[str, int]]] = {}
    found = InvoiceLine.objects.filter(invoice__in=[one.pk for one in invoices]).order_by("invoice_id", "position")
    for invoice_id, tax_code, amount_minor in found.values_list("invoice_id", "tax_code", "amount_minor"):
        lines.setdefault(invoice_id, []).append((tax_code, amount_minor))
    rates, plans, failed = Rates.load(), [], {}
    for invoice in invoices:
        try:
            plans.append(_plan_one(invoice, lines.get(invoice.pk, []), rates, at))
        except TaxUndecided as problem:
            failed[invoice.pk] = problem
    return plans, failed


def _plan_one(invoice: Invoice, lines: list[tuple[str, int]], rates: Rates, at: datetime) -> _Plan:
    customer, entity = invoice.customer, invoice.entity
    issued_on = day_of_issue(entity, at)
    facts = TaxFacts(
        entity_country=entity.country,
        entity_vat_countries=frozenset(entity.vat_numbers),
        oss=entity.oss,
        customer=customer.public_id,
        customer_country=customer.country,
        customer_kind=customer.kind,
        vat_number=customer.vat_number,
        vat_state=vat_state(customer.vat_number, customer.vat_evidence),
        on=issued_on,
    )
    taxes = provider.ask(facts, dict.fromkeys(tax_code for tax_code, _ in lines), rates)
    plan = _Plan(invoice, grouped(lines, taxes), taxes, facts, issued_on)
    if plan.total_minor < 0:
        raise InvoiceBelowZero()
    return plan


def _fail(invoices: list[Invoice], failed: dict[int, TaxUndecided], actor: Actor, at: datetime) -> None:
    for invoice in invoices:
        problem = failed.get(invoice.pk)
        if problem is not None:
            Invoice.objects.filter(pk=invoice.pk).update(status_code=problem.code, status_reason=str(problem))
            transition(
                INVOICE, invoice, InvoiceStatus.FINALIZING_FAILED, actor=actor, at=at, reason=str(problem), code=problem.code
            )
    tell_of("invoice.finalizing_failed", list(failed), at)


def _use_credit(plans: list[_Plan]) -> None:
    """Use up customers' credit, the oldest invoice first."""
    credits = credit_of({plan.invoice.customer_id for plan in plans})
    for plan in plans:
        owner = (plan.invoice.customer_id, plan.invoice.currency)
        plan.credit_minor = min(credits.get(owner, 0), plan.total_minor)
        if plan.credit_minor:
            credits[owner] -= plan.credit_minor


def _write_taxes(plans: list[_Plan]) -> None:
    InvoiceTax.objects.bulk_create(
        [
            InvoiceTax(
                invoice_id=plan.invoice.pk,
                category=group.category,
                jurisdiction=group.jurisdiction,
                basis_points=group.basis_points,
                base_minor=group.base_minor,
                tax_minor=group.tax_minor,
            )
            for plan in plans
            for group in plan.groups
        ],
        batch_size=5_000,
    )
    rows = [
        (plan.invoice.pk, tax_code, str(tax.category), tax.basis_points) for plan in plans for tax_code, tax in plan.taxes.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE billing_invoiceline l SET tax_category = u.category, tax_basis_points = u.points
                 FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::int[]) AS u(invoice_id, tax_code, category, points)
                WHERE l.invoice_id = u.invoice_id AND l.tax_code = u.tax_code""",
            [list(column) for column in zip(*rows, strict=True)],
        )


def _book(plans: list[_Plan], actor: Actor, at: datetime) -> None:
    """Book every claim and every use of credit in one batch; an invoice of nothing has no posting."""
    drafts, targets = [], []
    for plan in plans:
        invoice = plan.invoice
        if plan.total_minor:
            legs = templates.invoice_finalised(
                customer_id=invoice.customer_id,
                currency=invoice.currency,
                net_minor=invoice.subtotal_minor,
                taxes=[(group.jurisdiction, group.tax_minor) for group in plan.groups],
            )
            drafts.append(Draft("invoice_finalised", invoice.public_id, legs, "invoice", invoice.pk))
            targets.append((plan, "posting_id"))
        if plan.credit_minor:
            legs = templates.credit_applied(
                customer_id=invoice.customer_id, currency=invoice.currency, amount_minor=plan.credit_minor
            )
            drafts.append(Draft("credit_applied", invoice.public_id, legs, "invoice", invoice.pk))
            targets.append((plan, "credit_posting_id"))
    for (plan, name), posted in zip(targets, post(drafts=drafts, actor=actor, at=at), strict=True):
        setattr(plan, name, posted.posting_id)


def _number(plans: list[_Plan]) -> None:
    """Take one block of numbers per entity and year, entities in id order so that two runs never wait for each other crosswise."""
    blocks: dict[tuple[int, int], list[_Plan]] = {}
    for plan in plans:
        blocks.setdefault((plan.invoice.entity_id, plan.issued_on.year), []).append(plan)
    for (_, year), block in sorted(blocks.items()):
        entity = block[0].invoice.entity
        series_id, first = reserve(entity, SeriesKind.INVOICE, year, len(block))
        for sequence, plan in enumerate(block, first):
            plan.series_id, plan.sequence = series_id, sequence
            plan.number = number_text(entity.code, SeriesKind.INVOICE, year, sequence)


_COLUMNS = [
    ("id", "bigint"), ("number", "text"), ("series_id", "bigint"), ("sequence", "int"), ("issued_on", "date"), ("due_on", "date"),
    ("posting_id", "bigint"), ("tax_minor", "bigint"), ("total_minor", "bigint"), ("paid_minor", "bigint"), ("buyer", "text"),
    ("buyer_vat_number", "text"), ("tax_note", "text"), ("tax_evidence", "jsonb"),
]  # fmt: skip


def _write_invoices(plans: list[_Plan], at: datetime) -> None:
    columns = [list(column) for column in zip(*(_row(plan) for plan in plans), strict=True)]
    sets = ", ".join(f"{name} = u.{name}" for name, _ in _COLUMNS[1:])
    names = ", ".join(name for name, _ in _COLUMNS)
    kinds = ", ".join(f"%s::{kind}[]" for _, kind in _COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE billing_invoice i SET {sets}, finalised_at = %s, status_code = '', status_reason = ''
                  FROM unnest({kinds}) AS u({names}) WHERE i.id = u.id""",  # noqa: S608 - names of columns, from here
            [at, *columns],
        )
    Application.objects.bulk_create(
        [
            Application(
                invoice_id=plan.invoice.pk,
                source=Source.CREDIT,
                amount_minor=plan.credit_minor,
                currency=plan.invoice.currency,
                posting_id=plan.credit_posting_id,
                actor="system:credit",
                at=at,
            )
            for plan in plans
            if plan.credit_minor
        ]
    )


def _row(plan: _Plan) -> tuple[Any, ...]:
    invoice, customer = plan.invoice, plan.invoice.customer
    invoice.buyer = json.dumps({"name": customer.name, "address": customer.address, "country": customer.country})
    notes = dict.fromkeys(tax.note for tax in plan.taxes.values() if tax.note)
    return (
        invoice.pk,
        plan.number,
        plan.series_id,
        plan.sequence,
        plan.issued_on,
        plan.issued_on + timedelta(days=invoice.due_days),
        plan.posting_id,
        plan.tax_minor,
        plan.total_minor,
        plan.credit_minor,
        invoice.__dict__["buyer"],  # as it is sealed
        customer.vat_number,
        " ".join(notes)[:200],
        json.dumps(evidence(plan.facts, customer.vat_evidence)),
    )


def _open(plans: list[_Plan], actor: Actor, at: datetime) -> None:
    ids = [plan.invoice.pk for plan in plans]
    settled = [plan.invoice.pk for plan in plans if plan.total_minor == plan.credit_minor]
    chosen = "SELECT unnest(%(ids)s::bigint[]) AS id"
    transition_set(INVOICE, chosen, {"ids": ids}, InvoiceStatus.OPEN, actor=actor, at=at)
    if settled:
        transition_set(INVOICE, chosen, {"ids": settled}, InvoiceStatus.PAID, actor=actor, at=at, reason="Nothing is due.")
    tell_of("invoice.finalised", ids, at)
    tell_of("invoice.paid", settled, at)
