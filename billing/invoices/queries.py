"""Questions about invoices: sources they were paid from, credit of customers, the aging, gaps in numbers."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import QuerySet, Sum

from backoffice.kit.errors import NotFound
from backoffice.kit.invariants import rows_of
from backoffice.kit.money import Money
from billing.invoices.models import Application, CreditNote, Invoice, Source
from billing.invoices.states import InvoiceStatus

PAID_FROM = (Source.BALANCE, Source.CARD, Source.CREDIT)
BUCKETS = ["not_due", "days_0_30", "days_31_60", "days_61_90", "over_90"]


class PaidFrom(NamedTuple):
    """What of an invoice stands paid from one source, in minor units; `payment` names a card payment, '' otherwise."""

    source: str
    payment: str
    amount_minor: int


def find_invoice(ref: str, partner_id: int | None = None) -> Invoice:
    """Return an invoice by public id or number; with `partner_id`, only that partner's. Refuses: NotFound."""
    rows = Invoice.objects.select_related("customer", "entity")
    found = rows.filter(public_id=ref) if ref.startswith("inv_") else rows.filter(number=ref).exclude(number="")
    if partner_id is not None:
        found = found.filter(customer__partner_id=partner_id)
    invoice = found.first()
    if invoice is None:
        raise NotFound(what="invoice", ref=ref[:80])
    return invoice


def overdue(on: date) -> QuerySet[Invoice]:
    """Return open invoices whose due date has passed."""
    return Invoice.objects.filter(status=InvoiceStatus.OPEN, due_on__lt=on)


def sources_of(invoice_id: int) -> list[PaidFrom]:
    """Return what an invoice stands paid from, less what was given back already, the oldest source first."""
    found: dict[tuple[str, str], int] = {}
    rows = Application.objects.filter(invoice_id=invoice_id, source__in=PAID_FROM).order_by("id")
    for source, payment, amount_minor in rows.values_list("source", "payment", "amount_minor"):
        place = (source, payment if source == Source.CARD else "")
        found[place] = found.get(place, 0) + amount_minor
    given = CreditNote.objects.filter(invoice_id=invoice_id, settlement="refund").aggregate(
        balance=Sum("to_balance_minor"), credit=Sum("to_customer_minor")
    )
    kept = CreditNote.objects.filter(invoice_id=invoice_id, settlement="credit").aggregate(total=Sum("total_minor"))["total"] or 0
    for place, back in (((Source.BALANCE, ""), given["balance"] or 0), ((Source.CREDIT, ""), given["credit"] or 0)):
        if back:
            found[place] = found.get(place, 0) - back
    for place in list(found):  # what is kept as credit came from the oldest sources
        part = min(kept, max(0, found[place]))
        found[place], kept = found[place] - part, kept - part
    return [PaidFrom(source, payment, amount) for (source, payment), amount in found.items() if amount > 0]


def split_by_source(invoice_id: int, amount_minor: int, currency: str) -> list[PaidFrom]:
    """Return an amount split over the sources that paid, in proportion, to the last cent; no part is more than its source paid."""
    sources = sources_of(invoice_id)
    paid = sum(one.amount_minor for one in sources)
    if not 0 < amount_minor <= paid:
        raise ValueError(f"{amount_minor} is not within the {paid} this invoice stands paid with.")
    parts = Money(amount_minor, currency).allocate([one.amount_minor for one in sources])
    return [
        PaidFrom(one.source, one.payment, part.amount_minor)
        for one, part in zip(sources, parts, strict=True)
        if part.amount_minor
    ]


def credit_of(customer_ids: Collection[int]) -> dict[tuple[int, str], int]:
    """Return {(customer_id, currency): minor units} of credit to be used on coming invoices."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT customer_id, currency, sum(amount)::bigint FROM (
                   SELECT customer_id, currency, to_customer_minor AS amount FROM billing_creditnote
                    WHERE customer_id = ANY(%(ids)s) AND to_customer_minor > 0
                   UNION ALL
                   SELECT i.customer_id, a.currency, -a.amount_minor FROM billing_application a JOIN billing_invoice i ON i.id = a.invoice_id
                    WHERE i.customer_id = ANY(%(ids)s) AND a.source = 'credit') AS moves
                GROUP BY 1, 2 HAVING sum(amount) > 0""",
            {"ids": list(customer_ids)},
        )
        return {(customer_id, currency): amount for customer_id, currency, amount in cursor.fetchall()}


_AGED = """
    SELECT i.customer_id, i.currency, i.due_on,
           i.total_minor - coalesce((SELECT sum(a.amount_minor) FROM billing_application a
                                      WHERE a.invoice_id = i.id AND a.at <= %(at)s), 0) AS due
      FROM billing_invoice i
     WHERE i.finalised_at <= %(at)s
       AND (i.amount_due_minor > 0 OR EXISTS (SELECT 1 FROM billing_application a WHERE a.invoice_id = i.id AND a.at > %(at)s))"""


def aging(at: datetime, on: date, *, limit: int | None = None) -> list[dict[str, Any]]:
    """Return what each customer owed at an instant, by days past due on `on`: one row a customer and currency, the largest first.

    The sum of a row equals the customer's `receivable.invoice` at that instant.
    """
    return rows_of(
        f"""SELECT d.customer_id, c.public_id AS customer, coalesce(s.legal_name, c.external_id) AS name, d.currency,
                   coalesce(sum(due) FILTER (WHERE d.due_on >= %(on)s), 0)::bigint AS not_due,
                   coalesce(sum(due) FILTER (WHERE %(on)s - d.due_on BETWEEN 1 AND 30), 0)::bigint AS days_0_30,
                   coalesce(sum(due) FILTER (WHERE %(on)s - d.due_on BETWEEN 31 AND 60), 0)::bigint AS days_31_60,
                   coalesce(sum(due) FILTER (WHERE %(on)s - d.due_on BETWEEN 61 AND 90), 0)::bigint AS days_61_90,
                   coalesce(sum(due) FILTER (WHERE %(on)s - d.due_on > 90), 0)::bigint AS over_90,
                   sum(due)::bigint AS total
              FROM ({_AGED}) d JOIN billing_customer c ON c.id = d.customer_id LEFT JOIN payouts_seller s ON s.id = c.seller_id
             WHERE d.due <> 0 GROUP BY 1, 2, 3, 4 ORDER BY total DESC, d.customer_id LIMIT %(limit)s""",  # noqa: S608 - own text
        {"at": at, "on": on, "limit": limit},
    )


def aging_totals(at: datetime, on: date) -> dict[str, dict[str, int]]:
    """Return {currency: {bucket: minor units, total}} of everybody together."""
    sums: dict[str, dict[str, int]] = {}
    for row in aging(at, on):
        mine = sums.setdefault(row["currency"], dict.fromkeys([*BUCKETS, "total"], 0))
        for name in mine:
            mine[name] += row[name]
    return sums


def series_state() -> list[dict[str, Any]]:
    """Return every series with its counter, how many numbers stand on documents, the lowest and the highest, and whether any is missing."""
    return rows_of(
        """SELECT s.id, e.code AS entity, s.kind, s.year, s.last_number, coalesce(d.documents, 0) AS documents,
                  coalesce(d.first, 0) AS first, coalesce(d.last, 0) AS last,
                  coalesce(d.documents, 0) <> s.last_number OR coalesce(d.last, 0) <> s.last_number
                      OR (s.last_number > 0 AND d.first IS DISTINCT FROM 1) AS broken
             FROM billing_numberseries s JOIN billing_legalentity e ON e.id = s.entity_id
             LEFT JOIN (SELECT series_id, count(*) AS documents, min(sequence) AS first, max(sequence) AS last
                          FROM (SELECT series_id, sequence FROM billing_invoice WHERE series_id IS NOT NULL
                                UNION ALL SELECT series_id, sequence FROM billing_creditnote) AS issued GROUP BY 1) d ON d.series_id = s.id
            ORDER BY e.code, s.kind, s.year"""
    )


def missing_numbers(series_id: int, *, limit: int = 100) -> list[int]:
    """Return the first numbers of a series that stand on no document."""
    found = rows_of(
        """SELECT n FROM billing_numberseries s, generate_series(1, s.last_number) AS n
            WHERE s.id = %(id)s
              AND NOT EXISTS (SELECT 1 FROM billing_invoice i WHERE i.series_id = s.id AND i.sequence = n)
              AND NOT EXISTS (SELECT 1 FROM billing_creditnote c WHERE c.series_id = s.id AND c.sequence = n)
            ORDER BY n LIMIT %(limit)s""",
        {"id": series_id, "limit": limit},
    )
    return [row["n"] for row in found]


def booked_receivable(currency: str, at: datetime) -> int:
    """Return what the ledger says customers owed in a currency at an instant, in minor units."""
    rows = rows_of(
        """SELECT coalesce(sum(e.amount_minor), 0)::bigint AS booked
             FROM payouts_account a JOIN payouts_entry e ON e.account_id = a.id
             JOIN payouts_posting p ON p.id = e.posting_id AND p.recorded_at <= %(at)s
            WHERE a.code = 'receivable.invoice' AND a.currency = %(currency)s""",
        {"currency": currency, "at": at},
    )
    return int(rows[0]["booked"])
