"""Exports: the rows a list shows, as CSV or XLSX, streamed, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import xlsxwriter
from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.http import FileResponse, HttpResponseBase, StreamingHttpResponse

from backoffice.kit.errors import InputError
from backoffice.kit.money import Money

ROWS_A_FETCH = 2_000
XLSX_ROWS_MAX = 1_048_575  # a sheet's limit, less the header
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class ExportColumn:
    """One column: its title and how to read it from a row. Money becomes a plain number; its currency has a column of its own."""

    title: str
    value: Callable[[Any], Any]


def safe_text(text: str) -> str:
    """Return text that no spreadsheet takes for a formula (OWASP: CSV injection)."""
    return "'" + text if text.startswith(_DANGEROUS) else text


def _cell(value: Any) -> Any:
    """Return a value as a CSV cell: numbers stay numbers, text is made safe."""
    if value is None:
        return ""
    if isinstance(value, Money):
        return value.decimal()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | Decimal):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    return safe_text(str(value))


class _Line:
    """A file-like object that hands back what csv writes."""

    def write(self, text: str) -> str:
        return text


def csv_lines(columns: Sequence[ExportColumn], rows: Iterable[Any]) -> Iterator[bytes]:
    writer = csv.writer(_Line())
    yield b"\xef\xbb\xbf" + str(writer.writerow([column.title for column in columns])).encode()
    batch: list[str] = []
    for row in rows:
        batch.append(writer.writerow([_cell(column.value(row)) for column in columns]))
        if len(batch) == ROWS_A_FETCH:
            yield "".join(batch).encode()
            batch.clear()
    if batch:
        yield "".join(batch).encode()


def write_xlsx(target: str | Path, columns: Sequence[ExportColumn], rows: Iterable[Any]) -> None:
    """Write a workbook row by row, in constant memory."""
    book = xlsxwriter.Workbook(
        str(target),
        {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False},
    )
    sheet = book.add_worksheet("Rows")
    bold = book.add_format({"bold": True})
    number = book.add_format({"num_format": "#,##0.00###"})
    for index, column in enumerate(columns):
        sheet.write_string(0, index, column.title, bold)
    for line, row in enumerate(rows, 1):
        if line > XLSX_ROWS_MAX:
            book.close()
            raise InputError(detail="These are more rows than a sheet can hold. Narrow the filter, or take the CSV.")
        for index, column in enumerate(columns):
            value = column.value(row)
            if isinstance(value, Money):
                sheet.write_number(line, index, Decimal(value.decimal()), number)
            else:
                shown = _cell(value)
                if isinstance(shown, int | Decimal):
                    sheet.write_number(line, index, shown)
                else:
                    sheet.write_string(line, index, shown)
    sheet.freeze_panes(1, 0)
    book.close()


def respond(
    kind: str, name: str, columns: Sequence[ExportColumn], rows: QuerySet[Any], *, asynchronous: bool
) -> HttpResponseBase:
    """Return the download. Raises InputError when a sheet cannot hold the rows."""
    fetched = rows.iterator(chunk_size=ROWS_A_FETCH)
    if kind == "csv":
        lines = csv_lines(columns, fetched)
        response: HttpResponseBase = StreamingHttpResponse(
            _awaited(lines) if asynchronous else lines, content_type="text/csv; charset=utf-8"
        )
        response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
        return response
    file = tempfile.NamedTemporaryFile(suffix=".xlsx")  # noqa: SIM115 - the response closes it
    write_xlsx(file.name, columns, fetched)
    response = FileResponse(Path(file.name).open("rb"), as_attachment=True, filename=f"{name}.xlsx")  # noqa: SIM115 - as above
    file.close()
    return response


async def _awaited(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Hand out lines one by one under ASGI, where Django would otherwise read all of them into memory first."""
    step = sync_to_async(lambda: next(lines, None), thread_sensitive=True)
    while (line := await step()) is not None:
        yield line
