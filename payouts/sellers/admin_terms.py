"""Screens of tiers and minimum payouts: a lead edits them, each edit stands in the audit."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from backoffice.kit import clock
from backoffice.kit.actors import staff
from backoffice.kit.admin import (
    money_column,
)
from backoffice.staff import audit
from payouts.sellers.models import MinimumPayout, Tier


class LeadEdits(ModelAdmin):
    """Rows a lead edits; everybody else with the right to see them reads."""

    edit_permission = "payouts.change_tiers"
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(self.edit_permission)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(self.edit_permission)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        before = (
            dict(type(obj).objects.filter(pk=obj.pk).values(*form.changed_data).first() or {})
            if change and form.changed_data
            else {}
        )
        super().save_model(request, obj, form, change)
        after = {name: getattr(obj, name) for name in form.changed_data}
        audit.record(
            staff(request.user.pk),
            f"{self.opts.model_name}.{'change' if change else 'add'}",
            f"{self.opts.model_name}:{obj.pk}",
            clock.now(),
            facts={"before": {k: str(v) for k, v in before.items()}, "after": {k: str(v) for k, v in after.items()}},
        )


@admin.register(Tier)
class TierAdmin(LeadEdits):
    list_display = ("name", "code", "delay_days", "cool_off_hours", "debt_limit")
    ordering = ("pk",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Leave the code and the debt limit of a tier in use: files name the one, every seller's floor in the ledger is set from the other."""
        return ("code", "debt_limit") if obj is not None else ()


@admin.register(MinimumPayout)
class MinimumPayoutAdmin(LeadEdits):
    list_display = ("currency", "country_shown", "amount_money")
    ordering = ("currency", "country")
    amount_money = money_column("Minimum")

    @admin.display(description="Country")
    def country_shown(self, row: MinimumPayout) -> str:
        return row.country or "any"
