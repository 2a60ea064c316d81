"""Give every test session a database of its own on the real server.

A session takes the first free slot, so that several may run beside each other. The database of a slot is kept for the
next session as long as the migrations are the same; a test that commits is undone by putting back what the migrations wrote.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from backoffice.runtime import data_folder

CHECKOUT = Path(__file__).parent
SLOT_VARIABLE = "BACKOFFICE_TEST_SLOT"
SLOTS = 32
TEMPLATE = "test_backoffice_template"
_slot_lock: list[int] = []
_making: list[int] = []


def pytest_configure(config: pytest.Config) -> None:
    """Take a slot; workers of xdist inherit it from their controller."""
    if SLOT_VARIABLE in os.environ and hasattr(config, "workerinput"):
        return
    folder = data_folder() / "run"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(SLOTS):
        descriptor = os.open(folder / f"test-{number}.slot", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        _slot_lock.append(descriptor)
        os.environ[SLOT_VARIABLE] = str(number)
        return
    pytest.exit(f"{SLOTS} test sessions already run on this data folder.", returncode=3)


def find_browser() -> str | None:
    """Return the path of a Chromium on this machine."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, (os.environ.get("CHROMIUM", ""), *names))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep races, chaos and browser tests of one file in one process, where xdist runs with `--dist loadgroup`."""
    for item in items:
        if any(item.get_closest_marker(name) for name in ("races", "chaos", "browser")):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse browser tests without a browser."""
    if item.get_closest_marker("browser") and find_browser() is None:
        if os.environ.get("NO_BROWSER") == "1" and not os.environ.get("CI"):
            pytest.skip("NO_BROWSER=1: the browser tests are left out")
        pytest.fail(
            "No Chromium was found: install it (apt install chromium), or leave these out with NO_BROWSER=1.", pytrace=False
        )


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Name the test database after the slot (and, with xdist, the worker)."""
    from django.conf import settings

    database = settings.DATABASES["default"]
    name = database.setdefault("TEST", {}).get("NAME") or f"test_{database['NAME']}"
    database["TEST"]["NAME"] = f"{name}_{os.environ[SLOT_VARIABLE]}"


@pytest.fixture(scope="session")
def django_db_createdb(request: pytest.FixtureRequest, django_db_modify_db_settings: None) -> Iterator[bool]:
    """Make the database anew when asked to, or when other migrations made the one at hand; the second to ask copies what the first has migrated."""
    from django.conf import settings

    test = settings.DATABASES["default"]["TEST"]
    anew = bool(request.config.getvalue("create_db")) or _comment(test["NAME"]) != _migrations_digest()
    if not anew:
        yield False
        return
    descriptor = os.open(data_folder() / "run" / "test-template.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    if _comment(TEMPLATE) == _migrations_digest() and not request.config.getvalue("create_db"):
        test["TEMPLATE"] = TEMPLATE
        os.close(descriptor)
        yield True
        return
    _making.append(descriptor)
    try:
        yield True
    finally:
        _let_others_copy()


def _let_others_copy() -> None:
    while _making:
        os.close(_making.pop())


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, request: pytest.FixtureRequest, django_db_blocker: Any) -> Iterator[None]:
    """Remember what the migrations wrote, and mark the database with them; from here on a flush puts that back."""
    from django.conf import settings
    from django.db import connection
    from django.test import TransactionTestCase

    from tests.factories import kept

    name = settings.DATABASES["default"]["TEST"]["NAME"]
    with django_db_blocker.unblock():
        if _comment(name) != _migrations_digest():
            _keep_autovacuum_out()
            kept.keep()
        if _making:
            connection.close()
            _copy_to_template(name)
            _let_others_copy()
    _write_comment(name)
    TransactionTestCase._fixture_teardown = lambda self: kept.put_back()
    yield


def _keep_autovacuum_out() -> None:
    """Let no statistics be taken by chance: a table full of a test's uncommitted rows would be written down as empty, and planned for as such."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            """DO $$ DECLARE one regclass; BEGIN
                   FOR one IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
                                 AND NOT coalesce('autovacuum_enabled=off' = ANY (reloptions), false) LOOP
                       EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', one);
                   END LOOP;
               END $$"""
        )


def _maintenance() -> psycopg.Connection[Any]:
    """Connect beside the test database: one that is copied, or marked, has nobody in it."""
    from django.conf import settings
    from django.db import connection

    parameters = {**connection.get_connection_params(), "dbname": settings.DATABASES["default"].get("MAINTENANCE", "postgres")}
    wanted = {key: value for key, value in parameters.items() if key in {"host", "port", "user", "password", "dbname"}}
    return psycopg.connect(**wanted, autocommit=True)


def _comment(name: str) -> str:
    """Return the comment on a database, which says by which migrations it was made."""
    with _maintenance() as own:
        row = own.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]).fetchone()
        return (row[0] if row else None) or ""


def _write_comment(name: str) -> None:
    with _maintenance() as own:
        own.execute(psycopg.sql.SQL("COMMENT ON DATABASE {} IS {}").format(psycopg.sql.Identifier(name), _migrations_digest()))


def _copy_to_template(name: str) -> None:
    with _maintenance() as own:
        own.execute(psycopg.sql.SQL("DROP DATABASE IF EXISTS {}").format(psycopg.sql.Identifier(TEMPLATE)))
        own.execute(
            psycopg.sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                psycopg.sql.Identifier(TEMPLATE), psycopg.sql.Identifier(name)
            )
        )
    _write_comment(TEMPLATE)


def _migrations_digest() -> str:
    digest = hashlib.sha256()
    digest.update((CHECKOUT / "tests/factories/kept.py").read_bytes())
    # the wings only: a data folder in the checkout changes while it is walked
    for pattern in ("*/migrations/*.py", "backoffice/*/*.sql", "payouts/*/*.sql", "billing/*/*.sql", "fraud/*/*.sql"):
        for path in sorted(CHECKOUT.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()
