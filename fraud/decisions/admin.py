"""Screens of decisions with their traces, the reviews that wait, back-tests and replays."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import Q
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
    id_column,
    instant_column,
    money_column,
    number_column,
    queue,
    state_column,
)
from fraud.decisions import operations
from fraud.decisions.models import Decision, DecisionReview, WantedHold
from fraud.decisions.queries import frozen, past_date
from fraud.decisions.states import REVIEW, ReviewState
from fraud.features.catalogue import features
from payouts.holds.models import Hold

queue(
    name="holds_past_date",
    title="Held past its date, or without owner",
    model=Hold,
    rows=past_date,
    age_field="created_at",
    help_text="Money is held and nobody looked on the day that was promised, or nobody owns it: this reads zero, or sellers wait for nothing.",
    tone="bad",
    order=63,
)
queue(
    name="holds_frozen",
    title="Holds whose ratio cannot move",
    model=Hold,
    rows=frozen,
    age_field="created_at",
    help_text="They end when refunds fall below a share of sales, and the seller sells nothing any more: only a person can end them.",
    order=64,
)
queue(
    name="decisions_to_review",
    title="Decisions to review",
    model=DecisionReview,
    rows=lambda at: DecisionReview.objects.filter(state=ReviewState.OPEN),
    age_field="opened_at",
    help_text="Something was held or let go with a question: allow it, or uphold the decision.",
    order=65,
)
_RESULT_TONES = {"hit": "bad", "clean": "good", "unknown": "warn"}


def _model(decision: Decision, look: Look) -> Table:
    rows = [(name, f"{value:g}", f"{part:+.2f}") for name, value, part in decision.model.get("strongest", [])]
    rows += [(name, display.EMPTY, "counts as average") for name in decision.model.get("missing", [])]
    said = (
        f"Model {decision.model['number']} gives {decision.model['score']} of 1000; a look from {decision.model['review_from']}."
        if decision.model
        else ""
    )
    heads = ("What contributed most", "Value", "Log odds")
    return Table([Column(head) for head in heads], rows, note=said, empty="No model was asked.")


def _money(decision: Decision, look: Look) -> Table:
    rows = [
        (display.money(one.amount_minor, one.currency), display.state(one, "state"), display.link(one.hold, display.short_id(one.hold.public_id)) if one.hold else "",
         one.ended_because)
        for one in WantedHold.objects.select_related("hold").filter(decision=decision)
    ]  # fmt: skip
    heads = ("The seller's part", "State", "Hold", "Ended because")
    return Table([Column(head) for head in heads], rows, empty="Nothing of the seller's money is held because of it.")


def _said(result: str) -> Any:
    return display.label(result, _RESULT_TONES[result])


def _rules(decision: Decision, look: Look) -> Table:
    rows = []
    for one in decision.results:
        name = f"{one['rule']} v{one['number']}" + ("" if one["counted"] else " (shadow)")
        rows.append((name, _said(one["result"]), one["effect"], one["score"], one["why"], f"{one['us']} µs"))
        rows.extend(("", _said(said), text, "", "", "") for text, said in one["trace"] if len(one["trace"]) > 1)
    heads = ("Rule", "Answer", "Effect or condition", "Score", "Why unknown", "Took")
    return Table([Column(head) for head in heads], rows, empty="No rule stood at this point.")


def _values(decision: Decision, look: Look) -> Table:
    known = features()
    rows = [
        (name, json.dumps(value), known[name].unit if name in known else "") for name, value in sorted(decision.features.items())
    ]
    rows += [(name, display.EMPTY, f"missing: {why}") for name, why in sorted(decision.missing.items())]
    return Table([Column("Feature"), Column("Value"), Column("Unit")], rows, empty="No rule looked at anything.")


def _listed(decision: Decision, look: Look) -> Table:
    rows = [
        (one["list"], one["kind"], "absolutely" if one["absolute"] else "", one["reason"], one["id"])
        for one in decision.conditions
    ]
    return Table(
        [Column("List"), Column("Kind"), Column(""), Column("Why"), Column("Id")], rows, empty="Nothing of it was listed."
    )


@admin.register(Decision)
class DecisionAdmin(OperatorAdmin):
    list_display = (
        "shown_id",
        "point_shown",
        "subject_shown",
        "outcome_shown",
        "because_shown",
        "code",
        "amount_money",
        "score_shown",
        "decided",
    )
    wide_only = ("code", "score_shown")
    list_filter = (("outcome", ChoicesDropdownFilter), ("point", ChoicesDropdownFilter))
    search_by = (lambda term: Q(subject=term), lambda term: Q(seller=term))
    search_help_text = "Id, subject, or seller's id"
    actor_fields = ("actor",)
    empty_title = "No decisions yet"
    empty_text = (
        "They are made before payouts leave, accounts change and sellers open, once a rule or a listed value could object."
    )
    panels = (
        Panel("rules", "Rules", _rules, lazy=False, order=10),
        Panel("values", "What they saw", _values, lazy=False, order=20),
        Panel("listed", "Listed values", _listed, lazy=False, order=30),
        Panel("model", "The model", _model, lazy=False, order=40),
        Panel("money", "Money held", _money, lazy=False, order=50),
    )
    shown_id = id_column()
    point_shown = choice_column("At", "point")
    outcome_shown = state_column("Outcome", "outcome")
    because_shown = choice_column("Because of", "because")
    amount_money = money_column("Amount")
    score_shown = number_column("Score", "score")
    decided = instant_column("Decided", "decided_at")

    @admin.display(description="Subject")
    def subject_shown(self, row: Decision) -> Any:
        return display.subject(row.subject)

    def page_title(self, row: Decision) -> str:
        return f"{row.get_outcome_display().capitalize()}: {row.get_point_display()} {display.short_id(row.subject)}"

    def headline(self, row: Decision) -> Any:
        return display.money(row.amount_minor, row.currency) if row.currency else ""

    def status_label(self, row: Decision) -> Any:
        return display.state(row, "outcome")

    def standing(self, row: Decision) -> str:
        return row.operator_text or row.get_because_display()

    def facts(self, row: Decision) -> list[tuple[str, Any]]:
        return [
            ("Subject", display.subject(row.subject)), ("Because of", row.get_because_display()), ("Reason code", row.code), ("The seller reads", row.seller_text), ("Score", row.score),
            ("To be looked at by", display.day(row.review_on)), ("Seller", display.subject(row.seller) if row.seller else ""), ("Rule set", row.rule_set_id),
            ("Lists", row.lists_version), ("Catalogue", row.catalogue_version), ("Policy", row.policy_version),
            ("Took", f"{row.duration_us / 1000:.1f} ms"), ("Asked by", self.person(row, "actor")), ("Decided", display.instant(row.decided_at)),
        ]  # fmt: skip


def _stops(row: DecisionReview) -> list[tuple[str, Any]]:
    one = row.decision
    return [
        ("What", f"{one.get_point_display()} {one.subject}"), ("Amount", display.money(one.amount_minor, one.currency)),
        ("Decided", one.get_outcome_display()), ("Why", one.operator_text or one.code),
    ]  # fmt: skip


@admin.register(DecisionReview)
class DecisionReviewAdmin(OperatorAdmin):
    list_display = ("subject", "point_shown", "outcome_shown", "amount_money", "why", "state_shown", "due", "opened")
    list_filter = (("state", ChoicesDropdownFilter), ("point", ChoicesDropdownFilter))
    list_select_related = ("decision",)
    machine = REVIEW
    actor_fields = ("judged_by",)
    search_by = (lambda term: Q(subject=term), lambda term: Q(seller=term))
    search_help_text = "Id, subject, or seller's id"
    empty_title = "Nothing to review"
    buttons = (
        Button(
            name="allow", label="Allow", verb=operations.allow_reviewed, permission="fraud.judge_decisions", states=(ReviewState.OPEN,),
            state_field="state", arguments=lambda row, asked: {"review_id": row.pk, "reason": asked["reason"]},
            fields=lambda row: {"reason": fields.reason()}, effect=_stops, done="Allowed.",
            explain=f"It passes for {operations.ALLOWED_DAYS} days, but for an absolute block; a held payout or account is freed.",
        ),
        Button(
            name="uphold", label="Uphold", verb=operations.uphold_reviewed, permission="fraud.judge_decisions", states=(ReviewState.OPEN,),
            state_field="state", arguments=lambda row, asked: {"review_id": row.pk, "reason": asked["reason"]}, danger=True,
            fields=lambda row: {"reason": fields.reason()}, effect=_stops, done="Upheld.", explain="What it stopped stays stopped.",
        ),
    )  # fmt: skip
    point_shown = choice_column("At", "point")
    outcome_shown = state_column("Outcome", "outcome")
    state_shown = state_column("State", "state")
    opened = instant_column("Since", "opened_at")

    @admin.display(description="Amount")
    def amount_money(self, row: DecisionReview) -> Any:
        return display.money(row.decision.amount_minor, row.decision.currency)

    @admin.display(description="Why")
    def why(self, row: DecisionReview) -> Any:
        return display.clamped(row.decision.operator_text or row.decision.code)

    @admin.display(description="Look by")
    def due(self, row: DecisionReview) -> Any:
        return display.day(row.due_on)

    def page_title(self, row: DecisionReview) -> str:
        return f"Review: {row.get_point_display()} {display.short_id(row.subject)}"

    def headline(self, row: DecisionReview) -> Any:
        return self.amount_money(row)

    def standing(self, row: DecisionReview) -> str:
        return row.decision.operator_text or row.decision.code

    def facts(self, row: DecisionReview) -> list[tuple[str, Any]]:
        return [
            ("Decision", display.link(row.decision, display.short_id(row.decision.public_id))), *_stops(row)[2:], ("Seller", display.subject(row.seller) if row.seller else ""), ("Look by", display.day(row.due_on)),
            ("Judged by", self.person(row, "judged_by") if row.judged_by else ""), ("Passes until", display.instant(row.allowed_until)),
        ]  # fmt: skip
