"""The wing's own memory: what happened and when we knew it, what turned out to be fraud, and how far the feed has read."""

from django.db import models
from django.db.models import Q

from backoffice.kit.ids import PublicIdField


class Point(models.TextChoices):
    """Where somebody asks before something happens; an event has the kind of its moment."""

    SALE = "sale", "sale"
    REFUND = "refund", "refund"
    CHARGE = "charge", "charge"
    PAYOUT = "payout", "payout"
    PAYEE_CHANGE = "payee_change", "payee account change"
    ONBOARDING = "onboarding", "onboarding"


class FraudEvent(models.Model):
    """One thing that happened. `at` is when, `known_at` when we learnt of it: a value as of a moment counts what was known then.

    Buyers and devices are the partner's own opaque references, put behind its id; a payee is the blind index of the account number.
    """

    public_id = PublicIdField(prefix="fev")
    ref = models.CharField(max_length=250, unique=True, db_collation="C")
    kind = models.CharField(max_length=14, choices=Point.choices)
    at = models.DateTimeField()
    known_at = models.DateTimeField()
    partner_id = models.BigIntegerField(null=True)
    buyer = models.CharField(max_length=170, blank=True, db_collation="C")
    seller = models.CharField(max_length=170, blank=True, db_collation="C")
    payee = models.CharField(max_length=64, blank=True, db_collation="C")
    device = models.CharField(max_length=170, blank=True, db_collation="C")
    country = models.CharField(max_length=2, blank=True, db_collation="C")
    currency = models.CharField(max_length=3, blank=True)
    amount_minor = models.BigIntegerField(default=0)
    order_ref = models.CharField(max_length=120, blank=True, db_collation="C")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(amount_minor=0) | ~Q(currency=""), name="event_amount_has_currency")]
        indexes = [
            models.Index(fields=["buyer", "at"], name="event_of_buyer", condition=Q(kind="sale") & ~Q(buyer="")),
            models.Index(
                fields=["seller", "at"],
                name="event_of_seller",
                condition=Q(kind="sale") & ~Q(seller=""),
                include=["id", "amount_minor", "currency"],  # windows are summed without touching the rows
            ),
            models.Index(fields=["payee", "at"], name="event_of_payee", condition=Q(kind="sale") & ~Q(payee="")),
            models.Index(fields=["device", "at"], name="event_of_device", condition=Q(kind="sale") & ~Q(device="")),
            models.Index(
                fields=["country", "at"],
                name="event_of_country",
                condition=Q(kind="sale") & ~Q(country=""),
                include=["id", "amount_minor", "currency"],
            ),
            models.Index(fields=["kind", "at"], name="event_of_kind"),
            models.Index(fields=["seller", "order_ref"], name="event_of_order", condition=Q(kind="sale") & ~Q(order_ref="")),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.ref}"


class LabelSource(models.TextChoices):
    CHARGEBACK = "chargeback", "a chargeback came"
    ANALYST = "analyst", "somebody judged it"
    AGED = "aged", "nothing came in time"


class FraudLabel(models.Model):
    """What an event turned out to be, and since when we know. A later one may say otherwise; none is edited.

    The subjects are the event's, so that rates are counted by the time labels became known in one index.
    """

    event = models.ForeignKey(FraudEvent, on_delete=models.PROTECT, related_name="labels")
    is_fraud = models.BooleanField()
    known_at = models.DateTimeField()
    source = models.CharField(max_length=12, choices=LabelSource.choices)
    actor = models.CharField(max_length=80)
    buyer = models.CharField(max_length=170, blank=True, db_collation="C")
    seller = models.CharField(max_length=170, blank=True, db_collation="C")
    payee = models.CharField(max_length=64, blank=True, db_collation="C")
    device = models.CharField(max_length=170, blank=True, db_collation="C")
    country = models.CharField(max_length=2, blank=True, db_collation="C")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "source", "is_fraud"], name="label_said_once")]
        indexes = [
            models.Index(fields=["buyer", "known_at"], name="label_of_buyer", condition=~Q(buyer="")),
            models.Index(fields=["seller", "known_at"], name="label_of_seller", condition=~Q(seller="")),
            models.Index(fields=["payee", "known_at"], name="label_of_payee", condition=~Q(payee="")),
            models.Index(fields=["device", "known_at"], name="label_of_device", condition=~Q(device="")),
            models.Index(fields=["country", "known_at"], name="label_of_country", condition=~Q(country="")),
        ]

    def __str__(self) -> str:
        return f"{'fraud' if self.is_fraud else 'good'}: {self.event_id}"


class Feed(models.Model):
    """How far a table of another wing has been read. `mark` is safe: no row before it can appear any more.

    `next_mark` becomes the mark once every transaction that ran when it was seen (before `next_xmax`) is over.
    """

    name = models.CharField(max_length=40, unique=True)
    mark = models.BigIntegerField(default=0)
    next_mark = models.BigIntegerField(default=0)
    next_xmax = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return self.name
