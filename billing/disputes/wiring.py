"""How this room asks the rooms of payments, refunds and collection, and which gateways send it events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from backoffice.kit.actors import Actor
from billing.collection.models import Collection
from billing.collection.operations import stop_collections
from billing.customers.clock import lock_customer
from billing.disputes import sockets
from billing.disputes.models import Purpose
from billing.disputes.sockets import DisputedPayment, RefundElsewhere
from billing.gateways.registry import gateway_named, is_set_up
from billing.payments.models import Payment
from billing.payments.queries import find_payment
from billing.payments.sockets import claims
from billing.refunds.operations import refundable, request_refund, set_disputed

# Those of our gateways that send events; the others tell nothing by themselves.
TELLING = ("stripe",)


def names() -> Sequence[str]:
    return [name for name in TELLING if is_set_up(name)]


def find(provider: str, charge_ref: str, payment_ref: str) -> DisputedPayment | None:
    """Return what is known of a payment by what the provider calls it, or its charge."""
    row = find_payment(gateway=provider, provider_ref=payment_ref) or find_payment(gateway=provider, charge_ref=charge_ref)
    if row is None:
        return None
    if claims.of(row.purpose) is not None:
        return DisputedPayment(row.public_id, Purpose.INVOICE, row.seller_id, row.customer.partner_id)
    if row.seller is None:
        return DisputedPayment(row.public_id, Purpose.UNKNOWN, None, row.customer.partner_id, row.purpose)
    return DisputedPayment(row.public_id, Purpose.PURCHASE, row.seller_id, row.seller.partner_id, row.purpose)


def refund(*, payment: str, reason: str, actor: Actor, at: datetime, key: str) -> Any:
    """Ask for all that is left of a payment to go back, as a refund for fraud. Refuses: RefundElsewhere, and as request_refund."""
    row = Payment.objects.filter(public_id=payment).first()
    if row is None:
        raise RefundElsewhere()
    return request_refund(
        payment_id=row.pk, amount_minor=refundable(row), reason=reason, cause="fraudulent", actor=actor, at=at, key=key
    )


def note(*, payment: str, disputed_minor: int, currency: str, fresh: bool, actor: Actor, at: datetime, reason: str) -> None:
    """Keep what is disputed from being refunded; where a dispute of an invoice was just opened, stop collecting for the same subscription.

    Who disputes one charge would dispute the next: what is open waits for a person, or for the customer's new card.
    """
    row = Payment.objects.filter(public_id=payment, currency=currency).first()
    if row is None:
        return
    if fresh and claims.of(row.purpose) is not None:
        lock_customer(row.customer_id)
        origin = Collection.objects.filter(invoice=row.purpose).values_list("origin", flat=True).first() or ""
        stop_collections(origin=origin, invoice=row.purpose, actor=actor, at=at, reason=reason)
    set_disputed(payment_id=row.pk, disputed_minor=disputed_minor, actor=actor, at=at, reason=reason)


def plug_in() -> None:
    """Plug the rooms below in."""
    sockets.gateways.plug(gateway_named, names)
    sockets.payments.plug(find, refund, note)
