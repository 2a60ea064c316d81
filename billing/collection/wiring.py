"""How this room asks the rooms of invoices and payments, and what it answers them."""

from __future__ import annotations

from datetime import datetime

from backoffice.kit.actors import Actor
from backoffice.kit.gates import Objection
from billing.collection.models import CollectionAttempt
from billing.collection.opening import stop_collections
from billing.collection.sockets import ChargeFacts, rooms
from billing.collection.states import ON_THE_WAY
from billing.customers.clock import lock_customer
from billing.invoices.claims import IssuedInvoices
from billing.invoices.gates import before_giving_up
from billing.payments.models import Payment
from billing.payments.operations import charge
from billing.payments.queries import open_payment_for
from billing.payments.requesting import PaymentUnderWay


class PaymentsRoom:
    """billing/payments behind the socket."""

    def charge(
        self,
        *,
        customer_id: int,
        amount_minor: int,
        currency: str,
        invoice: str,
        off_session: bool,
        actor: Actor,
        at: datetime,
        key: str,
    ) -> ChargeFacts:
        """Charge, or follow the payment of the invoice that is under way already: the customer may be paying by hand this minute."""
        try:
            made = charge(
                customer_id=customer_id, amount_minor=amount_minor, currency=currency, purpose=invoice, off_session=off_session,
                actor=actor, at=at, key=key, description=f"Invoice {invoice}",
            )  # fmt: skip
        except PaymentUnderWay:
            under_way = open_payment_for(invoice)
            if under_way is None:  # it has just ended: the next attempt sees what became of it
                raise
            return _facts(under_way)
        return _facts(made)


def _facts(payment: Payment) -> ChargeFacts:
    return ChargeFacts(payment.public_id, str(payment.status), payment.decline_code or "", bool(payment.retryable))


def invoice_given_up(*, invoice: str, customer_id: int, actor: Actor, at: datetime, reason: str) -> list[Objection]:
    """Stop collecting an invoice in the transaction that gives it up; an attempt that may have taken money is an objection."""
    lock_customer(customer_id)
    rival = CollectionAttempt.objects.filter(collection__invoice=invoice, status__in=ON_THE_WAY).first()
    if rival is not None:
        return [Objection("block", "attempt_on_its_way", f"An attempt to collect it is {rival.get_status_display()}.")]
    stop_collections(invoice=invoice, actor=actor, at=at, reason=reason)
    return []


def plug_in() -> None:
    """Plug the rooms below in here, and this room into theirs."""
    rooms.plug(invoices=IssuedInvoices(), payments=PaymentsRoom())
    before_giving_up.plug("collecting stops", invoice_given_up)
