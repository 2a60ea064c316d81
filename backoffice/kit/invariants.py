"""The truths: each a query that returns the rows that break it. `check_books` runs them all."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

ROWS_SHOWN = 10


@dataclass(frozen=True)
class Truth:
    """One truth of money.md: `number` groups checks, `check` returns offending rows as dicts (all of them, or at least the first ones)."""

    number: int
    name: str
    sentence: str
    check: Callable[[], list[dict[str, Any]]]


@dataclass
class Verdict:
    number: int
    name: str
    sentence: str
    ok: bool
    broken: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0  # of the check itself
    error: str = ""


TRUTHS: list[Truth] = []


def truth(number: int, name: str, sentence: str) -> Callable[[Callable[[], list[dict[str, Any]]]], Any]:
    """Register a check under a truth of money.md."""

    def register(check: Callable[[], list[dict[str, Any]]]) -> Callable[[], list[dict[str, Any]]]:
        TRUTHS.append(Truth(number, name, sentence, check))
        return check

    return register


def rows_of(sql: str, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Run a query and return its rows as dicts."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def check_books(numbers: set[int] | None = None) -> list[Verdict]:
    """Run every truth in one repeatable-read snapshot; a check that cannot run counts as broken, never as fine."""
    asked = [one for one in sorted(TRUTHS, key=lambda t: (t.number, t.name)) if numbers is None or one.number in numbers]
    with transaction.atomic():
        with connection.cursor() as cursor:
            if not connection.atomic_blocks[:-1]:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            # Truths read whole tables. Right after a first import the planner takes those for empty, and would compare each row with each.
            cursor.execute("SET LOCAL statement_timeout = 0; SET LOCAL enable_nestloop = off")
        try:
            with transaction.atomic():
                verdicts = [_judge(one) for one in asked]
        except Exception:  # noqa: BLE001 - one of them cannot run; which one, and what the others say, takes a savepoint each
            verdicts = [_judge_apart(one) for one in asked]
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_nestloop = on")
    return verdicts


def _judge(one: Truth) -> Verdict:
    started = time.monotonic()
    rows = one.check()
    seconds = round(time.monotonic() - started, 3)
    return Verdict(one.number, one.name, one.sentence, not rows, len(rows), rows[:ROWS_SHOWN], seconds)


def _judge_apart(one: Truth) -> Verdict:
    started = time.monotonic()
    try:
        with transaction.atomic():
            return _judge(one)
    except Exception as error:  # noqa: BLE001 - a check that cannot run is red, and says why
        said = f"could not check: {type(error).__name__}: {error}"
        return Verdict(one.number, one.name, one.sentence, ok=False, seconds=round(time.monotonic() - started, 3), error=said)
