"""The timetable: installed once, one run a slot however many schedulers ring, every job runs."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django_celery_beat.models import PeriodicTask

from backoffice.kit.errors import NotFound
from backoffice.kit.ticks import JobRun, forget_ticks, run_tick, slot_of
from backoffice.schedule import TIMETABLE, install, run_job

AT = datetime(2026, 3, 29, 0, 59, 58, tzinfo=UTC)


@pytest.mark.django_db(transaction=True)
@pytest.mark.races
def test_three_schedulers_that_ring_a_thousand_times_make_a_thousand_runs():
    runs: Counter[datetime] = Counter()
    lock = threading.Lock()

    def scheduler() -> None:
        for number in range(1_000):
            at = AT + timedelta(seconds=5 * number)

            def count(now: datetime) -> None:
                with lock:
                    runs[slot_of(now, 5)] += 1

            run_tick(job="test", every_seconds=5, work=count, at=at)
        connection.close()

    threads = [threading.Thread(target=scheduler) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(runs), set(runs.values())) == (1_000, {1})
    assert JobRun.objects.filter(ok=True).count() == 1_000


@pytest.mark.django_db
def test_a_failing_job_keeps_its_error_and_the_next_slot_runs_again():
    with pytest.raises(ZeroDivisionError):
        run_tick(job="test", every_seconds=60, work=lambda at: 1 // 0, at=AT)

    row = JobRun.objects.get(job="test")
    assert (row.ok, row.error.split(":")[0]) == (False, "ZeroDivisionError")
    assert run_tick(job="test", every_seconds=60, work=lambda at: None, at=AT) is None
    assert run_tick(job="test", every_seconds=60, work=lambda at: None, at=AT + timedelta(minutes=1)).ok


@pytest.mark.django_db
def test_the_timetable_is_installed_once():
    install()
    before = dict(PeriodicTask.objects.values_list("name", "date_changed"))
    install()

    assert set(before) >= set(TIMETABLE)
    assert dict(PeriodicTask.objects.values_list("name", "date_changed")) == before


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(TIMETABLE))
def test_every_job_of_the_timetable_runs_on_an_empty_database(name: str):
    assert run_job(name, at=AT).ok


@pytest.mark.django_db
def test_an_unknown_job_is_refused():
    with pytest.raises(NotFound):
        run_job("nothing", at=AT)


@pytest.mark.django_db
def test_old_rows_are_forgotten():
    run_tick(job="test", every_seconds=60, work=lambda at: None, at=AT)

    assert forget_ticks(AT + timedelta(days=1)) == 0
    assert forget_ticks(AT + timedelta(days=15)) == 1
