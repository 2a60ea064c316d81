"""Work through the lines of a file: parse ahead in one thread, book in several connections, each with its own share of the sellers.

All lines of a seller fall into one share and keep their order there, so shares never wait for each other's locks. A chunk of the file is booked
by all shares at once, each in a transaction that also counts its progress; the next chunk begins when all are through.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Any
from zlib import crc32

from django.db import OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected, SerializationFailure

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.failpoints import declare, failpoint
from payouts.earnings.lines import EarningLine, LineResult, ParsedLine, parse_all
from payouts.earnings.models import EarningImport, RejectedLine
from payouts.earnings.newcomers import create_unknown
from payouts.earnings.operations import record_parsed
from payouts.earnings.reading import Line
from payouts.earnings.rejects import rejected_row

logger = logging.getLogger(__name__)
declare("import_before_commit", "import_after_commit")

TRIES = 5
Totals = dict[str, dict[str, int]]
Share = list[tuple[Line, ParsedLine | LineResult]]


class ImportIsRunning(Refusal):
    code = "import_is_running"
    sentence = "{name} is being imported by another process just now."


def work_through(
    job: EarningImport,
    lines: Iterator[Line],
    *,
    actor: Actor,
    at: datetime,
    create_sellers: bool,
    progress: Callable[[int], None] | None,
) -> None:
    """Book what is left of a file; `job.shares` says how the file is cut and how many chunks each share has done."""
    done = list(job.shares["done"])
    size = job.shares["lines"] * len(done)
    first = min(done)
    facts = {"actor": actor, "at": at, "create_sellers": create_sellers}
    with ThreadPoolExecutor(1, thread_name_prefix="parse") as ahead, _booking_threads(len(done)) as book:
        chunks = _chunks(lines, first, size, len(done), at)
        upcoming = ahead.submit(next, chunks, None)
        while (chunk := upcoming.result()) is not None:
            upcoming = ahead.submit(next, chunks, None)
            number, shares = chunk
            book([(_commit, (job, place, number, share, facts)) for place, share in enumerate(shares) if done[place] <= number])
            if progress:
                progress(sum(map(len, shares)))


def _chunks(lines: Iterator[Line], first: int, size: int, count: int, at: datetime) -> Iterator[tuple[int, list[Share]]]:
    """Yield (number, shares) from the first chunk that is not wholly done; runs in the parsing thread."""
    lines = islice(lines, first * size, None)
    number = first
    while chunk := list(islice(lines, size)):
        shares: list[Share] = [[] for _ in range(count)]
        for line, parsed in zip(chunk, parse_all(chunk, at), strict=True):
            place = crc32(line.seller.encode(errors="replace")) % count if isinstance(line, EarningLine) else 0
            shares[place].append((line, parsed))
        yield number, shares
        number += 1


Work = list[tuple[Callable[..., None], tuple[Any, ...]]]


def _run_here(works: Work) -> None:
    for verb, arguments in works:
        verb(*arguments)


@contextmanager
def _booking_threads(count: int) -> Iterator[Callable[[Work], None]]:
    """Yield what runs a set of works at once, each in its own thread with its own connection, and waits for all of them.

    A transaction that is open already (a test's) belongs to this thread's connection, so then everything runs here, one after the other.
    """
    if count == 1 or connection.in_atomic_block:
        yield _run_here
        return
    threads = [ThreadPoolExecutor(1, thread_name_prefix=f"book-{place}") for place in range(count)]

    def run(works: Work) -> None:
        futures = [threads[place].submit(verb, *arguments) for place, (verb, arguments) in enumerate(works)]
        wait(futures)
        for future in futures:
            future.result()

    try:
        yield run
    finally:
        for thread in threads:
            thread.submit(lambda: connection.close())  # the thread's own
            thread.shutdown()


def _commit(job: EarningImport, place: int, number: int, share: Share, facts: dict[str, Any]) -> None:
    """Book one share of a chunk and count it, in one transaction; a deadlock's victim tries again."""
    for attempt in range(1, TRIES + 1):
        try:
            with transaction.atomic():
                _book(job, place, number, share, **facts)
                failpoint("import_before_commit")
            break
        except OperationalError as error:
            if attempt == TRIES or not isinstance(error.__cause__, DeadlockDetected | SerializationFailure):
                raise
            logger.warning("import %s: deadlock, share tried again", job.public_id)
    failpoint("import_after_commit")


def _book(job: EarningImport, place: int, number: int, share: Share, *, actor: Actor, at: datetime, create_sellers: bool) -> None:
    parsed = [one for _, one in share]
    if create_sellers:
        parsed = create_unknown(parsed, actor=actor, at=at)
    booked = record_parsed(parsed=parsed, source=job.source, actor=actor, at=at, batch_id=job.pk, subject=job.public_id)
    refused = [(line, result) for (line, _), result in zip(share, booked.results, strict=True) if result.outcome == "rejected"]
    RejectedLine.objects.bulk_create([rejected_row(job, line, result, at) for line, result in refused], batch_size=1_000)

    row = EarningImport.objects.select_for_update().get(pk=job.pk)
    if row.shares["done"][place] != number:
        raise ImportIsRunning(name=job.file_name)
    row.shares["done"][place] += 1
    row.lines_done += len(share)
    row.accepted += booked.count("accepted")
    row.duplicate += booked.count("duplicate")
    row.rejected += len(refused)
    add_totals(row.totals, booked.totals)
    row.save(update_fields=["shares", "lines_done", "accepted", "duplicate", "rejected", "totals"])


def add_totals(totals: Totals, more: Totals) -> None:
    """Add signed totals by currency to others, in place."""
    for currency, sums in more.items():
        kept = totals.setdefault(currency, dict.fromkeys(sums, 0))
        for name, amount in sums.items():
            kept[name] += amount
