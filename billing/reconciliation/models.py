"""Feeds, staged lines, match groups with their difference lines, breaks, provider payouts, rulebooks and runs."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from backoffice.kit.ids import PublicIdField
from billing.reconciliation.states import (
    BookState,
    BreakState,
    Composition,
    GroupState,
    Leg,
    LineState,
    PayoutState,
    Side,
)


class FeedKind(models.TextChoices):
    GATEWAY = "gateway", "balance transactions of a gateway"
    BUYER = "buyer", "files of buyer payments"
    BANK = "bank", "bank statements"


class Feed(models.Model):
    """Somebody who tells us line by line what happened to money of ours, and how far either side of it is staged.

    `templates` are the postings it is held against ([]: all on its accounts). The ledger is staged behind `ledger_upto`; ids up to
    `ledger_candidate` are closed once no transaction below `candidate_xid` runs any more.
    """

    name = models.CharField(max_length=60, unique=True, db_collation="C", help_text="The holder of its accounts in the books.")
    kind = models.CharField(max_length=10, choices=FeedKind.choices)
    templates = models.JSONField(default=list)
    fetched_upto_at = models.DateTimeField(null=True)
    ledger_upto = models.BigIntegerField(default=0)
    ledger_candidate = models.BigIntegerField(default=0)
    candidate_xid = models.CharField(max_length=24, blank=True)
    created_at = models.DateTimeField()
    last_fetch_at = models.DateTimeField(null=True)
    last_problem = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return self.name


class MatchRulebook(models.Model):
    """One version of all rules, in order: proposed by one person, in force when another says so. `rules` is read by rulebook.py alone."""

    public_id = PublicIdField(prefix="rrb")
    version = models.PositiveIntegerField(unique=True)
    rules = models.JSONField()
    sla_days = models.JSONField()
    reason = models.TextField()
    state = models.CharField(max_length=10, choices=BookState.choices, default=BookState.PROPOSED)
    made_by = models.CharField(max_length=80)
    made_at = models.DateTimeField()
    approved_by = models.CharField(max_length=80, blank=True)
    in_force_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["state"], name="one_rulebook_in_force", condition=Q(state="in_force"))]

    def __str__(self) -> str:
        return f"rules {self.version}"


class MatchGroup(models.Model):
    """Lines that belong together. One for each key: a later line under the same name joins it, and the verdict is made again.

    Per leg: theirs − ours = the sum of its difference lines, or it is not `posted`. Sums are signed from our side of the account.
    """

    key = models.CharField(max_length=220, db_collation="C", help_text="Rule, leg, holder, currency and name.")
    leg = models.CharField(max_length=10, choices=Leg.choices)
    holder = models.CharField(max_length=60, db_collation="C")
    reference = models.CharField(max_length=120, db_collation="C")
    currency = models.CharField(max_length=3)
    rulebook = models.ForeignKey(MatchRulebook, on_delete=models.PROTECT, db_index=False, related_name="+")
    rule = models.CharField(max_length=40)
    state = models.CharField(max_length=10, choices=GroupState.choices, default=GroupState.EXPECTED)
    theirs_minor = models.BigIntegerField(default=0)
    ours_minor = models.BigIntegerField(default=0)
    lines_count = models.PositiveIntegerField(default=0)
    last_on = models.DateField()
    decided_by = models.CharField(max_length=80, blank=True)
    forced = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key"], name="match_group_once", condition=~Q(state="void"))]
        indexes = [
            models.Index(
                fields=["state", "id"],
                name="match_group_open",
                condition=~Q(state__in=["posted", "void"]),
            ),
            models.Index(fields=["reference"], name="match_group_reference"),
        ]

    def __str__(self) -> str:
        return f"match {self.pk}"


class StagedLine(models.Model):
    """One fact of one side: a provider's balance transaction, a buyer's payment, a bank's line, or an entry of our ledger.

    (source, holder, source_ref) names it for ever. `amount_minor` is signed from our side: positive, our account there grows. Of a
    provider's transaction it is the amount before fees, as we book it; `fee_minor` is what the provider kept.
    """

    side = models.CharField(max_length=6, choices=Side.choices)
    leg = models.CharField(max_length=10, choices=Leg.choices)
    source = models.CharField(max_length=10, help_text="provider, buyer, bank or ledger.", db_collation="C")
    holder = models.CharField(max_length=60, db_collation="C")
    source_ref = models.CharField(max_length=200, db_collation="C")
    kind = models.CharField(max_length=40, db_collation="C")
    reference = models.CharField(max_length=120, blank=True, db_collation="C", help_text="Our own name of what it is about.")
    batch_reference = models.CharField(max_length=120, blank=True, db_collation="C")
    provider_ref = models.CharField(max_length=120, blank=True, db_collation="C", help_text="The provider's name of it.")
    trace_ref = models.CharField(max_length=120, blank=True, db_collation="C", help_text="The bank's or network's name of it.")
    payout_ref = models.CharField(max_length=120, blank=True, db_collation="C", help_text="The provider payout it is part of.")
    amount_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3, db_collation="C")
    on = models.DateField()
    state = models.CharField(max_length=12, choices=LineState.choices, default=LineState.STAGED)
    # set by statements over many lines of which the groups were written just before; a constraint would look each up again
    group = models.ForeignKey(
        MatchGroup, null=True, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="lines"
    )
    posting_id = models.BigIntegerField(null=True)
    bank_entry = models.ForeignKey(
        "payouts.BankFileEntry", null=True, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="+"
    )
    staged_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "holder", "source_ref"], name="staged_line_once"),
            models.CheckConstraint(condition=~Q(state="matched") | Q(group__isnull=False), name="matched_line_has_group"),
            models.CheckConstraint(
                condition=Q(side="ours", source="ledger") | Q(side="theirs", source__in=["provider", "buyer", "bank"]),
                name="staged_line_side",
            ),
        ]
        indexes = [
            models.Index(fields=["group"], name="staged_line_group", condition=Q(group__isnull=False)),
            models.Index(
                fields=["leg", "currency", "amount_minor", "on"], name="staged_line_loose", condition=Q(group__isnull=True)
            ),
            models.Index(fields=["holder", "payout_ref"], name="staged_line_payout", condition=~Q(payout_ref="")),
            models.Index(fields=["reference"], name="staged_line_reference", condition=~Q(reference="")),
            # the provider's own lines of its payouts, found by name among a million others
            models.Index(
                fields=["holder", "provider_ref"],
                name="staged_line_of_payout",
                condition=Q(source="provider", kind__in=["payout", "payout_failure", "payout_cancel"]),
            ),
            models.Index(fields=["posting_id"], name="staged_line_posting", condition=Q(posting_id__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"line {self.pk}"


class DifferenceKind(models.TextChoices):
    FEE = "fee", "fee"
    FX = "fx", "exchange"
    ROUNDING = "rounding", "rounding"
    WRITE_OFF = "write_off", "written off"


class DifferenceLine(models.Model):
    """What a group's two sides differ by, and why: bounded by its rule, or by the two people of `approval`. Never edited."""

    group = models.ForeignKey(MatchGroup, on_delete=models.PROTECT, related_name="differences")
    leg = models.CharField(max_length=10, choices=Leg.choices)
    kind = models.CharField(max_length=10, choices=DifferenceKind.choices)
    amount_minor = models.BigIntegerField(help_text="Theirs less ours.")
    currency = models.CharField(max_length=3)
    posting = models.ForeignKey("payouts.Posting", on_delete=models.PROTECT, related_name="+")
    approval = models.CharField(max_length=40, blank=True, db_collation="C")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(amount_minor=0), name="difference_not_zero")]

    def __str__(self) -> str:
        return f"difference {self.pk}"


class ProviderPayout(models.Model):
    """A payout of a provider to our bank: made up of its transactions, sent, and found on a bank statement."""

    public_id = PublicIdField(prefix="ppo")
    gateway = models.CharField(max_length=60, db_collation="C")
    provider_ref = models.CharField(max_length=120, db_collation="C")
    trace_ref = models.CharField(max_length=120, blank=True, db_collation="C", help_text="What the bank will call it.")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=10, choices=PayoutState.choices, default=PayoutState.PENDING)
    composition = models.CharField(max_length=14, choices=Composition.choices, default=Composition.IN_PROGRESS)
    transactions = models.PositiveIntegerField(default=0)
    gross_minor = models.BigIntegerField(default=0)
    fee_minor = models.BigIntegerField(default=0)
    made_on = models.DateField()
    arrives_on = models.DateField()
    linked_at = models.DateTimeField(null=True, help_text="When the provider was last asked for its transactions.")
    sent_posting = models.ForeignKey("payouts.Posting", null=True, on_delete=models.PROTECT, related_name="+")
    arrived_posting = models.ForeignKey("payouts.Posting", null=True, on_delete=models.PROTECT, related_name="+")
    back_posting = models.ForeignKey("payouts.Posting", null=True, on_delete=models.PROTECT, related_name="+")
    group = models.OneToOneField(MatchGroup, null=True, on_delete=models.PROTECT, related_name="payout")
    closed_at = models.DateTimeField(null=True, help_text="When all three sides agreed.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["gateway", "provider_ref"], name="provider_payout_once"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="provider_payout_positive"),
        ]
        indexes = [models.Index(fields=["id"], name="provider_payout_open", condition=Q(closed_at__isnull=True))]

    def __str__(self) -> str:
        return f"{self.gateway} {self.provider_ref}"


class BreakKind(models.TextChoices):
    THEIRS_ALONE = "theirs_alone", "they say it, we did not book it"
    OURS_ALONE = "ours_alone", "we booked it, nobody confirms it"
    OVER = "over", "they say more than we booked"
    UNDER = "under", "they say less than we booked"
    CURRENCY = "currency", "another currency"
    DATA = "data", "facts contradict"
    SPLIT = "split", "parts do not make the whole"


class Break(models.Model):
    """A difference nobody has explained yet: of one line, or of one group. Owned from its first moment, aged from the day of the fact."""

    public_id = PublicIdField(prefix="brk")
    kind = models.CharField(max_length=14, choices=BreakKind.choices)
    line = models.ForeignKey(StagedLine, null=True, on_delete=models.PROTECT, related_name="breaks")
    group = models.ForeignKey(MatchGroup, null=True, on_delete=models.PROTECT, related_name="breaks")
    leg = models.CharField(max_length=10, choices=Leg.choices)
    holder = models.CharField(max_length=60, db_collation="C")
    reference = models.CharField(max_length=120, blank=True, db_collation="C")
    amount_minor = models.BigIntegerField(help_text="Theirs less ours.")
    currency = models.CharField(max_length=3)
    since_on = models.DateField(help_text="The day of the fact; its age counts from here.")
    due_on = models.DateField(help_text="When it is late, by the rulebook.")
    owner = models.CharField(max_length=80, default="finance", help_text="finance until a person takes it.")
    explanation = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=BreakState.choices, default=BreakState.OPEN)
    wanted = models.JSONField(default=dict, help_text="The correction one person asks for.")
    corrected_by = models.CharField(max_length=80, blank=True)
    approved_by = models.CharField(max_length=80, blank=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(line__isnull=False) ^ Q(group__isnull=False), name="break_of_one_thing"),
            models.CheckConstraint(condition=~Q(owner=""), name="break_has_owner"),
            models.UniqueConstraint(fields=["line"], name="one_live_break_a_line", condition=Q(state__in=["open", "requested"])),
            models.UniqueConstraint(
                fields=["group"], name="one_live_break_a_group", condition=Q(state__in=["open", "requested"])
            ),
        ]
        indexes = [
            models.Index(fields=["due_on", "id"], name="break_live", condition=Q(state__in=["open", "requested"])),
            models.Index(fields=["reference"], name="break_reference"),
        ]

    def __str__(self) -> str:
        return self.public_id


class ReconciliationRun(models.Model):
    """One pass over everything staged: what it found, and how much matched by itself."""

    rulebook = models.ForeignKey(MatchRulebook, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    lines_upto = models.BigIntegerField(default=0, help_text="Lines up to this id were judged.")
    bank_entries_upto = models.BigIntegerField(default=0, help_text="Entries of bank files up to this id were staged.")
    counts = models.JSONField(default=dict)
    coverage = models.JSONField(default=list, help_text="Per holder, account and currency: how much of theirs matched by itself.")
    actor = models.CharField(max_length=80)

    def __str__(self) -> str:
        return f"run {self.pk}"
