"""Screens of rules: versions with their life, the editor, and the catalogue of features."""

from __future__ import annotations

from dataclasses import fields as fields_of
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    Button,
    Column,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    choice_column,
    display,
    fields,
    instant_column,
    number_column,
    person_column,
    queue,
    state_column,
)
from fraud.features.catalogue import catalogue_version, features
from fraud.features.models import Point
from fraud.rules import operations
from fraud.rules.cel import compile_expression
from fraud.rules.models import Effect, RuleVersion
from fraud.rules.operations import SHADOW_HOURS_MAX, SHADOW_HOURS_MIN, Wording
from fraud.rules.states import RULE, RuleState

queue(
    name="rules_to_approve",
    title="Rules to approve",
    model=RuleVersion,
    rows=lambda at: RuleVersion.objects.filter(state=RuleState.WAITING),
    age_field="changed_at",
    help_text="A rule was long enough in the shadow: does it stop what it should, and nothing else?",
    order=66,
)
queue(
    name="rules_stopped",
    title="Rules stopped by themselves",
    model=RuleVersion,
    rows=lambda at: RuleVersion.objects.filter(state=RuleState.STOPPED),
    age_field="changed_at",
    help_text="They did more than they promised and decide nothing now: write them anew, or retire them.",
    tone="bad",
    order=67,
)


_BEGINS_WITH = {"review_days": 3, "shadow_hours": SHADOW_HOURS_MIN, "score": 0, "reserve_basis_points": 0, "reserve_days": 0}


def wording_fields(row: RuleVersion | None) -> dict[str, Any]:
    """Return what the editor asks; a message about the expression names the character and what to do."""
    made: dict[str, Any] = {
        "expression": fields.long_text(
            "When", "Such as event.amount_minor > 50000 && seller.age_days < 30. The catalogue lists what there is."
        ),
        "effect": fields.choice("Then", Effect.choices),
        "score": fields.number("Score", "Scores of all rules that hit add up.", low=0, high=1000),
        "code": fields.text("Reason code", "For machines, such as large_amount.", max_length=40),
        "operator_text": fields.long_text("What the operator reads"),
        "seller_text": fields.long_text("What the seller reads", "Nothing that teaches how to get round it."),
        "expected_basis_points": fields.number("Hits at most, of 10,000 decisions", "More stops it.", low=1, high=10_000),
        "daily_ceiling": fields.number("Hits a day at most", "More stops it.", low=1, high=1_000_000),
        "review_days": fields.number(
            "Days until a hold is looked at", "And until a reserve ends, where nothing speaks for it any more.", low=1, high=30
        ),
        "reserve_basis_points": fields.number(
            "Reserve, of 10,000 earned",
            "A hit asks to keep this share of what the seller earns: 1000 is 10 %; 0 is none.",
            required=False,
            high=10_000,
        ),
        "reserve_days": fields.number("Keep each share for days", "0 without a reserve.", required=False, high=180),
        "shadow_hours": fields.number("Hours in the shadow, at least", low=SHADOW_HOURS_MIN, high=SHADOW_HOURS_MAX),
    }
    for name, field in made.items():
        if row is not None:
            field.initial = getattr(row, name)
        elif name in _BEGINS_WITH:
            field.initial = _BEGINS_WITH[name]
    return made


def wording_of(asked: dict[str, Any]) -> Wording:
    given: dict[str, Any] = {one.name: asked[one.name] for one in fields_of(Wording)}
    # left empty, there is no reserve
    given |= {name: given[name] or 0 for name in ("reserve_basis_points", "reserve_days")}
    return Wording(**given)


def _says(row: RuleVersion) -> list[tuple[str, Any]]:
    return [
        ("Rule", str(row)), ("At", row.rule.get_point_display()), ("When", row.expression), ("Then", row.get_effect_display()),
        ("Score", row.score), ("Reason code", row.code),
        ("Reserve", f"{row.reserve_basis_points / 100:g} % of what is earned, each for {row.reserve_days} days" if row.reserve_basis_points else ""),
    ]  # fmt: skip


def _conditions(row: RuleVersion, look: Look) -> Table:
    try:
        parts = [condition.text for condition in compile_expression(row.expression).conditions]
    except operations.InputError as problem:
        return Table([Column("Problem")], [(str(problem),)])
    return Table(
        [Column("Condition")], [(part,) for part in parts], note="Each is answered by itself in the trace of a decision."
    )


def _features(row: RuleVersion, look: Look) -> Table:
    known = features()
    rows = [(name, known[name].type, known[name].unit, known[name].meaning) for name in row.features if name in known]
    return Table([Column("Feature"), Column("Type"), Column("Unit"), Column("Meaning")], rows)


def _versions(row: RuleVersion, look: Look) -> Table:
    rows, older = look.slice_of(RuleVersion.objects.select_related("rule").filter(rule=row.rule))
    return Table(
        [Column("Version"), Column("State"), Column("When"), Column("Live since")],
        [
            (display.link(one, str(one)), display.state(one, "state"), one.expression, display.instant(one.live_at))
            for one in rows
        ],
        older=older,
    )


def _button(
    name: str, label: str, verb: Any, permission: str, states: tuple[Any, ...], *, asks: bool = True, **more: Any
) -> Button:
    return Button(
        name=name, label=label, verb=verb, permission=permission, states=states, state_field="state", effect=_says,
        arguments=lambda row, asked: {"version_id": row.pk} | ({"reason": asked["reason"]} if asks else {}),
        fields=(lambda row: {"reason": fields.reason()}) if asks else None, **more,
    )  # fmt: skip


S = RuleState


@admin.register(RuleVersion)
class RuleVersionAdmin(OperatorAdmin):
    list_display = ("name", "point_shown", "state_shown", "effect_shown", "score_shown", "code", "by", "live_since", "changed")
    list_filter = (("state", ChoicesDropdownFilter), ("rule__point", ChoicesDropdownFilter))
    list_select_related = ("rule",)
    list_links = (("Catalogue of features", "admin:fraud_ruleversion_catalogue", "fraud.view_ruleversion"),)
    machine = RULE
    actor_fields = ("made_by", "approved_by")
    search_by = (lambda term: Q(rule__name=term), lambda term: Q(code=term))
    search_help_text = "Id, name of the rule, or reason code"
    empty_title = "No rules yet"
    empty_text = "Write one: it decides nothing before it was tried in the shadow and a second person approved it."
    list_buttons = (
        Button(
            name="write",
            label="Write a rule",
            verb=operations.draft_rule,
            permission="fraud.write_rules",
            arguments=lambda row, asked: {"name": asked["name"], "point": asked["point"], "wording": wording_of(asked)},
            fields=lambda row: (
                {
                    "name": fields.text(
                        "Name",
                        "Lower-case letters, digits and hyphens. A name that exists gets a further version.",
                        max_length=60,
                    ),
                    "point": fields.choice("At", Point.choices),
                }
                | wording_fields(None)
            ),
            done="Kept as a draft.",
            then=lambda row, made: display.page_of(made),
        ),
    )
    buttons = (
        Button(
            name="change", label="Change", verb=operations.change_draft, permission="fraud.write_rules", states=(S.DRAFT,), state_field="state",
            arguments=lambda row, asked: {"version_id": row.pk, "wording": wording_of(asked)}, fields=wording_fields, done="Changed.",
        ),
        Button(
            name="rewrite", label="Write a new version", verb=operations.draft_rule, permission="fraud.write_rules", order=90,
            when=lambda row: row.state != S.DRAFT, fields=wording_fields,
            arguments=lambda row, asked: {"name": row.rule.name, "point": row.rule.point, "wording": wording_of(asked)},
            done="Kept as a draft.", then=lambda row, made: display.page_of(made),
        ),
        _button("shadow", "Try in the shadow", operations.start_shadow, "fraud.write_rules", (S.DRAFT,), asks=False, done="In the shadow.",
                explain="It is asked with every decision and counts in none."),
        _button("approve", "Approve", operations.approve_rule, "fraud.approve_rules", (S.WAITING,), done="Approved."),
        _button("refuse", "Back into the shadow", operations.refuse_rule, "fraud.approve_rules", (S.WAITING,), done="Back in the shadow."),
        _button("live", "Put live", operations.go_live, "fraud.approve_rules", (S.APPROVED,), done="Live.",
                explain="From the next decision on it counts. The version that is live now is kept, to return to."),
        _button("return", "Return to the previous version", operations.return_to_previous, "fraud.write_rules", (S.LIVE,), danger=True,
                done="The previous version decides again."),
        _button("stop", "Stop", operations.stop_rule, "fraud.write_rules", (S.LIVE, S.SHADOW), danger=True, done="Stopped."),
        _button("retire", "Retire", operations.retire_rule, "fraud.write_rules", tuple(s for s in S if s != S.RETIRED), danger=True,
                done="Retired.", order=95),
    )  # fmt: skip
    panels = (
        Panel("conditions", "Conditions", _conditions, lazy=False, order=10),
        Panel("features", "What it looks at", _features, lazy=False, order=20),
        Panel("versions", "Versions", _versions, order=60),
    )
    state_shown = state_column("State", "state")
    effect_shown = choice_column("Then", "effect")
    score_shown = number_column("Score", "score")
    by = person_column("By", "made_by")
    live_since = instant_column("Live since", "live_at")
    changed = instant_column("Changed", "changed_at")

    @admin.display(description="Rule")
    def name(self, row: RuleVersion) -> str:
        return str(row)

    @admin.display(description="At")
    def point_shown(self, row: RuleVersion) -> str:
        return row.rule.get_point_display()

    def page_title(self, row: RuleVersion) -> str:
        return str(row)

    def standing(self, row: RuleVersion) -> str:
        return row.stopped_because or row.operator_text

    def facts(self, row: RuleVersion) -> list[tuple[str, Any]]:
        return [
            *_says(row)[1:],
            ("Promises", f"at most {row.expected_basis_points / 100:g} % of decisions, {row.daily_ceiling} hits a day"),
            ("The seller reads", row.seller_text),
            (
                "Shadow",
                format_html("{} hours, since {}", row.shadow_hours, display.instant(row.shadow_at))
                if row.shadow_at
                else f"{row.shadow_hours} hours",
            ),
            ("By", self.person(row, "made_by")),
            ("Approved by", self.person(row, "approved_by") if row.approved_by else ""),
            ("Live since", display.instant(row.live_at)),
        ]

    def get_urls(self) -> list[URLPattern]:
        own = path("catalogue/", self.admin_site.admin_view(self.catalogue_view), name="fraud_ruleversion_catalogue")
        return [own, *super().get_urls()]

    def catalogue_view(self, request: HttpRequest) -> HttpResponse:
        """Show every feature a rule may name."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = [
            (one.name, one.type, one.unit, one.window, one.source, one.meaning, one.sample, one.owner)
            for one in features().values()
        ]
        heads = ("Name", "Type", "Unit", "Window", "Source", "Meaning", "Such as", "Owner")
        table = Table([Column(head) for head in heads], rows, note=f"Version {catalogue_version()}.")
        context = {
            **self.admin_site.each_context(request),
            "title": "Catalogue of features",
            "table": table,
            "panel": {"title": "Features"},
        }
        return TemplateResponse(request, "backoffice/fraud/catalogue.html", context)
