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
from fraud.model.asked import DAYS_MAX, DELAY_MAX, ask_training
from fraud.model.models import ModelVersion, Training
from fraud.model.scoring import Formula
from fraud.model.states import MODEL, TRAINING, ModelState, TrainingState

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


def _calibrated(row: ModelVersion, look: Look) -> Table:
    lines = row.measured.get("calibration", [])
    cells = [
        (f"{one['from']} to {one['to'] - 1}", one["sales"], one["frauds"], f"{one['said']:.1%}", f"{one['was']:.1%}")
        for one in lines
    ]
    return Table(
        [Column(head) for head in ("Score", "Sales", "Frauds", "The model said", "It was")],
        cells,
        note="On days it had not seen. Where both shares agree, a score reads as a likelihood." if cells else "",
        empty="It was measured before this was kept; train another to see it.",
    )


def _weights(row: ModelVersion, look: Look) -> Table:
    inputs = sorted(Formula.of(row.formula).inputs, key=lambda one: -abs(one.weight))
    rows = [(one.name, "logarithm" if one.transform == "log1p" else "as it is", f"{one.weight:+.3f}") for one in inputs]
    return Table(
        [Column("Feature"), Column("Taken"), Column("Weight")],
        rows,
        note="Log odds per standard deviation; the sign says which way.",
    )


def _training_fields(row: Any) -> dict[str, Any]:
    asked = {
        "days": fields.number("Days of our own history", "180 unless you know better.", low=1, high=DAYS_MAX),
        "label_delay_days": fields.number("Days until a label is known", "What lies closer to the measured days is left out.", low=1, high=DELAY_MAX),
    }  # fmt: skip
    asked["days"].initial, asked["label_delay_days"].initial = 180, 7
    return asked


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
    empty_text = "Rules decide without one. Train one from labels; a second person puts it live."
    list_links = (("Trainings", "admin:fraud_training_changelist", "fraud.view_training"),)
    list_buttons = (
        Button(
            name="train",
            label="Train a model",
            verb=ask_training,
            permission="fraud.train_models",
            arguments=lambda row, asked: {"days": asked["days"], "label_delay_days": asked["label_delay_days"]},
            fields=_training_fields,
            explain="It learns from labelled sales of these days and is measured on the last of them; it scores nothing before a second person puts it live.",
            done="Queued.",
            then=lambda row, made: display.page_of(made),
        ),
    )
    buttons = (
        _button("approve", "Put live", operations.approve_model, "fraud.approve_models", ModelState.WAITING, done="Live.",
                explain="From the next sale on it is asked, too. By itself it sends to a review, and does nothing more."),
        _button("refuse", "Refuse", operations.refuse_model, "fraud.train_models", ModelState.WAITING, done="Refused."),
        _button("retire", "Retire", operations.retire_model, "fraud.train_models", ModelState.LIVE, danger=True, done="Retired."),
    )  # fmt: skip
    panels = (
        Panel("measured", "How it did on days it had not seen", _measured, lazy=False, order=10),
        Panel("calibration", "What it said and what it was", _calibrated, lazy=False, order=15),
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


@admin.register(Training)
class TrainingAdmin(OperatorAdmin):
    list_display = ("days_shown", "state_shown", "progress", "model_shown", "by", "asked")
    list_filter = (("state", ChoicesDropdownFilter),)
    list_select_related = ("model",)
    machine = TRAINING
    actor_fields = ("actor",)
    refresh_while = (TrainingState.QUEUED, TrainingState.RUNNING)
    empty_title = "No training was asked for yet"
    state_shown = state_column("State", "state")
    by = person_column("Asked by", "actor")
    asked = instant_column("Asked", "asked_at")

    @admin.display(description="Training")
    def days_shown(self, row: Training) -> str:
        return str(row).capitalize()

    @admin.display(description="Progress")
    def progress(self, row: Training) -> Any:
        # reading the labelled sales is nearly all of it; the fit and the measuring come after the last of them
        return display.progress(row.done, row.total, over=row.state == TrainingState.DONE)

    @admin.display(description="Model")
    def model_shown(self, row: Training) -> Any:
        return display.link(row.model, str(row.model)) if row.model else display.EMPTY

    def page_title(self, row: Training) -> str:
        return str(row).capitalize()

    def headline(self, row: Training) -> Any:
        return self.progress(row)

    def standing(self, row: Training) -> str:
        return row.error

    def facts(self, row: Training) -> list[tuple[str, Any]]:
        return [
            ("From", display.instant(row.from_at)), ("To", display.instant(row.to_at)), ("Labelled sales", f"{row.done} of {row.total}"),
            ("Delay of labels", f"{row.label_delay_days} days"), ("Model", self.model_shown(row)), ("Asked by", self.person(row, "actor")),
        ]  # fmt: skip
