"""Customers as their partner sees and keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from backoffice.kit.api.answers import instant
from backoffice.kit.api.fields import Currency, ObjectOut, PublicId, StrictSerializer, Text
from backoffice.kit.api.lists import Filter, Page, instants
from backoffice.kit.api.views import ApiView, Call, listing, question, verb
from backoffice.kit.errors import NotFound
from billing.customers import operations
from billing.customers.models import Customer, CustomerKind
from billing.customers.vat import vat_state
from payouts.sellers.api import seller_row_id

VAT_STATES = [("", "no number"), ("valid", "valid"), ("invalid", "invalid"), ("not_checked", "not checked")]


class CustomerOut(ObjectOut):
    """Somebody who is billed; one that sells is billed out of the balance where a plan says so."""

    external_id = serializers.CharField()
    kind = serializers.ChoiceField(CustomerKind.choices)
    seller = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    email = serializers.CharField(allow_blank=True)
    address = serializers.CharField(allow_blank=True)
    country = serializers.CharField()
    currency = serializers.CharField()
    vat_number = serializers.CharField(allow_blank=True)
    vat_state = serializers.ChoiceField(VAT_STATES, allow_blank=True, help_text="`not_checked` until the tax office answered.")
    has_payment_method = serializers.BooleanField()


class CustomerIn(StrictSerializer):
    """A new customer; with `seller` it is billed as that seller."""

    external_id = Text(max_length=120)
    name = Text(max_length=200)
    country = Text(min_length=2, max_length=2)
    currency = Currency()
    kind = serializers.ChoiceField(CustomerKind.choices, default=CustomerKind.BUSINESS)
    email = Text(max_length=254, required=False, allow_blank=True)
    address = Text(max_length=500, required=False, allow_blank=True, help_text="Lines as they stand on an invoice.")
    vat_number = Text(max_length=20, required=False, allow_blank=True)
    seller = PublicId("sel", required=False)


class CustomerChange(StrictSerializer):
    """What may change; issued invoices keep what they were made out to."""

    name = Text(max_length=200, required=False)
    country = Text(min_length=2, max_length=2, required=False)
    kind = serializers.ChoiceField(CustomerKind.choices, required=False)
    email = Text(max_length=254, required=False, allow_blank=True)
    address = Text(max_length=500, required=False, allow_blank=True)
    vat_number = Text(max_length=20, required=False, allow_blank=True)


EXAMPLE = {
    "id": "cus_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "object": "customer",
    "created_at": "2026-11-21T09:30:00Z",
    "livemode": False,
    "external_id": "refurb-lyon-17",
    "kind": "business",
    "seller": "sel_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "name": "Refurb Lyon SARL",
    "email": "books@refurb-lyon.example",
    "address": "2 rue du Port\n69002 Lyon",
    "country": "FR",
    "currency": "EUR",
    "vat_number": "FR83404833048",
    "vat_state": "valid",
    "has_payment_method": True,
}
EXAMPLE_IN = {
    name: EXAMPLE[name]
    for name in ("external_id", "name", "country", "currency", "kind", "email", "address", "vat_number", "seller")
}
FILTERS = [
    Filter("external_id", "external_id", Text(max_length=120)),
    Filter("seller", "seller__public_id", PublicId("sel")),
    Filter("country", "country", Text(max_length=2)),
    *instants("created_at", "created_at"),
]


def customers_of(caller: Any) -> QuerySet[Customer]:
    """Return the caller's own customers: the wall between partners stands here."""
    return Customer.objects.filter(partner_id=caller.partner_id)


def represent(row: Customer, seller: str | None, livemode: bool) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "object": "customer",
        "created_at": instant(row.created_at),
        "livemode": livemode,
        "external_id": row.external_id,
        "kind": row.kind,
        "seller": seller,
        "name": row.name,
        "email": row.email,
        "address": row.address,
        "country": row.country,
        "currency": row.currency,
        "vat_number": row.vat_number,
        "vat_state": vat_state(row.vat_number, row.vat_evidence),
        "has_payment_method": bool(row.gateway_method),
    }


def one_customer(caller: Any, public_id: str) -> dict[str, Any]:
    """Return one of the caller's customers. Refuses: NotFound."""
    row = customers_of(caller).select_related("seller").filter(public_id=public_id).first()
    if row is None:
        raise NotFound(what="customer", ref=public_id)
    return represent(row, row.seller.public_id if row.seller else None, caller.livemode)


class Customers(ApiView):
    """The partner's customers."""

    @listing(operation="list_customers", scope="customers:read", answers=CustomerOut, example=EXAMPLE, filters=FILTERS)
    def get(self, request: Any, page: Page) -> dict[str, Any]:
        """List customers, newest first."""
        rows = customers_of(request.user).select_related("seller").filter(**page.narrowed)
        if page.after is not None:
            rows = rows.filter(pk__lt=page.after)
        found = list(rows.order_by("-pk")[: page.limit + 1])
        shown = found[: page.limit]
        data = [represent(row, row.seller.public_id if row.seller else None, request.user.livemode) for row in shown]
        return page.wrap(data, shown[-1].pk if len(found) > page.limit else None)

    @verb(
        operation="create_customer",
        scope="customers:write",
        takes=CustomerIn,
        answers=CustomerOut,
        example_in=EXAMPLE_IN,
        example=EXAMPLE,
        refusals=[
            "customer_exists:409:There is already a customer with the external id refurb-lyon-17, or of this seller.",
            "vat_number_invalid:422:FR12 is not a VAT number of FR: the number has an invalid length.",
        ],
    )
    def post(self, request: Any, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Create a customer. A VAT number is not checked yet."""
        rest = dict(given)
        seller = rest.pop("seller", None)
        seller_id = seller_row_id(request.user, seller) if seller else None
        customer = operations.create_customer(
            **rest, seller_id=seller_id, partner_id=request.user.partner_id, actor=call.actor, key=call.key, at=call.at
        )
        return one_customer(request.user, customer.public_id)


class OneCustomer(ApiView):
    """One customer."""

    @question(operation="get_customer", scope="customers:read", answers=CustomerOut, example=EXAMPLE)
    def get(self, request: Any, customer_id: str) -> dict[str, Any]:
        """Read one customer."""
        return one_customer(request.user, customer_id)

    @verb(
        operation="update_customer",
        scope="customers:write",
        takes=CustomerChange,
        answers=CustomerOut,
        example_in={"address": "4 rue du Port\n69002 Lyon"},
        example=EXAMPLE | {"address": "4 rue du Port\n69002 Lyon"},
        status=200,
        needs_key=False,
        refusals=["vat_number_invalid:422:FR12 is not a VAT number of FR: the number has an invalid length."],
    )
    def patch(self, request: Any, customer_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Change a customer. Another country or VAT number has to be checked again."""
        row_id = customers_of(request.user).filter(public_id=customer_id).values_list("pk", flat=True).first()
        if row_id is None:
            raise NotFound(what="customer", ref=customer_id)
        operations.update_customer(customer_id=row_id, changes=given, actor=call.actor, at=call.at)
        return one_customer(request.user, customer_id)
