"""Invoices, what settled them, credit notes, their numbers, and the data they are made from: our legal entities and tax rates."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from backoffice.kit.crypto import SealedField
from backoffice.kit.ids import PublicIdField
from billing.customers.models import Customer
from billing.invoices.states import InvoiceStatus


class LegalEntity(models.Model):
    """One of our companies that issues invoices. Its numbers never mix with another's."""

    public_id = PublicIdField(prefix="ent")
    code = models.SlugField(max_length=12, unique=True, help_text="Begins every number this entity gives out.")
    name = models.CharField(max_length=200)
    line1 = models.CharField(max_length=200)
    postcode = models.CharField(max_length=20)
    town = models.CharField(max_length=80)
    country = models.CharField(max_length=2)
    registration_number = models.CharField(max_length=40, blank=True)
    vat_numbers = models.JSONField(default=dict, help_text="Country → VAT number; a registration abroad taxes there.")
    oss = models.BooleanField(
        default=False, help_text="One-stop shop: consumers in other EU states pay their own country's rate."
    )
    bills_countries = ArrayField(models.CharField(max_length=2), default=list, blank=True)
    is_default = models.BooleanField(default=False)
    time_zone = models.CharField(max_length=40, default="Europe/Paris", help_text="Where the day of issue is decided.")
    payment_terms = models.CharField(max_length=300, blank=True, help_text="Printed on every invoice.")
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "legal entities"
        constraints = [models.UniqueConstraint(fields=["is_default"], condition=Q(is_default=True), name="one_default_entity")]

    def __str__(self) -> str:
        return self.name


class TaxRate(models.Model):
    """What a tax code costs in a country from a day on. A change is a new row: what was issued under the old one stays explained."""

    country = models.CharField(max_length=2)
    tax_code = models.CharField(max_length=40)
    basis_points = models.PositiveIntegerField()
    valid_from = models.DateField()
    source = models.CharField(max_length=200, help_text="The law or page it comes from.")
    made_by = models.CharField(max_length=80)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["country", "tax_code", "valid_from"], name="tax_rate_once"),
            models.CheckConstraint(condition=Q(basis_points__lte=10_000), name="tax_rate_at_most_all"),
        ]

    def __str__(self) -> str:
        return f"{self.country} {self.tax_code} {self.basis_points / 100:g} %"


class SeriesKind(models.TextChoices):
    INVOICE = "INV", "invoices"
    CREDIT_NOTE = "CRN", "credit notes"


class NumberSeries(models.Model):
    """The counter of one legal entity, kind and year. Its row is written last in a transaction, so a number that is taken is used."""

    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="series")
    kind = models.CharField(max_length=3, choices=SeriesKind.choices)
    year = models.PositiveSmallIntegerField()
    last_number = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "number series"
        constraints = [models.UniqueConstraint(fields=["entity", "kind", "year"], name="series_once")]

    def __str__(self) -> str:
        return f"{self.entity.code}-{self.kind}-{self.year}"


class Invoice(models.Model):
    """A claim on a customer. From its number on only its settlement and status change; the database sees to that.

    `amount_due_minor` = total − paid − credited − given up, kept by the database. Tax is decided when the invoice is finalised; until then the
    total is net. Who it was made out to is frozen in `buyer`, sealed.
    """

    public_id = PublicIdField(prefix="inv")
    key = models.CharField(max_length=200, unique=True, db_collation="C", help_text="One draft per key.")
    fingerprint = models.CharField(max_length=64)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="invoices")
    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=20, choices=InvoiceStatus.choices, default=InvoiceStatus.DRAFT)
    status_code = models.CharField(max_length=60, blank=True)
    status_reason = models.TextField(blank=True)
    currency = models.CharField(max_length=3)
    origin = models.CharField(
        max_length=80, blank=True, db_collation="C", help_text="What it bills, such as a subscription's id."
    )
    collection = models.CharField(max_length=20, help_text="How it is to be collected.")
    due_days = models.PositiveSmallIntegerField()
    period_start = models.DateTimeField(null=True, blank=True)
    period_end = models.DateTimeField(null=True, blank=True)
    series = models.ForeignKey(NumberSeries, null=True, blank=True, on_delete=models.PROTECT, related_name="invoices")
    sequence = models.PositiveIntegerField(null=True, blank=True)
    number = models.CharField(max_length=40, blank=True, db_collation="C")
    issued_on = models.DateField(null=True, blank=True)
    due_on = models.DateField(null=True, blank=True)
    finalised_at = models.DateTimeField(null=True, blank=True)
    posting_id = models.BigIntegerField(null=True, blank=True)
    buyer = SealedField(blank=True, default="")
    buyer_vat_number = models.CharField(max_length=20, blank=True)
    tax_note = models.CharField(max_length=200, blank=True, help_text="Why no tax is charged, in the words of the law.")
    tax_evidence = models.JSONField(default=dict, blank=True)
    subtotal_minor = models.BigIntegerField()
    tax_minor = models.BigIntegerField(default=0)
    total_minor = models.BigIntegerField()
    paid_minor = models.BigIntegerField(default=0)
    credited_minor = models.BigIntegerField(default=0)
    given_up_minor = models.BigIntegerField(default=0, help_text="Void or written off.")
    refunded_minor = models.BigIntegerField(default=0, help_text="Credit notes on money that was paid; due is not less for it.")
    amount_due_minor = models.GeneratedField(
        expression=F("total_minor") - F("paid_minor") - F("credited_minor") - F("given_up_minor"),
        output_field=models.BigIntegerField(),
        db_persist=True,
    )
    overdue_told_at = models.DateTimeField(null=True, blank=True)
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["series", "sequence"], name="invoice_number_once"),
            models.UniqueConstraint(fields=["number"], condition=~Q(number=""), name="invoice_text_once"),
            models.CheckConstraint(condition=Q(total_minor=F("subtotal_minor") + F("tax_minor")), name="invoice_total"),
            models.CheckConstraint(
                condition=Q(paid_minor__gte=0, credited_minor__gte=0, given_up_minor__gte=0, refunded_minor__gte=0)
                & (Q(number="") | Q(amount_due_minor__gte=0)),
                name="invoice_not_overpaid",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["draft", "finalizing_failed", "void"]) | ~Q(number="") & Q(sequence__isnull=False),
                name="issued_invoice_has_number",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["draft", "finalizing_failed", "open"]) | Q(amount_due_minor=0) | Q(number=""),
                name="ended_invoice_owes_nothing",
            ),
            models.CheckConstraint(condition=Q(refunded_minor__lte=F("paid_minor")), name="refunds_of_what_was_paid"),
        ]
        indexes = [
            models.Index(fields=["customer", "id"], name="invoice_of_customer"),
            models.Index(fields=["origin", "id"], name="invoice_of_origin"),
            models.Index(fields=["due_on"], name="invoice_waiting", condition=Q(status="open")),
            models.Index(fields=["id"], name="invoice_failed", condition=Q(status="finalizing_failed")),
        ]

    def __str__(self) -> str:
        return self.number or f"draft {self.public_id[-6:]}"


class TaxCategory(models.TextChoices):
    """Codes of UNTDID 5305, as EN 16931 uses them."""

    STANDARD = "S", "taxed"
    REVERSE_CHARGE = "AE", "reverse charge"
    EXEMPT = "E", "exempt"
    OUTSIDE = "O", "outside the scope of VAT"


class InvoiceLine(models.Model):
    """One line, net. `amount_minor` is what counts; quantity and unit price explain it where the price has one step."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="lines")
    position = models.PositiveSmallIntegerField()
    description = models.CharField(max_length=300)
    quantity = models.DecimalField(max_digits=18, decimal_places=6)
    unit_amount_minor = models.BigIntegerField()
    amount_minor = models.BigIntegerField()
    tax_code = models.CharField(max_length=40)
    tax_category = models.CharField(max_length=2, choices=TaxCategory.choices, blank=True)
    tax_basis_points = models.PositiveIntegerField(null=True, blank=True)
    period_start = models.DateTimeField(null=True, blank=True)
    period_end = models.DateTimeField(null=True, blank=True)
    proration = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["invoice", "position"], name="invoice_line_once")]

    def __str__(self) -> str:
        return self.description


class InvoiceTax(models.Model):
    """The tax of an invoice at one rate: on the sum of its lines, rounded once, half away from zero."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="taxes")
    category = models.CharField(max_length=2, choices=TaxCategory.choices)
    jurisdiction = models.CharField(max_length=2)
    basis_points = models.PositiveIntegerField()
    base_minor = models.BigIntegerField()
    tax_minor = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "invoice taxes"
        constraints = [models.UniqueConstraint(fields=["invoice", "category", "basis_points"], name="invoice_tax_once")]

    def __str__(self) -> str:
        return f"{self.jurisdiction} {self.basis_points / 100:g} %"


class Source(models.TextChoices):
    """What made an invoice's due amount smaller."""

    BALANCE = "balance", "the seller's balance"
    CARD = "card", "a payment"
    CREDIT = "credit", "the customer's credit"
    CREDIT_NOTE = "credit_note", "a credit note"
    VOID = "void", "void"
    WRITE_OFF = "write_off", "written off"


class Application(models.Model):
    """A part of an invoice settled from one source; negative takes an earlier one back. Appended, never edited."""

    public_id = PublicIdField(prefix="app")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="applications")
    source = models.CharField(max_length=12, choices=Source.choices)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    payment = models.CharField(
        max_length=60, blank=True, db_collation="C", help_text="The payment, credit note, refund or approval it came from."
    )
    posting = models.ForeignKey("payouts.Posting", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    takes_back = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="takings")
    actor = models.CharField(max_length=80)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(amount_minor=0), name="application_not_zero"),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0, takes_back__isnull=True) | Q(amount_minor__lt=0, takes_back__isnull=False),
                name="only_what_was_applied_is_taken_back",
            ),
            models.UniqueConstraint(
                fields=["invoice", "payment"],
                condition=Q(source="card", takes_back__isnull=True),
                name="payment_applied_once",
            ),
        ]
        indexes = [models.Index(fields=["payment"], name="application_of_payment", condition=~Q(payment=""))]

    def __str__(self) -> str:
        return f"{self.get_source_display()} {self.amount_minor} {self.currency}"


class Settlement(models.TextChoices):
    """What becomes of a credited amount."""

    OFFSET = "offset", "less is due on this invoice"
    CREDIT = "credit", "kept as credit for coming invoices"
    REFUND = "refund", "given back to where it was paid from"


class CreditReason(models.TextChoices):
    DUPLICATE = "duplicate", "billed twice"
    WRONG_AMOUNT = "wrong_amount", "wrong amount"
    SERVICE = "service", "service not rendered as agreed"
    CANCELLED = "cancelled", "subscription ended early"
    GOODWILL = "goodwill", "goodwill"


class CreditNote(models.Model):
    """A correction of a numbered invoice, with a number of its own; nothing of it ever changes."""

    public_id = PublicIdField(prefix="crn")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="credit_notes")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="credit_notes")
    series = models.ForeignKey(NumberSeries, on_delete=models.PROTECT, related_name="credit_notes")
    sequence = models.PositiveIntegerField()
    number = models.CharField(max_length=40, unique=True, db_collation="C")
    settlement = models.CharField(max_length=10, choices=Settlement.choices)
    reason_code = models.CharField(max_length=20, choices=CreditReason.choices)
    reason = models.TextField()
    currency = models.CharField(max_length=3)
    subtotal_minor = models.BigIntegerField()
    tax_minor = models.BigIntegerField()
    total_minor = models.BigIntegerField()
    # where what was paid went: back to the seller's balance or to the customer's credit with this note, or by refunds that made it
    to_balance_minor = models.BigIntegerField(default=0)
    to_customer_minor = models.BigIntegerField(default=0, help_text="Credit for coming invoices.")
    by_refund_minor = models.BigIntegerField(default=0)
    refund = models.CharField(max_length=60, blank=True, db_collation="C", help_text="The refund that made this note.")
    posting = models.ForeignKey("payouts.Posting", on_delete=models.PROTECT, related_name="+")
    issued_on = models.DateField()
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["series", "sequence"], name="credit_note_number_once"),
            models.CheckConstraint(
                condition=Q(total_minor=F("subtotal_minor") + F("tax_minor"), total_minor__gt=0), name="credit_note_total"
            ),
            models.CheckConstraint(
                condition=Q(settlement="offset", to_balance_minor=0, to_customer_minor=0, by_refund_minor=0)
                | ~Q(settlement="offset") & Q(total_minor=F("to_balance_minor") + F("to_customer_minor") + F("by_refund_minor")),
                name="credit_note_goes_somewhere",
            ),
            models.UniqueConstraint(fields=["refund"], condition=~Q(refund=""), name="one_note_a_refund"),
        ]

    def __str__(self) -> str:
        return self.number


class CreditNoteLine(models.Model):
    """What of one invoice line is credited, net."""

    credit_note = models.ForeignKey(CreditNote, on_delete=models.PROTECT, related_name="lines")
    invoice_line = models.ForeignKey(InvoiceLine, on_delete=models.PROTECT, related_name="credited")
    description = models.CharField(max_length=300)
    amount_minor = models.BigIntegerField()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(amount_minor=0), name="credit_line_not_zero")]

    def __str__(self) -> str:
        return self.description


class CreditNoteTax(models.Model):
    """The tax a credit note takes back at one rate."""

    credit_note = models.ForeignKey(CreditNote, on_delete=models.PROTECT, related_name="taxes")
    category = models.CharField(max_length=2, choices=TaxCategory.choices)
    jurisdiction = models.CharField(max_length=2)
    basis_points = models.PositiveIntegerField()
    base_minor = models.BigIntegerField()
    tax_minor = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "credit note taxes"

    def __str__(self) -> str:
        return f"{self.jurisdiction} {self.basis_points / 100:g} %"


class InvoiceDocument(models.Model):
    """The bytes of an invoice or credit note as they were first made, sealed, with their SHA-256. Made once."""

    public_id = PublicIdField(prefix="idc")
    invoice = models.OneToOneField(Invoice, null=True, blank=True, on_delete=models.PROTECT, related_name="document")
    credit_note = models.OneToOneField(CreditNote, null=True, blank=True, on_delete=models.PROTECT, related_name="document")
    content = SealedField(help_text="Base64 of the PDF with its Factur-X XML: it holds a name and an address.")
    sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveIntegerField()
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(invoice__isnull=False, credit_note__isnull=True) | Q(invoice__isnull=True, credit_note__isnull=False),
                name="document_of_one_thing",
            )
        ]

    def __str__(self) -> str:
        return self.sha256[:12]
