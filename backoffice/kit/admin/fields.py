"""The fields a button may ask for, in the admin's look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from unfold import widgets


def text(label: str, help_text: str = "", *, required: bool = True, max_length: int = 200, initial: str = "") -> forms.Field:
    return forms.CharField(
        label=label,
        help_text=help_text,
        required=required,
        max_length=max_length,
        initial=initial,
        widget=widgets.UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )


def long_text(label: str, help_text: str = "", *, required: bool = True, initial: str = "") -> forms.Field:
    return forms.CharField(
        label=label,
        help_text=help_text,
        required=required,
        max_length=2000,
        initial=initial,
        widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )


def reason(help_text: str = "Kept in the history; colleagues and auditors read it.", *, required: bool = True) -> forms.Field:
    return long_text("Reason", help_text, required=required)


def shown_content(content_hash: str) -> forms.Field:
    """Send the hash of what is shown along, unseen: an approval is for exactly this content."""
    return forms.CharField(initial=content_hash, widget=forms.HiddenInput())


def approving(asked: Any, *, required: bool = False) -> dict[str, forms.Field]:
    """Return what approving a request asks for: the content as shown (None: nothing was asked), and a reason."""
    return {"content_hash": shown_content(asked.content_hash if asked else ""), "reason": reason(required=required)}


def amount(label: str = "Amount", help_text: str = "In units, such as 120.50.") -> forms.Field:
    return forms.CharField(
        label=label,
        help_text=help_text,
        max_length=20,
        widget=widgets.UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )


def number(label: str, help_text: str = "", *, required: bool = True, low: int = 0, high: int = 10_000) -> forms.Field:
    return forms.IntegerField(
        label=label,
        help_text=help_text,
        required=required,
        min_value=low,
        max_value=high,
        widget=widgets.UnfoldAdminIntegerFieldWidget(),
    )


def choice(
    label: str, choices: Sequence[tuple[str, str]], help_text: str = "", *, required: bool = True, initial: str = ""
) -> forms.Field:
    offered = list(choices) if required else [("", "–"), *choices]
    return forms.ChoiceField(
        label=label,
        help_text=help_text,
        required=required,
        choices=offered,
        initial=initial,
        widget=widgets.UnfoldAdminSelectWidget(),
    )


def on_date(label: str, help_text: str = "", *, required: bool = True, initial: Any = None) -> forms.Field:
    return forms.DateField(
        label=label,
        help_text=help_text,
        required=required,
        initial=initial,
        widget=forms.DateInput(attrs={"type": "date", "class": " ".join(widgets.INPUT_CLASSES)}, format="%Y-%m-%d"),
    )


def at_instant(label: str, help_text: str = "", *, required: bool = True) -> forms.Field:
    return forms.DateTimeField(
        label=label,
        help_text=help_text,
        required=required,
        widget=forms.DateTimeInput(
            attrs={"type": "datetime-local", "class": " ".join(widgets.INPUT_CLASSES)}, format="%Y-%m-%dT%H:%M"
        ),
    )


def switch(label: str, help_text: str = "", *, initial: bool = False) -> forms.Field:
    return forms.BooleanField(
        label=label, help_text=help_text, required=False, initial=initial, widget=widgets.UnfoldBooleanSwitchWidget()
    )


def upload(label: str, help_text: str = "") -> forms.Field:
    return forms.FileField(
        label=label,
        help_text=help_text,
        widget=forms.ClearableFileInput(attrs={"class": " ".join(widgets.INPUT_CLASSES)}),
    )
