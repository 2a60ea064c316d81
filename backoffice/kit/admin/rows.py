"""The rows of a list, written straight: a template tag per cell costs ten times as much at fifty rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from functools import lru_cache
from html import unescape
from typing import Any

from django.contrib.admin.utils import label_for_field
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils.html import format_html, format_html_join, strip_tags
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from unfold.widgets import CHECKBOX_CLASSES

from backoffice.kit.admin import display

CHECKBOX = "action_checkbox"


def heads(change_list: Any) -> list[tuple[str, str]]:
    """Return (css class, title) of each column, the checkbox apart."""
    return [
        (f"column-{name}{_width(change_list, name)}", _title(change_list, name))
        for name in change_list.list_display
        if name != CHECKBOX
    ]


def _title(change_list: Any, name: str) -> str:
    return "No." if name == "pk" else capfirst(str(label_for_field(name, change_list.model, change_list.model_admin)))


def _width(change_list: Any, name: str) -> str:
    """Return the class of a column that narrow screens leave out; it stands on the row's page."""
    return " is-wide-only" if name in change_list.model_admin.wide_only else ""


def has_checkbox(change_list: Any) -> bool:
    return CHECKBOX in change_list.list_display


def cells_of(change_list: Any) -> Iterator[SafeString]:
    """Yield the cells of each row; the first leads to the row's page."""
    names = [name for name in change_list.list_display if name != CHECKBOX]
    pick = has_checkbox(change_list)
    styles = [f"field-{name}{_width(change_list, name)}" for name in names]
    for row in change_list.result_list:
        address = display.page_of(row) or "#"
        shown = [(style, value_of(change_list.model_admin, row, name)) for style, name in zip(styles, names, strict=True)]
        first = format_html('<th scope="row" class="{}"><a href="{}">{}</a></th>', shown[0][0], address, _unlinked(shown[0][1]))
        rest = format_html_join("", '<td class="{}">{}</td>', shown[1:])
        yield format_html("{}{}{}", _checkbox(row) if pick else "", first, rest)


def _unlinked(value: Any) -> Any:
    """Return the first cell without a link of its own: a link within a link would lead elsewhere, and leave an empty one behind."""
    return unescape(strip_tags(value)) if isinstance(value, SafeString) and "<a " in value else value


def value_of(model_admin: Any, row: Any, name: str) -> Any:
    """Return a column's value as it is shown: a method of the admin, or a field in words."""
    method = getattr(model_admin, name, None)
    if callable(method):
        return method(row)
    field = _field(row._meta.model, name)
    value = getattr(row, name)
    if field is None:
        return value() if callable(value) else value
    if getattr(field, "flatchoices", None):
        return getattr(row, f"get_{name}_display")()
    if value is None or value == "":
        return display.EMPTY
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return display.instant(value)
    if isinstance(value, date):
        return display.day(value)
    return display.number(value) if isinstance(value, int) and not field.primary_key else value


@lru_cache(maxsize=512)
def _field(model: type[models.Model], name: str) -> models.Field[Any, Any] | None:
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    return field if isinstance(field, models.Field) else None


def _checkbox(row: Any) -> SafeString:
    return format_html(
        '<td class="action-checkbox"><input type="checkbox" name="_selected_action" value="{}" class="action-select {}" '
        'aria-label="Select {}"></td>',
        row.pk,
        " ".join(CHECKBOX_CLASSES),
        row,
    )
