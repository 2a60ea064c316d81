"""The card on file: which gateway holds it, under which name, and which method is charged off session."""

from __future__ import annotations

from datetime import datetime

from backoffice.kit.actors import Actor
from backoffice.kit.errors import NotFound
from backoffice.kit.outbox import tell
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from billing.customers.models import Customer


@composable
def keep_gateway_customer(*, customer_id: int, gateway: str, gateway_customer: str, actor: Actor, at: datetime) -> Customer:
    """Note under which name a gateway knows a customer; a card kept at another gateway is forgotten with it. Refuses: NotFound."""
    customer = lock_customer(customer_id)
    if (customer.gateway, customer.gateway_customer) != (gateway, gateway_customer):
        Customer.objects.filter(pk=customer_id).update(gateway=gateway, gateway_customer=gateway_customer, gateway_method="")
        audit.record(actor, "customer.gateway", customer.public_id, at, facts={"gateway": gateway, "ref": gateway_customer})
        customer.refresh_from_db()
    return customer


@composable
def keep_card(*, customer_id: int, gateway: str, method: str, actor: Actor, at: datetime) -> Customer:
    """Make a card the one that is charged off session from now on. Tells `customer.method_changed`. Refuses: NotFound."""
    customer = lock_customer(customer_id)
    if (customer.gateway, customer.gateway_method) != (gateway, method):
        other = {} if customer.gateway == gateway else {"gateway_customer": ""}
        Customer.objects.filter(pk=customer_id).update(gateway=gateway, gateway_method=method, **other)
        audit.record(actor, "customer.card", customer.public_id, at, facts={"gateway": gateway, "method": method})
        customer.refresh_from_db()
        told = {"customer": customer.public_id, "gateway": gateway}
        tell("customer.method_changed", subject=customer.public_id, payload=told, at=at, partner_id=customer.partner_id)
    return customer


def lock_customer(customer_id: int) -> Customer:
    """Lock one customer until the transaction ends. Refuses: NotFound."""
    customer = Customer.objects.select_for_update(no_key=True, of=("self",)).filter(pk=customer_id).first()
    if customer is None:
        raise NotFound(what="customer", ref=customer_id)
    return customer
