"""`bench import`: a million lines of CSV into earnings, postings and entries, against COPY of the same rows; then all of them again."""

from __future__ import annotations

import random
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection
from schwifty import IBAN

from backoffice.bench import measure
from backoffice.kit.actors import system
from payouts.earnings.importing import import_earnings
from payouts.earnings.lines import COLUMNS
from payouts.sellers.importing import import_sellers

SELLERS = 20_000
REFUND_SHARE = 0.03
AT = datetime(2026, 1, 15, tzinfo=UTC)
ROBOT = system("bench")
FULL: dict[str, Any] = {}
QUICK: dict[str, Any] = {"rows": 20_000}
_TABLES = ["payouts_earning", "payouts_posting", "payouts_entry"]


def run(rows: int = 1_000_000) -> dict[str, Any]:
    """Return the figures of numbers.md: lines a second (ours), rows COPY writes a second for the same lines (yardstick), both imports' seconds."""
    open_sellers()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "earnings.csv"
        _write(path, rows)
        first, steps = _import(path)
        with path.open("a") as file:
            file.write("\n")  # other bytes: every line is looked up again instead of the file being recognised as a whole
        second, _ = _import(path)
        copied = _copy_seconds(Path(folder))
    return measure.result(
        "import",
        rows / first,
        rows / copied,
        latencies=steps,
        rows=rows,
        seconds=round(first, 2),
        again_seconds=round(second, 2),
        yardstick_seconds=round(copied, 2),
    )


def fill(rows: int) -> None:
    """Open the sellers and import `rows` lines."""
    open_sellers()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "earnings.csv"
        _write(path, rows)
        _import(path)


def open_sellers(count: int = SELLERS) -> None:
    """Bring the sellers in as an existing marketplace does, in a lead's name: who was not assessed earns nothing."""
    lead = get_user_model().objects.create_user("lead@bench.example", "lead@bench.example", is_staff=True)
    lead.groups.add(Group.objects.get(name="lead"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sellers.csv"
        with path.open("w") as file:
            file.write(
                "external_id,legal_name,entity_type,country,currency,tier,schedule,account_holder,iban,bic,us_routing_number,us_account_number\n"
            )
            for number in range(count):
                iban = IBAN.generate("DE", bank_code="37040044", account_code=f"{number:010d}")
                file.write(f"bench-{number},Bench {number},company,DE,EUR,standard,daily,Bench {number},{iban},,,\n")
        outcome = import_sellers(path=path, actor=ROBOT, at=AT, trusted_by=lead.email)
    if outcome.accepted != count:
        raise RuntimeError(f"Of {count} sellers {outcome.accepted} came in.")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE payouts_seller, payouts_sellercapabilities")


def _write(path: Path, rows: int) -> None:
    """Write sales of random sellers and, for some, their refund a little later in the file."""
    chooser = random.Random(2017)
    waiting: list[tuple[int, int, int]] = []
    with path.open("w") as file:
        file.write(",".join(COLUMNS) + "\n")
        for number in range(rows):
            when = (AT - timedelta(days=60) + timedelta(seconds=number)).isoformat()
            if len(waiting) > 500:
                sale, seller, gross = waiting.pop(0)
                kind = "refund"
            else:
                sale, seller, gross = number, chooser.randrange(SELLERS), chooser.randrange(500, 90_000)
                kind = "sale"
                if chooser.random() < REFUND_SHARE:
                    waiting.append((sale, seller, gross))
            money = f"{gross // 100}.{gross % 100:02d},{gross // 1000}.{gross // 10 % 100:02d}"
            file.write(f"{number:08x}{sale * 7919:012x}:{kind},bench-{seller},{kind},{sale * 7919:032x},{when},,EUR,{money}\n")


def _import(path: Path) -> tuple[float, list[float]]:
    steps: list[float] = []
    last = started = time.perf_counter()

    def progress(lines: int) -> None:
        nonlocal last
        steps.append((time.perf_counter() - last) * 1000)
        last = time.perf_counter()

    import_earnings(path=path, source="bench", actor=ROBOT, at=AT, progress=progress)
    return time.perf_counter() - started, steps


def _copy_seconds(folder: Path) -> float:
    """Time COPY of the very rows the import wrote into tables with the same indexes and constraints of their own."""
    seconds = 0.0
    with connection.cursor() as cursor:
        for table in _TABLES:
            target = folder / table
            with cursor.copy(f"COPY {table} TO STDOUT") as copy, target.open("wb") as file:
                for data in copy:
                    file.write(data)
            cursor.execute(f"CREATE TABLE bench_{table} (LIKE {table} INCLUDING ALL)")
            started = time.perf_counter()
            with cursor.copy(f"COPY bench_{table} FROM STDIN") as copy, target.open("rb") as file:
                while data := file.read(1 << 20):
                    copy.write(data)
            seconds += time.perf_counter() - started
            cursor.execute(f"DROP TABLE bench_{table}")
    return seconds
