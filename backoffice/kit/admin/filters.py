"""Filters that never read a table to offer their choices: a list of values is known beforehand, a range is two days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import DropdownFilter


def value_filter(heading: str, field: str, choices: Callable[[], list[tuple[str, str]]]) -> type[DropdownFilter]:
    """Return a filter of one field by values known beforehand."""

    class ValueFilter(DropdownFilter):
        title = heading
        parameter_name = field

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return choices()

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            return queryset.filter(**{field: self.value()}) if self.value() else queryset

    return ValueFilter


CurrencyFilter = value_filter("currency", "currency", lambda: [(code, code) for code in settings.CURRENCIES])
RailFilter = value_filter(
    "rail", "rail", lambda: [(name, name) for name in sorted({*settings.RAIL_BY_CURRENCY.values(), settings.DEFAULT_RAIL})]
)


class DayRangeFilter(admin.FieldListFilter):
    """From one day to another, both included, in the operator's zone."""

    template = "backoffice/day_range.html"

    def __init__(
        self, field: Any, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any, field_path: str
    ) -> None:
        self.names = (f"{field_path}_from", f"{field_path}_to")
        super().__init__(field, request, params, model, model_admin, field_path)
        self.path = field_path

    def expected_parameters(self) -> list[str | None]:
        return list(self.names)

    def choices(self, changelist: Any) -> Any:  # our own template reads it
        yield {
            "inputs": [
                (name, label, self._text(name)) for name, label in zip(self.names, ("From", "To and including"), strict=True)
            ]
        }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        for name, lookup, later in zip(self.names, ("gte", "lt"), (0, 1), strict=True):
            text = self._text(name)
            if text:
                try:
                    day = date.fromisoformat(text) + timedelta(days=later)
                except (ValueError, OverflowError) as error:
                    raise IncorrectLookupParameters(error) from error
                queryset = queryset.filter(**{f"{self.path}__{lookup}": timezone.make_aware(datetime.combine(day, time.min))})
        return queryset

    def _text(self, name: str) -> str:
        value = self.used_parameters.get(name, "")
        return str(value[-1] if isinstance(value, list) else value or "")
