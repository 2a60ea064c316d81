"""Screens of decisions with their traces, the reviews that wait, back-tests and replays."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.actors import Actor
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
    link_column,
    money_column,
    number_column,
    plug,
    queue,
    state_column,
)
from fraud.decisions import operations
from fraud.decisions.models import Backtest, Decision, DecisionReview, Replay
from fraud.decisions.states import BACKTEST, REVIEW, BacktestState, ReviewState
from fraud.decisions.testing import ask_backtest
from fraud.decisions.working import tried
from fraud.features.catalogue import features
from fraud.rules.models import RuleVersion
from fraud.rules.operations import ask_for_approval
from fraud.rules.states import RuleState

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
        "subject",
        "outcome_shown",
        "because_shown",
        "code",
        "amount_money",
        "score_shown",
        "decided",
    )
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
    )
    shown_id = id_column()
    point_shown = choice_column("At", "point")
    outcome_shown = state_column("Outcome", "outcome")
    because_shown = choice_column("Because of", "because")
    amount_money = money_column("Amount")
    score_shown = number_column("Score", "score")
    decided = instant_column("Decided", "decided_at")

    def page_title(self, row: Decision) -> str:
        return f"{row.get_outcome_display().capitalize()}: {row.get_point_display()} {row.subject}"

    def headline(self, row: Decision) -> Any:
        return display.money(row.amount_minor, row.currency) if row.currency else ""

    def status_label(self, row: Decision) -> Any:
        return display.state(row, "outcome")

    def standing(self, row: Decision) -> str:
        return row.operator_text or row.get_because_display()

    def facts(self, row: Decision) -> list[tuple[str, Any]]:
        return [
            ("Because of", row.get_because_display()), ("Reason code", row.code), ("The seller reads", row.seller_text), ("Score", row.score),
            ("To be looked at by", display.day(row.review_on)), ("Seller", row.seller), ("Rule set", row.rule_set_id),
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
        return f"Review: {row.get_point_display()} {row.subject}"

    def headline(self, row: DecisionReview) -> Any:
        return self.amount_money(row)

    def standing(self, row: DecisionReview) -> str:
        return row.decision.operator_text or row.decision.code

    def facts(self, row: DecisionReview) -> list[tuple[str, Any]]:
        return [
            ("Decision", display.link(row.decision, row.decision.public_id)), *_stops(row)[2:], ("Seller", row.seller), ("Look by", display.day(row.due_on)),
            ("Judged by", self.person(row, "judged_by") if row.judged_by else ""), ("Passes until", display.instant(row.allowed_until)),
        ]  # fmt: skip


# --- back-tests, on the page of a rule --------------------------------------------------------------------------------


def put_to_approval(*, version: RuleVersion, reason: str, actor: Actor, at: datetime) -> RuleVersion:
    """Put a version to approval with what it did in the shadow."""
    return ask_for_approval(
        version_id=version.pk, tried=tried(version, since=version.shadow_at or at, until=at), actor=actor, at=at, reason=reason
    )


def _tests(version: RuleVersion, look: Look) -> Table:
    rows, older = look.slice_of(Backtest.objects.filter(version=version))
    cells = [
        (display.link(row, f"{row.from_at:%Y-%m-%d} to {row.to_at:%Y-%m-%d}"), display.state(row, "state"), row.answer.get("events", ""),
         row.answer.get("hits", ""), row.answer.get("precision", ""), row.answer.get("recall", "")) for row in rows
    ]  # fmt: skip
    heads = ("Days", "State", "Decisions", "Hits", "Precision", "Recall")
    return Table([Column(head) for head in heads], cells, older=older, empty="Not tried on the past yet.")


plug(
    RuleVersion,
    Button(
        name="backtest", label="Try on the past", verb=ask_backtest, permission="fraud.write_rules", order=20,
        arguments=lambda row, asked: {"version_id": row.pk, "days": asked["days"]},
        fields=lambda row: {"days": fields.number("Days", low=1, high=366)}, done="Queued.", then=lambda row, made: display.page_of(made),
    ),
    Button(
        name="ask_approval", label="Put to approval", verb=put_to_approval, permission="fraud.write_rules", order=30, states=(RuleState.SHADOW,),
        state_field="state", arguments=lambda row, asked: {"version": row, "reason": asked["reason"]},
        fields=lambda row: {"reason": fields.reason()}, done="Waits for a second person.",
        explain="Another person sees what it says and what it did in the shadow.",
    ),
    Panel("backtests", "Tried on the past", _tests, permission="fraud.view_backtest", order=40),
)  # fmt: skip

_FIGURES = {
    "events": "Decisions", "hits": "Hits", "true_hits": "Of them fraud", "precision": "Precision, of labelled hits", "recall": "Recall",
    "amount_hit": "Amount hit", "amount_caught": "Of it fraud", "alerts_per_day": "Alerts a day", "unknown": "Not answerable",
    "hits_without_label": "Hits without a label, share", "overlap_with_live_rules": "Also hit by another live rule",
}  # fmt: skip


def _figure(value: Any) -> Any:
    if isinstance(value, dict):
        return display.money(value["amount_minor"], value["currency"])
    if isinstance(value, list):
        return display.totals({one["currency"]: one["amount_minor"] for one in value})
    return display.EMPTY if value is None else value


def _beside(test: Backtest, look: Look) -> Table:
    live = test.answer.get("live") or {}
    rows = [(name, _figure(test.answer.get(key)), _figure(live.get(key))) for key, name in _FIGURES.items() if test.answer]
    return Table([Column("Figure"), Column("This version"), Column("Live now")], rows, empty=test.error or "It is not done yet.")


@admin.register(Backtest)
class BacktestAdmin(OperatorAdmin):
    list_display = ("version_shown", "state_shown", "progress", "asked")
    list_filter = (("state", ChoicesDropdownFilter),)
    list_select_related = ("version__rule",)
    machine = BACKTEST
    actor_fields = ("actor",)
    refresh_while = (BacktestState.QUEUED, BacktestState.RUNNING)
    panels = (Panel("figures", "What it would have done", _beside, lazy=False),)
    version_shown = link_column("Rule", "version", str)
    state_shown = state_column("State", "state")
    asked = instant_column("Asked", "asked_at")

    @admin.display(description="Progress")
    def progress(self, row: Backtest) -> str:
        return f"{100 * row.done // max(row.total, 1)} %" if row.state != BacktestState.DONE else "100 %"

    def page_title(self, row: Backtest) -> str:
        return f"{row.version} on the past"

    def headline(self, row: Backtest) -> Any:
        return self.progress(row)

    def facts(self, row: Backtest) -> list[tuple[str, Any]]:
        return [
            ("Rule", display.link(row.version, str(row.version))), ("From", display.instant(row.from_at)), ("To", display.instant(row.to_at)),
            ("Decisions", f"{row.done} of {row.total}"), ("Asked by", self.person(row, "actor")),
        ]  # fmt: skip


@admin.register(Replay)
class ReplayAdmin(OperatorAdmin):
    list_display = ("at_shown", "sampled", "agreed")
    empty_title = "No decision was made again yet"
    at_shown = instant_column("At", "at")

    def facts(self, row: Replay) -> list[tuple[str, Any]]:
        return [
            ("Sampled", row.sampled),
            ("Agreed", row.agreed),
            ("Differing", json.dumps(row.differing) if row.differing else "none"),
        ]
