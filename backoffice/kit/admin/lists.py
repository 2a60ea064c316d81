"""Lists that stay fast on a million rows: pages by key instead of by offset, estimates instead of counts, look-ups instead of scans."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import FieldDoesNotExist
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.views import ChangeList

from backoffice.kit.admin import display
from backoffice.kit.admin import rows as cells

BEFORE_VAR, AFTER_VAR, LAST_VAR = "before", "after", "last"
COUNT_UP_TO = 1_000


class KeysetPaginator(Paginator):
    """Tells the template which pagination to draw; it neither counts nor slices."""

    template_name = "backoffice/pagination.html"
    count = 0
    num_pages = 1

    def __init__(self, per_page: int) -> None:
        super().__init__([], per_page)


class KeysetChangeList(ChangeList):
    """Rows newest first, a page found by the key of its neighbour. Every page costs the same, the last one too."""

    shown_count = ""
    older: int | None = None
    newer: int | None = None
    at_end = False

    def get_filters_params(self, params: Any = None) -> Any:
        found = super().get_filters_params(params)
        for name in (BEFORE_VAR, AFTER_VAR, LAST_VAR):
            found.pop(name, None)
        return found

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:
        return ["-pk"]

    def get_results(self, request: HttpRequest) -> None:
        size = self.list_per_page
        before, after = self._cursor(BEFORE_VAR), self._cursor(AFTER_VAR)
        if LAST_VAR in self.params:
            page = self._rows(self.queryset.order_by("pk"), size + 1)
            more = len(page) > size
            rows = page[:size][::-1]
            self.older, self.newer = None, rows[0].pk if rows and more else None
        elif after is not None:
            page = self._rows(self.queryset.filter(pk__gt=after).order_by("pk"), size + 1)
            more = len(page) > size
            rows = page[:size][::-1]
            self.newer, self.older = (rows[0].pk if rows and more else None), (rows[-1].pk if rows else None)
        else:
            source = self.queryset if before is None else self.queryset.filter(pk__lt=before)
            page = self._rows(source, size + 1)
            more = len(page) > size
            rows = page[:size]
            self.older = rows[-1].pk if more else None
            self.newer = rows[0].pk if rows and before is not None else None
        self.result_list = rows
        self._tell(rows, whole=before is None and after is None and LAST_VAR not in self.params and not more)

    def _rows(self, source: QuerySet[Any], count: int) -> list[Any]:
        """Return the first rows; of a search their keys first, or all it found would be joined with their sellers and accounts to keep fifty."""
        if not self.query:
            return list(source[:count])
        keys = list(source.values_list("pk", flat=True)[:count])
        found = {row.pk: row for row in self.apply_select_related(self.root_queryset.filter(pk__in=keys))}
        return [found[key] for key in keys if key in found]

    def _tell(self, rows: list[Any], whole: bool) -> None:
        known = len(rows) if whole else None
        self.result_count, self.shown_count = self._size(known)
        self.full_result_count = self.result_count
        self.show_full_result_count = False
        self.show_admin_actions = bool(rows)
        self.can_show_all, self.multi_page = False, False
        self.paginator = KeysetPaginator(self.list_per_page)
        people = display.people(getattr(row, name) for row in rows for name in getattr(self.model_admin, "actor_fields", ()))
        for row in rows:
            row.people = people
        self.model_admin.decorate(rows)

    def _size(self, known: int | None) -> tuple[int, str]:
        """Return how many rows there are: exact where cheap, from the planner's statistics for a whole big table, else 'more than'."""
        names = self.opts.verbose_name_plural
        if known is not None:
            return known, f"{known:,} {self.opts.verbose_name if known == 1 else names}"
        if not self.queryset.query.where:
            estimate = self._estimate()
            if estimate > 10 * COUNT_UP_TO:
                return estimate, f"about {estimate:,} {names}"
        counted = self.queryset.order_by()[: COUNT_UP_TO + 1].count()
        if counted > COUNT_UP_TO:
            return counted, f"more than {COUNT_UP_TO:,} {names}"
        return counted, f"{counted:,} {names}"

    def _estimate(self) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [self.opts.db_table])
            return max(0, cursor.fetchone()[0])

    def _cursor(self, name: str) -> int | None:
        text = self.params.get(name)
        if text is None:
            return None
        try:
            return int(text)
        except ValueError as error:
            raise IncorrectLookupParameters(error) from error

    # What the templates ask for.
    def heads(self) -> list[tuple[str, str]]:
        return cells.heads(self)

    def has_checkbox(self) -> bool:
        return cells.has_checkbox(self)

    def lines(self) -> list[Any]:
        return list(cells.cells_of(self))

    def first_url(self) -> str:
        return self.get_query_string(remove=[BEFORE_VAR, AFTER_VAR, LAST_VAR])

    def last_url(self) -> str:
        return self._jump({LAST_VAR: "1"})

    def older_url(self) -> str | None:
        return self._jump({BEFORE_VAR: self.older}) if self.older else None

    def newer_url(self) -> str | None:
        return self._jump({AFTER_VAR: self.newer}) if self.newer else None

    def _jump(self, where: dict[str, Any]) -> str:
        clean: dict[str, Any] = {BEFORE_VAR: None, AFTER_VAR: None, LAST_VAR: None}
        return self.get_query_string(clean | where)

    def chips(self) -> list[tuple[str, str, str]]:
        """Return each active filter as (name, value, address without it)."""
        found = []
        for name, values in self.get_filters_params().items():
            text = ", ".join(values)
            if text:
                found.append((self._spoken(name), self._spoken_value(name, text), self.get_query_string({name: None})))
        if self.query:
            found.append(("search", self.query, self.get_query_string({"q": None})))
        return found

    def _spoken(self, name: str) -> str:
        field, _, lookup = name.partition("__")
        words = {"gte": "from", "lt": "before", "lte": "until", "gt": "after", "from": "from", "to": "until", "isnull": "empty"}
        return f"{field.replace('_', ' ').removesuffix(' minor')} {words.get(lookup.rpartition('__')[2], '')}".strip()

    def _spoken_value(self, name: str, text: str) -> str:
        if name == "queue":
            from backoffice.kit.admin.queues import queues_of

            return next((one.title for one in queues_of(self.model) if one.name == text), text)
        try:
            field = self.opts.get_field(name.partition("__")[0])
        except FieldDoesNotExist:  # a filter of its own making: its value speaks for itself
            return text
        if getattr(field, "flatchoices", None):
            words = dict(field.flatchoices)
            return ", ".join(str(words.get(part, part)) for part in text.split(","))
        if field.is_relation and field.related_model is not None and text.isdigit():
            row = field.related_model._base_manager.filter(pk=text).first()
            return str(row) if row else text
        return text
