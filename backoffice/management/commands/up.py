"""Run the whole product in one terminal."""

import os
import sys
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.core.management import get_commands
from django.core.management.base import BaseCommand, CommandParser
from django.db import OperationalError, connections
from django.db.migrations.executor import MigrationExecutor

from backoffice.runtime import ServiceProblem, data_folder, database_is_embedded
from backoffice.runtime.claim import DEFAULT_HOST, DEFAULT_PORT, claim_place, read_port
from backoffice.runtime.supervision import processes, run_manage, supervise


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

        migrate_if_needed()
        if not options["no_demo"] and (options["demo"] or database_is_embedded()):
            seed_if_empty()
        connections.close_all()

        self.stdout.write("Starting web, worker and scheduler…")
        sys.exit(supervise(processes(host, port), host=host, port=port, greeting=lambda: greeting(host, port)))


def migrate_if_needed() -> None:
    """Migrate in a process of its own, as the owner: ours works as the app."""
    try:
        executor = MigrationExecutor(connections["default"])
    except OperationalError as problem:
        raise ServiceProblem(f"The database does not answer: {str(problem).splitlines()[0]}.", "Check DATABASE_URL.") from problem
    if executor.migration_plan(executor.loader.graph.leaf_nodes()) and run_manage("migrate", "--noinput", "--verbosity", "0"):
        raise ServiceProblem("The database could not be migrated.", "The lines above say why.")


def seed_if_empty() -> None:
    """Load the demo marketplace when there is no seller yet, or when an earlier loading was cut off."""
    unfinished = data_folder() / "run" / "demo.unfinished"
    if "seed_demo" not in get_commands() or (apps.get_model("payouts", "Seller").objects.exists() and not unfinished.exists()):
        return
    unfinished.touch()
    if run_manage("seed_demo"):
        raise ServiceProblem("The demo could not be loaded.", "The lines above say why; `up --no-demo` starts without it.")
    unfinished.unlink()


def greeting(host: str, port: int) -> list[str]:
    """Return what a person wants to know once it runs."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - only shown
    address = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"
    return ["", f"  Desk      {address}/", f"  API       {address}/api/docs/", *_logins(), "  Ctrl-C stops everything.", ""]


def _logins() -> list[str]:
    if find_spec("backoffice.staff.demo") is None:
        return []
    from backoffice.staff.demo import demo_logins

    return [f"  {role:<9} {email}  {password}" for email, password, role in demo_logins()]
