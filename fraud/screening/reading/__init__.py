"""Lists of sanctions and of politically exposed persons: bytes in, neutral entries out. Pure: knows no database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fraud.screening.reading import eu, ofac, opensanctions, own, un
from fraud.screening.reading.entries import ReadEntry, UnreadableList

FORMATS = {
    "ofac-sdn": ofac.read,
    "un-xml": un.read,
    "eu-csv": eu.read,
    "opensanctions-csv": opensanctions.read,
    "csv": own.read,
}


def read_list(path: Path, list_format: str) -> Iterator[ReadEntry]:
    """Yield the entries of a list file, each source id once. Raises UnreadableList, with the place, for anything that is not such a list."""
    reader = FORMATS.get(list_format)
    if reader is None:
        raise UnreadableList(f"{list_format!r} is no format; there are {', '.join(FORMATS)}")
    if not path.is_file():
        raise UnreadableList("there is no such file", place=path.name)
    seen: set[str] = set()
    for entry in reader(path):
        if entry.source_id in seen:
            raise UnreadableList(f"the id {entry.source_id[:60]!r} stands in it twice", place=path.name)
        seen.add(entry.source_id)
        yield entry
    if not seen:
        raise UnreadableList("it has no entry; an empty list would remove everybody", place=path.name)
