"""Parties at the desk: who is screened, and how much of all is covered."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit import clock
from backoffice.kit.admin import (
    Button,
    Column,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    choice_column,
    display,
    instant_column,
    state_column,
)
from fraud.screening import operations, queries
from fraud.screening.matching.matcher import problem_sentence
from fraud.screening.models import Check, Hit, Party
from fraud.screening.parties import facts_of
from fraud.screening.provider import FAILURES
from fraud.screening.showing import party_name, subject_link, versions_text
from fraud.screening.states import PARTY, PartyState


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


@admin.register(Party)
class PartyAdmin(OperatorAdmin):
    list_display = ("name_shown", "subject_shown", "kind_shown", "state_shown", "trigger_shown", "screened", "waits")
    list_filter = (("state", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter))
    machine = PARTY
    search_by = (lambda term: Q(subject=term),)
    search_help_text = "The party's id, such as sel_…; a name by Ctrl + K"
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
            when=lambda row: row.state != PartyState.ERASED,
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
    def name_shown(self, row: Party) -> str:
        return party_name(row)

    @admin.display(description="Stands for")
    def subject_shown(self, row: Party) -> Any:
        return subject_link(row)

    def page_title(self, row: Party) -> str:
        return party_name(row)

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
            ("Stands for", subject_link(row)),
            ("Told by", {"seller": "the seller's own record", "room": "compliance"}.get(row.told_by, row.told_by)),
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
