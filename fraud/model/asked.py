"""Trainings asked for at the desk: queued, run by the schedule in the name of who asked, with how far each is on its page."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.db import transaction

from backoffice.kit import clock
from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, Refusal
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from fraud.features.models import FraudLabel
from fraud.model.models import ModelVersion, Training
from fraud.model.operations import keep_model
from fraud.model.sources import rows_of_history
from fraud.model.states import TRAINING, TrainingState
from fraud.model.training import Row, train

logger = logging.getLogger(__name__)
DAYS_MAX, DELAY_MAX = 1_000, 365
# A worker that says nothing for so long is gone; another takes the training up again, from its beginning.
SILENT = timedelta(minutes=15)
BEAT_EVERY = 2_000
HISTORY = "our own history"
# A refusal, or figures the library cannot fit: either way the page says so, and nobody trains the same again and again.
_WRONG = (Refusal, ArithmeticError, LookupError, TypeError, ValueError)


class TrainingWaits(Refusal):
    code = "training_waits"
    sentence = "A training is {state} already; wait for it, since both would see the same sales."


@composable
def ask_training(*, days: int, label_delay_days: int, actor: Actor, at: datetime) -> Training:
    """Queue a training on the labelled sales of the last days. Refuses: InputError, TrainingWaits."""
    if not 1 <= days <= DAYS_MAX or not 1 <= label_delay_days <= DELAY_MAX:
        raise InputError(detail=f"Give 1 to {DAYS_MAX} days, and a delay of labels of 1 to {DELAY_MAX} days.")
    list(ModelVersion.objects.select_for_update().order_by("pk"))
    waiting = Training.objects.filter(state__in=[TrainingState.QUEUED, TrainingState.RUNNING]).first()
    if waiting is not None:
        raise TrainingWaits(state=waiting.get_state_display())
    since = at - timedelta(days=days)
    total = FraudLabel.objects.filter(event__at__gt=since, known_at__lte=at).values("event").distinct().count()
    made = Training.objects.create(
        from_at=since, to_at=at, label_delay_days=label_delay_days, total=total, actor=str(actor), asked_at=at
    )
    born(TRAINING, made, actor=actor, at=at)
    audit.record(actor, "model.ask_training", made.public_id, at, facts={"days": days, "label_delay_days": label_delay_days})
    return made


def run_trainings(*, actor: Actor, at: datetime) -> int:
    """Run what is queued, and what a lost worker left; returns how many."""
    done = 0
    while (one := _claim(actor, at)) is not None:
        _run(one, actor, at)
        done += 1
    return done


def _claim(actor: Actor, at: datetime) -> Training | None:
    with transaction.atomic():
        rows = Training.objects.select_for_update(skip_locked=True)
        for lost in rows.filter(state=TrainingState.RUNNING, beat_at__lt=at - SILENT):
            transition(TRAINING, lost, TrainingState.QUEUED, actor=actor, at=at, code="worker_lost")
        one = rows.filter(state=TrainingState.QUEUED).order_by("pk").first()
        if one is not None:
            transition(TRAINING, one, TrainingState.RUNNING, actor=actor, at=at)
            Training.objects.filter(pk=one.pk).update(beat_at=at, done=0)
        return one


def _run(one: Training, actor: Actor, at: datetime) -> None:
    """Train, and keep the model in the name of who asked: the second person is somebody else than they."""
    try:
        rows = _counted(one, rows_of_history(since=one.from_at, until=one.to_at))
        trained = train(rows=rows, source=HISTORY, label_delay=timedelta(days=one.label_delay_days))
    except _WRONG as error:
        said = str(error)
        if not isinstance(error, Refusal):
            logger.exception("the training %s failed", one.public_id)
            said = f"The program failed ({type(error).__name__}); its log says where."
        with transaction.atomic():
            Training.objects.filter(pk=one.pk).update(error=said)
            transition(TRAINING, one, TrainingState.FAILED, actor=actor, at=at, reason=said)
        return
    with transaction.atomic():
        model = keep_model(trained=trained, actor=Actor.parse(one.actor), at=at)
        Training.objects.filter(pk=one.pk).update(model=model, done=one.total)
        transition(TRAINING, one, TrainingState.DONE, actor=actor, at=at)


def _counted(one: Training, rows: Iterable[Row]) -> Iterator[Row]:
    """Let rows through and write down how many came, now and then."""
    for number, row in enumerate(rows, 1):
        if number % BEAT_EVERY == 0:
            Training.objects.filter(pk=one.pk).update(done=number, beat_at=clock.now())
        yield row
