"""A worker as production runs it, in a loop of its own, forked by the harness; defects are planted here and never in the product."""

from __future__ import annotations

import logging
import os
import random
import time
from pathlib import Path

from django.db import DatabaseError, InterfaceError, connection

from backoffice.kit import clock
from payouts.dispatch.operations import sweep
from tests.chaos import bugs

logger = logging.getLogger("chaos")


def run(stop_file: Path, *, wave: int, bug: str, number: int) -> None:
    """Work until the stop file appears; whatever the database does, come back and go on."""
    random.seed(os.getpid())
    engine = bugs.engine_with(bug, wave=wave)
    swept = 0.0
    while not stop_file.exists():
        try:
            taken = engine.run(at=clock.now(), limit=50)
            if time.monotonic() - swept > 1 and number == 0:
                sweep(at=clock.now())
                swept = time.monotonic()
            if not taken:
                time.sleep(0.05)
        except (DatabaseError, InterfaceError):
            connection.close()
            time.sleep(0.1)
        except Exception:
            # a worker that met a defect dies; the supervisor starts another
            logger.exception("worker died")
            os._exit(3)
    os._exit(0)
