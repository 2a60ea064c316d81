"""Read a file of earnings as a stream: CSV, JSON Lines or Parquet, in bounded memory whatever stands in it.

A line that cannot be read becomes a BadLine with its number; only a file that as a whole is none of ours is refused, before anything is booked.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from backoffice.kit.errors import InputError
from payouts.earnings.lines import COLUMNS, BadLine, EarningLine

LINE_BYTES_MAX = 64 * 1024
RECORD_LINES_MAX = 200
RAW_SHOWN = 500
PARQUET_ROWS = 5_000
_UTF16 = (b"\xff\xfe", b"\xfe\xff")

Line = EarningLine | BadLine


class FileUnusable(InputError):
    code = "file_unusable"
    sentence = "{name} cannot be imported: {why}"


@dataclass(frozen=True)
class SourceFile:
    """A file found fit to be read: its format by content, and the SHA-256 that tells a repeated import."""

    path: Path
    format: str
    sha256: str
    size_bytes: int

    def lines(self) -> Iterator[Line]:
        """Yield every line, in file order; header and blank lines are none."""
        return {"csv": read_csv, "jsonl": read_jsonl, "parquet": read_parquet}[self.format](self.path)


def open_source(path: Path) -> SourceFile:
    """Look at a file without booking anything: exists, known format, columns there, Parquet whole. Refuses: FileUnusable."""
    if not path.is_file():
        raise FileUnusable(name=path.name, why="there is no such file.")
    try:
        with path.open("rb") as file:
            start = file.read(4096)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileUnusable(name=path.name, why=f"it cannot be read ({error.strerror}).") from None
    if not start.strip():
        raise FileUnusable(name=path.name, why="it is empty.")
    kind = _format(path, start)
    if kind == "parquet":
        _check_parquet(path)
    elif kind == "csv":
        with path.open("rb") as file:
            _header(path.name, file)
    return SourceFile(path, kind, digest, path.stat().st_size)


def _format(path: Path, start: bytes) -> str:
    if start.startswith(b"PAR1"):
        return "parquet"
    if path.suffix.lower() == ".parquet":
        raise FileUnusable(name=path.name, why="it is named Parquet, but does not begin like one.")
    if start.startswith(_UTF16) or start[:40].count(0) > 10:
        raise FileUnusable(name=path.name, why="it is not UTF-8 (it looks like UTF-16); save it as UTF-8.")
    return "jsonl" if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") else "csv"


# --- lines of text -------------------------------------------------------------------------------------------------------


def _physical_lines(file: BinaryIO) -> Iterator[tuple[int, str | BadLine]]:
    """Yield (number, text without its end); a line over the limit is skipped in pieces, one that is not UTF-8 is named."""
    number = 0
    while raw := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        if len(raw) > LINE_BYTES_MAX and not raw.endswith(b"\n"):
            yield number, BadLine(number, "line_too_long", f"The line has more than {LINE_BYTES_MAX:,} bytes.", _shown(raw))
            while piece := file.readline(LINE_BYTES_MAX):
                if piece.endswith(b"\n"):
                    break
            continue
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            yield number, BadLine(number, "not_utf8", f"Byte {error.start + 1} of the line is not UTF-8.", _shown(raw))
            continue
        yield number, text.removeprefix("\ufeff").rstrip("\r\n") if number == 1 else text.rstrip("\r\n")


def _shown(raw: bytes | str) -> str:
    """Return the beginning of what could not be read, fit to be stored."""
    text = raw[:RAW_SHOWN].decode(errors="replace") if isinstance(raw, bytes) else raw[:RAW_SHOWN]
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


# --- CSV -----------------------------------------------------------------------------------------------------------------


def read_csv(path: Path) -> Iterator[Line]:
    """Yield the records of a CSV file: comma, quotes doubled inside quotes, newlines inside quotes allowed."""
    with path.open("rb") as file:
        header, physical = _header(path.name, file)
        order = [header.index(name) for name in COLUMNS]
        straight = order == list(range(len(COLUMNS))) and len(header) == len(COLUMNS)
        width = len(header)
        for number, record in _records(physical):
            if isinstance(record, BadLine):
                yield record
            elif len(record) != width:
                sentence = f"The line has {len(record)} fields, the header {width}."
                yield BadLine(number, "wrong_number_of_fields", sentence, _shown(",".join(record)))
            else:
                yield EarningLine(number, *(record if straight else [record[place] for place in order]))


def _header(name: str, file: BinaryIO) -> tuple[list[str], Iterator[tuple[int, str | BadLine]]]:
    physical = _physical_lines(file)
    _, first = next(physical, (0, ""))
    if isinstance(first, BadLine):
        raise FileUnusable(name=name, why=f"its first line cannot be read. {first.reason}")
    header = [column.strip() for column in next(csv.reader([first]), [])]
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        hint = " Fields are separated by commas." if ";" in first or "\t" in first else ""
        raise FileUnusable(name=name, why=f"its first line lacks the columns {', '.join(missing)}.{hint}")
    twice = sorted({column for column in COLUMNS if header.count(column) > 1})
    if twice:
        raise FileUnusable(name=name, why=f"its first line names {', '.join(twice)} twice.")
    return header, physical


def _records(physical: Iterator[tuple[int, str | BadLine]]) -> Iterator[tuple[int, list[str] | BadLine]]:
    """Join physical lines into records. A quote that is never closed costs one line, not the rest of the file."""
    waiting: list[tuple[int, str | BadLine]] = []
    while True:
        number, text = waiting.pop(0) if waiting else next(physical, (0, ""))
        if not number:
            return
        if isinstance(text, BadLine):
            yield number, text
        elif '"' not in text:
            if text:
                yield number, text.split(",")
        elif text.count('"') % 2 == 0:
            yield number, _split(number, [text])
        else:
            joined, following = _until_closed(text, waiting, physical)
            waiting = following
            yield number, _split(number, joined)


def _until_closed(
    text: str, waiting: list[tuple[int, str | BadLine]], physical: Iterator[tuple[int, str | BadLine]]
) -> tuple[list[str], list[tuple[int, str | BadLine]]]:
    """Return the lines of a record whose quote stays open, and the lines read ahead; alone in the first list: it never closes."""
    ahead: list[tuple[int, str | BadLine]] = []
    size, source = len(text), list(waiting)
    while len(ahead) < RECORD_LINES_MAX and size < LINE_BYTES_MAX:
        number, more = source.pop(0) if source else next(physical, (0, ""))
        if not number:
            break
        ahead.append((number, more))
        if isinstance(more, BadLine):
            break
        size += len(more)
        if more.count('"') % 2:
            return [text] + [str(line) for _, line in ahead], source
    return [text], ahead + source


def _split(number: int, lines: list[str]) -> list[str] | BadLine:
    whole = "\n".join(lines)
    try:
        records = list(csv.reader([line + "\n" for line in lines], strict=True))
    except csv.Error as error:
        return BadLine(number, "broken_quotes", f"The quotes of the line do not match ({error}).", _shown(whole))
    return (
        records[0]
        if len(records) == 1
        else BadLine(number, "broken_quotes", "The quotes of the line do not match.", _shown(whole))
    )


# --- JSON Lines ----------------------------------------------------------------------------------------------------------


def read_jsonl(path: Path) -> Iterator[Line]:
    """Yield one line per JSON object; numbers are taken as they are written, never through binary fractions."""
    with path.open("rb") as file:
        for number, text in _physical_lines(file):
            if isinstance(text, BadLine):
                yield text
            elif text.strip():
                yield _object(number, text)


def _object(number: int, text: str) -> Line:
    try:
        fields = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        return BadLine(number, "bad_json", "The line is not a JSON object.", _shown(text))
    if not isinstance(fields, dict):
        return BadLine(number, "bad_json", "The line is not a JSON object.", _shown(text))
    wrong = [name for name in COLUMNS if not isinstance(fields.get(name), str | None)]
    if wrong:
        return BadLine(number, "bad_json", f"Not text and not a number: {', '.join(wrong)}.", _shown(text))
    return EarningLine.of(number, fields)


# --- Parquet -------------------------------------------------------------------------------------------------------------


def read_parquet(path: Path) -> Iterator[Line]:
    """Yield the rows of a Parquet file; line numbers count rows from 1. Memory holds one batch of rows, not a row group."""
    import pyarrow.parquet

    number = 0
    with pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
        for batch in file.iter_batches(batch_size=PARQUET_ROWS, columns=list(COLUMNS), use_threads=False):
            for values in zip(*[batch.column(name).to_pylist() for name in COLUMNS], strict=True):
                number += 1
                if sum(len(value) for value in values if isinstance(value, str)) > LINE_BYTES_MAX:
                    yield BadLine(number, "line_too_long", f"The row has more than {LINE_BYTES_MAX:,} characters.", "")
                else:
                    yield EarningLine(number, *[_text(value) for value in values])


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _check_parquet(path: Path) -> None:
    """Refuse a Parquet file that is damaged anywhere, lacks columns, or keeps money as binary fractions."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            schema = file.schema_arrow
            missing = [name for name in COLUMNS if name not in schema.names]
            if missing:
                raise FileUnusable(name=path.name, why=f"it lacks the columns {', '.join(missing)}.")
            for name in COLUMNS:
                _check_column(path.name, name, schema.field(name).type)
            for _ in file.iter_batches(batch_size=PARQUET_ROWS, columns=list(COLUMNS), use_threads=False):
                continue
    except (pyarrow.ArrowException, OSError, ValueError):
        raise FileUnusable(name=path.name, why="it is not a whole Parquet file (truncated or damaged).") from None


def _check_column(file_name: str, name: str, kind: Any) -> None:
    import pyarrow.types

    if pyarrow.types.is_floating(kind):
        raise FileUnusable(name=file_name, why=f"{name} is stored as a binary fraction; store it as text or decimal.")
    if pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    flat = (
        pyarrow.types.is_string, pyarrow.types.is_large_string, pyarrow.types.is_decimal, pyarrow.types.is_integer,
        pyarrow.types.is_timestamp, pyarrow.types.is_date, pyarrow.types.is_null, pyarrow.types.is_string_view,
    )  # fmt: skip
    if not any(test(kind) for test in flat):
        raise FileUnusable(name=file_name, why=f"{name} is of the type {kind}; text is expected.")
