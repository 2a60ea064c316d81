"""Back-tests asked for at the desk: queued, run by the schedule, with how far each is on its page."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from backoffice.kit import clock
from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from fraud.decisions.models import Backtest
from fraud.decisions.states import BACKTEST, BacktestState
from fraud.decisions.trial import try_on_history
from fraud.features.models import FraudEvent
from fraud.rules.models import RuleVersion

DAYS_MAX = 366
# A worker that says nothing for so long is gone; another takes the test up again, from its beginning.
SILENT = timedelta(minutes=5)


@composable
def ask_backtest(*, version_id: int, days: int, actor: Actor, at: datetime) -> Backtest:
    """Queue a trial of a version on the last days. Refuses: NotFound, InputError."""
    version = RuleVersion.objects.select_related("rule").filter(pk=version_id).first()
    if version is None:
        raise NotFound(what="rule version", ref=version_id)
    if not 1 <= days <= DAYS_MAX:
        raise InputError(detail=f"A back-test covers 1 to {DAYS_MAX} days.")
    since = at - timedelta(days=days)
    total = FraudEvent.objects.filter(kind=version.rule.point, at__gt=since, at__lte=at).count()
    test = Backtest.objects.create(version=version, from_at=since, to_at=at, total=total, actor=str(actor), asked_at=at)
    born(BACKTEST, test, actor=actor, at=at)
    return test


def run_backtests(*, actor: Actor, at: datetime) -> int:
    """Run what is queued, one after the other, and what a lost worker left; returns how many."""
    done = 0
    while (test := _claim(actor, at)) is not None:
        _run(test, actor, at)
        done += 1
    return done


def _claim(actor: Actor, at: datetime) -> Backtest | None:
    with transaction.atomic():
        for lost in Backtest.objects.select_for_update(skip_locked=True).filter(
            state=BacktestState.RUNNING, beat_at__lt=at - SILENT
        ):
            transition(BACKTEST, lost, BacktestState.QUEUED, actor=actor, at=at, code="worker_lost")
        rows = Backtest.objects.select_for_update(skip_locked=True, of=("self",)).select_related("version__rule")
        test = rows.filter(state=BacktestState.QUEUED).order_by("pk").first()
        if test is not None:
            transition(BACKTEST, test, BacktestState.RUNNING, actor=actor, at=at)
            Backtest.objects.filter(pk=test.pk).update(beat_at=at, done=0)
        return test


def _run(test: Backtest, actor: Actor, at: datetime) -> None:
    done = 0

    def beat(rows: int) -> None:
        nonlocal done
        done += rows
        Backtest.objects.filter(pk=test.pk).update(done=done, beat_at=clock.now())

    answer: dict[str, Any] = {}
    error = ""
    try:
        answer = try_on_history(version=test.version, since=test.from_at, until=test.to_at, progress=beat)
    except Refusal as refusal:
        error = str(refusal)
    with transaction.atomic():
        Backtest.objects.filter(pk=test.pk).update(answer=answer, error=error)
        transition(BACKTEST, test, BacktestState.FAILED if error else BacktestState.DONE, actor=actor, at=at, reason=error)
