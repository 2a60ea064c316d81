"""Customers: whom we bill, with the evidence tax asks for and the card on file at the gateway."""

from django.db import models

from backoffice.kit.crypto import SealedField
from backoffice.kit.ids import PublicIdField


class CustomerKind(models.TextChoices):
    BUSINESS = "business", "business"
    CONSUMER = "consumer", "private person"


class Customer(models.Model):
    """Somebody we bill. A seller has at most one; names and addresses are sealed, for invoices only."""

    public_id = PublicIdField(prefix="cus")
    external_id = models.CharField(max_length=120, db_collation="C", help_text="The partner's name for it.")
    partner = models.ForeignKey("backoffice.Partner", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    seller = models.OneToOneField("payouts.Seller", null=True, blank=True, on_delete=models.PROTECT, related_name="customer")
    kind = models.CharField(max_length=10, choices=CustomerKind.choices, default=CustomerKind.BUSINESS)
    name = SealedField()
    email = SealedField(blank=True, default="")
    address = SealedField(blank=True, default="", help_text="Lines as they stand on an invoice.")
    country = models.CharField(max_length=2)
    currency = models.CharField(max_length=3)
    vat_number = models.CharField(max_length=20, blank=True)
    vat_checked_at = models.DateTimeField(null=True, blank=True)
    vat_evidence = models.JSONField(
        default=dict, blank=True, help_text="What the check of the number answered, kept for the audit."
    )
    gateway = models.CharField(max_length=20, blank=True, help_text="Which gateway holds the card; '' while there is none.")
    gateway_customer = models.CharField(max_length=120, blank=True)
    gateway_method = models.CharField(max_length=120, blank=True, help_text="The card or mandate charged off session.")
    clock_at = models.DateTimeField(
        null=True, blank=True, help_text="Test clock: the instant this customer's billing lives in; sandbox partners only."
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["partner", "external_id"], name="customer_once", nulls_distinct=False),
            models.UniqueConstraint(
                fields=["gateway", "gateway_customer"], name="gateway_customer_once", condition=~models.Q(gateway_customer="")
            ),
        ]

    def __str__(self) -> str:
        return self.public_id
