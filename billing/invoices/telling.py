"""What others are told of an invoice: public ids and amounts, never a name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from backoffice.kit.outbox import tell, tell_set
from billing.invoices.models import Invoice

_OF_INVOICES = """
    SELECT i.public_id,
           jsonb_build_object('invoice', i.public_id, 'number', i.number, 'customer', c.public_id, 'seller', s.public_id,
                              'origin', i.origin, 'collection', i.collection, 'status', i.status, 'currency', i.currency,
                              'total_minor', i.total_minor, 'amount_due_minor', i.amount_due_minor, 'due_on', i.due_on,
                              'code', i.status_code),
           c.partner_id
      FROM billing_invoice i JOIN billing_customer c ON c.id = i.customer_id LEFT JOIN payouts_seller s ON s.id = c.seller_id
     WHERE i.id = ANY(%(ids)s) ORDER BY i.id"""


def tell_of(event_type: str, invoice_ids: Sequence[int], at: datetime) -> None:
    """Tell one event per invoice, as they stand now."""
    if invoice_ids:
        tell_set(event_type, _OF_INVOICES, {"ids": list(invoice_ids)}, at=at)


def tell_of_note(event_type: str, invoice: Invoice, payload: dict[str, Any], at: datetime) -> None:
    """Tell of a credit note, under its own id."""
    about = {"invoice": invoice.public_id, "customer": invoice.customer.public_id, "origin": invoice.origin}
    tell(event_type, subject=payload["credit_note"], payload=about | payload, at=at, partner_id=invoice.customer.partner_id)
