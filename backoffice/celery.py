"""The workers' configuration. The truth is in PostgreSQL; the broker only rings the bell.

A message may come twice, late or never: tasks claim their work in the database, and the timetable rings again. Hence no
results, no ETA, no retries here. Time limits stay below the leases of the work they cover; tasks on `files` set their own.
"""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import worker_process_init
from kombu import Queue

from backoffice.runtime.keeper import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backoffice.settings")
QUEUES = ("money", "files", "default")
WINGS = ("backoffice", "payouts", "billing", "fraud")
CHECKOUT = Path(__file__).resolve().parent.parent


def defaults() -> dict[str, Any]:
    """Return the configuration; CELERY_* in the settings overrides it."""
    from django.conf import settings

    return {
        "broker_url": settings.BROKER_URL,
        "broker_connection_retry_on_startup": True,
        "broker_connection_timeout": 3,
        "broker_transport_options": {"visibility_timeout": 3600, "socket_timeout": 5, "socket_connect_timeout": 3},
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0, "interval_max": 0.2},
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_backend": None,
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "worker_hijack_root_logger": False,
        "worker_send_task_events": False,
        "worker_enable_remote_control": False,
        "task_queues": [Queue(name) for name in QUEUES],
        "task_default_queue": "default",
        "task_create_missing_queues": False,
        "task_soft_time_limit": 40,
        "task_time_limit": 50,
        "timezone": "UTC",
        "enable_utc": True,
    }


def task_rooms() -> list[str]:
    """Return the rooms that have a `tasks.py`."""
    found = [path.parent for wing in WINGS for path in (CHECKOUT / wing).rglob("tasks.py")]
    return sorted(".".join(folder.relative_to(CHECKOUT).parts) for folder in found)


@worker_process_init.connect
def die_with_the_worker(**_signal: Any) -> None:
    """End a pool process with its master: nobody would read its answer, and its lease would run on."""
    die_with_parent()


app = Celery("backoffice")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.add_defaults(defaults)
app.set_default()


@app.on_after_finalize.connect
def load_tasks(sender: Celery, **_signal: Any) -> None:
    """Import every room's tasks, whoever finalises the app first."""
    for room in task_rooms():
        import_module(f"{room}.tasks")
