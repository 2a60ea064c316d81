"""Queues: what waits for a person, as data. The desk counts the very rows that the list behind the number shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Count, Min, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from backoffice.kit import clock
from backoffice.kit.admin import display


@dataclass(frozen=True)
class Queue:
    """Rows of one model that need somebody. `age_field` says since when; `help_text` says what to do about them."""

    name: str
    title: str
    model: type[models.Model]
    rows: Callable[[datetime], QuerySet[Any]]
    age_field: str
    help_text: str
    tone: str = "warn"
    order: int = 50

    @property
    def permission(self) -> str:
        meta = self.model._meta
        return f"{meta.app_label}.view_{meta.model_name}"

    def address(self) -> str:
        return display.list_url(self.model, queue=self.name)

    def measure(self, at: datetime) -> tuple[int, datetime | None]:
        """Return how many wait and since when the oldest does, in one query."""
        found = self.rows(at).order_by().aggregate(count=Count("pk"), oldest=Min(self.age_field))
        return found["count"], found["oldest"]


QUEUES: list[Queue] = []


def queue(**facts: Any) -> Queue:
    """Declare and register a queue."""
    made = Queue(**facts)
    QUEUES.append(made)
    return made


def queues_of(model: type[models.Model]) -> list[Queue]:
    return [one for one in QUEUES if one.model is model]


class QueueFilter(DropdownFilter):
    """Show one queue's rows; offered on every list that has queues."""

    title = "queue"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(one.name, one.title) for one in queues_of(model_admin.model)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        for one in queues_of(queryset.model):
            if one.name == self.value():
                # The queue's own conditions, put onto the list's queryset as a subquery of ids: counted and shown are the same rows.
                return queryset.filter(pk__in=one.rows(clock.now()).order_by().values("pk"))
        return queryset
