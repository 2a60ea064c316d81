"""Lists and their versions, parties, checks, hits, clearances, the policy, and passes of new versions over the parties."""

from __future__ import annotations

import builtins
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from backoffice.kit.crypto import SealedField
from backoffice.kit.ids import PublicIdField
from fraud.screening.states import HitState, PartyState, PassState, PolicyState


class PartyKind(models.TextChoices):
    PERSON = "person", "person"
    ENTITY = "entity", "company or other entity"


class Trigger(models.TextChoices):
    CREATED = "created", "the party is new"
    CHANGED = "changed", "the party changed"
    LIST = "list", "a list changed"
    POLICY = "policy", "the policy changed"
    CLEARANCE = "clearance", "a clearance ended"
    RETRY = "retry", "the last check failed"
    ASKED = "asked", "somebody asked"


class CheckResult(models.TextChoices):
    CLEAN = "clean", "clean"
    HIT = "hit", "hit"
    NOT_SCREENABLE = "not_screenable", "cannot be compared"
    FAILED = "failed", "failed"


class ScreeningList(models.Model):
    """One list of one publisher; its content are its versions."""

    public_id = PublicIdField(prefix="lst")
    name = models.CharField(max_length=60, unique=True)
    format = models.CharField(max_length=20)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class ListVersion(models.Model):
    """One loading of a list: what came, what changed, what went. The highest number is the one in use."""

    public_id = PublicIdField(prefix="lsv")
    list = models.ForeignKey(ScreeningList, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    file_name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    loaded_by = models.CharField(max_length=80)
    loaded_at = models.DateTimeField()
    entries = models.PositiveIntegerField()
    names = models.PositiveIntegerField()
    added = models.PositiveIntegerField()
    changed = models.PositiveIntegerField()
    removed = models.PositiveIntegerField()
    shrink_reason = models.TextField(blank=True, help_text="Why a delta that removed much was accepted.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["list", "number"], name="list_version_once")]

    def __str__(self) -> str:
        return f"{self.list.name} v{self.number}"


class ListEntry(models.Model):
    """One content of one entry, from the version that brought it to the version that changed or removed it. Never edited otherwise."""

    list = models.ForeignKey(ScreeningList, on_delete=models.PROTECT, related_name="entries")
    source_id = models.CharField(max_length=120, db_collation="C")
    since = models.ForeignKey(ListVersion, on_delete=models.PROTECT, related_name="brought")
    until = models.ForeignKey(ListVersion, null=True, on_delete=models.PROTECT, related_name="ended")
    replaces = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="replaced_by")
    kind = models.CharField(max_length=10)
    name = models.TextField()
    aliases = models.JSONField(default=builtins.list, help_text="[text, weak] each.")
    births = models.JSONField(default=builtins.list)
    countries = models.JSONField(default=builtins.list)
    identifiers = models.JSONField(default=builtins.list)
    programmes = models.JSONField(default=builtins.list)
    fingerprint = models.CharField(max_length=64)

    class Meta:
        verbose_name_plural = "list entries"
        constraints = [
            models.UniqueConstraint(fields=["list", "source_id"], condition=Q(until__isnull=True), name="one_live_entry"),
        ]
        indexes = [
            models.Index(fields=["list", "id"], name="list_entry_live", condition=Q(until__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.name[:80]} ({self.source_id})"


class ScreeningPolicy(models.Model):
    """Which score is a hit, which needs two people, how long a clearance lasts, how far a list may shrink; with the reason and its picture."""

    public_id = PublicIdField(prefix="scp")
    version = models.PositiveIntegerField(unique=True)
    threshold = models.DecimalField(max_digits=5, decimal_places=2)
    strong_threshold = models.DecimalField(max_digits=5, decimal_places=2)
    clearance_days = models.PositiveSmallIntegerField()
    shrink_percent = models.PositiveSmallIntegerField()
    stale_hours = models.PositiveSmallIntegerField(help_text="After so long without an answer a party counts as overdue.")
    reason = models.TextField()
    curve = models.JSONField(
        default=dict, help_text="What a bench measured: source, points of threshold, recall, false_alarm_rate."
    )
    state = models.CharField(max_length=10, choices=PolicyState.choices, default=PolicyState.PROPOSED)
    made_by = models.CharField(max_length=80)
    made_at = models.DateTimeField()
    approved_by = models.CharField(max_length=80, blank=True)
    in_force_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "screening policies"
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=Q(state="in_force"), name="one_policy_in_force"),
            models.CheckConstraint(
                condition=Q(threshold__gte=60, threshold__lte=models.F("strong_threshold"), strong_threshold__lte=100),
                name="policy_thresholds",
            ),
        ]

    def __str__(self) -> str:
        return f"policy {self.version}"


class Party(models.Model):
    """Somebody who must not be on a list. What is compared is sealed; `fingerprint` (keyed) changes exactly when it does."""

    public_id = PublicIdField(prefix="pty")
    subject = models.CharField(max_length=60, unique=True, db_collation="C")
    kind = models.CharField(max_length=10, choices=PartyKind.choices)
    facts = SealedField(help_text="JSON: names, birth_on, countries, identifiers.")
    name_indexes = ArrayField(
        models.CharField(max_length=64),
        default=builtins.list,
        help_text="A blind index of each name: equal names are found unopened.",
    )
    fingerprint = models.CharField(max_length=64)
    told_by = models.CharField(max_length=20, help_text="Who keeps these facts right: a room, or the seller's own record.")
    state = models.CharField(max_length=16, choices=PartyState.choices, default=PartyState.DUE)
    told = models.CharField(
        max_length=16, blank=True, help_text="The state that was told last: a second check with the same answer is no news."
    )
    trigger = models.CharField(max_length=10, choices=Trigger.choices, default=Trigger.CREATED)
    problem = models.CharField(max_length=60, blank=True)
    covers = models.JSONField(default=dict, help_text="{list: version} this party was compared with.")
    due_since = models.DateTimeField(null=True)
    next_try_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    screened_at = models.DateTimeField(null=True)
    erased_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "parties"
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="erased") | Q(facts="", next_try_at__isnull=True, erased_at__isnull=False),
                name="erased_party_is_empty",
            ),
        ]
        indexes = [
            GinIndex(fields=["name_indexes"], name="party_names"),
            models.Index(fields=["next_try_at", "id"], name="party_to_screen", condition=Q(next_try_at__isnull=False)),
            models.Index(fields=["state", "id"], name="party_state"),
        ]

    def __str__(self) -> str:
        return self.subject


class Check(models.Model):
    """One question put to the lists and its answer. Appended, never edited; without a party it is a look-up by hand, whose name is not kept."""

    public_id = PublicIdField(prefix="scr")
    party = models.ForeignKey(Party, null=True, on_delete=models.PROTECT, related_name="checks")
    party_fingerprint = models.CharField(max_length=64, blank=True)
    trigger = models.CharField(max_length=10, choices=Trigger.choices)
    provider = models.CharField(max_length=20)
    versions = models.JSONField(default=dict)
    policy = models.ForeignKey(ScreeningPolicy, on_delete=models.PROTECT, related_name="+")
    result = models.CharField(max_length=16, choices=CheckResult.choices)
    problem = models.CharField(max_length=60, blank=True)
    hits = models.PositiveSmallIntegerField(default=0)
    duration_us = models.PositiveIntegerField()
    actor = models.CharField(max_length=80)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["party", "id"], name="check_party")]

    def __str__(self) -> str:
        return f"{self.result} {self.public_id}"


class Hit(models.Model):
    """A party that may be a list entry; one row for the two, however often they meet. `listed` is the entry as it was compared."""

    public_id = PublicIdField(prefix="hit")
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="hits")
    list_name = models.CharField(max_length=60)
    source_id = models.CharField(max_length=120, db_collation="C")
    entry = models.ForeignKey(ListEntry, null=True, on_delete=models.PROTECT, related_name="hits")
    entry_fingerprint = models.CharField(max_length=64)
    party_fingerprint = models.CharField(max_length=64)
    listed = models.JSONField(default=dict)
    listed_name = models.TextField()
    score = models.DecimalField(max_digits=5, decimal_places=2)
    strong = models.BooleanField()
    factors = SealedField(help_text="JSON: code, points, sentence each; the sentences quote the party's name.")
    state = models.CharField(max_length=10, choices=HitState.choices, default=HitState.OPEN)
    found_by = models.ForeignKey(Check, on_delete=models.PROTECT, related_name="found")
    opened_at = models.DateTimeField()
    decided_by = models.CharField(max_length=80, blank=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["party", "list_name", "source_id"], name="one_hit_a_pair")]
        indexes = [
            models.Index(fields=["opened_at"], name="hit_to_judge", condition=Q(state__in=["open", "waiting"])),
            models.Index(fields=["list_name", "source_id"], name="hit_entry"),
        ]

    def __str__(self) -> str:
        return f"{self.listed_name[:60]} ({self.list_name})"


class Clearance(models.Model):
    """That a party is not a list entry, said by people about exactly these two contents, until a day. In force while `ended_at` is empty."""

    public_id = PublicIdField(prefix="clr")
    hit = models.ForeignKey(Hit, on_delete=models.PROTECT, related_name="clearances")
    party_fingerprint = models.CharField(max_length=64)
    entry_fingerprint = models.CharField(max_length=64)
    strong = models.BooleanField()
    reason = models.TextField()
    cleared_by = models.CharField(max_length=80)
    approved_by = models.CharField(max_length=80, blank=True)
    cleared_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_because = models.CharField(max_length=30, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hit"], condition=Q(ended_at__isnull=True), name="one_clearance_in_force"),
            models.CheckConstraint(condition=Q(strong=False) | ~Q(approved_by=""), name="strong_clearance_has_two_people"),
            models.CheckConstraint(condition=~Q(approved_by=models.F("cleared_by")), name="clearance_by_another"),
        ]
        indexes = [models.Index(fields=["expires_at"], name="clearance_ends", condition=Q(ended_at__isnull=True))]

    def __str__(self) -> str:
        return f"clearance {self.public_id}"


class ScreeningPass(models.Model):
    """One new version of a list on its way over all parties: `cursor` is the last party looked at, so that a crash costs one page."""

    version = models.OneToOneField(ListVersion, on_delete=models.PROTECT, related_name="run")
    state = models.CharField(max_length=10, choices=PassState.choices, default=PassState.RUNNING)
    cursor = models.BigIntegerField(default=0)
    looked_at = models.PositiveIntegerField(default=0)
    affected = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "screening passes"

    def __str__(self) -> str:
        return f"pass of {self.version}"


class ServerEdition(models.Model):
    """One state of the lists of a screening server, numbered by us as it was seen. While `done_at` is empty, parties it concerns become due."""

    dataset = models.CharField(max_length=60)
    number = models.PositiveIntegerField()
    edition = models.CharField(max_length=64, help_text="A digest of the names and versions of its indexes.")
    since_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="When the server said so last.")
    made_due = models.PositiveIntegerField(default=0)
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "number"], name="server_edition_once")]

    def __str__(self) -> str:
        return f"{self.dataset} edition {self.number}"


def entry_shown(entry: Any) -> dict[str, Any]:
    """Return an entry as a hit keeps it for the desk."""
    names = ("source_id", "kind", "name", "aliases", "births", "countries", "programmes")
    shown = {name: getattr(entry, name) for name in names}
    return shown | {"identifiers": [f"…{text[-4:]}" for text in entry.identifiers]}
