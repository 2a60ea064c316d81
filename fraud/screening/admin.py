"""Hits at the desk: the queues of screening, and the page where a hit is judged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    Button,
    Column,
    ExportColumn,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    display,
    fields,
    instant_column,
    link_column,
    person_column,
    queue,
    state_column,
    value_filter,
)
from fraud.screening import operations, queries
from fraud.screening.judging import requested_reason
from fraud.screening.models import Clearance, Hit, Party, ScreeningList
from fraud.screening.parties import facts_of
from fraud.screening.showing import party_link, party_name, subject_link
from fraud.screening.states import HIT, HitState


def _hits_in(state: str) -> Any:
    def rows(at: datetime) -> QuerySet[Hit]:
        return Hit.objects.filter(state=state)

    return rows


queue(
    name="screening_hits",
    title="Screening hits to judge",
    model=Hit,
    rows=_hits_in(HitState.OPEN),
    age_field="opened_at",
    help_text="Is the party who the list means? The strongest and oldest first: “Judge next” leads there.",
    order=62,
)
queue(
    name="clearances",
    title="Clearances to approve",
    model=Hit,
    rows=_hits_in(HitState.WAITING),
    age_field="opened_at",
    help_text="A colleague says that a strong hit is somebody else: look again, with other eyes.",
    order=63,
)
queue(
    name="not_screened",
    title="Parties not screened",
    model=Party,
    rows=queries.overdue,
    age_field="created_at",
    help_text="Nobody knows whether they are on a list: the check is overdue, or their names cannot be compared.",
    order=64,
)


# --- hits ---------------------------------------------------------------------------------------------------------------


def _both_sides(hit: Hit, look: Look) -> Table:
    party, listed = facts_of(hit.party), hit.listed
    aliases = [text + (" (weak)" if weak else "") for text, weak in listed.get("aliases", [])]
    rows = [
        ("Kind", hit.party.get_kind_display(), listed.get("kind", "")),
        ("Names", "; ".join(party.names), "; ".join([listed.get("name", ""), *aliases])),
        ("Born", display.day(party.birth_on), ", ".join(listed.get("births", []))),
        ("Countries", ", ".join(party.countries), ", ".join(listed.get("countries", []))),
        (
            "Identifiers",
            ", ".join(f"{kind} …{text[-4:]}" for kind, text in party.identifiers),
            ", ".join(listed.get("identifiers", [])),
        ),
        ("Programme", "", ", ".join(listed.get("programmes", []))),
        ("Id", subject_link(hit.party), hit.source_id),
    ]
    shown = [(what, ours or display.EMPTY, theirs or display.EMPTY) for what, ours, theirs in rows]
    return Table([Column(""), Column("The party"), Column(f"The entry of {hit.list_name}")], shown)


def _factors(hit: Hit, look: Look) -> Table:
    rows = [(one["code"].replace("_", " "), f"{one['points']:+.2f}", one["sentence"]) for one in json.loads(hit.factors or "[]")]
    return Table(
        [Column("What was compared"), Column("Points"), Column("Why")],
        rows,
        note="The score is their sum, between 0 and 100; an equal identifier alone makes 100.",
    )


def _clearances(hit: Hit, look: Look) -> Table:
    rows, older = look.slice_of(Clearance.objects.filter(hit=hit))
    names = display.people([actor for row in rows for actor in (row.cleared_by, row.approved_by)])
    return Table(
        [Column("Cleared"), Column("By"), Column("Approved by"), Column("Why"), Column("Until"), Column("Ended")],
        [
            (
                display.instant(row.cleared_at),
                names.get(row.cleared_by, display.EMPTY),
                names.get(row.approved_by, display.EMPTY),
                row.reason,
                display.instant(row.expires_at),
                f"{row.ended_because.replace('_', ' ')}" if row.ended_at else "in force",
            )
            for row in rows
        ],
        empty="This hit was never cleared.",
        older=older,
    )


def _hit_effect(hit: Hit) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = [
        ("Party", party_name(hit.party)),
        ("Entry", f"{hit.listed_name} ({hit.list_name})"),
        ("Score", hit.score),
    ]
    if hit.state == HitState.WAITING:
        rows.append(("Your colleague says", requested_reason(hit)))
    return rows


def _with_reason(row: Any) -> dict[str, Any]:
    return {"reason": fields.reason("What shows it: birth date, papers, address. Auditors read it.")}


def _judging(name: str, label: str, verb: Any, states: Sequence[str], explain: str, **more: Any) -> Button:
    """Return a button of a hit that asks for a reason."""
    return Button(
        name=name,
        label=label,
        verb=verb,
        permission=more.pop("permission", "fraud.judge_hits"),
        arguments=lambda row, asked: {"hit_id": row.pk, **asked},
        states=states,
        state_field="state",
        fields=more.pop("fields", _with_reason),
        effect=_hit_effect,
        explain=explain,
        **more,
    )


@admin.register(Hit)
class HitAdmin(OperatorAdmin):
    list_display = ("listed_shown", "party_shown", "score_shown", "strong_shown", "state_shown", "list_name", "opened", "judge")
    list_filter = (("state", ChoicesDropdownFilter), value_filter("list", "list_name", lambda: _list_names()))
    list_select_related = ("party", "entry", "found_by")
    actor_fields = ("decided_by",)
    machine = HIT
    search_by = (lambda term: Q(party__in=Party.objects.filter(subject=term)), lambda term: Q(source_id=term))
    search_help_text = "Id, the party's id, or the entry's id in its list; a name by Ctrl + K"
    list_links = (
        ("Judge next", "admin:fraud_hit_next", "fraud.judge_hits"),
        ("Coverage", "admin:fraud_party_coverage", "fraud.view_party"),
    )
    empty_title = "No party resembles anybody on a list"
    empty_text = "Hits appear when a party is screened, or a list changes."
    panels = (
        Panel("sides", "Both sides", _both_sides, permission="fraud.view_party", lazy=False, order=10),
        Panel("factors", "What was compared", _factors, permission="fraud.view_party", lazy=False, order=20),
        Panel("clearances", "Clearances", _clearances, permission="fraud.view_clearance", order=30),
    )
    buttons = (
        _judging(
            "clear", "Somebody else", operations.clear_hit, (HitState.OPEN,),
            "The hit is cleared for exactly these two contents, until the policy's day. A strong hit waits for a second person.",
            done=lambda row, hit: "It waits for a second person." if hit.state == HitState.WAITING else "The hit is cleared.", order=10,
        ),
        _judging(
            "approve", "Agree: somebody else", operations.approve_clearance, (HitState.WAITING,),
            "You say it, too, with what you have seen yourself.", permission="fraud.approve_clearances",
            fields=lambda row: {"reason": fields.reason(required=False)}, done="The hit is cleared.", order=20,
        ),
        _judging(
            "disagree", "Disagree", operations.refuse_clearance, (HitState.WAITING,), "The hit is open again.", done="The hit is open again.",
            order=30,
        ),
        _judging(
            "reopen", "Open again", operations.reopen_hit, (HitState.CLEARED, HitState.CONFIRMED),
            "A clearance ends; the party is blocked until the hit is judged again.", done="The hit is open again.", order=40,
        ),
        _judging(
            "confirm", "The same", operations.confirm_hit, (HitState.OPEN, HitState.WAITING),
            "The party is who the list means. It stays blocked, and your next steps stand in the runbook.", danger=True,
            done="The hit is confirmed; the party stays blocked.", order=50,
        ),
    )  # fmt: skip
    export_columns = (
        ExportColumn("id", lambda h: h.public_id),
        ExportColumn("party", lambda h: h.party.subject),
        ExportColumn("list", lambda h: h.list_name),
        ExportColumn("entry", lambda h: h.source_id),
        ExportColumn("score", lambda h: str(h.score)),
        ExportColumn("strong", lambda h: h.strong),
        ExportColumn("state", lambda h: h.get_state_display()),
        ExportColumn("opened", lambda h: h.opened_at),
        ExportColumn("decided", lambda h: h.decided_at),
    )
    state_shown = state_column("State", "state")
    opened = instant_column("Opened", "opened_at")
    judge = person_column("Judged by", "decided_by")
    party_shown = link_column("Party", "party", party_name)

    @admin.display(description="Listed")
    def listed_shown(self, row: Hit) -> str:
        return row.listed_name[:80]

    @admin.display(description="Score")
    def score_shown(self, row: Hit) -> Any:
        return display.steady(f"{row.score}")

    @admin.display(description="Strong")
    def strong_shown(self, row: Hit) -> Any:
        return display.label("strong", "bad") if row.strong else display.EMPTY

    def page_title(self, row: Hit) -> str:
        return f"Is {party_name(row.party)} {row.listed_name[:80]}?"

    def headline(self, row: Hit) -> Any:
        return f"{row.score} of 100"

    def standing(self, row: Hit) -> str:
        if row.state == HitState.WAITING:
            return f"A colleague says it is somebody else: {requested_reason(row)}"
        strong = "It is strong: clearing it takes two people." if row.strong else "One person may clear it."
        return strong if row.state == HitState.OPEN else row.get_state_display().capitalize() + "."

    def facts(self, row: Hit) -> list[tuple[str, Any]]:
        return [
            ("Party", party_link(row.party)),
            ("List", row.list_name),
            ("Entry", display.link(row.entry, row.source_id) if row.entry else row.source_id),
            ("Found by", display.link(row.found_by, row.found_by.get_trigger_display())),
            ("Opened", display.instant(row.opened_at)),
            ("Judged by", self.person(row, "decided_by")),
            ("Judged", display.instant(row.decided_at)),
        ]

    def get_urls(self) -> list[URLPattern]:
        return [path("next/", self.admin_site.admin_view(self.next_view), name="fraud_hit_next"), *super().get_urls()]

    def next_view(self, request: HttpRequest) -> HttpResponse:
        """Lead to the strongest, oldest hit that waits."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        first = queries.hits_to_judge().first()
        if first is None:
            messages.info(request, "No hit waits for a judgement.")
            return HttpResponseRedirect(reverse("admin:fraud_hit_changelist"))
        return HttpResponseRedirect(reverse("admin:fraud_hit_change", args=[first.pk]))


def _list_names() -> list[tuple[str, str]]:
    return [(name, name) for name in ScreeningList.objects.order_by("name").values_list("name", flat=True)[:50]]
