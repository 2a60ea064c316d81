"""The screen of policies: figures as text, checked when proposed, in force by two people."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.utils.html import format_html
from unfold import widgets
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
    instant_column,
    number_column,
    person_column,
    queue,
    state_column,
)
from fraud.policies.models import FraudPolicy
from fraud.policies.operations import approve_fraud_policy, parse, propose_fraud_policy, refuse_fraud_policy
from fraud.policies.states import FRAUD_POLICY, FraudPolicyState

queue(
    name="fraud_policies",
    title="Fraud policies to approve",
    model=FraudPolicy,
    rows=lambda at: FraudPolicy.objects.filter(state=FraudPolicyState.PROPOSED),
    age_field="made_at",
    help_text="Somebody proposed other figures for cases, exposure or reports: approve or refuse them.",
    order=68,
)


def propose_from_text(*, kind: str, text: str, reason: str, actor: Actor, at: datetime) -> FraudPolicy:
    """Propose what somebody typed as JSON. Refuses as propose_fraud_policy does."""
    return propose_fraud_policy(kind=kind, content=parse(text), reason=reason, actor=actor, at=at)


def _typed(row: FraudPolicy) -> dict[str, Any]:
    return {
        "text": forms.CharField(
            label="Figures", max_length=20_000, initial=json.dumps(row.content, indent=2, ensure_ascii=False),
            help_text="JSON. Amounts are in minor units (EUR 500.00 is 50000); a currency that is not named has the limit zero.",
            widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 22, "spellcheck": "false", "class": "font-mono"}),
        ),
        "reason": fields.reason(),
    }  # fmt: skip


def _flat(content: Any, place: str = "") -> list[tuple[str, Any]]:
    if isinstance(content, dict):
        return [line for name, inner in content.items() for line in _flat(inner, f"{place}.{name}".lstrip("."))]
    return [(place, ", ".join(map(str, content)) if isinstance(content, list) else content)]


def _figures(policy: FraudPolicy, look: Look) -> Table:
    before = (
        FraudPolicy.objects.filter(kind=policy.kind, number__lt=policy.number, in_force_at__isnull=False)
        .order_by("-number")
        .first()
    )
    was = dict(_flat(before.content)) if before else {}
    rows = []
    for place, value in _flat(policy.content):
        changed = before is not None and was.get(place) != value
        rows.append(
            (
                format_html("<code>{}</code>", place),
                value if value != "" else display.EMPTY,
                was.get(place, "") if changed else "",
            )
        )
    return Table([Column("Figure"), Column("Says"), Column("Before")], rows)


@admin.register(FraudPolicy)
class FraudPolicyAdmin(OperatorAdmin):
    list_display = ("name", "kind_shown", "number_shown", "state_shown", "by", "made")
    list_filter = (("kind", ChoicesDropdownFilter), ("state", ChoicesDropdownFilter))
    machine = FRAUD_POLICY
    actor_fields = ("made_by", "approved_by")
    panels = (Panel("figures", "Figures", _figures, lazy=False),)
    buttons = (
        Button(
            name="approve", label="Approve", verb=approve_fraud_policy, permission="fraud.approve_fraud_policies", states=(FraudPolicyState.PROPOSED,),
            state_field="state", arguments=lambda row, asked: {"policy_id": row.pk, "reason": asked["reason"]},
            fields=lambda row: {"reason": fields.reason()}, done="In force.", explain="It counts from now on, in place of what is in force.",
        ),
        Button(
            name="refuse", label="Refuse", verb=refuse_fraud_policy, permission="fraud.approve_fraud_policies", states=(FraudPolicyState.PROPOSED,),
            state_field="state", arguments=lambda row, asked: {"policy_id": row.pk, "reason": asked["reason"]}, danger=True,
            fields=lambda row: {"reason": fields.reason()}, done="Refused.",
        ),
        Button(
            name="propose", label="Propose other figures", verb=propose_from_text, permission="fraud.propose_fraud_policies", order=80,
            states=(FraudPolicyState.IN_FORCE,), state_field="state", fields=_typed,
            arguments=lambda row, asked: {"kind": row.kind, "text": asked["text"], "reason": asked["reason"]},
            done="Proposed; another person approves it.", then=lambda row, made: display.page_of(made),
        ),
    )  # fmt: skip
    kind_shown = choice_column("Of", "kind")
    number_shown = number_column("Version", "number")
    state_shown = state_column("State", "state")
    by = person_column("By", "made_by")
    made = instant_column("Proposed", "made_at")

    @admin.display(description="Policy")
    def name(self, row: FraudPolicy) -> str:
        return str(row)

    def page_title(self, row: FraudPolicy) -> str:
        return str(row)

    def standing(self, row: FraudPolicy) -> str:
        return row.reason

    def facts(self, row: FraudPolicy) -> list[tuple[str, Any]]:
        return [
            ("Proposed by", self.person(row, "made_by")), ("Proposed", display.instant(row.made_at)),
            ("Approved by", self.person(row, "approved_by") if row.approved_by else ""), ("In force since", display.instant(row.in_force_at)),
        ]  # fmt: skip
