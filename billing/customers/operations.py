"""Verbs of customers: open, change, check the VAT number, remember the gateway's side. The test clock: clock.py."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.idempotency import recall
from backoffice.kit.outbox import tell
from backoffice.kit.transactions import composable, durable
from backoffice.staff import audit
from billing.customers.models import Customer, CustomerKind
from billing.customers.vat import INVALID, NOT_CHECKED, VALID, NobodyChecks, VatAnswer, VatChecker, normal_vat_number
from billing.gateways import vies
from payouts.sellers.models import Seller

CHANGEABLE = {"name", "email", "address", "country", "kind", "vat_number"}
_LENGTHS = {"external_id": 120, "name": 200, "email": 254, "address": 500}


class CustomerExists(Refusal):
    code = "customer_exists"
    sentence = "There is already a customer with the external id {external_id}, or of this seller."


class CustomerInvalid(InputError):
    code = "customer_invalid"
    sentence = "{detail}"


class ConsumerIsNotBilled(Refusal):
    code = "consumer_is_not_billed"
    sentence = "{external_id} is a consumer who trades devices in; only shops are billed and subscribe."


class GatewayCustomerTaken(Refusal):
    code = "gateway_customer_taken"
    sentence = "Another customer is {gateway_customer} at {gateway} already."


class NoVatNumber(Refusal):
    code = "no_vat_number"
    sentence = "This customer has no VAT number to check. Add it first."


@composable
def create_customer(
    *,
    external_id: str,
    name: str,
    country: str,
    currency: str,
    actor: Actor,
    at: datetime,
    key: str,
    kind: str = CustomerKind.BUSINESS,
    email: str = "",
    address: str = "",
    vat_number: str = "",
    seller_id: int | None = None,
    partner_id: int | None = None,
) -> Customer:
    """Open somebody we bill; the same key answers the same customer. A seller has at most one.

    Tells `customer.created`. Refuses: CustomerInvalid, VatNumberInvalid, CustomerExists, NotFound, KeyReused.
    """
    given = {
        "external_id": external_id, "name": name, "country": country, "currency": currency, "kind": kind, "email": email,
        "address": address, "vat_number": vat_number,
    }  # fmt: skip
    earlier = recall(
        scope="create_customer", key=f"{partner_id or ''}:{key}", content=given | {"seller": seller_id, "partner": partner_id}
    )
    if earlier.outcome is not None:
        return Customer.objects.get(pk=earlier.outcome)

    checked = _checked(given)
    seller = _seller_of(seller_id, partner_id)
    customer = Customer(**checked, seller=seller, partner_id=partner_id, created_at=at)
    try:
        with transaction.atomic():
            customer.save(force_insert=True)
    except IntegrityError:
        raise CustomerExists(external_id=checked["external_id"]) from None
    audit.record(actor, "customer.create", customer.public_id, at, facts={"kind": kind, "country": country})
    earlier.keep(customer.pk)
    tell("customer.created", subject=customer.public_id, payload=_told(customer), at=at, partner_id=partner_id)
    return customer


@composable
def customer_of_seller(*, seller_id: int, actor: Actor, at: datetime) -> Customer:
    """Return the customer a seller is billed as, opened on first use with what the seller's file says. Refuses: NotFound."""
    seller = Seller.objects.select_for_update(no_key=True).filter(pk=seller_id).first()
    if seller is None:
        raise NotFound(what="seller", ref=seller_id)
    found = Customer.objects.filter(seller=seller).first()
    if found is not None:
        return found
    kind = CustomerKind.CONSUMER if seller.entity_type == "individual" else CustomerKind.BUSINESS
    return create_customer(
        external_id=seller.external_id, name=seller.legal_name, country=seller.country, currency=seller.currency,
        kind=kind, email=seller.email, address=seller.town, seller_id=seller.pk, partner_id=seller.partner_id,
        actor=actor, at=at, key=f"seller:{seller.public_id}",
    )  # fmt: skip


@composable
def update_customer(*, customer_id: int, changes: Mapping[str, Any], actor: Actor, at: datetime) -> Customer:
    """Change what CHANGEABLE lists; issued invoices keep what they were made out to. A new VAT number is not checked until asked.

    Tells `customer.updated` with the names of what changed. Refuses: NotFound, CustomerInvalid, VatNumberInvalid.
    """
    customer = _locked(customer_id)
    unknown = sorted(set(changes) - CHANGEABLE)
    if unknown:
        raise CustomerInvalid(detail=f"{', '.join(unknown)[:80]} cannot be changed.")
    now = {name: getattr(customer, name) for name in CHANGEABLE} | {
        "external_id": customer.external_id,
        "currency": customer.currency,
    }
    checked = _checked(now | dict(changes))
    changed = sorted(name for name in CHANGEABLE if checked[name] != now[name])
    if not changed:
        return customer
    for name in changed:
        setattr(customer, name, checked[name])
    if {"vat_number", "country"} & set(changed):
        customer.vat_checked_at, customer.vat_evidence = None, {}
        changed += ["vat_checked_at", "vat_evidence"]
    customer.save(update_fields=changed)
    audit.record(actor, "customer.update", customer.public_id, at, facts={"changed": changed})
    payload = _told(customer) | {"changed": changed}
    tell("customer.updated", subject=customer.public_id, payload=payload, at=at, partner_id=customer.partner_id)
    return customer


@durable
def check_vat_number(*, customer_id: int, actor: Actor, at: datetime, checker: VatChecker | None = None) -> VatAnswer:
    """Ask whether a customer's VAT number is known, and keep the answer as evidence; unreachable is `not_checked`, never a yes.

    An earlier valid answer about the same number is not replaced by "not checked". Refuses: NotFound, NoVatNumber.
    """
    customer = Customer.objects.filter(pk=customer_id).first()
    if customer is None:
        raise NotFound(what="customer", ref=customer_id)
    if not customer.vat_number:
        raise NoVatNumber()
    asked = checker or checker_of_settings()
    answer = asked.check(number=customer.vat_number, requester=settings.PLATFORM_VAT_NUMBER)
    with transaction.atomic():
        _keep_answer(_locked(customer_id), customer.vat_number, answer, asked.name, actor, at)
    return answer


def _keep_answer(row: Customer, number: str, answer: VatAnswer, by: str, actor: Actor, at: datetime) -> None:
    known = row.vat_evidence.get("number") == number and row.vat_evidence.get("state") in (VALID, INVALID)
    if row.vat_number != number or (known and answer.state == NOT_CHECKED):
        return
    row.vat_evidence = {"number": number, "state": answer.state, "why": answer.why, "by": by, "at": at.isoformat()} | answer.facts
    row.vat_checked_at = None if answer.state == NOT_CHECKED else at
    row.save(update_fields=["vat_evidence", "vat_checked_at"])
    audit.record(actor, "customer.vat_checked", row.public_id, at, facts={"state": answer.state, "by": by})


class _Vies:
    name = "vies"

    def check(self, *, number: str, requester: str) -> VatAnswer:
        return VatAnswer(*vies.look_up(number=number, requester=requester))


def checker_of_settings() -> VatChecker:
    """Return who is asked: VIES where its address is set, else nobody."""
    return _Vies() if settings.VIES_URL else NobodyChecks()


@composable
def accept_vat_number(*, customer_id: int, actor: Actor, at: datetime, reason: str) -> Customer:
    """Take a VAT number as valid on a person's evidence, where the service could not say. Refuses: NotFound, NoVatNumber, CustomerInvalid."""
    customer = _locked(customer_id)
    if not customer.vat_number:
        raise NoVatNumber()
    if not reason.strip() or not actor.is_person:
        raise CustomerInvalid(detail="A person accepts a VAT number, and says on what evidence.")
    customer.vat_evidence = {
        "number": customer.vat_number, "state": VALID, "by": str(actor), "why": reason[:500], "at": at.isoformat(),
    }  # fmt: skip
    customer.vat_checked_at = at
    customer.save(update_fields=["vat_evidence", "vat_checked_at"])
    audit.record(actor, "customer.vat_accepted", customer.public_id, at, reason=reason)
    return customer


@composable
def set_gateway(
    *,
    customer_id: int,
    actor: Actor,
    at: datetime,
    gateway: str | None = None,
    gateway_customer: str | None = None,
    gateway_method: str | None = None,
) -> Customer:
    """Remember what a gateway calls this customer and the method charged off session; None leaves a value as it is.

    Tells `customer.method_changed` when the method is another. Refuses: NotFound, GatewayCustomerTaken.
    """
    customer = _locked(customer_id)
    given = {"gateway": gateway, "gateway_customer": gateway_customer, "gateway_method": gateway_method}
    changed = [name for name, value in given.items() if value is not None and getattr(customer, name) != value]
    if not changed:
        return customer
    for name in changed:
        setattr(customer, name, given[name])
    try:
        with transaction.atomic():
            customer.save(update_fields=changed)
    except IntegrityError:
        raise GatewayCustomerTaken(gateway=customer.gateway, gateway_customer=customer.gateway_customer) from None
    audit.record(actor, "customer.gateway", customer.public_id, at, facts={"changed": changed})
    if "gateway_method" in changed:
        tell(
            "customer.method_changed",
            subject=customer.public_id,
            payload=_told(customer),
            at=at,
            partner_id=customer.partner_id,
        )
    return customer


def _locked(customer_id: int) -> Customer:
    found = Customer.objects.select_for_update(no_key=True).filter(pk=customer_id).first()
    if found is None:
        raise NotFound(what="customer", ref=customer_id)
    return found


def _seller_of(seller_id: int | None, partner_id: int | None) -> Seller | None:
    if seller_id is None:
        return None
    seller = Seller.objects.filter(pk=seller_id).first()
    if seller is None or (partner_id is not None and seller.partner_id != partner_id):
        raise NotFound(what="seller", ref=seller_id)
    if seller.is_consumer:
        raise ConsumerIsNotBilled(external_id=seller.external_id)
    return seller


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns in one form. Refuses: CustomerInvalid, VatNumberInvalid."""
    found = dict(given)
    for name, longest in _LENGTHS.items():
        text = str(found[name]).strip()
        if len(text) > longest:
            raise CustomerInvalid(detail=f"{name} is longer than {longest} characters.")
        found[name] = text
    if not found["external_id"] or not found["name"]:
        raise CustomerInvalid(detail="A customer has an external id and a name.")
    found["country"] = str(found["country"]).upper()
    if len(found["country"]) != 2 or not found["country"].isascii() or not found["country"].isalpha():
        raise CustomerInvalid(detail="country is an ISO 3166 code of two letters, such as FR.")
    if found["currency"] not in settings.CURRENCIES:
        raise CustomerInvalid(detail=f"currency is one of {', '.join(settings.CURRENCIES)}.")
    if found["kind"] not in CustomerKind.values:
        raise CustomerInvalid(detail=f"kind is one of {', '.join(CustomerKind.values)}.")
    found["vat_number"] = normal_vat_number(str(found["vat_number"]), found["country"])
    return found


def _told(customer: Customer) -> dict[str, Any]:
    return {"customer": customer.public_id, "country": customer.country, "currency": customer.currency, "kind": customer.kind}
