"""Run the whole product in one terminal."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandParser
from django.db import OperationalError, connections
from django.db.migrations.executor import MigrationExecutor

from backoffice.runtime import ServiceProblem, data_folder, database_is_embedded, set_database_aside
from backoffice.runtime.claim import DEFAULT_HOST, DEFAULT_PORT, claim_place, read_port
from backoffice.runtime.supervision import processes, run_manage, supervise
from backoffice.staff.demo import demo_logins


class Command(BaseCommand):
    help = "Web, worker and scheduler together, on the embedded or the configured services."
    requires_system_checks: list[str] = []  # `migrate` and the children make them

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", default=os.environ.get("PORT") or DEFAULT_PORT, help="where the web listens (PORT, 8000)")
        parser.add_argument("--host", default=os.environ.get("HOST") or DEFAULT_HOST, help="on which address (HOST, 127.0.0.1)")
        parser.add_argument("--demo", action="store_true", help="load the demo into an empty configured database, too")
        parser.add_argument("--no-demo", action="store_true", help="leave an empty database empty")

    def handle(self, *args: Any, **options: Any) -> None:
        port = read_port(str(options["port"]))
        host = options["host"]
        claim_place(host, port)

        # Until the supervisor takes over, SIGTERM ends us the orderly way, so that nothing we started stays behind.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        if demo_was_cut_off():
            self.stdout.write("The loading of the demo was cut off last time: what it left is set aside, and it starts anew.")
            set_database_aside()
        migrate_if_needed()
        if not options["no_demo"] and (options["demo"] or database_is_embedded()):
            seed_if_empty()
        unfinished_mark().unlink(missing_ok=True)
        lines = greeting(host, port)
        connections.close_all()

        self.stdout.write("Starting web, worker and scheduler…")
        sys.exit(supervise(processes(host, port), host=host, port=port, greeting=lines))


def migrate_if_needed() -> None:
    """Migrate in a process of its own, as the owner: ours works as the app."""
    try:
        executor = MigrationExecutor(connections["default"])
    except OperationalError as problem:
        raise ServiceProblem(f"The database does not answer: {str(problem).splitlines()[0]}.", "Check DATABASE_URL.") from problem
    if executor.migration_plan(executor.loader.graph.leaf_nodes()) and run_manage("migrate", "--noinput", "--verbosity", "0"):
        raise ServiceProblem("The database could not be migrated.", "The lines above say why.")


def seed_if_empty() -> None:
    """Load the demo marketplace when there is no seller yet. What went wrong is told; the desk opens all the same."""
    if apps.get_model("payouts", "Seller").objects.exists():
        return
    unfinished_mark().touch()
    connections.close_all()
    if run_manage("seed_demo"):
        sys.stderr.write("The demo was not loaded cleanly: the lines above say why.\n")


def unfinished_mark() -> Path:
    """Return the file that exists while the demo is being loaded."""
    return data_folder() / "run" / "demo.unfinished"


def demo_was_cut_off() -> bool:
    """Tell whether our own database holds the torso of a demo."""
    return database_is_embedded() and unfinished_mark().exists()


def greeting(host: str, port: int) -> list[str]:
    """Return what a person wants to know once it runs."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - only shown
    address = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"
    return ["", f"  Desk        {address}/", f"  API         {address}/api/docs/", *_logins(), "  Ctrl-C stops everything.", ""]


def _logins() -> list[str]:
    """Return the demo logins, where the demo is loaded."""
    there = set(get_user_model().objects.filter(username__endswith="@demo.example").values_list("username", flat=True))
    logins = [login for login in demo_logins() if login["email"] in there]
    return [f"  {login['role']:<12}{login['email']:<30}password {login['password']}" for login in logins]
