"""Statements of the hot paths: prepared once per connection, so that PostgreSQL takes them apart and plans them once.

The ORM binds values on our side and sends each statement anew (Django ticket 20516). Whoever asks the same few statements thousands of times a
minute pays more for that than for the answer. Where statements are watched (a debug cursor, an execute wrapper), they go the ordinary way.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import connection, models
from django.db.backends.postgresql.base import ServerBindingCursor
from psycopg.types.numeric import Int8

_NEVER_BY_ITSELF = 1 << 30
Row = tuple[Any, ...]
Made = TypeVar("Made", bound=models.Model)


def all_rows(sql: str, params: Mapping[str, Any]) -> list[Row]:
    """Run one prepared statement and return its rows; whole numbers travel as bigint, so that one statement has one plan."""
    facts = {name: Int8(value) if type(value) is int else value for name, value in params.items()}
    connection.ensure_connection()
    if connection.queries_logged or connection.execute_wrappers:
        with connection.cursor() as watched:
            watched.execute(sql, facts)
            return watched.fetchall() if watched.description else []
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors, _preparing(connection.connection), _cursor() as cursor:
        cursor.execute(sql, facts, prepare=True)
        return cursor.fetchall() if cursor.description else []


def _cursor() -> Any:
    # the stubs know the class of the older driver only
    bound_by_server: Any = ServerBindingCursor
    return bound_by_server(connection.connection)


@contextmanager
def _preparing(driver: Any) -> Iterator[None]:
    """Let the driver prepare what it is asked to, and nothing by itself: Django switches it off, for its own statements are never the same."""
    driver.prepare_threshold = _NEVER_BY_ITSELF
    try:
        yield
    finally:
        driver.prepare_threshold = None


def one_row(sql: str, params: Mapping[str, Any]) -> Row | None:
    """Run one prepared statement and return its first row, None without any."""
    found = all_rows(sql, params)
    return found[0] if found else None


def insert(made: Made, *, once: str = "") -> Made | None:
    """Write a fresh instance as `save()` does, by one prepared statement; return it with its id.

    `once` names a unique column: where a row has the same, nothing is written and None returned.
    """
    sql, fields = _insertion(type(made), once)
    facts = {f"c{place}": field.get_db_prep_save(field.pre_save(made, True), connection) for place, field in enumerate(fields)}
    found = one_row(sql, facts)
    if found is None:
        return None
    made.pk = found[0]
    made._state.adding, made._state.db = False, connection.alias
    return made


@functools.cache
def _insertion(model: type[models.Model], once: str) -> tuple[str, tuple[Any, ...]]:
    fields = tuple(field for field in model._meta.concrete_fields if not field.primary_key)
    columns = ", ".join(f'"{field.column}"' for field in fields)
    places = ", ".join(f"%(c{place})s" for place in range(len(fields)))
    conflict = f'ON CONFLICT ("{once}") DO NOTHING' if once else ""
    return f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES ({places}) {conflict} RETURNING id', fields  # noqa: S608 - names from the model
