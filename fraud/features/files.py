"""Labelled files of events, as CSV or Parquet: what back-tests and the training of models read. Knows no rule and no database."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backoffice.kit.errors import InputError
from fraud.features.windows import Seen

COLUMNS = ("event_id", "at", "buyer", "seller", "amount_minor", "currency", "is_fraud")


class EventsUnusable(InputError):
    code = "events_unusable"
    sentence = "{name} cannot be used: {why}"


def read_events(path: Path) -> Iterator[tuple[Seen, bool | None, int | None]]:
    """Yield (event, is fraud or unknown, when the label became known) of a CSV or Parquet file. Refuses: EventsUnusable."""
    if not path.is_file():
        raise EventsUnusable(name=path.name, why="there is no such file.")
    with path.open("rb") as file:
        rows = _parquet(path) if file.read(4) == b"PAR1" else _csv(path)
    for number, row in rows:
        try:
            yield _read(row)
        except (KeyError, ValueError, TypeError, OverflowError) as problem:
            what = f"the column {problem} is missing" if isinstance(problem, KeyError) else str(problem)[:120]
            raise EventsUnusable(name=path.name, why=f"line {number}: {what}.") from None


def _csv(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(newline="", encoding="utf-8-sig", errors="strict") as file:
        reader = csv.DictReader(file)
        try:
            if missing := [name for name in COLUMNS if name not in (reader.fieldnames or [])]:
                raise EventsUnusable(name=path.name, why=f"these columns are missing: {', '.join(missing)}.")
            yield from enumerate(reader, start=2)
        except (csv.Error, UnicodeDecodeError) as problem:
            raise EventsUnusable(name=path.name, why=f"it is no CSV in UTF-8 ({type(problem).__name__}).") from None


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            if missing := [name for name in COLUMNS if name not in file.schema_arrow.names]:
                raise EventsUnusable(name=path.name, why=f"these columns are missing: {', '.join(missing)}.")
            number = 0
            for batch in file.iter_batches(10_000):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pyarrow.ArrowException, OSError) as problem:
        raise EventsUnusable(name=path.name, why=f"it is no whole Parquet file ({type(problem).__name__}).") from None


_TRUE, _FALSE = {"1", "true", "t", "yes"}, {"0", "false", "f", "no"}


def _read(row: dict[str, Any]) -> tuple[Seen, bool | None, int | None]:
    said = str(row["is_fraud"] if row["is_fraud"] is not None else "").strip().lower().removesuffix(".0")
    if said and said not in _TRUE | _FALSE:
        raise ValueError(f"is_fraud says {said[:20]!r}, not 0 or 1")
    currency = str(row["currency"] or "").strip().upper()
    if len(currency) != 3 or not currency.isalpha():
        raise ValueError(f"the currency is {currency[:10]!r}")
    amount = str(row["amount_minor"]).strip()
    known = row.get("label_known_at")
    subjects = {name: str(row.get(name) or "").strip() for name in ("buyer", "seller", "payee", "device", "country")}
    event = Seen(microseconds(row["at"]), int(amount), currency, **subjects)  # type: ignore[arg-type]
    return event, (said in _TRUE if said else None), (microseconds(known) if known else None)


def microseconds(text: Any) -> int:
    at = text if isinstance(text, datetime) else datetime.fromisoformat(str(text).strip())
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
