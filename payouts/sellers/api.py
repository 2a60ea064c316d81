"""Sellers, their balances and their payee accounts, as their partner sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from backoffice.kit import clock
from backoffice.kit.api.answers import instant, money
from backoffice.kit.api.fields import Currency, MoneyOut, ObjectOut, StrictSerializer, Text, WholeNumber
from backoffice.kit.api.lists import Filter, Page, instants
from backoffice.kit.api.views import ApiView, Call, listing, question, verb
from backoffice.kit.errors import NotFound
from payouts.ledger.queries import seller_buckets
from payouts.sellers import operations
from payouts.sellers.models import CONSUMER_TIER, EntityType, PayeeAccount, PayeeKind, Schedule, Seller, Tier
from payouts.sellers.states import PayeeStatus, SellerStatus

SELLER_COLUMNS = (
    "id", "public_id", "external_id", "legal_name", "entity_type", "email", "country", "town", "currency", "tier__code", "schedule",
    "schedule_day", "status", "created_at", "capabilities__sell_code",
)  # fmt: skip
PAYEE_COLUMNS = (
    "id", "public_id", "currency", "version", "kind", "last4", "country", "bic", "bank_name", "status", "status_code", "name_check",
    "cool_off_until", "created_at",
)  # fmt: skip
BUCKETS = ["pending", "available", "reserved", "in_payout", "advance", "debt", "total"]


class MaySellOut(serializers.Serializer[Any]):
    """Whether the seller's offers may stand in the shop. The shop is not ours: who runs it takes them down when this says no."""

    enabled = serializers.BooleanField()
    code = serializers.CharField(allow_blank=True, help_text="Why not; the requirements say what is missing.")


class SellerOut(ObjectOut):
    """A legal entity that sells on the marketplace."""

    external_id = serializers.CharField()
    legal_name = serializers.CharField()
    entity_type = serializers.ChoiceField(EntityType.choices)
    email = serializers.CharField(allow_blank=True)
    country = serializers.CharField()
    town = serializers.CharField(allow_blank=True)
    currency = serializers.CharField()
    tier = serializers.CharField(help_text="Set by the marketplace: waiting time, cool-off and debt limit hang on it.")
    schedule = serializers.ChoiceField(Schedule.choices)
    schedule_day = serializers.IntegerField()
    status = serializers.ChoiceField(SellerStatus.choices)
    sell = MaySellOut()


class SellerIn(StrictSerializer):
    """A new seller, or a consumer who trades a device in. The marketplace reviews it before it is paid."""

    external_id = Text(max_length=120)
    legal_name = Text(max_length=200)
    entity_type = serializers.ChoiceField(EntityType.choices)
    country = Text(min_length=2, max_length=2)
    currency = Currency()
    schedule = serializers.ChoiceField(Schedule.choices, required=False, help_text="Left out: weekly; every day for a consumer.")
    email = Text(max_length=254, required=False, allow_blank=True)
    town = Text(max_length=80, required=False, allow_blank=True)


class SellerChange(StrictSerializer):
    """What a partner may change; the rest is the marketplace's."""

    email = Text(max_length=254, required=False, allow_blank=True)
    town = Text(max_length=80, required=False, allow_blank=True)
    schedule = serializers.ChoiceField(Schedule.choices, required=False)
    schedule_day = WholeNumber(required=False, min_value=1, max_value=31)


class BucketsOut(serializers.Serializer[Any]):
    """Where a seller's money of one currency stands. total = pending + available + reserved + in_payout − advance − debt."""

    currency = serializers.CharField()
    pending = MoneyOut()
    available = MoneyOut()
    reserved = MoneyOut()
    in_payout = MoneyOut()
    advance = MoneyOut()
    debt = MoneyOut()
    total = MoneyOut()


class BalanceOut(serializers.Serializer[Any]):
    """All buckets of a seller, per currency, at one instant."""

    object = serializers.CharField()
    seller = serializers.CharField()
    as_of = serializers.DateTimeField()
    livemode = serializers.BooleanField()
    balances = BucketsOut(many=True)


class PayeeAccountOut(ObjectOut):
    """One version of where a seller is paid; the number shows its last four characters only."""

    seller = serializers.CharField()
    currency = serializers.CharField()
    version = serializers.IntegerField()
    kind = serializers.ChoiceField(PayeeKind.choices)
    number = serializers.CharField(help_text="Masked.")
    country = serializers.CharField()
    bic = serializers.CharField(allow_blank=True)
    bank_name = serializers.CharField(allow_blank=True)
    status = serializers.ChoiceField(PayeeStatus.choices)
    status_code = serializers.CharField(allow_blank=True, help_text="The bank's reason, such as AC04.")
    name_check = serializers.CharField()
    cool_off_until = serializers.DateTimeField(help_text="No payout goes there before.")


class PayeeAccountIn(StrictSerializer):
    """Where a seller is to be paid from now on; replaces the account of that currency and starts the cool-off."""

    currency = Currency()
    kind = serializers.ChoiceField(PayeeKind.choices)
    account_holder = Text(max_length=140)
    number = Text(max_length=50, help_text="IBAN, or US account number.")
    bic = Text(max_length=11, required=False, allow_blank=True)
    routing_number = Text(max_length=9, required=False, allow_blank=True)


SELLER_EXAMPLE = {
    "id": "sel_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "object": "seller",
    "created_at": "2026-11-21T09:30:00Z",
    "livemode": False,
    "external_id": "refurb-lyon-17",
    "legal_name": "Refurb Lyon SARL",
    "entity_type": "company",
    "email": "books@refurb-lyon.example",
    "country": "FR",
    "town": "Lyon",
    "currency": "EUR",
    "tier": "new",
    "schedule": "weekly",
    "schedule_day": 1,
    "status": "created",
    "sell": {"enabled": False, "code": "requirements_due"},
}
SELLER_IN_EXAMPLE = {
    name: SELLER_EXAMPLE[name]
    for name in ("external_id", "legal_name", "entity_type", "country", "currency", "schedule", "email", "town")
}
BALANCE_EXAMPLE = {
    "object": "balance",
    "seller": SELLER_EXAMPLE["id"],
    "as_of": "2026-11-21T09:30:00Z",
    "livemode": False,
    "balances": [
        {"currency": "EUR"} | {bucket: money(9504 if bucket in ("available", "total") else 0, "EUR") for bucket in BUCKETS}
    ],
}
PAYEE_EXAMPLE = {
    "id": "pac_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "object": "payee_account",
    "created_at": "2026-11-21T09:30:00Z",
    "livemode": False,
    "seller": SELLER_EXAMPLE["id"],
    "currency": "EUR",
    "version": 2,
    "kind": "iban",
    "number": "FR •••• 0189",
    "country": "FR",
    "bic": "AGRIFRPPXXX",
    "bank_name": "Crédit Agricole",
    "status": "active",
    "status_code": "",
    "name_check": "not_checked",
    "cool_off_until": "2026-11-24T09:30:00Z",
}
PAYEE_IN_EXAMPLE = {
    "currency": "EUR",
    "kind": "iban",
    "account_holder": "Refurb Lyon SARL",
    "number": "FR7630006000011234567890189",
}
SELLER_FILTERS = [
    Filter("status", "status", serializers.ChoiceField(SellerStatus.choices)),
    Filter("currency", "currency", Currency()),
    Filter("country", "country", Text(max_length=2)),
    Filter("external_id", "external_id", Text(max_length=120)),
    *instants("created_at", "created_at"),
]
PAYEE_FILTERS = [
    Filter("currency", "currency", Currency()),
    Filter("status", "status", serializers.ChoiceField(PayeeStatus.choices)),
]


def sellers_of(caller: Any) -> QuerySet[Seller]:
    """Return the caller's own sellers: the wall between partners stands here."""
    return Seller.objects.filter(partner_id=caller.partner_id)


def seller_row_id(caller: Any, public_id: str) -> int:
    """Return the row id of one of the caller's sellers. Refuses: NotFound."""
    found = sellers_of(caller).filter(public_id=public_id).values_list("id", flat=True).first()
    if found is None:
        raise NotFound(what="seller", ref=public_id)
    return found


def represent_seller(row: tuple[Any, ...], livemode: bool) -> dict[str, Any]:
    (
        _,
        public_id,
        external_id,
        legal_name,
        entity_type,
        email,
        country,
        town,
        currency,
        tier,
        schedule,
        day,
        status,
        created_at,
        sell_code,
    ) = row
    # orders of staff go before what the requirements say; nobody assessed is nobody allowed
    why_not = (
        "consumer"
        if entity_type == EntityType.CONSUMER
        else status
        if status in (SellerStatus.BLOCKED, SellerStatus.CLOSED)
        else "not_assessed"
        if sell_code is None
        else sell_code
    )
    return {
        "id": public_id,
        "object": "seller",
        "created_at": instant(created_at),
        "livemode": livemode,
        "external_id": external_id,
        "legal_name": legal_name,
        "entity_type": entity_type,
        "email": email,
        "country": country,
        "town": town,
        "currency": currency,
        "tier": tier,
        "schedule": schedule,
        "schedule_day": day,
        "status": status,
        "sell": {"enabled": not why_not, "code": why_not},
    }


def represent_payee(row: tuple[Any, ...], seller: str, livemode: bool) -> dict[str, Any]:
    _, public_id, currency, version, kind, last4, country, bic, bank, status, code, name_check, cool_off_until, created_at = row
    return {
        "id": public_id,
        "object": "payee_account",
        "created_at": instant(created_at),
        "livemode": livemode,
        "seller": seller,
        "currency": currency,
        "version": version,
        "kind": kind,
        "number": f"{country if kind == PayeeKind.IBAN else 'US'} •••• {last4}",
        "country": country,
        "bic": bic,
        "bank_name": bank,
        "status": status,
        "status_code": code,
        "name_check": name_check,
        "cool_off_until": instant(cool_off_until),
    }


def _one_seller(caller: Any, public_id: str) -> dict[str, Any]:
    row = sellers_of(caller).filter(public_id=public_id).values_list(*SELLER_COLUMNS).first()
    if row is None:
        raise NotFound(what="seller", ref=public_id)
    return represent_seller(row, caller.livemode)


def _terms_of(given: Mapping[str, Any]) -> dict[str, str]:
    """A partner does not choose how much a seller is trusted: whoever is new waits longest. A consumer is paid as soon as its device is accepted."""
    if given["entity_type"] == EntityType.CONSUMER:
        return {"tier": CONSUMER_TIER, "schedule": str(given.get("schedule", Schedule.DAILY))}
    tiers = Tier.objects.exclude(code=CONSUMER_TIER).order_by("-delay_days", "debt_limit")
    return {"tier": tiers.values_list("code", flat=True)[0], "schedule": str(given.get("schedule", Schedule.WEEKLY))}


class Sellers(ApiView):
    """The partner's sellers."""

    @listing(operation="list_sellers", scope="sellers:read", answers=SellerOut, example=SELLER_EXAMPLE, filters=SELLER_FILTERS)
    def get(self, request: Any, page: Page) -> dict[str, Any]:
        """List sellers, newest first."""
        return page.of(sellers_of(request.user), SELLER_COLUMNS, lambda row: represent_seller(row, request.user.livemode))

    @verb(
        operation="create_seller",
        scope="sellers:write",
        takes=SellerIn,
        answers=SellerOut,
        example_in=SELLER_IN_EXAMPLE,
        example=SELLER_EXAMPLE,
        refusals=["seller_exists:409:There is already a seller with the external id refurb-lyon-17."],
    )
    def post(self, request: Any, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Create a seller, in the state `created`."""
        seller = operations.create_seller(
            **(dict(given) | _terms_of(given)), partner_id=request.user.partner_id, actor=call.actor, key=call.key, at=call.at
        )
        return _one_seller(request.user, seller.public_id)


class OneSeller(ApiView):
    """One seller."""

    @question(operation="get_seller", scope="sellers:read", answers=SellerOut, example=SELLER_EXAMPLE)
    def get(self, request: Any, seller_id: str) -> dict[str, Any]:
        """Read one seller."""
        return _one_seller(request.user, seller_id)

    @verb(
        operation="update_seller",
        scope="sellers:write",
        takes=SellerChange,
        answers=SellerOut,
        example_in={"schedule": "monthly", "schedule_day": 15},
        example=SELLER_EXAMPLE | {"schedule": "monthly", "schedule_day": 15},
        status=200,
        needs_key=False,
        refusals=["seller_is_closed:409:The seller is closed; nothing about it changes any more."],
    )
    def patch(self, request: Any, seller_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Change contact and schedule of a seller."""
        row_id = seller_row_id(request.user, seller_id)
        operations.update_seller(seller_id=row_id, changes=given, actor=call.actor, at=call.at)
        return _one_seller(request.user, seller_id)


class SellerBalance(ApiView):
    """A seller's money."""

    @question(operation="get_balance", scope="sellers:read", answers=BalanceOut, example=BALANCE_EXAMPLE)
    def get(self, request: Any, seller_id: str) -> dict[str, Any]:
        """Read every bucket of a seller, per currency. `available` below zero is the seller's debt within its limit."""
        row_id = seller_row_id(request.user, seller_id)
        found = seller_buckets([row_id])
        return {
            "object": "balance",
            "seller": seller_id,
            "as_of": instant(clock.now()),
            "livemode": request.user.livemode,
            "balances": [
                {"currency": currency} | {bucket: money(buckets[bucket], currency) for bucket in BUCKETS}
                for (_, currency), buckets in sorted(found.items())
            ],
        }


class SellerPayeeAccounts(ApiView):
    """Where a seller is paid, with its history."""

    @listing(
        operation="list_payee_accounts",
        scope="sellers:read",
        answers=PayeeAccountOut,
        example=PAYEE_EXAMPLE,
        filters=PAYEE_FILTERS,
    )
    def get(self, request: Any, seller_id: str, page: Page) -> dict[str, Any]:
        """List the versions of a seller's payee accounts, newest first; the one in use is not `superseded`."""
        rows = PayeeAccount.objects.filter(seller_id=seller_row_id(request.user, seller_id))
        return page.of(rows, PAYEE_COLUMNS, lambda row: represent_payee(row, seller_id, request.user.livemode))

    @verb(
        operation="change_payee_account",
        scope="sellers:write",
        takes=PayeeAccountIn,
        answers=PayeeAccountOut,
        example_in=PAYEE_IN_EXAMPLE,
        example=PAYEE_EXAMPLE,
        refusals=[
            "payee_unchanged:409:This is the payee account already in use; nothing was changed.",
            "invalid_iban:422:The IBAN is not valid: its check digits do not fit.",
        ],
    )
    def post(self, request: Any, seller_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Change where a seller is paid in one currency. Open payouts to the old account are cancelled."""
        row_id = seller_row_id(request.user, seller_id)
        payee = operations.change_payee_account(seller_id=row_id, **given, actor=call.actor, key=call.key, at=call.at)
        row = PayeeAccount.objects.filter(pk=payee.pk).values_list(*PAYEE_COLUMNS)[0]
        return represent_payee(row, seller_id, request.user.livemode)
