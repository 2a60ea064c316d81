"""Asking for money: a payment is put on record with its one attempt, and sent by the worker or, by `charge`, at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.idempotency import recall
from backoffice.kit.ids import prefix_of
from backoffice.kit.money import AMOUNT_MINOR_MAX, Money
from backoffice.kit.states import born
from backoffice.kit.transactions import composable, durable
from backoffice.staff import audit
from billing.customers.cards import lock_customer
from billing.customers.models import Customer
from billing.gateways.registry import MANUAL, card_gateway_name, gateway_named
from billing.payments import attempts
from billing.payments.engine import work
from billing.payments.models import CardSetup, Payment
from billing.payments.sockets import claims
from billing.payments.states import OPEN_PAYMENTS, PAYMENT, SETUP, PaymentStatus


class NoCardOnFile(Refusal):
    code = "no_card_on_file"
    sentence = "The customer {customer} has no card on file at {gateway}. Have them put one on file, or name the method."


class PaymentUnderWay(Refusal):
    code = "payment_under_way"
    sentence = "The payment {payment} for the same purpose is {state}; nothing else is charged for it before that is settled."


class MoreThanIsDue(Refusal):
    code = "more_than_is_due"
    sentence = "{due} is due for {purpose}; {asked} is more than that."


class AnotherCustomersClaim(Refusal):
    code = "another_customers_claim"
    sentence = "{purpose} is not a claim against this customer."


class UnknownPurpose(InputError):
    code = "unknown_purpose"
    sentence = "Nothing of the kind {prefix}_… can be paid for."


class OnlyForTrying(Refusal):
    code = "only_for_trying"
    sentence = "The customer {customer} belongs to a partner in test mode, and {gateway} takes real money here."


class NothingToRetry(Refusal):
    code = "nothing_to_retry"
    sentence = "The payment {payment} is {state}; there is nothing to try again."


class AmountNotPositive(InputError):
    code = "amount_not_positive"
    sentence = "The amount of a payment is positive, and at most {most} minor units."


@durable
def charge(
    *,
    customer_id: int,
    amount_minor: int,
    currency: str,
    purpose: str,
    off_session: bool,
    actor: Actor,
    at: datetime,
    key: str,
    **more: Any,
) -> Payment:
    """Charge a customer's card now, and answer the payment in the state it then has; a repeated key answers the first one.

    `more`: what request_payment takes besides. Events: payment.*. Refuses as request_payment.
    """
    payment = request_payment(
        customer_id=customer_id, amount_minor=amount_minor, currency=currency, purpose=purpose, off_session=off_session,
        actor=actor, at=at, key=key, **more,
    )  # fmt: skip
    waiting = attempts.open_attempt_of("charge", payment.public_id)
    if waiting is not None:
        work(at=at, limit=1, only=waiting.pk)
    payment.refresh_from_db()
    return payment


@composable
def request_payment(
    *,
    customer_id: int,
    amount_minor: int,
    currency: str,
    purpose: str,
    off_session: bool,
    actor: Actor,
    at: datetime,
    key: str,
    method_ref: str = "",
    description: str = "",
    seller_id: int | None = None,
    gateway: str = "",
    return_url: str = "",
) -> Payment:
    """Put a payment on record, with the one attempt the worker will make; minor units of `currency`.

    `purpose` is a claim of ours (an invoice's id) or the reference of an order; `seller_id` whose sale it pays. Without `method_ref` the card on
    file is charged. Refuses: NotFound, NoCardOnFile, PaymentUnderWay, MoreThanIsDue, AnotherCustomersClaim, UnknownPurpose, AmountNotPositive,
    UnknownGateway, OnlyForTrying, KeyReused.
    """
    customer = lock_customer(customer_id)
    content = [customer_id, amount_minor, currency, purpose, off_session, method_ref, seller_id, gateway]
    memory = recall(scope="payment", key=key, content=content)
    if memory.outcome is not None:
        return Payment.objects.select_related("customer").get(pk=memory.outcome)

    if not 0 < amount_minor <= AMOUNT_MINOR_MAX:
        raise AmountNotPositive(most=AMOUNT_MINOR_MAX)
    name, method = _where(customer, gateway, method_ref)
    _check_purpose(customer, purpose, Money(amount_minor, currency))

    payment = Payment.objects.create(
        customer=customer, seller_id=seller_id, purpose=purpose, gateway=name, method_ref=method, amount_minor=amount_minor,
        currency=currency, description=description[:200], off_session=off_session, return_url=return_url, made_by=str(actor),
        created_at=at,
    )  # fmt: skip
    born(PAYMENT, payment, actor=actor, at=at)
    _open_charge(payment, customer, actor, at)
    memory.keep(payment.pk)
    return payment


@composable
def retry_payment(*, payment_id: int, actor: Actor, at: datetime, key: str) -> Payment:
    """Ask for the money of a payment that failed or was given up once more, as a payment of its own: the card on file now, what is due now.

    Refuses: NotFound, NothingToRetry, and as request_payment.
    """
    earlier = Payment.objects.select_related("customer").filter(pk=payment_id).first()
    if earlier is None:
        raise NotFound(what="payment", ref=payment_id)
    if earlier.status not in (PaymentStatus.REQUIRES_PAYMENT_METHOD, PaymentStatus.CANCELED):
        raise NothingToRetry(payment=earlier.public_id, state=earlier.get_status_display())
    claim = claims.of(earlier.purpose)
    due = claim.due(purpose=earlier.purpose).amount_minor if claim else earlier.amount_minor
    if due <= 0:
        raise NothingToRetry(payment=earlier.public_id, state="for something nothing is due on any more")
    return request_payment(
        customer_id=earlier.customer_id, amount_minor=min(due, earlier.amount_minor), currency=earlier.currency, purpose=earlier.purpose,
        off_session=True, seller_id=earlier.seller_id, description=earlier.description, actor=actor, at=at, key=key,
        gateway=earlier.gateway if earlier.gateway == MANUAL else "",
    )  # fmt: skip


def _open_charge(payment: Payment, customer: Customer, actor: Actor, at: datetime) -> None:
    request = {
        "customer_ref": customer.gateway_customer if customer.gateway == payment.gateway else "",
        "method_ref": payment.method_ref,
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
        "description": payment.description,
        "off_session": payment.off_session,
        "return_url": payment.return_url,
    }
    attempts.open_attempt(
        kind="charge",
        target=payment.public_id,
        target_id=payment.pk,
        gateway=payment.gateway,
        request=request,
        actor=actor,
        at=at,
    )


def _where(customer: Customer, gateway: str, method_ref: str) -> tuple[str, str]:
    """Return which gateway charges and what."""
    name = gateway or (customer.gateway if customer.gateway and not method_ref else card_gateway_name())
    _check_mode(customer, name)
    if name == MANUAL:
        return name, ""
    method = method_ref or (customer.gateway_method if customer.gateway == name else "")
    if not method:
        raise NoCardOnFile(customer=customer.public_id, gateway=name)
    return name, method


def _check_mode(customer: Customer, gateway: str) -> None:
    """Refuse a gateway that takes real money for a customer of a partner who only tries things out. Refuses: UnknownGateway, GatewayNotSetUp."""
    found = gateway_named(gateway)
    if gateway != MANUAL and found.livemode and customer.partner is not None and not customer.partner.livemode:
        raise OnlyForTrying(customer=customer.public_id, gateway=gateway)


def _check_purpose(customer: Customer, purpose: str, asked: Money) -> None:
    """Refuse what is not owed by this customer, or is being paid already; the customer is locked, so no rival can be between."""
    claim = claims.of(purpose)
    if claim is not None:
        due = claim.due(purpose=purpose)
        if due.customer_id != customer.pk:
            raise AnotherCustomersClaim(purpose=purpose)
        if due.currency != asked.currency or asked.amount_minor > due.amount_minor:
            raise MoreThanIsDue(due=Money(due.amount_minor, due.currency), purpose=purpose, asked=asked)
    elif prefix_of(purpose):
        raise UnknownPurpose(prefix=prefix_of(purpose))
    rival = Payment.objects.filter(~Q(purpose=""), customer=customer, purpose=purpose, status__in=OPEN_PAYMENTS).first()
    if rival is not None:
        raise PaymentUnderWay(payment=rival.public_id, state=rival.get_status_display())


@durable
def setup_card(*, customer_id: int, return_url: str, actor: Actor, at: datetime, key: str, gateway: str = "") -> CardSetup:
    """Invite a customer to put a card on file; the answer carries the address of the gateway's page. A repeated key answers the first one.

    Makes the customer known to the gateway first. Refuses: NotFound, UnknownGateway, KeyReused.
    """
    setup = request_setup(customer_id=customer_id, return_url=return_url, actor=actor, at=at, key=key, gateway=gateway)
    send_setup(setup_id=setup.pk, actor=actor, at=at)
    setup.refresh_from_db()
    return setup


@composable
def request_setup(*, customer_id: int, return_url: str, actor: Actor, at: datetime, key: str, gateway: str = "") -> CardSetup:
    """Put an invitation on record; the worker sends it, after it has made the customer known. Refuses: NotFound, UnknownGateway, KeyReused."""
    customer = lock_customer(customer_id)
    memory = recall(scope="card_setup", key=key, content=[customer_id, return_url, gateway])
    if memory.outcome is not None:
        return CardSetup.objects.get(pk=memory.outcome)
    name = gateway or customer.gateway or card_gateway_name()
    _check_mode(customer, name)
    setup = CardSetup.objects.create(
        customer=customer, gateway=name, return_url=return_url, made_by=str(actor), created_at=at, next_look_at=at
    )
    born(SETUP, setup, actor=actor, at=at)
    audit.record(actor, "card_setup.request", setup.public_id, at, facts={"customer": customer.public_id})
    if _open_customer(setup, actor, at) is None:
        _open_setup(setup.pk, actor, at)
    memory.keep(setup.pk)
    return setup


@durable
def send_setup(*, setup_id: int, actor: Actor, at: datetime) -> None:
    """Send one invitation, after its customer was made known to the gateway; what is under way already is left to its worker."""
    setup = CardSetup.objects.select_related("customer").filter(pk=setup_id).first()
    if setup is None:
        raise NotFound(what="card set-up", ref=setup_id)
    attempt = _open_customer(setup, actor, at)
    if attempt is not None:
        work(at=at, limit=1, only=attempt)
        setup.customer.refresh_from_db()
    attempt = _open_setup(setup_id, actor, at)
    if attempt is not None:
        work(at=at, limit=1, only=attempt)


@composable
def open_waiting_setups(*, customer_id: int, actor: Actor, at: datetime) -> None:
    """Put the calls of invitations on record that waited for the gateway to know their customer."""
    for setup_id in (
        CardSetup.objects.filter(customer_id=customer_id, status="created").order_by("id").values_list("pk", flat=True)
    ):
        _open_setup(setup_id, actor, at)


@composable
def _open_customer(setup: CardSetup, actor: Actor, at: datetime) -> int | None:
    customer = lock_customer(setup.customer_id)
    if customer.gateway == setup.gateway and customer.gateway_customer:
        return None
    waiting = attempts.open_attempt_of("customer", customer.public_id)
    if waiting is None:
        waiting = attempts.open_attempt(
            kind="customer",
            target=customer.public_id,
            target_id=customer.pk,
            gateway=setup.gateway,
            request={},
            actor=actor,
            at=at,
        )
    return waiting.pk


@composable
def _open_setup(setup_id: int, actor: Actor, at: datetime) -> int | None:
    setup = CardSetup.objects.select_for_update(of=("self",)).select_related("customer").get(pk=setup_id)
    known = setup.customer.gateway == setup.gateway and setup.customer.gateway_customer
    if setup.status != "created" or not known:
        return None
    waiting = attempts.open_attempt_of("setup", setup.public_id)
    if waiting is None:
        request = {"customer_ref": setup.customer.gateway_customer, "return_url": setup.return_url}
        waiting = attempts.open_attempt(
            kind="setup", target=setup.public_id, target_id=setup.pk, gateway=setup.gateway, request=request, actor=actor, at=at
        )
    return waiting.pk
