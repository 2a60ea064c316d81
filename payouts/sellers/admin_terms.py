"""Screens of tiers and minimum payouts: a lead edits them, each edit stands in the audit."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextInputWidget

from backoffice.kit import clock
from backoffice.kit.actors import staff
from backoffice.kit.admin import fields, money_column
from backoffice.kit.errors import InputError
from backoffice.kit.money import Money, MoneyError, to_minor
from backoffice.staff import audit
from payouts.sellers import tiers
from payouts.sellers.models import MinimumPayout, Tier


class LeadEdits(ModelAdmin):
    """Rows a lead edits; everybody else with the right to see them reads."""

    edit_permission = "payouts.change_tiers"
    sortable_by = ()
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


class TierForm(forms.ModelForm):
    """A tier's terms, and why they change: a new debt limit moves the floor of every seller in the tier."""

    reason = fields.reason(required=False)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        try:
            tiers.check_terms({name: given[name] for name in tiers.LIMITS if name in given})
        except InputError as refusal:
            raise ValidationError(str(refusal)) from None
        return given


@admin.register(Tier)
class TierAdmin(LeadEdits):
    form = TierForm
    list_display = ("name", "code", "delay_days", "cool_off_hours", "debt_limit")
    ordering = ("pk",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Leave the code of a tier: files name it."""
        return ("code",) if obj is not None else ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Change a tier by its verb, which moves the floors too and writes the audit."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        changes = {name: form.cleaned_data[name] for name in form.changed_data if name != "reason"}
        why = form.cleaned_data["reason"]
        tiers.change_tier(tier_id=obj.pk, changes=changes, actor=staff(request.user.pk), at=clock.now(), reason=why)


class MinimumForm(forms.ModelForm):
    """Asks for the minimum in units, as people write it."""

    amount_minor = forms.CharField(
        label="Minimum", help_text="In units of the currency, such as 25.00.", widget=UnfoldAdminTextInputWidget()
    )

    class Meta:
        model = MinimumPayout
        fields = ("currency", "country", "amount_minor")
        help_texts = {"currency": "Such as EUR.", "country": "Such as FR; empty: every country."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["amount_minor"] = str(Money(self.instance.amount_minor, self.instance.currency).decimal())

    def clean_amount_minor(self) -> int:
        try:
            return to_minor(self.cleaned_data["amount_minor"], self.cleaned_data.get("currency", ""))
        except MoneyError as error:
            raise ValidationError(error.sentence) from error


@admin.register(MinimumPayout)
class MinimumPayoutAdmin(LeadEdits):
    form = MinimumForm
    list_display = ("currency", "country_shown", "amount_money")
    ordering = ("currency", "country")
    amount_money = money_column("Minimum")

    @admin.display(description="Country")
    def country_shown(self, row: MinimumPayout) -> str:
        return row.country or "any"
