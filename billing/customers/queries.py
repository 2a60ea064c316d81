"""Questions about customers."""

from __future__ import annotations

from django.db.models import QuerySet

from backoffice.kit.errors import NotFound
from billing.customers.models import Customer


def find_customer(ref: str, partner_id: int | None = None) -> Customer:
    """Return a customer by public or external id; with `partner_id`, only that partner's. Refuses: NotFound."""
    rows: QuerySet[Customer] = Customer.objects.select_related("seller", "partner")
    if ref.startswith("cus_"):
        found = rows.filter(public_id=ref) if partner_id is None else rows.filter(public_id=ref, partner_id=partner_id)
    else:
        mine = rows.filter(partner=None) if partner_id is None else rows.filter(partner_id=partner_id)
        found = mine.filter(external_id=ref)
    customer = found.first()
    if customer is None:
        raise NotFound(what="customer", ref=ref[:120])
    return customer


def names_of(customer_ids: set[int]) -> dict[int, str]:
    """Return what customers are called on the ledger's screens: the seller's name, else the external id. Sealed names stay sealed."""
    rows = Customer.objects.filter(pk__in=customer_ids).values_list("pk", "seller__legal_name", "external_id")
    return {pk: name or f"customer {external_id}" for pk, name, external_id in rows}
