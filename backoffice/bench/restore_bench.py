"""`bench restore`: the restore drill. Books of five million entries are dumped, restored into a database of their own, migrated and proved there.

The books are real ones: a million lines imported, two months later matured, and put into a run. A drill counts when `check_books` is clean on the restored side and
its trial balance is that of the original.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from django.conf import settings
from django.db import connection

from backoffice.bench import import_bench, measure
from backoffice.kit.errors import InputError
from backoffice.runtime import postgres
from backoffice.runtime.problems import ServiceProblem
from payouts.holds.operations import mature_earnings
from payouts.ledger.models import Entry
from payouts.runs.operations import build_run

FULL: dict[str, Any] = {}
QUICK: dict[str, Any] = {"rows": 20_000}
TRIAL_BALANCE = """SELECT a.code, e.currency, count(*), sum(e.amount_minor) FROM payouts_entry e JOIN payouts_account a ON a.id = e.account_id
                    GROUP BY 1, 2 ORDER BY 1, 2"""
GOAL_SECONDS = 900


def run(rows: int = 1_000_000) -> dict[str, Any]:
    """Return the seconds from an empty database to proven books (ours), and those of each step; raises where the books are not the same."""
    import_bench.fill(rows)
    later = import_bench.AT + timedelta(days=60)
    mature_earnings(actor=import_bench.ROBOT, at=later)
    build_run(on=later.date(), at=later, actor=import_bench.ROBOT, key="drill")
    name = f"{connection.settings_dict['NAME']}_restored"
    steps: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "books.dump"
        steps["dump"] = _took(lambda: _program("pg_dump", "--format=custom", f"--file={dump}", connection.settings_dict["NAME"]))
        size = dump.stat().st_size
        _program("createdb", "--template=template0", "--encoding=UTF8", name)
        try:
            steps["restore"] = _took(
                lambda: _program("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={name}", str(dump))
            )
            steps["migrate"] = _took(lambda: _manage(name, "migrate", "--verbosity=0"))
            steps["check_books"] = _took(lambda: _manage(name, "check_books"))
            same = _trial_balance(name) == _trial_balance(connection.settings_dict["NAME"])
        finally:
            _program("dropdb", name)
    if not same:
        raise RuntimeError("The trial balance of the restored books is not that of the original.")
    whole = sum(seconds for step, seconds in steps.items() if step != "dump")
    return measure.result(
        "restore", whole, GOAL_SECONDS, rows=Entry.objects.count(), dump_mb=size // 2**20, seconds_by_step=steps
    )


def _took(step: Callable[[], None]) -> float:
    return round(measure.timed(step) / 1000, 1)


def _program(name: str, *arguments: str) -> None:
    """Run a program of PostgreSQL against our server; of the server's own version, where it is the embedded one."""
    parameters = connection.get_connection_params()
    given = {f"PG{name.upper()}": parameters.get(name) for name in ("host", "port", "user", "password")}
    environment = os.environ | {name: str(value) for name, value in given.items() if value}
    ran = subprocess.run([_path_of(name), *arguments], env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"{name} ended with {ran.returncode}: {ran.stderr.strip()[-300:]}")


def _path_of(name: str) -> str:
    try:
        return str(postgres.binaries() / name)
    except ServiceProblem:
        found = shutil.which(name)
    if found is None:
        raise InputError(detail=f"The restore drill needs {name} of PostgreSQL on the PATH.")
    return found


def _url(name: str) -> str:
    parameters = connection.get_connection_params()
    who = quote(str(parameters.get("user") or ""), safe="")
    if parameters.get("password"):
        who += ":" + quote(str(parameters["password"]), safe="")
    return f"postgresql://{who}@/{name}?host={quote(str(parameters.get('host') or ''), safe='/')}&port={parameters.get('port') or 5432}"


def _manage(database: str, *arguments: str) -> None:
    environment = os.environ | {"DATABASE_URL": _url(database), "DATABASE_OWNER_URL": _url(database)}
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(
            f"{arguments[0]} on the restored books ended with {ran.returncode}: {_complaints(ran.stdout + ran.stderr)}"
        )


def _complaints(said: str) -> str:
    return "\n".join(line for line in said.splitlines() if line.strip() and not line.startswith("ok"))[-1_000:]


def _trial_balance(database: str) -> list[tuple[Any, ...]]:
    with closing(psycopg.connect(_url(database))) as conversation:
        return conversation.execute(TRIAL_BALANCE).fetchall()
