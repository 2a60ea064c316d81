"""States of tax reports and of the asking for tax data, with their allowed moves; the closed lists beside them."""

from django.db import models

from backoffice.kit.states import machine


class Regime(models.TextChoices):
    DAC7 = "dac7", "DAC7"
    US_1099K = "1099k", "Form 1099-K"


class ReportState(models.TextChoices):
    PREPARED = "prepared", "prepared"
    FROZEN = "frozen", "frozen, to be filed"
    FILED = "filed", "filed"
    DISCARDED = "discarded", "discarded"


class ReportKind(models.TextChoices):
    INITIAL = "initial", "initial"
    CORRECTED = "corrected", "corrected"


class LineCode(models.TextChoices):
    """Why a seller's line is not reported; '' is reported."""

    BELOW_THRESHOLD = "below_threshold", "below the threshold"
    GOVERNMENTAL = "governmental", "a governmental entity"
    LISTED = "listed", "listed on a stock exchange, or belongs to one that is"
    CURRENCY = "currency_not_reported", "another currency than the form's"
    NOTHING_TO_REPORT = "nothing_to_report", "nothing was paid or credited"
    DATA_MISSING = "data_missing", "left out: data is missing"


class Exclusion(models.TextChoices):
    """What a seller is that the law leaves out; '' is nothing of it."""

    NONE = "", "not excluded"
    GOVERNMENTAL = "governmental", "a governmental entity"
    LISTED = "listed", "listed on a stock exchange, or belongs to one that is"


class TaxFileState(models.TextChoices):
    COMPLETE = "complete", "complete"
    ASKED = "asked", "asked"
    REMINDED = "reminded", "reminded once"
    REMINDED_AGAIN = "reminded_again", "reminded twice"
    WITHHELD = "withheld", "payouts stopped"


R = ReportState
REPORT = machine(
    "tax_report",
    "payouts_taxreport",
    ReportState,
    {"": [R.PREPARED], R.PREPARED: [R.FROZEN, R.DISCARDED], R.FROZEN: [R.FILED, R.DISCARDED]},
    column="state",
)

F = TaxFileState
TAX_FILE = machine(
    "tax_file",
    "payouts_taxfile",
    TaxFileState,
    {
        "": [F.ASKED, F.COMPLETE],
        F.ASKED: [F.REMINDED, F.COMPLETE],
        F.REMINDED: [F.REMINDED_AGAIN, F.COMPLETE],
        F.REMINDED_AGAIN: [F.WITHHELD, F.COMPLETE],
        F.WITHHELD: [F.COMPLETE],
        F.COMPLETE: [F.ASKED],
    },
    column="state",
)
WAITING = [F.ASKED, F.REMINDED, F.REMINDED_AGAIN, F.WITHHELD]
