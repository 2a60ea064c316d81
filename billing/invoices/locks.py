"""The locks of this room, in the house's order: the seller, then balances by account, then invoices by id, and the counter last."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.db import connection

from backoffice.kit.errors import NotFound
from billing.invoices.models import Invoice
from payouts.sellers.queries import lock_seller

CUSTOMER_CODES = ["receivable.invoice", "buyer.payable"]
SELLER_CODES = ["seller.available", "receivable.seller_debt"]


def lock_balances(*, customer_ids: Collection[int], seller_ids: Collection[int] = ()) -> None:
    """Lock these customers' and sellers' balances in account order, in one statement; the sellers are locked already."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT 1 FROM payouts_balance b JOIN payouts_account a ON a.id = b.account_id
                WHERE a.holder = '' AND (a.code = ANY(%s) AND a.holder_id = ANY(%s) OR a.code = ANY(%s) AND a.holder_id = ANY(%s))
                ORDER BY b.account_id FOR UPDATE OF b""",
            [CUSTOMER_CODES, list(customer_ids), SELLER_CODES, list(seller_ids)],
        )


def lock_invoice(invoice_id: int, *, with_seller: bool = False) -> Invoice:
    """Lock an invoice with its customer's balances, and with the seller's where money is taken from or given to it. Refuses: NotFound."""
    known = Invoice.objects.filter(pk=invoice_id).values_list("customer_id", "customer__seller_id").first()
    if known is None:
        raise NotFound(what="invoice", ref=invoice_id)
    customer_id, seller_id = known
    sellers = [seller_id] if with_seller and seller_id is not None else []
    for one in sellers:
        lock_seller(one)
    lock_balances(customer_ids=[customer_id], seller_ids=sellers)
    return lock_invoices([invoice_id])[0]


def lock_invoices(invoice_ids: Iterable[int]) -> list[Invoice]:
    """Lock invoices in id order; their customers' balances are locked already."""
    return list(
        Invoice.objects.select_for_update(no_key=True, of=("self",))
        .select_related("customer", "entity", "customer__seller", "customer__partner")
        .filter(pk__in=set(invoice_ids))
        .order_by("pk")
    )
