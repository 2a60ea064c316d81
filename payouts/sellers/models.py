"""Sellers, their tiers, and where they are paid."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.functions import Upper

from backoffice.kit.crypto import SealedField
from backoffice.kit.ids import PublicIdField
from payouts.sellers.states import PayeeStatus, SellerStatus


class Schedule(models.TextChoices):
    DAILY = "daily", "every day"
    WEEKLY = "weekly", "every week"
    MONTHLY = "monthly", "every month"
    MANUAL = "manual", "on request"


class EntityType(models.TextChoices):
    COMPANY = "company", "company"
    SOLE_TRADER = "sole_trader", "sole trader"
    INDIVIDUAL = "individual", "private person"
    # sells nothing on the marketplace: somebody we buy a device from, a party of this engine all the same
    CONSUMER = "consumer", "consumer (trade-in)"


# The tier consumers are opened in: no waiting time unless staff set one, a cool-off like everybody's, no debt limit.
CONSUMER_TIER = "consumer"


class Tier(models.Model):
    """How much a seller is trusted: waiting time, cool-off, how far a balance may fall. Amounts are per currency unit of the account."""

    code = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=60)
    delay_days = models.PositiveSmallIntegerField(help_text="Days from delivery (or sale) until money is available.")
    cool_off_hours = models.PositiveSmallIntegerField(default=72)
    debt_limit = models.BigIntegerField(help_text="How far below zero, in whole currency units (EUR 500 → 500).")

    def __str__(self) -> str:
        return self.name


class MinimumPayout(models.Model):
    """The smallest payout, per currency and (where stricter) country; '' is every country. Below it money is carried over."""

    currency = models.CharField(max_length=3)
    country = models.CharField(max_length=2, blank=True, default="")
    amount_minor = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["currency", "country"], name="minimum_once")]

    def __str__(self) -> str:
        return f"{self.currency} {self.country}"


class Seller(models.Model):
    """A legal entity that sells on the marketplace, or a consumer we buy from (`is_consumer`): whoever this engine owes money to."""

    public_id = PublicIdField(prefix="sel")
    external_id = models.CharField(
        max_length=120, db_collation="C", help_text="The partner's name for it; the house's without one."
    )
    partner = models.ForeignKey("backoffice.Partner", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    legal_name = models.CharField(max_length=200)
    entity_type = models.CharField(max_length=20, choices=EntityType.choices)
    email = models.EmailField(blank=True)
    country = models.CharField(max_length=2)
    town = models.CharField(max_length=80, blank=True)
    currency = models.CharField(max_length=3, help_text="Default currency; earnings in others get their own balance.")
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT)
    schedule = models.CharField(max_length=10, choices=Schedule.choices, default=Schedule.WEEKLY)
    schedule_day = models.PositiveSmallIntegerField(
        default=1, help_text="ISO weekday for weekly (1 is Monday), day of the month for monthly (the last day when shorter)."
    )
    status = models.CharField(max_length=12, choices=SellerStatus.choices, default=SellerStatus.CREATED)
    status_reason = models.TextField(blank=True)
    debt_limit_minor = models.BigIntegerField(
        null=True, blank=True, help_text="Overrides the tier's limit, in minor units of the seller's currency."
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            # the name first, so that a look-up by name alone is one too; the house, which is no partner, has each name once as well
            models.UniqueConstraint(fields=["external_id", "partner"], nulls_distinct=False, name="seller_once_a_partner"),
        ]
        indexes = [
            models.Index(fields=["status", "id"], name="seller_status"),
            GinIndex(OpClass(Upper("legal_name"), name="gin_trgm_ops"), name="seller_name_letters"),
        ]

    def __str__(self) -> str:
        return f"{self.legal_name} ({self.external_id})"

    @property
    def is_consumer(self) -> bool:
        """Whether this is no shop but somebody who sells a device to us."""
        return self.entity_type == EntityType.CONSUMER


class PayeeKind(models.TextChoices):
    IBAN = "iban", "IBAN"
    US_ACCOUNT = "us_account", "US account"


class NameCheck(models.TextChoices):
    NOT_CHECKED = "not_checked", "not checked"
    MATCH = "match", "match"
    CLOSE_MATCH = "close_match", "close match"
    NO_MATCH = "no_match", "no match"
    NOT_POSSIBLE = "not_possible", "not possible"


class PayeeAccount(models.Model):
    """One version of where a seller is paid in one currency. Numbers are sealed; screens show `masked`."""

    public_id = PublicIdField(prefix="pac")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="payee_accounts")
    currency = models.CharField(max_length=3)
    version = models.PositiveIntegerField()
    kind = models.CharField(max_length=12, choices=PayeeKind.choices)
    account_holder = SealedField()
    number = SealedField(help_text="IBAN, or US account number.")
    routing_number = models.CharField(max_length=9, blank=True)
    number_index = models.CharField(max_length=64, db_index=True, help_text="Blind index for look-ups.")
    last4 = models.CharField(max_length=4)
    bic = models.CharField(max_length=11, blank=True)
    bank_name = models.CharField(max_length=120, blank=True)
    country = models.CharField(max_length=2)
    status = models.CharField(max_length=12, choices=PayeeStatus.choices, default=PayeeStatus.ACTIVE)
    status_code = models.CharField(max_length=20, blank=True, help_text="The bank's reason, such as AC04.")
    name_check = models.CharField(max_length=14, choices=NameCheck.choices, default=NameCheck.NOT_CHECKED)
    name_checked_at = models.DateTimeField(null=True)
    name_checked_by = models.CharField(max_length=80, blank=True, db_default="")
    reactivated_at = models.DateTimeField(null=True)
    reactivated_by = models.CharField(
        max_length=80, blank=True, db_default="", help_text="Who last said it can be used after all."
    )
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    cool_off_until = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["seller", "currency", "version"], name="payee_version"),
            models.UniqueConstraint(
                fields=["seller", "currency"], condition=~models.Q(status="superseded"), name="one_payee_in_use"
            ),
        ]
        indexes = [models.Index(fields=["cool_off_until"], name="payee_cool_off")]

    def __str__(self) -> str:
        return f"{self.masked} v{self.version}"

    @property
    def masked(self) -> str:
        """The number as screens and statements show it."""
        start = self.country if self.kind == PayeeKind.IBAN else "US"
        return f"{start} •••• {self.last4}"
