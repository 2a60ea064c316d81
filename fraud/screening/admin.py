"""The desk's screens of screening: hits to judge, parties, checks, clearances, and what is covered. Lists and policies: admin_lists."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit import clock
from backoffice.kit.admin import (
    Button,
    Column,
    ExportColumn,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    choice_column,
    display,
    fields,
    instant_column,
    link_column,
    number_column,
    person_column,
    queue,
    state_column,
    value_filter,
)
from fraud.screening import operations, queries
from fraud.screening.judging import requested_reason
from fraud.screening.matching.matcher import problem_sentence
from fraud.screening.models import Check, Clearance, Hit, Party, ScreeningList
from fraud.screening.parties import facts_of
from fraud.screening.provider import FAILURES
from fraud.screening.states import HIT, PARTY, HitState, PartyState


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
        ("Id", party_link(hit.party), hit.source_id),
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


def party_link(party: Party) -> Any:
    return display.link(party, party.subject)


def _hit_effect(hit: Hit) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = [
        ("Party", hit.party.subject),
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
    search_help_text = "Id, the party's id, or the entry's id in its list"
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
    party_shown = link_column("Party", "party", lambda party: display.short_id(party.subject))

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
        return f"{row.listed_name[:80]}, {row.list_name}"

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


# --- parties ------------------------------------------------------------------------------------------------------------


def _hits_of(party: Party, look: Look) -> Table:
    rows, older = look.slice_of(Hit.objects.filter(party=party))
    return Table(
        [Column("Listed"), Column("List"), Column("Score"), Column("State"), Column("Opened")],
        [
            (
                display.link(row, row.listed_name[:80]),
                row.list_name,
                row.score,
                display.state(row, "state"),
                display.instant(row.opened_at),
            )
            for row in rows
        ],
        empty="Nobody on any list resembles this party.",
        older=older,
    )


def _checks_of(party: Party, look: Look) -> Table:
    rows, older = look.slice_of(Check.objects.filter(party=party).select_related("policy"))
    return Table(
        [Column("When"), Column("Why"), Column("Result"), Column("Lists"), Column("Policy"), Column("Took")],
        [
            (
                display.link(row, display.instant(row.at)),
                row.get_trigger_display(),
                row.get_result_display(),
                versions_text(row.versions),
                row.policy.version,
                f"{row.duration_us / 1000:.1f} ms",
            )
            for row in rows
        ],
        empty="This party was never screened.",
        older=older,
    )


def versions_text(versions: dict[str, int]) -> str:
    return ", ".join(f"{name} v{number}" for name, number in sorted(versions.items())) or display.EMPTY


@admin.register(Party)
class PartyAdmin(OperatorAdmin):
    list_display = ("subject_shown", "kind_shown", "state_shown", "trigger_shown", "screened", "waits")
    list_filter = (("state", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter))
    machine = PARTY
    search_by = (lambda term: Q(subject=term),)
    search_help_text = "The party's id, such as sel_…"
    list_links = (("Coverage", "admin:fraud_party_coverage", "fraud.view_party"),)
    empty_title = "Nobody is screened yet"
    empty_text = "Sellers, owners and directors become parties when they are created."
    panels = (
        Panel("hits", "Hits", _hits_of, permission="fraud.view_hit", lazy=False, order=10),
        Panel("checks", "Checks", _checks_of, permission="fraud.view_check", order=20),
    )
    buttons = (
        Button(
            name="screen_again",
            label="Screen again",
            verb=operations.screen_again,
            permission="fraud.screen_names",
            arguments=lambda row, asked: {"party_id": row.pk},
            explain="The party is compared with every list as it stands now.",
            done=lambda row, result: result.sentence or f"Screened: {result.state.replace('_', ' ')}.",
        ),
    )
    kind_shown = choice_column("Kind", "kind")
    state_shown = state_column("State", "state")
    trigger_shown = choice_column("Because", "trigger")
    screened = instant_column("Screened", "screened_at")
    waits = instant_column("Waits since", "due_since")

    @admin.display(description="Party")
    def subject_shown(self, row: Party) -> Any:
        return display.steady(display.short_id(row.subject))

    def page_title(self, row: Party) -> str:
        return display.short_id(row.subject)

    def standing(self, row: Party) -> str:
        if row.state == PartyState.CLEAN:
            return "Compared with every list; nothing blocks."
        return FAILURES.get(row.problem) or problem_sentence(row.problem) or row.get_state_display().capitalize() + "."

    def facts(self, row: Party) -> list[tuple[str, Any]]:
        known = facts_of(row)
        return [
            ("Names", "; ".join(known.names)),
            ("Born", display.day(known.birth_on)),
            ("Countries", ", ".join(known.countries)),
            ("Identifiers", ", ".join(f"{kind} …{text[-4:]}" for kind, text in known.identifiers)),
            ("Subject", display.copyable(row.subject)),
            ("Told by", row.told_by),
            ("Compared with", versions_text(row.covers)),
            ("Screened", display.instant(row.screened_at)),
            ("Waits since", display.instant(row.due_since)),
            ("Next try", display.instant(row.next_try_at)),
        ]

    def get_urls(self) -> list[URLPattern]:
        return [
            path("coverage/", self.admin_site.admin_view(self.coverage_view), name="fraud_party_coverage"),
            *super().get_urls(),
        ]

    def coverage_view(self, request: HttpRequest) -> HttpResponse:
        """Show who is screened and who is not: what is missing is never clean."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = queries.coverage(clock.now())
        links = {
            "overdue": display.list_url(Party, queue="not_screened"),
            **{str(state): display.list_url(Party, state=str(state)) for state in PartyState if state != PartyState.DUE},
        }
        shown = [
            (
                name.replace("_", " ").capitalize(),
                display.anchor(links[name], display.number(count)) if name in links else display.number(count),
            )
            for name, count in found.items()
        ]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Coverage of screening",
            "standing": "Who is due, failed, overdue or stale has no answer that holds; none of them counts as clean.",
            "facts": [(name, value, False) for name, value in shown],
        }
        return TemplateResponse(request, "backoffice/object.html", context)


@admin.register(Check)
class CheckAdmin(OperatorAdmin):
    list_display = ("id_shown", "party_shown", "result_shown", "trigger_shown", "at_shown", "hits_shown", "who")
    list_filter = (("result", ChoicesDropdownFilter), ("trigger", ChoicesDropdownFilter))
    list_select_related = ("party", "policy")
    actor_fields = ("actor",)
    search_by = (lambda term: Q(party__in=Party.objects.filter(subject=term)),)
    search_help_text = "Id, or the party's id"
    empty_title = "Nothing was screened yet"
    result_shown = state_column("Result", "result")
    trigger_shown = choice_column("Because", "trigger")
    at_shown = instant_column("When", "at")
    hits_shown = number_column("Hits", "hits")
    who = person_column("Asked by", "actor")
    party_shown = link_column("Party", "party", lambda party: display.short_id(party.subject))

    @admin.display(description="Id")
    def id_shown(self, row: Check) -> Any:
        return display.steady(display.short_id(row.public_id))

    def page_title(self, row: Check) -> str:
        return f"Check: {row.get_result_display()}"

    def standing(self, row: Check) -> str:
        return FAILURES.get(row.problem) or problem_sentence(row.problem)

    def facts(self, row: Check) -> list[tuple[str, Any]]:
        return [
            ("Party", party_link(row.party) if row.party else "a look-up by hand"),
            ("Result", row.get_result_display()),
            ("Because", row.get_trigger_display()),
            ("Hits", display.number(row.hits)),
            ("Lists", versions_text(row.versions)),
            ("Policy", display.link(row.policy)),
            ("Asked", row.provider),
            ("Took", f"{row.duration_us / 1000:.1f} ms"),
            ("When", display.instant(row.at)),
            ("Asked by", self.person(row, "actor")),
        ]


@admin.register(Clearance)
class ClearanceAdmin(OperatorAdmin):
    list_display = ("id_shown", "hit_shown", "cleared", "maker", "checker", "until", "why_ended")
    list_select_related = ("hit",)
    actor_fields = ("cleared_by", "approved_by")
    empty_title = "No hit was cleared yet"
    cleared = instant_column("Cleared", "cleared_at")
    until = instant_column("Until", "expires_at")
    maker = person_column("By", "cleared_by")
    checker = person_column("Approved by", "approved_by")
    hit_shown = link_column("Hit", "hit", lambda hit: hit.listed_name[:60])

    @admin.display(description="Id")
    def id_shown(self, row: Clearance) -> Any:
        return display.steady(display.short_id(row.public_id))

    @admin.display(description="Ended")
    def why_ended(self, row: Clearance) -> str:
        return row.ended_because.replace("_", " ") if row.ended_at else "in force"

    def page_title(self, row: Clearance) -> str:
        return f"Clearance of {row.hit.listed_name[:60]}"

    def standing(self, row: Clearance) -> str:
        return row.reason

    def facts(self, row: Clearance) -> list[tuple[str, Any]]:
        return [
            ("Hit", display.link(row.hit)),
            ("Strong", "yes" if row.strong else "no"),
            ("Cleared", display.instant(row.cleared_at)),
            ("By", self.person(row, "cleared_by")),
            ("Approved by", self.person(row, "approved_by")),
            ("Until", display.instant(row.expires_at)),
            ("Ended", display.instant(row.ended_at)),
            ("Ended because", self.why_ended(row) if row.ended_at else ""),
        ]
