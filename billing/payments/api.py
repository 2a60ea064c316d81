"""Payments and card set-ups of the partner's customers: charge, read, cancel, and invite to put a card on file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from backoffice.kit.api.answers import instant, money
from backoffice.kit.api.fields import MoneyIn, MoneyOut, ObjectOut, PublicId, StrictSerializer, Text
from backoffice.kit.api.lists import Filter, Page, instants
from backoffice.kit.api.views import ApiView, Call, listing, question, verb
from backoffice.kit.errors import NotFound
from billing.customers.models import Customer
from billing.invoices.models import Invoice
from billing.payments import operations
from billing.payments.models import CardSetup, Payment
from billing.payments.states import PaymentStatus, SetupStatus
from payouts.sellers.api import seller_row_id

COLUMNS = (
    "id", "public_id", "customer__public_id", "seller__public_id", "purpose", "status", "amount_minor", "captured_minor", "disputed_minor",
    "currency", "description", "decline_code", "retryable", "action_url", "off_session", "created_at", "completed_at",
)  # fmt: skip
SETUP_COLUMNS = ("id", "public_id", "customer__public_id", "status", "action_url", "return_url", "created_at")


class PaymentOut(ObjectOut):
    """One amount taken, or to be taken, from a customer. It is sent within seconds; `payment.*` events tell what became of it."""

    customer = serializers.CharField()
    seller = serializers.CharField(allow_null=True, help_text="Whose sale it pays for.")
    purpose = serializers.CharField(help_text="An invoice's id, or the reference of an order.")
    status = serializers.ChoiceField(choices=PaymentStatus.choices)
    amount = MoneyOut()
    captured = MoneyOut()
    disputed = MoneyOut(help_text="In disputes that are open or lost.")
    description = serializers.CharField()
    decline_code = serializers.CharField(help_text="Empty, or the gateway's reason.")
    retryable = serializers.BooleanField(help_text="Whether the same card may be tried again.")
    action_url = serializers.CharField(help_text="Where the customer has to go while `requires_action`.")
    off_session = serializers.BooleanField()
    completed_at = serializers.DateTimeField(allow_null=True)


class PaymentIn(StrictSerializer):
    """Who pays how much for what. An invoice can be named as the purpose; every other purpose is the reference of an order."""

    customer = PublicId("cus")
    amount = MoneyIn()
    purpose = Text(max_length=120, help_text="An invoice's id, or the reference of an order.")
    seller = PublicId("sel", required=False, help_text="Whose sale it pays for.")
    payment_method = Text(max_length=120, required=False, help_text="The gateway's id of a card; empty: the one on file.")
    description = Text(max_length=200, required=False, allow_blank=True)
    off_session = serializers.BooleanField(
        required=False, default=False, help_text="Whether the customer is not there to confirm."
    )
    return_url = serializers.URLField(max_length=500, required=False, help_text="Where a confirmation page leads back to.")


class PaymentCancelIn(StrictSerializer):
    """Why it is given up."""

    reason = Text(max_length=500)


class CardSetupOut(ObjectOut):
    """An invitation to put a card on file on the gateway's own page; its address is there once `requires_action`."""

    customer = serializers.CharField()
    status = serializers.ChoiceField(choices=SetupStatus.choices)
    action_url = serializers.CharField()
    return_url = serializers.CharField()


class CardSetupIn(StrictSerializer):
    """Who is invited, and where the page leads back to."""

    customer = PublicId("cus")
    return_url = serializers.URLField(max_length=500)


_ULID = "01jd3k5m6n7p8q9r0s1t2v3w4x"
EXAMPLE = {
    "id": f"pmt_{_ULID}", "object": "payment", "created_at": "2026-11-21T09:30:00Z", "livemode": False, "customer": f"cus_{_ULID}",
    "seller": f"sel_{_ULID}", "purpose": "o-1", "status": "succeeded", "amount": {"amount_minor": 12000, "currency": "EUR"},
    "captured": {"amount_minor": 12000, "currency": "EUR"}, "disputed": {"amount_minor": 0, "currency": "EUR"}, "description": "One phone",
    "decline_code": "", "retryable": False, "action_url": "", "off_session": False, "completed_at": "2026-11-21T09:30:02Z",
}  # fmt: skip
EXAMPLE_IN = {
    "customer": f"cus_{_ULID}", "amount": {"amount_minor": 12000, "currency": "EUR"}, "purpose": "o-1", "seller": f"sel_{_ULID}",
    "description": "One phone",
}  # fmt: skip
CREATED = EXAMPLE | {"status": "created", "captured": {"amount_minor": 0, "currency": "EUR"}, "completed_at": None}
SETUP_EXAMPLE = {
    "id": f"cst_{_ULID}", "object": "card_setup", "created_at": "2026-11-21T09:30:00Z", "livemode": False, "customer": f"cus_{_ULID}",
    "status": "requires_action", "action_url": "https://checkout.example/c/pay", "return_url": "https://shop.example/done",
}  # fmt: skip
FILTERS = [
    Filter("status", "status", serializers.ChoiceField(choices=PaymentStatus.choices)),
    Filter("customer", "customer__public_id", PublicId("cus")),
    Filter("seller", "seller__public_id", PublicId("sel")),
    Filter("purpose", "purpose", Text(max_length=120)),
    *instants("created_at", "created_at"),
]
SETUP_FILTERS = [Filter("customer", "customer__public_id", PublicId("cus"))]
REFUSALS = [
    f"no_card_on_file:409:The customer cus_{_ULID} has no card on file at stripe. Have them put one on file, or name the method.",
    f"payment_under_way:409:The payment pmt_{_ULID} for the same purpose is on its way; nothing else is charged for it before that is settled.",
    f"more_than_is_due:409:120.00 EUR is due for inv_{_ULID}; 130.00 EUR is more than that.",
]


def represent(row: tuple[Any, ...], livemode: bool) -> dict[str, Any]:
    (
        _, public_id, customer, seller, purpose, status, amount_minor, captured_minor, disputed_minor, currency, description, decline_code,
        retryable, action_url, off_session, created_at, completed_at,
    ) = row  # fmt: skip
    return {
        "id": public_id, "object": "payment", "created_at": instant(created_at), "livemode": livemode, "customer": customer, "seller": seller,
        "purpose": purpose, "status": status, "amount": money(amount_minor, currency), "captured": money(captured_minor, currency),
        "disputed": money(disputed_minor, currency), "description": description, "decline_code": decline_code, "retryable": retryable,
        "action_url": action_url, "off_session": off_session, "completed_at": instant(completed_at),
    }  # fmt: skip


def represent_setup(row: tuple[Any, ...], livemode: bool) -> dict[str, Any]:
    _, public_id, customer, status, action_url, return_url, created_at = row
    return {
        "id": public_id, "object": "card_setup", "created_at": instant(created_at), "livemode": livemode, "customer": customer,
        "status": status, "action_url": action_url, "return_url": return_url,
    }  # fmt: skip


def payments_of(caller: Any) -> QuerySet[Payment]:
    """Return the payments of the caller's own customers: the wall between partners stands here."""
    return Payment.objects.filter(customer__partner_id=caller.partner_id)


def setups_of(caller: Any) -> QuerySet[CardSetup]:
    return CardSetup.objects.filter(customer__partner_id=caller.partner_id)


def payment_row_id(caller: Any, public_id: str) -> int:
    """Return the row id of one of the caller's payments. Refuses: NotFound."""
    found = payments_of(caller).filter(public_id=public_id).values_list("pk", flat=True).first()
    if found is None:
        raise NotFound(what="payment", ref=public_id)
    return found


def shown(caller: Any, row_id: int) -> dict[str, Any]:
    return represent(Payment.objects.values_list(*COLUMNS).get(pk=row_id), caller.livemode)


def customer_row_id(caller: Any, public_id: str) -> int:
    """Return the row id of one of the caller's customers. Refuses: NotFound."""
    found = Customer.objects.filter(partner_id=caller.partner_id, public_id=public_id).values_list("pk", flat=True).first()
    if found is None:
        raise NotFound(what="customer", ref=public_id)
    return found


def _check_purpose(caller: Any, purpose: str) -> None:
    """Refuse an invoice that is not of the caller's customers as one that does not exist. Refuses: NotFound."""
    if (
        purpose.startswith("inv_")
        and not Invoice.objects.filter(customer__partner_id=caller.partner_id, public_id=purpose).exists()
    ):
        raise NotFound(what="invoice", ref=purpose)


class Payments(ApiView):
    """Payments of the partner's customers."""

    @listing(operation="list_payments", scope="payments:read", answers=PaymentOut, example=EXAMPLE, filters=FILTERS)
    def get(self, request: Any, page: Page) -> dict[str, Any]:
        """List payments, newest first."""
        return page.of(payments_of(request.user), COLUMNS, lambda row: represent(row, request.user.livemode))

    @verb(
        operation="create_payment",
        scope="payments:write",
        takes=PaymentIn,
        answers=PaymentOut,
        example_in=EXAMPLE_IN,
        example=CREATED,
        refusals=REFUSALS,
    )
    def post(self, request: Any, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Charge a customer. The card is charged within seconds; `payment.*` events and reading it again tell what became of it."""
        customer_id = customer_row_id(request.user, given["customer"])
        seller_id = seller_row_id(request.user, given["seller"]) if "seller" in given else None
        _check_purpose(request.user, given["purpose"])
        made = operations.request_payment(
            customer_id=customer_id, amount_minor=given["amount"]["amount_minor"],
            currency=given["amount"]["currency"], purpose=given["purpose"], off_session=given["off_session"],
            seller_id=seller_id, method_ref=given.get("payment_method", ""),
            description=given.get("description", ""), return_url=given.get("return_url", ""), actor=call.actor, at=call.at, key=call.key,
        )  # fmt: skip
        return shown(request.user, made.pk)


class OnePayment(ApiView):
    """One payment."""

    @question(operation="get_payment", scope="payments:read", answers=PaymentOut, example=EXAMPLE)
    def get(self, request: Any, payment_id: str) -> dict[str, Any]:
        """Read one payment."""
        return shown(request.user, payment_row_id(request.user, payment_id))


class PaymentCancel(ApiView):
    """Give up a payment."""

    @verb(
        operation="create_payment_cancellation",
        scope="payments:write",
        takes=PaymentCancelIn,
        answers=PaymentOut,
        example_in={"reason": "The customer pays by transfer."},
        example=CREATED | {"status": "canceled"},
        status=200,
        refusals=[
            f"payment_cannot_be_canceled:409:The payment pmt_{_ULID} is paid; it cannot be cancelled now. What was paid is given back by a refund."
        ],
    )
    def post(self, request: Any, payment_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Cancel a payment: at once when nothing has left yet, else by asking the gateway, which `payment.canceled` confirms."""
        row_id = payment_row_id(request.user, payment_id)
        operations.cancel_payment(payment_id=row_id, reason=given["reason"], actor=call.actor, at=call.at)
        return shown(request.user, row_id)


class CardSetups(ApiView):
    """Invitations to put a card on file."""

    @listing(
        operation="list_card_setups", scope="payments:read", answers=CardSetupOut, example=SETUP_EXAMPLE, filters=SETUP_FILTERS
    )
    def get(self, request: Any, page: Page) -> dict[str, Any]:
        """List card set-ups, newest first."""
        return page.of(setups_of(request.user), SETUP_COLUMNS, lambda row: represent_setup(row, request.user.livemode))

    @verb(
        operation="create_card_setup",
        scope="payments:write",
        takes=CardSetupIn,
        answers=CardSetupOut,
        example_in={"customer": f"cus_{_ULID}", "return_url": "https://shop.example/done"},
        example=SETUP_EXAMPLE | {"status": "created", "action_url": ""},
    )
    def post(self, request: Any, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Invite a customer to put a card on file. The page's address comes within seconds: `card_setup.requires_action`, or read it again."""
        customer_id = customer_row_id(request.user, given["customer"])
        made = operations.request_setup(
            customer_id=customer_id, return_url=given["return_url"], actor=call.actor, at=call.at, key=call.key
        )
        return _setup_shown(request.user, made.public_id)


class OneCardSetup(ApiView):
    """One card set-up."""

    @question(operation="get_card_setup", scope="payments:read", answers=CardSetupOut, example=SETUP_EXAMPLE)
    def get(self, request: Any, setup_id: str) -> dict[str, Any]:
        """Read one card set-up."""
        return _setup_shown(request.user, setup_id)


def _setup_shown(caller: Any, public_id: str) -> dict[str, Any]:
    row = setups_of(caller).filter(public_id=public_id).values_list(*SETUP_COLUMNS).first()
    if row is None:
        raise NotFound(what="card set-up", ref=public_id)
    return represent_setup(row, caller.livemode)
