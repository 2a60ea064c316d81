"""A real import process is killed with SIGKILL again and again, and ends like one that never was."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from backoffice.kit.invariants import check_books
from payouts.earnings.importing import import_earnings
from payouts.earnings.models import EarningImport
from tests.factories.earnings import AT, ROBOT, buckets, make_line, write_csv
from tests.factories.sellers import make_seller

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.chaos]
LINES, KILLS = 8_000, 5


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """The environment of a process that works on the test's own database."""
    database = connection.settings_dict
    return os.environ | {
        "TEST_OF_DATABASE": database["NAME"],
        "BACKOFFICE_DATA": str(settings.DATA_DIR),
    }


SCRIPT = """
import os, sys
from backoffice.runtime import ensure_services
ensure_services(need_broker=False)
import django
from django.conf import settings
settings.DATABASES["default"]["NAME"] = os.environ["TEST_OF_DATABASE"]
django.setup()
import json
from backoffice.kit import clock
from backoffice.kit.actors import system
from payouts.earnings.importing import import_earnings
answer = import_earnings(path=sys.argv[1], source="killed", actor=system("test"), at=clock.parse_at(sys.argv[2]), batch_lines=200)
print(json.dumps(answer.as_json()))
"""


def start(path: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(path), AT.isoformat()]
    environment = environment | {"DJANGO_SETTINGS_MODULE": "backoffice.settings", "BACKOFFICE_DB_ROLE": "owner"}
    return subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment, stdout=subprocess.PIPE, text=True)


def lines_done() -> int:
    return EarningImport.objects.filter(source="killed").values_list("lines_done", flat=True).first() or 0


def dies(process: subprocess.Popen[str], chooser: random.Random) -> bool:
    """Kill the process some moments after it made progress; False, and it lives on, when more than half is done.

    Killed after its last line but before its answer, it would be a repeated import: true, but another sentence.
    """
    before = lines_done()
    while process.poll() is None and lines_done() == before:
        time.sleep(0.01)
    time.sleep(chooser.random() / 10)
    if lines_done() > LINES / 2:
        return False
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def test_a_killed_import_ends_like_an_unbroken_one(tmp_path, environment):
    chooser = random.Random(7)
    sellers = [make_seller() for _ in range(40)]
    lines = [
        make_line(
            chooser.choice(sellers),
            order_ref=f"o{chooser.randrange(4_000)}",
            kind=chooser.choice(["sale", "sale", "sale", "refund"]),
        )
        for _ in range(LINES)
    ]
    path = write_csv(tmp_path / "file.csv", [*lines, *lines[:50], make_line("nobody")])

    answer, kills = None, 0
    while answer is None:
        with start(path, environment) as process:
            if kills < KILLS and dies(process, chooser):
                kills += 1
            else:
                answer, _ = process.communicate(timeout=300)
    resumed = json.loads(answer)

    owed = sum(sum(one.values()) - 2 * one.get("debt", 0) for one in map(buckets, sellers))
    assert owed == resumed["totals"]["EUR"]["net_minor"]
    unbroken = import_earnings(path=path, source="unbroken", actor=ROBOT, at=AT)
    assert kills >= 3, "the import was over before it could be killed"
    for name in ("read", "accepted", "duplicate", "rejected", "totals"):
        assert resumed[name] == getattr(unbroken, name)
    assert not [verdict for verdict in check_books() if not verdict.ok]
