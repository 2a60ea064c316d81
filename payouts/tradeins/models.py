"""Trade-ins: one device bought from one consumer."""

from django.db import models
from django.db.models import F, Q

from backoffice.kit.crypto import SealedField
from backoffice.kit.ids import PublicIdField
from payouts.runs.models import Payout
from payouts.sellers.models import Seller
from payouts.tradeins.states import BOUGHT, OPEN, TradeInStatus


class TradeIn(models.Model):
    """One device, its price, and how far it is on its way. `consumer` is the party of the engine that is paid.

    `agreed_minor` was offered; `amount_minor` is the price, lower where the device was not as described. `pending_minor` is what of it still
    waits for `available_at`. The serial number (an IMEI mostly) is sealed: it tells whose telephone it was.
    """

    public_id = PublicIdField(prefix="trd")
    external_id = models.CharField(
        max_length=120, db_collation="C", help_text="The partner's name for it; the house's without one."
    )
    partner = models.ForeignKey("backoffice.Partner", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    consumer = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="trade_ins")
    order_ref = models.CharField(max_length=120, db_collation="C", blank=True)
    device = models.CharField(max_length=120, help_text="As the consumer reads it on the statement.")
    serial = SealedField(blank=True)
    serial_index = models.CharField(max_length=64, blank=True, help_text="Blind index for look-ups.")
    currency = models.CharField(max_length=3)
    agreed_minor = models.BigIntegerField()
    amount_minor = models.BigIntegerField()
    pending_minor = models.BigIntegerField(default=0)
    status = models.CharField(max_length=16, choices=TradeInStatus.choices, default=TradeInStatus.AGREED)
    code = models.CharField(max_length=60, blank=True)
    reason = models.TextField(blank=True)
    agreed_by = models.CharField(max_length=80)
    accepted_by = models.CharField(max_length=80, blank=True)
    checker = models.CharField(max_length=80, blank=True)
    payout = models.ForeignKey(
        Payout, null=True, blank=True, on_delete=models.PROTECT, related_name="trade_ins", help_text="The payout that paid it."
    )
    agreed_at = models.DateTimeField()
    received_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    available_at = models.DateTimeField(null=True, help_text="From when on a run may pay it.")
    pay_by_on = models.DateField(null=True, help_text="The day by which the consumer was promised the money.")
    paid_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "trade-in"
        constraints = [
            models.UniqueConstraint(fields=["external_id", "partner"], nulls_distinct=False, name="trade_in_once_a_partner"),
            models.UniqueConstraint(
                fields=["serial_index"],
                condition=Q(status__in=[*OPEN, TradeInStatus.ACCEPTED]) & ~Q(serial_index=""),
                name="device_in_one_trade_in",
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0, amount_minor__lte=F("agreed_minor")), name="trade_in_price"),
            models.CheckConstraint(
                condition=Q(pending_minor=0) | Q(pending_minor=F("amount_minor")), name="trade_in_pending_whole"
            ),
            models.CheckConstraint(condition=Q(checker="") | ~Q(accepted_by=F("checker")), name="trade_in_by_two"),
            models.CheckConstraint(condition=~Q(status__in=BOUGHT) | Q(accepted_at__isnull=False), name="bought_was_accepted"),
        ]
        indexes = [
            models.Index(fields=["status", "id"], name="trade_in_status"),
            models.Index(fields=["consumer", "-id"], name="trade_in_consumer"),
            models.Index(fields=["available_at"], name="trade_in_due", condition=Q(pending_minor__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.device} ({self.external_id})"
