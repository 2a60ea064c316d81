"""Tax reports with their lines and files as filed, and what each seller was asked for them."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from backoffice.kit.crypto import SealedField
from backoffice.kit.ids import PublicIdField
from payouts.reporting.states import Exclusion, LineCode, Regime, ReportKind, ReportState, TaxFileState
from payouts.sellers.models import Seller


def _months() -> ArrayField:
    return ArrayField(models.BigIntegerField(), size=12, help_text="January to December.")


class TaxFile(models.Model):
    """What one seller still owes the tax reports, since when it was asked, and whether the law leaves it out."""

    public_id = PublicIdField(prefix="txf")
    seller = models.OneToOneField(Seller, on_delete=models.PROTECT, related_name="tax_file")
    regime = models.CharField(max_length=10, choices=Regime.choices)
    state = models.CharField(max_length=16, choices=TaxFileState.choices)
    missing = ArrayField(models.CharField(max_length=30), default=list)
    asked_at = models.DateTimeField(null=True)
    reminded_at = models.DateTimeField(null=True)
    reminded_again_at = models.DateTimeField(null=True)
    stops_at = models.DateTimeField(null=True, help_text="From here on payouts stop; set with the second reminder.")
    exclusion = models.CharField(max_length=20, choices=Exclusion.choices, blank=True, default="")
    exclusion_reason = models.TextField(blank=True)
    excluded_by = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state="complete") | models.Q(asked_at__isnull=False), name="tax_data_asked_at"
            ),
            # nobody's payouts stop before the second reminder
            models.CheckConstraint(
                condition=models.Q(stops_at__isnull=True)
                | models.Q(reminded_again_at__isnull=False, stops_at__gte=models.F("reminded_again_at")),
                name="tax_stop_after_second_reminder",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="withheld") | models.Q(stops_at__isnull=False), name="tax_withheld_has_stop"
            ),
        ]
        indexes = [models.Index(fields=["asked_at"], name="tax_data_missing", condition=~models.Q(state="complete"))]

    def __str__(self) -> str:
        return f"Tax data of seller {self.seller_id}"


class TaxReport(models.Model):
    """One regime, year and version. Prepared figures are recomputed at will; frozen ones, and the files made of them, never change."""

    public_id = PublicIdField(prefix="txr")
    regime = models.CharField(max_length=10, choices=Regime.choices)
    year = models.PositiveSmallIntegerField()
    version = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=10, choices=ReportKind.choices)
    corrects = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="corrections")
    state = models.CharField(max_length=12, choices=ReportState.choices, default=ReportState.PREPARED)
    rules = models.CharField(max_length=40, help_text="The version of the rules it was made by.")
    zone = models.CharField(max_length=40, help_text="Where its year, quarters and months begin.")
    totals = models.JSONField(
        default=dict, help_text="By currency: what the lines say, what the ledger says, and the difference."
    )
    sellers_count = models.PositiveIntegerField(default=0)
    reported_count = models.PositiveIntegerField(default=0)
    missing_count = models.PositiveIntegerField(default=0)
    leave_out_reason = models.TextField(blank=True)
    content_hash = models.CharField(max_length=64, blank=True)
    prepared_by = models.CharField(max_length=80)
    prepared_at = models.DateTimeField()
    frozen_by = models.CharField(max_length=80, blank=True)
    frozen_at = models.DateTimeField(null=True)
    filed_by = models.CharField(max_length=80, blank=True)
    filed_at = models.DateTimeField(null=True)
    filing_ref = models.CharField(max_length=80, blank=True, help_text="What the authority answered.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["regime", "year", "version"], name="tax_report_version"),
            models.UniqueConstraint(
                fields=["regime", "year"], condition=models.Q(state__in=["prepared", "frozen"]), name="one_open_tax_report"
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["frozen", "filed"]) | ~models.Q(content_hash=""), name="frozen_tax_report_hash"
            ),
            models.CheckConstraint(
                condition=models.Q(kind="initial", corrects__isnull=True) | models.Q(kind="corrected", corrects__isnull=False),
                name="correction_corrects",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_regime_display()} {self.year}, version {self.version}"


class TaxReportLine(models.Model):
    """One seller and currency in one report: what the ledger says by month, and who it is, sealed as it stood when the line was made.

    Consideration is net of fees and refunds; gross counts sales alone, as Form 1099-K wants it. Amounts in minor units, seller's view.
    """

    public_id = PublicIdField(prefix="txl")
    report = models.ForeignKey(TaxReport, on_delete=models.PROTECT, related_name="lines")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3)
    code = models.CharField(max_length=24, choices=LineCode.choices, blank=True)
    activities = _months()
    consideration = _months()
    fees = _months()
    taxes = _months()
    gross = _months()
    missing = ArrayField(models.CharField(max_length=30), default=list)
    doc_ref = models.CharField(max_length=120, blank=True, help_text="The line's own name in the file; corrections refer to it.")
    corrects_ref = models.CharField(max_length=120, blank=True)
    fingerprint = models.CharField(max_length=64, help_text="Of everything the authority reads of it.")
    identity = SealedField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["report", "seller", "currency"], name="tax_line_once")]
        indexes = [models.Index(fields=["seller"], name="tax_line_of_seller")]

    def __str__(self) -> str:
        return f"{self.public_id} {self.currency}"


class TaxReportFile(models.Model):
    """One file of a frozen report: its bytes sealed under a key of their own, and the SHA-256 of what was sealed."""

    public_id = PublicIdField(prefix="txd")
    report = models.ForeignKey(TaxReport, on_delete=models.PROTECT, related_name="files")
    name = models.CharField(max_length=80)
    media_type = models.CharField(max_length=40)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()
    sealed = models.BinaryField()
    data_key = SealedField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["report", "name"], name="tax_file_name_once")]

    def __str__(self) -> str:
        return self.name
