"""Load a list: the file against what is live, as one version of added, changed and removed entries, or not at all."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from django.db.models import Max

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, Refusal
from backoffice.kit.outbox import tell
from backoffice.kit.states import born
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from fraud.screening.models import ListEntry, ListVersion, ScreeningList, ScreeningPass
from fraud.screening.policy import policy_in_force
from fraud.screening.reading import ReadEntry, read_list
from fraud.screening.states import PASS

BATCH = 1_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,58}")


class ListNameInvalid(InputError):
    code = "list_name_invalid"
    sentence = "A list's name has letters, digits, spaces, dots and dashes, 59 at most, such as un-consolidated."


class OtherFormat(Refusal):
    code = "list_of_other_format"
    sentence = "The list {name} is loaded as {known}, not as {given}. Every id would differ: give the other format another name."


class ListShrinks(Refusal):
    code = "list_shrinks"
    sentence = (
        "This file would remove {removed} of {live} entries of {name}; up to {allowed} % pass unasked. A file that broke off looks like this. If the "
        "publisher did remove them, load it again with --accept-shrink and say why."
    )


@dataclass(slots=True)
class Loaded:
    """What a loading did. `version` is the number in use afterwards; `new` is false when the file says what is known."""

    list: str
    version: int
    new: bool
    read: int = 0
    names: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class _Loading:
    """One loading under way: the live rows nobody has named yet, and the version, made with its first difference."""

    screening_list: ScreeningList
    actor: Actor
    at: datetime
    path: Path
    live: dict[str, tuple[int, str]]
    done: Loaded
    version: ListVersion | None = None
    last_number: int = 0
    before: int = field(init=False)

    def __post_init__(self) -> None:
        self.before = len(self.live)

    def open_version(self) -> ListVersion:
        if self.version is None:
            self.version = ListVersion.objects.create(
                list=self.screening_list, number=self.last_number + 1, file_name=self.path.name[:200], sha256=_digest(self.path),
                loaded_by=str(self.actor), loaded_at=self.at, entries=0, names=0, added=0, changed=0, removed=0,
            )  # fmt: skip
        return self.version

    def take(self, batch: list[ReadEntry]) -> None:
        """Write the entries of a batch that are new or differ."""
        fresh: list[ListEntry] = []
        ended: list[int] = []
        for entry in batch:
            fingerprint = entry.fingerprint()
            known_id, known = self.live.pop(entry.source_id, (None, ""))
            self.done.read += 1
            self.done.names += 1 + len(entry.aliases)
            if known == fingerprint:
                self.done.unchanged += 1
                continue
            if known_id is not None:
                ended.append(known_id)
            fresh.append(_row(entry, fingerprint, self.screening_list, self.open_version(), known_id))
        self.done.changed += len(ended)
        self.done.added += len(fresh) - len(ended)
        if fresh:
            # the old rows end before the new ones live: one live row an id
            ListEntry.objects.filter(pk__in=ended).update(until=self.version)
            ListEntry.objects.bulk_create(fresh, batch_size=BATCH)

    def finish(self, accept_shrink: str, allowed: int) -> None:
        gone = [pk for pk, _ in self.live.values()]
        self.done.removed = len(gone)
        if len(gone) * 100 > allowed * self.before and not accept_shrink.strip():
            raise ListShrinks(removed=len(gone), live=self.before, name=self.screening_list.name, allowed=allowed)
        if gone:
            ListEntry.objects.filter(pk__in=gone).update(until=self.open_version())
        if self.version is None:
            return
        self.done.new, self.done.version = True, self.version.number
        for name in ("names", "added", "changed", "removed"):
            setattr(self.version, name, getattr(self.done, name))
        self.version.entries = self.done.read
        self.version.shrink_reason = accept_shrink.strip()
        self.version.save()


@composable
def load_list(
    *,
    path: Path,
    list_format: str,
    name: str,
    actor: Actor,
    at: datetime,
    accept_shrink: str = "",
    progress: Callable[[int], Any] | None = None,
) -> Loaded:
    """Make a list what a file says, as its next version; the same content again changes nothing. All or nothing.

    `accept_shrink` is the reason why many entries may go. Parties that the difference concerns are screened by the worker. Tells
    `screening_list.loaded`. Refuses: ListNameInvalid, OtherFormat, ListShrinks, UnreadableList.
    """
    if not _NAME.fullmatch(name):
        raise ListNameInvalid()
    screening_list, _ = ScreeningList.objects.get_or_create(name=name, defaults={"format": list_format, "created_at": at})
    screening_list = ScreeningList.objects.select_for_update().get(pk=screening_list.pk)
    if screening_list.format != list_format:
        raise OtherFormat(name=name, known=screening_list.format, given=list_format)

    loading = _begin(screening_list, actor, at, path)
    for batch in _batches(read_list(path, list_format)):
        loading.take(batch)
        if progress:
            progress(len(batch))
    loading.finish(accept_shrink, policy_in_force().shrink_percent)
    if loading.version is not None:
        _announce(loading.version, actor, at, accept_shrink)
    return loading.done


def _begin(screening_list: ScreeningList, actor: Actor, at: datetime, path: Path) -> _Loading:
    rows = ListEntry.objects.filter(list=screening_list, until__isnull=True).values_list("source_id", "pk", "fingerprint")
    live = {source_id: (pk, fingerprint) for source_id, pk, fingerprint in rows.iterator(chunk_size=10_000)}
    last = ListVersion.objects.filter(list=screening_list).aggregate(last=Max("number"))["last"] or 0
    return _Loading(screening_list, actor, at, path, live, Loaded(screening_list.name, last, False), last_number=last)


def _announce(version: ListVersion, actor: Actor, at: datetime, reason: str) -> None:
    run = ScreeningPass.objects.create(version=version, started_at=at)
    born(PASS, run, actor=actor, at=at)
    facts = {name: getattr(version, name) for name in ("number", "entries", "added", "changed", "removed", "sha256")}
    audit.record(actor, "screening_list.load", version.public_id, at, reason=reason, facts=facts | {"list": version.list.name})
    tell("screening_list.loaded", subject=version.public_id, payload={"list": version.list.name, **facts}, at=at)


def _row(entry: ReadEntry, digest: str, of: ScreeningList, since: ListVersion, replaces: int | None) -> ListEntry:
    return ListEntry(
        list=of, source_id=entry.source_id, since=since, replaces_id=replaces, kind=entry.kind, name=entry.name, aliases=entry.aliases,
        births=entry.births, countries=entry.countries, identifiers=entry.identifiers, programmes=entry.programmes, fingerprint=digest,
    )  # fmt: skip


def _batches(entries: Iterator[ReadEntry]) -> Iterator[list[ReadEntry]]:
    while batch := list(islice(entries, BATCH)):
        yield batch


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
