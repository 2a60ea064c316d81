"""Screens of models: what each was trained on, how it did on the days after, and what it weighs."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter

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
    number_column,
    person_column,
    queue,
    state_column,
)
from fraud.model import operations
from fraud.model.models import ModelVersion
from fraud.model.scoring import Formula
from fraud.model.states import MODEL, ModelState

queue(
    name="models_to_approve",
    title="Models to approve",
    model=ModelVersion,
    rows=lambda at: ModelVersion.objects.filter(state=ModelState.WAITING),
    age_field="made_at",
    help_text="A model was trained: read how it did on days it had not seen, and what it weighs.",
    order=69,
)


def _says(row: ModelVersion) -> list[tuple[str, Any]]:
    return [
        ("Trained on", f"{row.rows} sales with {row.frauds} frauds, {row.trained_from:%Y-%m-%d} to {row.trained_to:%Y-%m-%d}"),
        ("Measured until", display.instant(row.tested_to)), ("A look from", f"{row.review_from} of 1000"),
        ("Precision there", row.measured.get("precision")), ("Recall there", row.measured.get("recall")),
        ("Alerts a day", row.measured.get("alerts_per_day")),
    ]  # fmt: skip


def _measured(row: ModelVersion, look: Look) -> Table:
    heads = ("Score from", "Alerts", "Alerts a day", "Precision", "Recall")
    rows = [(one["from"], one["alerts"], one["alerts_per_day"], one["precision"], one["recall"]) for one in row.measured["table"]]
    note = (
        f"{row.measured['rows']} sales with {row.measured['frauds']} frauds after the training window. Area under the curve "
        f"{row.measured['auc']}, average precision {row.measured['average_precision']}; guessing gives {row.measured['guessing']}."
    )
    return Table([Column(head) for head in heads], rows, note=note)


def _weights(row: ModelVersion, look: Look) -> Table:
    inputs = sorted(Formula.of(row.formula).inputs, key=lambda one: -abs(one.weight))
    rows = [(one.name, "logarithm" if one.transform == "log1p" else "as it is", f"{one.weight:+.3f}") for one in inputs]
    return Table(
        [Column("Feature"), Column("Taken"), Column("Weight")],
        rows,
        note="Log odds per standard deviation; the sign says which way.",
    )


def _button(name: str, label: str, verb: Any, permission: str, state: ModelState, **more: Any) -> Button:
    return Button(
        name=name, label=label, verb=verb, permission=permission, states=(state,), state_field="state", effect=_says,
        arguments=lambda row, asked: {"model_id": row.pk, "reason": asked["reason"]}, fields=lambda row: {"reason": fields.reason()}, **more,
    )  # fmt: skip


@admin.register(ModelVersion)
class ModelVersionAdmin(OperatorAdmin):
    list_display = ("name", "state_shown", "review_shown", "auc", "precision", "recall", "by", "made", "live_since")
    list_filter = (("state", ChoicesDropdownFilter),)
    machine = MODEL
    actor_fields = ("made_by", "approved_by")
    empty_title = "No model yet"
    empty_text = "Rules decide without one. `manage.py train_model` makes one from labels; a second person puts it live."
    buttons = (
        _button("approve", "Put live", operations.approve_model, "fraud.approve_models", ModelState.WAITING, done="Live.",
                explain="From the next sale on it is asked, too. By itself it sends to a review, and does nothing more."),
        _button("refuse", "Refuse", operations.refuse_model, "fraud.train_models", ModelState.WAITING, done="Refused."),
        _button("retire", "Retire", operations.retire_model, "fraud.train_models", ModelState.LIVE, danger=True, done="Retired."),
    )  # fmt: skip
    panels = (
        Panel("measured", "How it did on days it had not seen", _measured, lazy=False, order=10),
        Panel("weights", "What it weighs", _weights, lazy=False, order=20),
    )
    state_shown = state_column("State", "state")
    review_shown = number_column("A look from", "review_from")
    by = person_column("Trained by", "made_by")
    made = instant_column("Trained", "made_at")
    live_since = instant_column("Live since", "live_at")

    @admin.display(description="Model")
    def name(self, row: ModelVersion) -> str:
        return str(row)

    @admin.display(description="Area under the curve")
    def auc(self, row: ModelVersion) -> Any:
        return row.measured.get("auc")

    @admin.display(description="Precision")
    def precision(self, row: ModelVersion) -> Any:
        return row.measured.get("precision")

    @admin.display(description="Recall")
    def recall(self, row: ModelVersion) -> Any:
        return row.measured.get("recall")

    def page_title(self, row: ModelVersion) -> str:
        return str(row).capitalize()

    def facts(self, row: ModelVersion) -> list[tuple[str, Any]]:
        return [
            *_says(row), ("From", row.source), ("Trained by", self.person(row, "made_by")),
            ("Approved by", self.person(row, "approved_by") if row.approved_by else ""), ("Live since", display.instant(row.live_at)),
        ]  # fmt: skip
