"""Screens around disputes: the answers that were sent, and the policy."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Q
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.actors import Actor
from backoffice.kit.admin import (
    Button,
    OperatorAdmin,
    display,
    fields,
    instant_column,
    link_column,
    number_column,
    person_column,
    queue,
    reason_column,
    state_column,
)
from backoffice.kit.money import Money, MoneyError
from billing.disputes.models import DisputePolicy, DisputeSubmission
from billing.disputes.policy import DisputePolicyInvalid, adopt_policy, propose_policy, shown
from billing.disputes.states import POLICY, SUBMISSION, PolicyState, SubmissionState

queue(
    name="dispute_answers_unknown",
    title="Answers to disputes, outcome unknown",
    model=DisputeSubmission,
    rows=lambda at: DisputeSubmission.objects.filter(state=SubmissionState.UNKNOWN),
    age_field="called_at",
    help_text="The provider is asked each minute whether it has the answer. If this lasts, look there before the deadline.",
    tone="bad",
    order=29,
)


@admin.register(DisputeSubmission)
class DisputeSubmissionAdmin(OperatorAdmin):
    list_display = ("title", "dispute_shown", "state_shown", "asked", "by", "code")
    list_filter = (("state", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter))
    list_select_related = ("dispute",)
    actor_fields = ("asked_by",)
    machine = SUBMISSION
    refresh_while = (SubmissionState.ASKED, SubmissionState.SENDING)
    search_by = (lambda term: Q(key=term), lambda term: Q(dispute__public_id=term))
    search_help_text = "Id, key of the call, dispute"
    empty_text = "Answers are asked for on a dispute's page."
    dispute_shown = link_column("Dispute", "dispute", lambda row: display.short_id(row.public_id))
    state_shown = state_column("State", "state")
    asked = instant_column("Asked", "asked_at")
    by = person_column("By", "asked_by")

    @admin.display(description="Answer")
    def title(self, row: DisputeSubmission) -> str:
        return f"{row.get_kind_display()} no. {row.number}"

    def page_title(self, row: DisputeSubmission) -> str:
        return f"{row.get_kind_display().capitalize()} no. {row.number}"

    def facts(self, row: DisputeSubmission) -> list[tuple[str, Any]]:
        return [
            ("Dispute", display.link(row.dispute)),
            ("Asked by", self.person(row, "asked_by")),
            ("Called", display.instant(row.called_at)),
            ("Ended", display.instant(row.ended_at)),
            ("Key of the call", display.copyable(row.key, row.key)),
            ("Code", row.code),
        ]


def _propose(*, limits: str, actor: Actor, at: datetime, **given: Any) -> DisputePolicy:
    """Read 'EUR 25.00, USD 20' and propose."""
    read: dict[str, int] = {}
    for part in filter(None, (one.strip() for one in limits.split(","))):
        currency, _, amount = part.partition(" ")
        try:
            read[currency] = Money.parse(amount.strip(), currency).amount_minor
        except MoneyError as problem:
            raise DisputePolicyInvalid(detail=problem.sentence) from None
    return propose_policy(limits=read, actor=actor, at=at, **given)


def _propose_fields(row: Any) -> dict[str, Any]:
    return {
        "seller_buffer_hours": fields.number("Hours between the seller's deadline and the provider's", high=336),
        "auto_accept": fields.switch("Accept small disputes by itself", "Only while the seller's available balance covers them."),
        "limits": fields.text(
            "Up to", f"Such as EUR 25.00, USD 20. Currencies: {', '.join(settings.CURRENCIES)}.", required=False
        ),
        "notice_hours": fields.number("Hours it is announced before", low=1, high=168),
        "reason": fields.reason(),
    }


@admin.register(DisputePolicy)
class DisputePolicyAdmin(OperatorAdmin):
    list_display = ("version_shown", "state_shown", "accepts", "buffer", "why", "maker")
    machine = POLICY
    actor_fields = ("made_by", "approved_by")
    version_shown = number_column("Version", "version")
    state_shown = state_column("State", "state")
    buffer = number_column("Seller's hours", "seller_buffer_hours")
    why = reason_column("Why", "reason")
    maker = person_column("Proposed by", "made_by")
    list_buttons = (
        Button(
            name="propose",
            label="Propose a policy",
            verb=_propose,
            permission="billing.propose_dispute_policy",
            arguments=lambda row, asked: {**asked},
            fields=_propose_fields,
            explain="In force once another person approves it.",
            done=lambda row, policy: f"Version {policy.version} waits for a second person.",
            then=lambda row, policy: display.page_of(policy),
        ),
    )
    buttons = (
        Button(
            name="adopt",
            label="Put it in force",
            verb=adopt_policy,
            permission="billing.approve_dispute_policy",
            arguments=lambda row, asked: {"policy_id": row.pk, **asked},
            states=(PolicyState.PROPOSED,),
            state_field="state",
            fields=lambda row: {"reason": fields.reason(required=False)},
            effect=lambda row: [(name.replace("_", " "), display.plain(value)) for name, value in shown(row).items()],
            done="The policy is in force.",
        ),
    )

    @admin.display(description="Accepts by itself")
    def accepts(self, row: DisputePolicy) -> Any:
        return display.totals(row.limits) if row.auto_accept else "no"

    def page_title(self, row: DisputePolicy) -> str:
        return f"Dispute policy {row.version}"

    def facts(self, row: DisputePolicy) -> list[tuple[str, Any]]:
        return [
            ("Accepts by itself", self.accepts(row)),
            ("Announced before", f"{row.notice_hours} h"),
            ("Seller's deadline before the provider's", f"{row.seller_buffer_hours} h"),
            ("Why", row.reason),
            ("Proposed by", self.person(row, "made_by")),
            ("Approved by", self.person(row, "approved_by")),
        ]
