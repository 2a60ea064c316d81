"""Say once that an invoice is overdue; overdue itself is no state but a date that has passed."""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction

from backoffice.kit.transactions import durable
from billing.invoices.telling import tell_of

_BATCH = 1_000


@durable
def tell_overdue(*, at: datetime) -> int:
    """Tell `invoice.overdue` of every open invoice whose due date has passed, once each; return how many."""
    told = 0
    while True:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(
                    """WITH due AS MATERIALIZED (
                           SELECT id FROM billing_invoice WHERE status = 'open' AND due_on < %(on)s AND overdue_told_at IS NULL
                            ORDER BY id LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED)
                       UPDATE billing_invoice i SET overdue_told_at = %(at)s FROM due WHERE i.id = due.id RETURNING i.id""",
                    {"on": at.date(), "at": at, "limit": _BATCH},
                )
                ids = [row[0] for row in cursor.fetchall()]
            tell_of("invoice.overdue", ids, at)
        told += len(ids)
        if len(ids) < _BATCH:
            return told
