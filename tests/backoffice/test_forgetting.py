"""What is forgotten is past its promised age, and nothing else goes with it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from backoffice.kit import clock, idempotency
from backoffice.kit.idempotency import KEPT_DAYS, IdempotencyRecord, forget_keys, recall
from backoffice.kit.invariants import check_books
from backoffice.schedule import TIMETABLE
from payouts.runs.models import PayoutRun, RunSkip
from payouts.runs.operations import deny_run
from payouts.runs.pruning import SKIPS_KEPT_DAYS, forget_skips
from tests.factories.runs import AT, MAKER, give_money, make_run
from tests.factories.sellers import make_seller

pytestmark = pytest.mark.django_db


def test_keys_past_their_promised_age_are_forgotten_in_batches_and_younger_ones_answer_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(idempotency, "FORGET_AT_ONCE", 4)
    IdempotencyRecord.objects.all().delete()
    for number in range(10):
        recall(scope="x", key=str(number), content="c").keep(number)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE backoffice_idempotencyrecord SET created_at = now() - interval '31 days' WHERE key::int < 7 RETURNING created_at"
        )

    now = clock.now()
    assert forget_keys(at=now - timedelta(days=2)) == 0
    assert forget_keys(at=now) == 7
    assert [recall(scope="x", key=str(number), content="c").outcome for number in (7, 8, 9)] == [7, 8, 9]
    assert recall(scope="x", key="0", content="other").outcome is None
    assert KEPT_DAYS == 30, "docs/api.md promises it"


def test_skips_of_runs_that_ended_long_ago_are_forgotten_and_those_of_open_runs_stay():
    give_money(make_seller(), 7_000)  # nowhere to pay it to: skipped
    ended = make_run(sellers=1)
    deny_run(run_id=ended.pk, actor=MAKER, at=AT, reason="no")
    waiting = make_run()
    skips = RunSkip.objects.filter(run=ended).count()
    assert skips

    assert forget_skips(at=AT + timedelta(days=SKIPS_KEPT_DAYS - 1)) == 0
    assert forget_skips(at=AT + timedelta(days=SKIPS_KEPT_DAYS + 1)) == skips
    assert not RunSkip.objects.filter(run=ended).exists()
    assert RunSkip.objects.filter(run=waiting).exists()
    assert PayoutRun.objects.get(pk=ended.pk).skipped_count == skips
    assert [verdict for verdict in check_books() if not verdict.ok] == []


def test_the_timetable_forgets_once_a_day():
    job = TIMETABLE["rows.forget"]
    assert job.every_seconds == 86_400
    assert job.work(clock.now()) == {"keys": 0, "skips": 0}
