"""Run the product on its own PostgreSQL and Valkey where none are configured.

Nothing here imports Django: the runtime stands before the settings, which read only the environment it fills.
"""

import os
from pathlib import Path

from backoffice.runtime.problems import ServiceProblem

__all__ = [
    "ServiceProblem",
    "data_folder",
    "database_is_embedded",
    "ensure_services",
    "restart_embedded_postgres",
    "set_database_aside",
]

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def data_folder() -> Path:
    """Return the folder that holds everything this installation keeps (`BACKOFFICE_DATA`, else `var/` in the checkout)."""
    return Path(os.environ.get("BACKOFFICE_DATA") or CHECKOUT / "var").expanduser().resolve()


def ensure_services(*, need_broker: bool = True) -> None:
    """Fill DATABASE_URL, DATABASE_OWNER_URL, BROKER_URL and the secrets where the environment leaves them open.

    Starts the embedded servers, or attaches to those another process of this data folder runs. They stop when the last
    process that called this has ended, however it ended. Raises ServiceProblem with a sentence and a remedy.
    """
    from backoffice.runtime import secret_file
    from backoffice.runtime.postgres import EmbeddedPostgres
    from backoffice.runtime.service import hold
    from backoffice.runtime.valkey import EmbeddedValkey

    folder = data_folder()
    embedded = not os.environ.get("DATABASE_URL")
    secret_file.load_or_create(folder, announce=not embedded)
    if embedded:
        os.environ.update(hold(EmbeddedPostgres(folder)))
    if need_broker and not os.environ.get("BROKER_URL"):
        os.environ.update(hold(EmbeddedValkey(folder)))


def database_is_embedded() -> bool:
    """Tell whether this process holds the embedded PostgreSQL."""
    from backoffice.runtime.service import is_held

    return is_held("postgres")


def restart_embedded_postgres() -> None:
    """Ask the keeper of the embedded PostgreSQL to restart it (fast shutdown, then start); returns at once."""
    from backoffice.runtime.postgres import EmbeddedPostgres
    from backoffice.runtime.service import restart

    restart(EmbeddedPostgres(data_folder()))


def set_database_aside() -> None:
    """Rename the embedded database and make an empty one in its place. Nothing is deleted."""
    from backoffice.runtime.postgres import EmbeddedPostgres

    EmbeddedPostgres(data_folder()).set_aside()
