"""How this room asks the rooms of invoices and payments: the one place that knows their verbs.

They are looked up by name, so that an installation without one of them starts, and says so when something is to be billed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from backoffice.kit.actors import Actor
from backoffice.kit.errors import NotFound
from billing.collection.sockets import ChargeFacts, InvoiceDraft, InvoiceFacts, Line, rooms


def _facts(row: Any) -> InvoiceFacts:
    return InvoiceFacts(row.pk, row.public_id, str(row.status), row.amount_due_minor, row.currency)


class InvoicesRoom:
    """billing/invoices behind the socket."""

    def __init__(self) -> None:
        self.verbs = import_module("billing.invoices.operations")
        self.invoice = import_module("billing.invoices.models").Invoice

    def issue(self, *, drafts: Sequence[InvoiceDraft], actor: Actor, at: datetime) -> list[InvoiceFacts]:
        ids = self._drafted(drafts, actor, at)
        self.verbs.finalise_many(invoice_ids=ids, actor=actor, at=at)
        rows = self.invoice.objects.in_bulk(ids)
        return [_facts(rows[row_id]) for row_id in ids]

    def _drafted(self, drafts: Sequence[InvoiceDraft], actor: Actor, at: datetime) -> list[int]:
        given = [self.verbs.InvoiceDraft(**self._arguments(one)) for one in drafts]
        return [row.pk for row in self.verbs.draft_many(drafts=given, actor=actor, at=at)]

    def _arguments(self, one: InvoiceDraft) -> dict[str, Any]:
        names = [field.name for field in fields(Line)]
        lines = [self.verbs.LineDraft(**{name: getattr(line, name) for name in names}) for line in one.lines]
        return {field.name: getattr(one, field.name) for field in fields(InvoiceDraft)} | {"lines": lines}

    def facts(self, *, invoice: str) -> InvoiceFacts:
        return _facts(self._row(invoice))

    def from_balance(self, *, invoice: str, actor: Actor, at: datetime, key: str) -> int:
        taken = self.verbs.collect_from_balance(invoice_id=self._row(invoice).pk, limit_minor=None, actor=actor, at=at, key=key)
        return int(taken)

    def void(self, *, invoice: str, actor: Actor, at: datetime, reason: str) -> None:
        self.verbs.void_invoice(invoice_id=self._row(invoice).pk, actor=actor, at=at, reason=reason)

    def _row(self, invoice: str) -> Any:
        row = self.invoice.objects.filter(public_id=invoice).first()
        if row is None:
            raise NotFound(what="invoice", ref=invoice)
        return row


class PaymentsRoom:
    """billing/payments behind the socket."""

    def __init__(self) -> None:
        self.verbs = import_module("billing.payments.operations")

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
    ) -> ChargeFacts:
        made = self.verbs.charge(
            customer_id=customer_id, amount_minor=amount_minor, currency=currency, purpose=invoice, off_session=off_session,
            actor=actor, at=at, key=key,
        )  # fmt: skip
        return ChargeFacts(made.public_id, str(made.status), made.decline_code or "", bool(made.retryable))


def plug_in() -> None:
    """Plug the rooms that are installed."""
    if find_spec("billing.invoices") and find_spec("billing.invoices.operations"):
        rooms.plug(invoices=InvoicesRoom())
    if find_spec("billing.payments") and find_spec("billing.payments.operations"):
        rooms.plug(payments=PaymentsRoom())
