"""Screens of back-tests, on the page of a rule and by themselves, and of replays."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter

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
    plug,
    state_column,
)
from fraud.decisions.models import Backtest, Replay
from fraud.decisions.states import BACKTEST, BacktestState
from fraud.decisions.testing import ask_backtest
from fraud.decisions.working import tried
from fraud.rules.models import RuleVersion
from fraud.rules.operations import ask_for_approval
from fraud.rules.states import RuleState


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
    def progress(self, row: Backtest) -> Any:
        return display.progress(row.done, row.total, over=row.state == BacktestState.DONE)

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
