"""Panels: the tables on an object's page, as data; a room plugs its own into pages of rooms the money passed before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from django.db import models
from django.db.models import QuerySet

from backoffice.kit.admin.buttons import Button

ROWS_SHOWN = 25


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    money: bool = False
    wide: bool = False  # left out on narrow screens, for what also stands on the row's own page


@dataclass(slots=True)
class Table:
    """Rows of cells under columns. `older` is the cursor of the next rows, None at the end."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    empty: str = "Nothing here yet."
    older: int | None = None
    older_label: str = "Older"
    note: str = ""
    foot: Sequence[Any] = ()
    links: Sequence[tuple[str, str]] = ()

    @property
    def lines(self) -> list[list[tuple[Column | None, Any]]]:
        """The rows as (column, cell); a cell beyond the columns has no column, and one that says nothing is empty."""
        return [[(column, "" if cell is None else cell) for column, cell in zip_longest(self.columns, row)] for row in self.rows]


@dataclass(frozen=True, slots=True)
class Look:
    """What a panel is asked with: who looks, and from which cursor downwards."""

    user: Any
    before: int | None = None
    limit: int = ROWS_SHOWN

    def slice_of(self, rows: QuerySet[Any], by: str = "id") -> tuple[list[Any], int | None]:
        """Return one page of a queryset, newest first, and the cursor of the next; never counts."""
        if self.before is not None:
            rows = rows.filter(**{f"{by}__lt": self.before})
        page = list(rows.order_by(f"-{by}")[: self.limit + 1])
        older = getattr(page[self.limit - 1], by) if len(page) > self.limit else None
        return page[: self.limit], older


@dataclass(frozen=True)
class Panel:
    """One table of an object's page. Lazy panels load when they come into view."""

    name: str
    title: str
    table: Callable[[Any, Look], Table]
    permission: str = ""
    lazy: bool = True
    when: Callable[[Any], bool] | None = None
    order: int = 50
    help_text: str = ""

    def shown_to(self, user: Any, row: Any) -> bool:
        return (not self.permission or user.has_perm(self.permission)) and (self.when is None or bool(self.when(row)))


@dataclass(frozen=True)
class Download:
    """Bytes one can take from an object's page, exactly as `content(row)` answers them: (bytes, media type, file name)."""

    name: str
    label: str
    content: Callable[[Any], tuple[bytes, str, str]]
    permission: str = ""
    when: Callable[[Any], bool] | None = None

    def shown_to(self, user: Any, row: Any) -> bool:
        return (not self.permission or user.has_perm(self.permission)) and (self.when is None or bool(self.when(row)))


@dataclass
class _Plugged:
    panels: list[Panel] = field(default_factory=list)
    buttons: list[Button] = field(default_factory=list)
    downloads: list[Download] = field(default_factory=list)


_plugged: dict[type[models.Model], _Plugged] = {}


def plug(model: type[models.Model], *things: Panel | Button | Download) -> None:
    """Add panels, buttons and downloads of a later room to the page of an earlier one."""
    place = _plugged.setdefault(model, _Plugged())
    for thing in things:
        if isinstance(thing, Panel):
            place.panels.append(thing)
        elif isinstance(thing, Button):
            place.buttons.append(thing)
        else:
            place.downloads.append(thing)


def plugged(model: type[models.Model]) -> _Plugged:
    return _plugged.get(model, _Plugged())
