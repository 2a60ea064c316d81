"""Bells: a message names a job of the timetable, and the database decides whether it runs."""

from typing import Any

from celery import shared_task

from backoffice.kit import clock
from backoffice.schedule import run_job


@shared_task(name="backoffice.run_money_job")
def run_money_job(name: str) -> None:
    """Run a job that holds leases: its time limits (see celery.py) lie below them."""
    run_job(name, at=clock.now())


@shared_task(name="backoffice.run_long_job", soft_time_limit=1500, time_limit=1560)
def run_long_job(name: str) -> None:
    """Run a job that may take its time: files of 100,000 payments, the proof of the books."""
    run_job(name, at=clock.now())


def ring(name: str) -> Any:
    """Ring for a job now instead of at its next tick. The broker may be down: then the tick does it."""
    from backoffice.schedule import TASK_OF_QUEUE, TIMETABLE

    job = TIMETABLE[name]
    task = run_money_job if TASK_OF_QUEUE[job.queue] == run_money_job.name else run_long_job
    try:
        task.apply_async([name], queue=job.queue, retry=False)
    except (OSError, task.OperationalError):
        return None
    return job.name
