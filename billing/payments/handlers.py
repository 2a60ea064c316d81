"""What attempts of the kinds `charge`, `cancel`, `customer` and `setup` do: call, ask, and what follows from the answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from backoffice.kit.actors import Actor
from backoffice.kit.errors import NotFound
from backoffice.kit.gates import Objection
from backoffice.kit.outbox import tell
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable
from billing.customers.cards import keep_card, keep_gateway_customer, lock_customer
from billing.customers.models import Customer
from billing.gateways.port import ABSENT, Answer, Outcome
from billing.gateways.registry import gateway_named
from billing.invoices.claims import InvoiceClaims
from billing.invoices.gates import before_giving_up
from billing.payments.applying import apply_answer, lock_payment, mark_canceled, mark_unknown, write
from billing.payments.models import Attempt, CardSetup, Payment
from billing.payments.queries import open_payment_for
from billing.payments.requesting import open_waiting_setups
from billing.payments.sockets import claims
from billing.payments.states import OPEN_PAYMENTS, SETUP, PaymentStatus, SetupStatus

# A little before the attempt was made: clocks of providers are not ours.
EARLIER = timedelta(minutes=5)


class _OfPayment:
    """Attempts whose subject is a payment."""

    def lock(self, target_id: int, *, skip: bool = False) -> Payment | None:
        try:
            return lock_payment(target_id, skip=skip)
        except NotFound:
            return None


class Charge(_OfPayment):
    """Take money by card."""

    def why_not(self, target: Payment, attempt: Attempt, actor: Actor, at: datetime) -> str:
        """The last gate: the payment still waits, and what it is for is still owed. What may not leave is given up here."""
        if target.status != PaymentStatus.CREATED:
            return f"The payment is {target.get_status_display()}."
        claim = claims.of(target.purpose)
        due = claim.due(purpose=target.purpose) if claim else None
        if due is not None and (due.amount_minor < target.amount_minor or due.currency != target.currency):
            reason = "What it was for is no longer owed."
            mark_canceled(target, "no_longer_due", reason, actor=actor, at=at)
            return reason
        return ""

    def send(self, attempt: Attempt) -> Answer:
        asked = attempt.request
        return gateway_named(attempt.gateway).charge(
            customer_ref=asked["customer_ref"], method_ref=asked["method_ref"], amount_minor=asked["amount_minor"],
            currency=asked["currency"], reference=attempt.target, description=asked["description"],
            off_session=asked["off_session"], return_url=asked["return_url"], key=attempt.key,
        )  # fmt: skip

    def look_up(self, attempt: Attempt) -> Answer:
        return gateway_named(attempt.gateway).get_payment(
            reference=attempt.target, key=attempt.key, customer_ref=attempt.request["customer_ref"],
            since=(attempt.first_called_at or attempt.created_at) - EARLIER,
        )  # fmt: skip

    def record(self, target: Payment, attempt: Attempt, answer: Answer, actor: Actor, at: datetime) -> None:
        apply_answer(target, answer, actor=actor, at=at)

    def unknown(self, target: Payment, attempt: Attempt, actor: Actor, at: datetime) -> None:
        mark_unknown(target, "No certain answer came; the gateway is being asked.", actor=actor, at=at)

    def absent(self, target: Payment, attempt: Attempt, actor: Actor, at: datetime) -> None:
        mark_canceled(target, "never_arrived", "The gateway has never seen it; nothing was charged.", actor=actor, at=at)


class Cancel(_OfPayment):
    """Give up a payment that waits at the gateway."""

    def why_not(self, target: Payment, attempt: Attempt, actor: Actor, at: datetime) -> str:
        return (
            "" if target.status in (*OPEN_PAYMENTS, PaymentStatus.REQUIRES_PAYMENT_METHOD) else "There is nothing left to cancel."
        )

    def send(self, attempt: Attempt) -> Answer:
        asked = attempt.request
        return gateway_named(attempt.gateway).cancel(provider_ref=asked["provider_ref"], reason=asked["reason"], key=attempt.key)

    def look_up(self, attempt: Attempt) -> Answer:
        """A payment that is not cancelled has not had this call: sending it again does no harm."""
        found = gateway_named(attempt.gateway).get_payment(provider_ref=attempt.request["provider_ref"])
        if found.status in (PaymentStatus.CANCELED, PaymentStatus.SUCCEEDED) or found.outcome == Outcome.UNKNOWN:
            return found
        return Answer(Outcome.UNKNOWN, code=ABSENT, detail="Not cancelled yet.")

    def record(self, target: Payment, attempt: Attempt, answer: Answer, actor: Actor, at: datetime) -> None:
        if answer.status:
            apply_answer(target, answer, actor=actor, at=at)
        else:  # refused: most likely it was paid in that moment; the look-up says
            write(target, {"next_look_at": at})

    def unknown(self, target: Payment, attempt: Attempt, actor: Actor, at: datetime) -> None:
        write(target, {"next_look_at": at})

    def absent(self, target: Payment, attempt: Attempt, actor: Actor, at: datetime) -> None:
        write(target, {"next_look_at": at})


class MakeCustomer:
    """Make the customer known to the gateway; name and address are read when it is called, and stay out of the attempt."""

    def lock(self, target_id: int, *, skip: bool = False) -> Customer | None:
        return Customer.objects.select_for_update(no_key=True, of=("self",), skip_locked=skip).filter(pk=target_id).first()

    def why_not(self, target: Customer, attempt: Attempt, actor: Actor, at: datetime) -> str:
        known = target.gateway == attempt.gateway and target.gateway_customer
        return "The gateway knows this customer already." if known else ""

    def send(self, attempt: Attempt) -> Answer:
        customer = Customer.objects.get(pk=attempt.target_id)
        return gateway_named(attempt.gateway).create_customer(
            reference=attempt.target, name=str(customer.name), email=str(customer.email), key=attempt.key
        )

    def look_up(self, attempt: Attempt) -> Answer:
        """A customer made twice moves no money: the same key answers the first one, as long as it is remembered."""
        return Answer(Outcome.UNKNOWN, code=ABSENT)

    def record(self, target: Customer, attempt: Attempt, answer: Answer, actor: Actor, at: datetime) -> None:
        if answer.outcome == Outcome.DONE:
            keep_gateway_customer(
                customer_id=target.pk, gateway=attempt.gateway, gateway_customer=answer.provider_ref, actor=actor, at=at
            )
            open_waiting_setups(customer_id=target.pk, actor=actor, at=at)

    def unknown(self, target: Customer, attempt: Attempt, actor: Actor, at: datetime) -> None:
        return

    def absent(self, target: Customer, attempt: Attempt, actor: Actor, at: datetime) -> None:
        return


class SetUp:
    """Invite a customer to put a card on file, on the gateway's own page."""

    def lock(self, target_id: int, *, skip: bool = False) -> CardSetup | None:
        rows = CardSetup.objects.select_for_update(of=("self",), skip_locked=skip).select_related("customer")
        return rows.filter(pk=target_id).first()

    def why_not(self, target: CardSetup, attempt: Attempt, actor: Actor, at: datetime) -> str:
        return "" if target.status == SetupStatus.CREATED else "The invitation is not waiting to be sent."

    def send(self, attempt: Attempt) -> Answer:
        asked = attempt.request
        return gateway_named(attempt.gateway).setup_card(
            customer_ref=asked["customer_ref"], reference=attempt.target, return_url=asked["return_url"], key=attempt.key
        )

    def look_up(self, attempt: Attempt) -> Answer:
        """An invitation made twice moves no money: the same key answers the first one, as long as it is remembered."""
        return Answer(Outcome.UNKNOWN, code=ABSENT)

    def record(self, target: CardSetup, attempt: Attempt, answer: Answer, actor: Actor, at: datetime) -> None:
        apply_setup_answer(target, answer, actor=actor, at=at)

    def unknown(self, target: CardSetup, attempt: Attempt, actor: Actor, at: datetime) -> None:
        transition(SETUP, target, SetupStatus.UNKNOWN, actor=actor, at=at, reason="No certain answer came.")

    def absent(self, target: CardSetup, attempt: Attempt, actor: Actor, at: datetime) -> None:
        transition(SETUP, target, SetupStatus.CANCELED, actor=actor, at=at, reason="The gateway has never seen it.")


@composable
def apply_setup_state(*, setup_id: int, answer: Answer, actor: Actor, at: datetime) -> str:
    """Apply what the gateway says about an invitation now; answers applied, same or stale. Refuses: NotFound. Tells `customer.method_changed`."""
    setup = SetUp().lock(setup_id)
    if setup is None:
        raise NotFound(what="card set-up", ref=setup_id)
    if setup.provider_ref and setup.provider_ref != answer.provider_ref:
        return "stale"
    return apply_setup_answer(setup, answer, actor=actor, at=at)


def apply_setup_answer(setup: CardSetup, answer: Answer, *, actor: Actor, at: datetime) -> str:
    """Move a locked set-up to what an answer says; a finished one makes its card the customer's. Answers applied, same or stale.

    Tells card_setup.requires_action (the page is there), card_setup.succeeded, card_setup.canceled.
    """
    wanted = {
        Outcome.DONE: SetupStatus.SUCCEEDED,
        Outcome.NEEDS_ACTION: SetupStatus.REQUIRES_ACTION,
        Outcome.DECLINED: SetupStatus.CANCELED,
    }.get(answer.outcome)
    if wanted is None or not SETUP.allows(setup.status, wanted):
        return "same" if wanted == setup.status else "stale"
    if wanted == SetupStatus.SUCCEEDED:
        lock_customer(setup.customer_id)
        keep_card(
            customer_id=setup.customer_id,
            gateway=setup.gateway,
            method=str(answer.facts.get("method_ref", "")),
            actor=actor,
            at=at,
        )
    columns: dict[str, Any] = {
        "action_url": answer.action_url if wanted == SetupStatus.REQUIRES_ACTION else "",
        "reason": answer.detail or answer.code,
        "next_look_at": at + timedelta(hours=1) if wanted == SetupStatus.REQUIRES_ACTION else None,
    }
    columns |= {"provider_ref": answer.provider_ref} if answer.provider_ref else {}
    CardSetup.objects.filter(pk=setup.pk).update(**columns)
    transition(SETUP, setup, wanted, actor=actor, at=at, code=answer.code[:60])
    told = {"card_setup": setup.public_id, "customer": setup.customer.public_id, "status": str(wanted), "code": answer.code}
    tell(f"card_setup.{wanted.value}", subject=setup.public_id, payload=told, at=at, partner_id=setup.customer.partner_id)
    return "applied"


def invoice_given_up(*, invoice: str, customer_id: int, actor: Actor, at: datetime, reason: str) -> list[Objection]:
    """Object while a payment of the invoice may still take money."""
    under_way = open_payment_for(invoice)
    if under_way is None:
        return []
    why = f"The payment {under_way.public_id} for it is {under_way.get_status_display()}."
    return [Objection("block", "payment_under_way", why)]


def plug_in() -> None:
    """Register what attempts of this room's kinds do, whose claims payments settle, and what stands against giving one up."""
    from billing.payments.attempts import register

    claims.plug("inv", InvoiceClaims())
    before_giving_up.plug("no payment is under way", invoice_given_up)
    register("charge", Charge())
    register("cancel", Cancel())
    register("customer", MakeCustomer())
    register("setup", SetUp())
