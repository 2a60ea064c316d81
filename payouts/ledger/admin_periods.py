"""Screens of the months: open, soft-closed, closed for good."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    Button,
    OperatorAdmin,
    display,
    fields,
    instant_column,
    person_column,
    state_column,
)
from payouts.ledger import periods
from payouts.ledger.models import Period, PeriodState, Posting


def _month(row: Any) -> dict[str, Any]:
    return {"month": fields.on_date("Month", "Any day of the month to close.")}


def _period_effect(row: Period) -> list[tuple[str, Any]]:
    count = Posting.objects.filter(recorded_at__date__gte=row.starts_on, recorded_at__date__lte=row.ends_on)[:1_001].count()
    return [("Month", str(row)), ("Postings recorded in it", "more than 1,000" if count > 1_000 else count)]


@admin.register(Period)
class PeriodAdmin(OperatorAdmin):
    list_display = ("name", "state_shown", "closed_by_shown", "closed", "hash")
    list_filter = (("state", ChoicesDropdownFilter),)
    ordering = ("-starts_on",)
    actor_fields = ("closed_by",)
    empty_title = "No month was closed yet"
    empty_text = "Every month is open until somebody closes it here."
    state_shown = state_column("State", "state")
    closed_by_shown = person_column("Closed by", "closed_by")
    closed = instant_column("Closed", "closed_at")
    list_buttons = (
        Button(
            name="soft_close_month",
            label="Soft-close a month",
            verb=periods.soft_close_period,
            permission="payouts.close_period",
            arguments=lambda row, asked: {"month": asked["month"]},
            fields=_month,
            explain="After this only those with the permission book into the month.",
            done=lambda row, period: f"{period} is soft-closed.",
        ),
    )
    buttons = (
        Button(
            name="soft_close",
            label="Soft-close",
            verb=periods.soft_close_period,
            permission="payouts.close_period",
            arguments=lambda row, asked: {"month": row.starts_on},
            states=(PeriodState.OPEN,),
            state_field="state",
            effect=_period_effect,
            done=lambda row, period: f"{period} is soft-closed.",
        ),
        Button(
            name="close",
            label="Close for good",
            verb=periods.close_period,
            permission="payouts.close_period",
            arguments=lambda row, asked: {"month": row.starts_on},
            states=(PeriodState.OPEN, PeriodState.SOFT_CLOSED),
            state_field="state",
            effect=_period_effect,
            explain="Nothing can be booked into a closed month again, and it cannot be opened. Its trial balance is sealed by a hash.",
            danger=True,
            done=lambda row, period: f"{period} is closed.",
        ),
    )

    @admin.display(description="Month")
    def name(self, row: Period) -> str:
        return str(row)

    @admin.display(description="Trial balance")
    def hash(self, row: Period) -> Any:
        return display.copyable(row.trial_balance_hash, row.trial_balance_hash[:12]) if row.trial_balance_hash else display.EMPTY

    def status_label(self, row: Period) -> Any:
        return display.state(row, "state")

    def facts(self, row: Period) -> list[tuple[str, Any]]:
        return [
            ("From", display.day(row.starts_on)),
            ("To", display.day(row.ends_on)),
            ("Closed by", self.person(row, "closed_by")),
            ("Closed", display.instant(row.closed_at)),
            ("Trial balance", self.hash(row)),
        ]
