"""Columns of lists, made from a title and a field: money, states, times, links, people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import models

from backoffice.kit.admin import display


def money_column(title: str, amount: str = "amount_minor", currency: str = "currency") -> Callable[[Any, models.Model], Any]:
    """Return a list column that shows money. Name the class attribute *_money: the stylesheet aligns those to the right."""

    def column(self: Any, row: Any) -> Any:
        return display.money(getattr(row, amount), getattr(row, currency))

    column.short_description = title  # type: ignore[attr-defined]
    return column


def state_column(title: str = "Status", field: str = "status") -> Callable[[Any, models.Model], Any]:
    def column(self: Any, row: Any) -> Any:
        return display.state(row, field)

    column.short_description = title  # type: ignore[attr-defined]
    return column


def choice_column(title: str, field: str) -> Callable[[Any, models.Model], Any]:
    """Return a column with the words of a choice that is no state."""

    def column(self: Any, row: Any) -> Any:
        return getattr(row, f"get_{field}_display")()

    column.short_description = title  # type: ignore[attr-defined]
    return column


def number_column(title: str, field: str) -> Callable[[Any, models.Model], Any]:
    def column(self: Any, row: Any) -> Any:
        return display.number(getattr(row, field))

    column.short_description = title  # type: ignore[attr-defined]
    return column


def reason_column(title: str, field: str) -> Callable[[Any, models.Model], Any]:
    """Return a column for sentences: two lines in the list, the whole of it on hovering."""

    def column(self: Any, row: Any) -> Any:
        return display.clamped(getattr(row, field))

    column.short_description = title  # type: ignore[attr-defined]
    return column


def instant_column(title: str, field: str) -> Callable[[Any, models.Model], Any]:
    def column(self: Any, row: Any) -> Any:
        return display.instant(getattr(row, field))

    column.short_description = title  # type: ignore[attr-defined]
    return column


def day_column(title: str, field: str) -> Callable[[Any, models.Model], Any]:
    def column(self: Any, row: Any) -> Any:
        return display.day(getattr(row, field))

    column.short_description = title  # type: ignore[attr-defined]
    return column


def link_column(title: str, field: str, shown: Callable[[Any], Any] | None = None) -> Callable[[Any, models.Model], Any]:
    """Return a column that leads to a related row; `shown(related)` says what to call it there."""

    def column(self: Any, row: Any) -> Any:
        related = getattr(row, field)
        return display.link(related, shown(related) if shown and related is not None else None)

    column.short_description = title  # type: ignore[attr-defined]
    return column


def id_column(title: str = "Id") -> Callable[[Any, models.Model], Any]:
    """Return the id column; it is the link to the page, so the copy button stands on the page itself."""

    def column(self: Any, row: Any) -> Any:
        return display.steady(display.short_id(row.public_id))

    column.short_description = title  # type: ignore[attr-defined]
    return column


def person_column(title: str, field: str) -> Callable[[Any, models.Model], Any]:
    def column(self: Any, row: Any) -> Any:
        return display.steady(self.person(row, field))

    column.short_description = title  # type: ignore[attr-defined]
    return column
