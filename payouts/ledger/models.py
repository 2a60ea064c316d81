"""Tables of the ledger; see money.md. Rules of the database (balance, immutability, floors, periods) stand in the migrations."""

from django.db import models


class Account(models.Model):
    """One account: a code of the chart, a holder and a currency. `holder_id` is the party's row id (0 where there is none)."""

    code = models.CharField(max_length=40, db_collation="C")
    holder_id = models.BigIntegerField(default=0)
    holder = models.CharField(max_length=60, default="", blank=True, db_collation="C")
    currency = models.CharField(max_length=3, db_collation="C")
    normal_sign = models.SmallIntegerField(help_text="1: debit is the normal side; -1: credit.")
    guarded = models.BooleanField(help_text="Keeps a materialised balance with a floor; hot accounts do not.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["code", "holder_id", "holder", "currency"], name="account_once"),
            models.CheckConstraint(condition=models.Q(normal_sign__in=[1, -1]), name="account_sign"),
        ]
        indexes = [models.Index(fields=["holder_id", "currency", "code"], name="account_by_holder")]

    def __str__(self) -> str:
        return f"{self.code} {self.holder or self.holder_id or ''} {self.currency}".replace("  ", " ")


class Balance(models.Model):
    """The materialised balance of a guarded account, in storage sign (debit positive); its floor is on the normal side."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT, primary_key=True, related_name="balance")
    amount_minor = models.BigIntegerField(default=0)
    normal_sign = models.SmallIntegerField()
    floor_minor = models.BigIntegerField(default=0, null=True)
    floor_wanted_minor = models.BigIntegerField(
        null=True, help_text="Where the floor is going: set while the balance is below it, and the floor follows up."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(floor_minor__isnull=True)
                | models.Q(floor_minor__lte=models.F("amount_minor") * models.F("normal_sign")),
                name="balance_not_below_floor",
            )
        ]

    def __str__(self) -> str:
        return f"balance of account {self.account_id}"


class FloorChange(models.Model):
    """One decision about an account's floor (on the normal side): written by the database with the decision, never edited."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="floor_changes")
    floor_minor = models.BigIntegerField()
    actor = models.CharField(max_length=80)
    reason = models.CharField(max_length=200)
    recorded_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"floor {self.floor_minor} of account {self.account_id}"


class Posting(models.Model):
    """One balanced ledger transaction, made from a template. Never updated, never deleted."""

    template = models.CharField(max_length=40, db_collation="C")
    template_version = models.SmallIntegerField(default=1)
    key = models.CharField(max_length=120, db_collation="C")
    fingerprint = models.CharField(max_length=32, db_collation="C")
    source_kind = models.CharField(max_length=20, db_collation="C", blank=True)
    source_id = models.BigIntegerField(default=0)
    actor = models.CharField(max_length=80)
    approver = models.CharField(max_length=80, blank=True)
    reason = models.TextField(blank=True)
    recorded_at = models.DateTimeField()
    effective_at = models.DateTimeField()
    reverses = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="reversed_by")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["template", "key"], name="posting_once")]
        indexes = [
            models.Index(fields=["source_kind", "source_id"], name="posting_source"),
            models.Index(fields=["recorded_at"], name="posting_recorded"),
        ]

    def __str__(self) -> str:
        return f"{self.template} {self.key}"


class Entry(models.Model):
    """One side of a posting, in storage sign: debit positive, credit negative.

    Its references are proved by the statement trigger that proves the balance: a foreign key would check row by row, and lock the row of a hot
    account for every sale.
    """

    posting = models.ForeignKey(Posting, on_delete=models.PROTECT, related_name="entries", db_index=False, db_constraint=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="entries", db_index=False, db_constraint=False)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3, db_collation="C")
    position = models.SmallIntegerField()

    class Meta:
        verbose_name_plural = "entries"
        constraints = [
            models.UniqueConstraint(fields=["posting", "position"], name="entry_position"),
            models.CheckConstraint(condition=~models.Q(amount_minor=0), name="entry_not_zero"),
        ]
        indexes = [models.Index(fields=["account", "id"], include=["amount_minor"], name="entry_by_account")]

    def __str__(self) -> str:
        return f"entry {self.pk}"


class Checkpoint(models.Model):
    """The sum of a hot account's entries up to and including one entry id; a read adds the tail."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT, primary_key=True, related_name="checkpoint")
    upto_entry_id = models.BigIntegerField()
    amount_minor = models.BigIntegerField()
    folded_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"checkpoint of account {self.account_id}"


class Horizon(models.Model):
    """A candidate for the next checkpoint: entry ids up to `upto_entry_id` are closed once no transaction below `boundary_xid` runs any more."""

    upto_entry_id = models.BigIntegerField()
    boundary_xid = models.CharField(max_length=24)
    noted_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"horizon {self.upto_entry_id}"


class PeriodState(models.TextChoices):
    OPEN = "open", "open"
    SOFT_CLOSED = "soft_closed", "soft-closed"
    CLOSED = "closed", "closed"


class Period(models.Model):
    """An accounting month: [starts_on, ends_on]. A trigger refuses postings recorded in a closed one."""

    starts_on = models.DateField(unique=True)
    ends_on = models.DateField()
    state = models.CharField(max_length=12, choices=PeriodState.choices, default=PeriodState.OPEN)
    closed_by = models.CharField(max_length=80, blank=True)
    closed_at = models.DateTimeField(null=True)
    trial_balance_hash = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"{self.starts_on:%Y-%m}"
