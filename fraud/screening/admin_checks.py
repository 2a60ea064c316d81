"""What was asked and answered, and what people cleared: records to look up."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    OperatorAdmin,
    choice_column,
    display,
    instant_column,
    link_column,
    number_column,
    person_column,
    state_column,
)
from fraud.screening.matching.matcher import problem_sentence
from fraud.screening.models import Check, Clearance, Party
from fraud.screening.provider import FAILURES
from fraud.screening.showing import party_link, party_name, versions_text


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
    party_shown = link_column("Party", "party", party_name)

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
