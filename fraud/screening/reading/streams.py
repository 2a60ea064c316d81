"""Read hostile files piece by piece: bounded however well they are packed, XML without documents types and entities, CSV with its line."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from django.conf import settings
from lxml import etree

from fraud.screening.reading.entries import UnreadableList

FIELD_MAX = 200_000
PIECE = 1 << 16


class _Bounded(io.RawIOBase):
    """Passes bytes on until there are more than the setting allows."""

    def __init__(self, source: BinaryIO, limit: int, name: str) -> None:
        self.source, self.left, self.name = source, limit, name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        piece = self.source.read(len(view))
        self.left -= len(piece)
        if self.left < 0:
            raise UnreadableList("it is larger than SCREENING_LIST_MAX_BYTES allows", place=self.name)
        view[: len(piece)] = piece
        return len(piece)


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file, gzipped or not; raises UnreadableList past the size limit and where the packing is broken."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        source = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw
        try:
            yield io.BufferedReader(_Bounded(source, settings.SCREENING_LIST_MAX_BYTES, path.name), PIECE)
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise UnreadableList("the gzip file is damaged or breaks off", place=path.name) from None


def xml_elements(path: Path, root: str, tags: Sequence[str]) -> Iterator[etree._Element]:
    """Yield each finished element of the wanted names, namespaces taken off the names, and forget it afterwards."""
    with opened(path) as source:
        try:
            events = etree.iterparse(
                source, events=("start", "end"), resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
                remove_comments=True, remove_pis=True,
            )  # fmt: skip
            first = True
            for event, element in events:
                name = local_name(element)
                if first:
                    _refuse_other_documents(element, name, root, path)
                    first = False
                if event == "end" and name in tags:
                    yield element
                    element.clear()
                    while element.getprevious() is not None:
                        del element.getparent()[0]  # type: ignore[union-attr]
        except etree.XMLSyntaxError as error:
            # libxml2's own message may quote content, so it is not passed on
            line, column = error.position if error.position else (1, 0)
            raise UnreadableList(
                "the XML is not well-formed or breaks off", place=f"{path.name}, line {line}, column {column}"
            ) from None


def _refuse_other_documents(element: etree._Element, name: str, root: str, path: Path) -> None:
    if element.getroottree().docinfo.doctype:
        raise UnreadableList("it declares a document type; lists do not", place=path.name)
    if name != root:
        raise UnreadableList(f"its root element is not {root}", place=f"{path.name}, line {element.sourceline}")


def local_name(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2]


def csv_rows(path: Path, *, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells). UTF-8, or Windows-1252 where it is not: old exporters write that."""
    csv.field_size_limit(FIELD_MAX)
    with opened(path) as source:
        rows = csv.reader(_lines(source, path), delimiter=delimiter, strict=True)
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                raise UnreadableList(f"the CSV is damaged: {error}", place=f"{path.name}, line {rows.line_num}") from None
            if row and not (len(row) == 1 and not row[0].strip("\x1a ")):
                yield rows.line_num, row


def _lines(source: io.BufferedReader, path: Path) -> Iterator[str]:
    for number, line in enumerate(iter(lambda: source.readline(FIELD_MAX * 4), b""), 1):
        if b"\0" in line:
            raise UnreadableList("it holds zero bytes; this is no text", place=f"{path.name}, line {number}")
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        try:
            yield line.decode()
        except UnicodeDecodeError:
            yield line.decode("cp1252", errors="replace")


def table(path: Path, required: Sequence[Sequence[str]], *, delimiter: str = ",") -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (place, row by lower-case column name); each of `required` is a column under any of its names."""
    rows = csv_rows(path, delimiter=delimiter)
    _, head = next(rows, (0, []))
    names = [name.strip().lower() for name in head]
    for choices in required:
        if not set(choices) & set(names):
            raise UnreadableList(f"the column {choices[0]} is missing", place=f"{path.name}, line 1")
    for line, row in rows:
        if len(row) > len(names):
            raise UnreadableList(f"the line has {len(row)} cells under {len(names)} columns", place=f"{path.name}, line {line}")
        yield f"{path.name}, line {line}", dict(zip(names, [cell.strip() for cell in row], strict=False))
