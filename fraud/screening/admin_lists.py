"""Screens of lists with their versions and differences, of entries, and of the policy with its picture."""

from __future__ import annotations

import json
import tempfile
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet

from backoffice.kit.actors import Actor
from backoffice.kit.admin import (
    Button,
    Column,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    display,
    fields,
    instant_column,
    link_column,
    number_column,
    person_column,
    queue,
    reason_column,
    state_column,
)
from fraud.screening import operations
from fraud.screening.loading import Loaded
from fraud.screening.models import ListEntry, ListVersion, ScreeningList, ScreeningPolicy
from fraud.screening.picture import LEGEND, drawing
from fraud.screening.policy import PolicyInvalid, shown
from fraud.screening.reading import FORMATS
from fraud.screening.states import POLICY, PolicyState


def load_upload(*, file: Any, list_format: str, name: str, accept_shrink: str, actor: Actor, at: datetime) -> Loaded:
    """Load an uploaded list, as load_list does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(file.name).name
        with path.open("wb") as target:
            for piece in file.chunks():
                target.write(piece)
        return operations.load_list(
            path=path, list_format=list_format, name=name, actor=actor, at=at, accept_shrink=accept_shrink
        )


def _loaded_text(row: Any, loaded: Loaded) -> str:
    if not loaded.new:
        return f"{loaded.list} says the same as version {loaded.version}; nothing changed."
    return (
        f"{loaded.list} version {loaded.version}: {loaded.added:,} added, {loaded.changed:,} changed, {loaded.removed:,} removed."
    )


def _versions_of(row: ScreeningList, look: Look) -> Table:
    rows, older = look.slice_of(ListVersion.objects.filter(list=row).select_related("run"))
    people = display.people(one.loaded_by for one in rows)
    return Table(
        [
            Column("Version"),
            Column("Loaded"),
            Column("By"),
            Column("Entries"),
            Column("Added"),
            Column("Changed"),
            Column("Removed"),
            Column("Pass"),
        ],
        [
            (
                display.link(one, f"v{one.number}"),
                display.instant(one.loaded_at),
                people.get(one.loaded_by, one.loaded_by),
                *(display.number(count) for count in (one.entries, one.added, one.changed, one.removed)),
                f"{one.run.get_state_display()}: {one.run.affected:,} of {one.run.looked_at:,} parties concerned",
            )
            for one in rows
        ],
        older=older,
    )


@admin.register(ScreeningList)
class ScreeningListAdmin(OperatorAdmin):
    list_display = ("name", "format", "created")
    empty_title = "No list is loaded"
    empty_text = "Until one is, no party can be screened, and none counts as clean."
    panels = (Panel("versions", "Versions", _versions_of, permission="fraud.view_listversion", lazy=False),)
    list_buttons = (
        Button(
            name="load",
            label="Load a list",
            verb=load_upload,
            permission="fraud.load_lists",
            arguments=lambda row, asked: asked,
            fields=lambda row: {
                "file": fields.upload(
                    "File", "As published, or gzipped. OFAC's aliases are separate files: load those with manage.py load_list."
                ),
                "list_format": fields.choice("Format", [(name, name) for name in FORMATS]),
                "name": fields.text("Name", "The same name again makes the next version.", max_length=59),
                "accept_shrink": fields.long_text(
                    "Why many entries may go", "Only when a loading was refused for it.", required=False
                ),
            },
            explain="The file becomes the list's next version, or nothing happens. Parties it concerns are screened again.",
            done=_loaded_text,
        ),
    )
    created = instant_column("First loaded", "created_at")

    def facts(self, row: ScreeningList) -> list[tuple[str, Any]]:
        return [("Format", row.format), ("First loaded", display.instant(row.created_at))]


def _entries_table(rows: QuerySet[ListEntry], look: Look, empty: str) -> Table:
    page, older = look.slice_of(rows.select_related("replaces"))
    return Table(
        [Column("Entry"), Column("Id"), Column("Programme"), Column("What changed")],
        [(display.link(row, row.name[:80]), row.source_id, ", ".join(row.programmes), difference(row)) for row in page],
        empty=empty,
        older=older,
    )


def difference(row: ListEntry) -> str:
    """Return in words what an entry says otherwise than the one it replaces."""
    if row.replaces is None:
        return "new"
    names = ("kind", "name", "aliases", "births", "countries", "identifiers", "programmes")
    return ", ".join(name for name in names if getattr(row, name) != getattr(row.replaces, name)) or "order"


def _brought(version: ListVersion, look: Look) -> Table:
    return _entries_table(ListEntry.objects.filter(since=version), look, "This version brought nothing.")


def _removed(version: ListVersion, look: Look) -> Table:
    rows = ListEntry.objects.filter(until=version, replaced_by=None)
    return _entries_table(rows, look, "This version removed nothing.")


@admin.register(ListVersion)
class ListVersionAdmin(OperatorAdmin):
    list_display = ("version_shown", "loaded", "entries_shown", "added_shown", "changed_shown", "removed_shown", "who")
    list_select_related = ("list", "run")
    actor_fields = ("loaded_by",)
    panels = (
        Panel("brought", "Added and changed", _brought, permission="fraud.view_listentry", lazy=False, order=10),
        Panel("removed", "Removed", _removed, permission="fraud.view_listentry", order=20),
    )
    loaded = instant_column("Loaded", "loaded_at")
    entries_shown = number_column("Entries", "entries")
    added_shown = number_column("Added", "added")
    changed_shown = number_column("Changed", "changed")
    removed_shown = number_column("Removed", "removed")
    who = person_column("By", "loaded_by")

    @admin.display(description="Version")
    def version_shown(self, row: ListVersion) -> str:
        return str(row)

    def standing(self, row: ListVersion) -> str:
        run = row.run
        return f"{run.get_state_display().capitalize()}: {run.looked_at:,} parties compared with what it brought, {run.affected:,} screened again."

    def facts(self, row: ListVersion) -> list[tuple[str, Any]]:
        return [
            ("List", display.link(row.list)),
            ("Entries", display.number(row.entries)),
            ("Names", display.number(row.names)),
            ("Added", display.number(row.added)),
            ("Changed", display.number(row.changed)),
            ("Removed", display.number(row.removed)),
            ("Why so many may go", row.shrink_reason),
            ("File", row.file_name),
            ("SHA-256", display.copyable(row.sha256, row.sha256[:12])),
            ("Loaded", display.instant(row.loaded_at)),
            ("By", self.person(row, "loaded_by")),
        ]


def _names_of(entry: ListEntry, look: Look) -> Table:
    rows = [(entry.name, "the entry's name"), *((text, "weak alias" if weak else "alias") for text, weak in entry.aliases)]
    return Table([Column("Name"), Column("What it is")], rows[:200])


@admin.register(ListEntry)
class ListEntryAdmin(OperatorAdmin):
    list_display = ("name_shown", "source_id", "list_shown", "kind", "since_shown", "until_shown")
    list_select_related = ("list", "since__list", "until__list", "replaces")
    search_by = (lambda term: Q(source_id=term), lambda term: Q(name__iexact=term))
    search_help_text = "The entry's id in its list, or its whole name"
    panels = (Panel("names", "Names", _names_of, lazy=False),)
    list_shown = link_column("List", "list")
    since_shown = link_column("Since", "since")
    until_shown = link_column("Until", "until")

    @admin.display(description="Name")
    def name_shown(self, row: ListEntry) -> str:
        return row.name[:80]

    def page_title(self, row: ListEntry) -> str:
        return row.name[:80]

    def facts(self, row: ListEntry) -> list[tuple[str, Any]]:
        return [
            ("List", display.link(row.list)),
            ("Id there", row.source_id),
            ("Kind", row.kind),
            ("Born", ", ".join(row.births)),
            ("Countries", ", ".join(row.countries)),
            ("Identifiers", ", ".join(row.identifiers)),
            ("Programme", ", ".join(row.programmes)),
            ("Since", display.link(row.since)),
            ("Until", display.link(row.until)),
            ("Replaces", display.link(row.replaces)),
            ("What changed", difference(row)),
        ]


# --- the policy ---------------------------------------------------------------------------------------------------------

queue(
    name="screening_policies",
    title="Policies to approve",
    model=ScreeningPolicy,
    rows=lambda at: ScreeningPolicy.objects.filter(state=PolicyState.PROPOSED),
    age_field="made_at",
    help_text="Somebody wants another threshold: look at what it finds and what it misses.",
    order=66,
)


def _curve(policy: ScreeningPolicy, look: Look) -> Table:
    points = policy.curve.get("curve", [])
    if not points:
        return Table(
            [],
            [],
            empty="Nothing was measured for this policy. Run manage.py bench screening --json and propose with its answer.",
        )
    table = [one for one in points if one["threshold"] % 4 == 0 or one["threshold"] == float(policy.threshold)]
    rows: list[tuple[Any, ...]] = [("", drawing(points, float(policy.threshold), float(policy.strong_threshold)), "")]
    rows += [(f"{one['threshold']:g}", f"{one['recall']:.2%}", f"{one['false_alarm_rate']:.3%}") for one in table]
    counted = f"{policy.curve.get('positives', 0):,} altered and {policy.curve.get('negatives', 0):,} clean names"
    return Table([Column("Threshold"), Column("Recall"), Column("False alarms")], rows, note=f"{LEGEND} Measured on {counted}.")


def _policy_fields(row: Any) -> dict[str, Any]:
    return {
        "threshold": fields.number("A hit from", "Score from 60 to 100.", low=60, high=100),
        "strong_threshold": fields.number("A strong hit from", "Clearing it takes two people.", low=60, high=100),
        "clearance_days": fields.number("A clearance lasts", "Days.", low=1, high=730),
        "shrink_percent": fields.number("A list may shrink by", "Percent of its entries in one loading, unasked.", high=100),
        "stale_hours": fields.number("Overdue after", "Hours without an answer.", low=1, high=720),
        "reason": fields.reason(),
        "curve": fields.upload("What was measured", "The answer of manage.py bench screening --json."),
    }


def _proposal(row: Any, asked: dict[str, Any]) -> dict[str, Any]:
    try:
        curve = json.loads(asked["curve"].read(2_000_000))
        points = [{name: float(one[name]) for name in ("threshold", "recall", "false_alarm_rate")} for one in curve["curve"]]
        measured = {"curve": points, **{name: int(curve[name]) for name in ("positives", "negatives")}}
    except (ValueError, KeyError, TypeError):
        raise PolicyInvalid(detail="The measurement is not an answer of manage.py bench screening --json.") from None
    given = {name: asked[name] for name in ("clearance_days", "shrink_percent", "stale_hours", "reason")}
    return given | {
        "threshold": Decimal(asked["threshold"]),
        "strong_threshold": Decimal(asked["strong_threshold"]),
        "curve": measured,
    }


@admin.register(ScreeningPolicy)
class ScreeningPolicyAdmin(OperatorAdmin):
    list_display = ("version_shown", "threshold", "strong_threshold", "state_shown", "made", "who", "why")
    actor_fields = ("made_by", "approved_by")
    machine = POLICY
    panels = (Panel("curve", "What it finds, and what it disturbs", _curve, lazy=False),)
    list_buttons = (
        Button(
            name="propose",
            label="Propose a policy",
            verb=operations.propose_policy,
            permission="fraud.propose_policy",
            arguments=_proposal,
            fields=_policy_fields,
            explain="It comes into force when a second person approves it; every party is then screened again.",
            done=lambda row, policy: f"Policy {policy.version} waits for a second person.",
        ),
    )
    buttons = (
        Button(
            name="adopt",
            label="Approve",
            verb=operations.adopt_policy,
            permission="fraud.approve_policy",
            arguments=lambda row, asked: {"policy_id": row.pk, **asked},
            states=(PolicyState.PROPOSED,),
            state_field="state",
            fields=lambda row: {"reason": fields.reason(required=False)},
            effect=lambda row: [(name.replace("_", " ").capitalize(), value) for name, value in shown(row).items()],
            explain="From now on this decides what a hit is; every party is screened again.",
            done="The policy is in force.",
        ),
        Button(
            name="refuse",
            label="Refuse",
            verb=operations.refuse_policy,
            permission="fraud.approve_policy",
            arguments=lambda row, asked: {"policy_id": row.pk, **asked},
            states=(PolicyState.PROPOSED,),
            state_field="state",
            fields=lambda row: {"reason": fields.reason()},
            danger=True,
            done="The policy is refused.",
        ),
    )
    state_shown = state_column("State", "state")
    made = instant_column("Proposed", "made_at")
    who = person_column("By", "made_by")
    why = reason_column("Why", "reason")

    @admin.display(description="Policy")
    def version_shown(self, row: ScreeningPolicy) -> str:
        return f"policy {row.version}"

    def page_title(self, row: ScreeningPolicy) -> str:
        return f"Screening policy {row.version}"

    def standing(self, row: ScreeningPolicy) -> str:
        return row.reason

    def facts(self, row: ScreeningPolicy) -> list[tuple[str, Any]]:
        return [
            ("A hit from", row.threshold),
            ("A strong hit from", row.strong_threshold),
            ("A clearance lasts", f"{row.clearance_days} days"),
            ("A list may shrink by", f"{row.shrink_percent} %"),
            ("Overdue after", f"{row.stale_hours} h"),
            ("Proposed", display.instant(row.made_at)),
            ("By", self.person(row, "made_by")),
            ("Approved by", self.person(row, "approved_by")),
            ("In force since", display.instant(row.in_force_at)),
        ]
