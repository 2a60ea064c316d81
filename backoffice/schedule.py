"""The timetable: what runs, how often, on which queue, and what a missed tick means. Nothing else decides when something runs.

Every job works from the state of the database until nothing is due, so a missed tick costs time and never work: the catch-up rule of all of
them is "one run makes up for every missed one". Installed into the database scheduler after each migration; see `install`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from backoffice.kit.actors import system
from backoffice.kit.errors import NotFound
from backoffice.kit.ticks import JobRun, forget_ticks, run_tick

SCHEDULER = system("schedule")


@dataclass(frozen=True, slots=True)
class Job:
    """One line of the timetable. `work` gets the instant and answers something JSON can hold."""

    name: str
    every_seconds: int
    queue: Literal["money", "files", "default"]
    what: str
    work: Callable[[datetime], Any]


def _work(at: datetime) -> Any:
    from payouts.dispatch.operations import work

    return work(at=at, seconds=25)


def _sweep(at: datetime) -> Any:
    from payouts.dispatch.operations import sweep

    return sweep(at=at)


def _close_windows(at: datetime) -> Any:
    from payouts.dispatch.operations import close_return_windows

    return close_return_windows(at=at)


def _mature(at: datetime) -> Any:
    from payouts.holds.operations import mature_earnings

    return mature_earnings(actor=SCHEDULER, at=at)


def _follow_trade_ins(at: datetime) -> Any:
    from payouts.tradeins.operations import follow_trade_ins

    return follow_trade_ins(actor=SCHEDULER, at=at)


def _release(at: datetime) -> Any:
    from payouts.holds.operations import release_due_holds

    return release_due_holds(actor=SCHEDULER, at=at)


def _expire(at: datetime) -> Any:
    from payouts.runs.operations import expire_runs

    return len(expire_runs(at=at, actor=SCHEDULER))


def _open_files(at: datetime) -> Any:
    from payouts.compliance.operations import open_missing_files

    return open_missing_files(actor=SCHEDULER, at=at)


def _keep_deadlines(at: datetime) -> Any:
    from payouts.compliance.operations import keep_deadlines

    return keep_deadlines(actor=SCHEDULER, at=at)


def _assess_volumes(at: datetime) -> Any:
    from payouts.compliance.operations import assess_volumes

    return assess_volumes(actor=SCHEDULER, at=at)


def _apply_catalogues(at: datetime) -> Any:
    from payouts.compliance.operations import apply_catalogues

    return apply_catalogues(actor=SCHEDULER, at=at)


def _store_documents(at: datetime) -> Any:
    from payouts.compliance.operations import delete_erased_files, move_out

    return {"stored": move_out(at=at), "deleted": delete_erased_files(at=at)}


def _rate_sellers(at: datetime) -> Any:
    from payouts.compliance.operations import rate_sellers

    return rate_sellers(actor=SCHEDULER, at=at)


def _keep_tax_data(at: datetime) -> Any:
    from payouts.reporting.operations import keep_tax_data

    return keep_tax_data(actor=SCHEDULER, at=at)


def _relay(at: datetime) -> Any:
    from backoffice.kit.outbox import relay

    return relay(at=at)


def _seal(at: datetime) -> Any:
    from backoffice.staff import audit

    return audit.seal(10_000)


def _roll_up(at: datetime) -> Any:
    from payouts.ledger.checkpoints import roll_up

    return roll_up(at=at)


def _forget(at: datetime) -> Any:
    from backoffice.kit.idempotency import forget_keys
    from payouts.runs.pruning import forget_skips

    return {"keys": forget_keys(at=at), "skips": forget_skips(at=at)}


def _screen(at: datetime) -> Any:
    from fraud.screening.operations import work

    return work(at=at, seconds=25)


def _call_gateways(at: datetime) -> Any:
    from billing.payments.operations import work as call

    return call(at=at, seconds=25)


def _look_after_payments(at: datetime) -> Any:
    from billing.payments.operations import look_after as look_after_payments
    from billing.refunds.operations import look_after as look_after_refunds
    from billing.refunds.operations import release_queued

    return {"payments": look_after_payments(at=at), "refunds": look_after_refunds(at=at), "released": release_queued(at=at)}


def _process_notices(at: datetime) -> Any:
    from billing.webhooks.operations import work

    return work(at=at, seconds=25)


def _heal_notices(at: datetime) -> Any:
    from billing.webhooks.operations import heal

    return heal(at=at)


def _answer_disputes(at: datetime) -> Any:
    from billing.disputes.operations import send_submissions

    return send_submissions(at=at)


def _watch_disputes(at: datetime) -> Any:
    from billing.disputes.operations import accept_small_ones, refresh_disputes

    return {"small": accept_small_ones(at=at), "looked_at": refresh_disputes(at=at)}


def _forget_bodies(at: datetime) -> Any:
    from billing.webhooks.operations import forget_bodies

    return forget_bodies(at=at)


def _watch_screening_server(at: datetime) -> Any:
    from fraud.screening.operations import watch_server

    return watch_server(at=at)


def _feed_fraud(at: datetime) -> Any:
    from fraud.features.consuming import label_aged, pull

    return {"copied": pull(at=at), "labelled_good": label_aged(at=at)}


def _decide_sales(at: datetime) -> Any:
    from fraud.decisions.awaiting import decide_sales

    return decide_sales(actor=SCHEDULER, at=at)


def _watch_rules(at: datetime) -> Any:
    from fraud.decisions.working import watch_rules
    from fraud.lists.operations import end_expired

    return {"stopped": watch_rules(actor=SCHEDULER, at=at), "ended": end_expired(actor=SCHEDULER, at=at)}


def _backtest(at: datetime) -> Any:
    from fraud.decisions.testing import run_backtests

    return run_backtests(actor=SCHEDULER, at=at)


def _train(at: datetime) -> Any:
    from fraud.model.asked import run_trainings

    return run_trainings(actor=SCHEDULER, at=at)


def _keep_fraud_holds(at: datetime) -> Any:
    from fraud.decisions.holding import keep_holds
    from fraud.decisions.rechecking import recheck_reviews
    from fraud.decisions.reserving import keep_reserves

    return {
        "again": recheck_reviews(actor=SCHEDULER, at=at),
        "holds": keep_holds(actor=SCHEDULER, at=at),
        "reserves": keep_reserves(actor=SCHEDULER, at=at),
    }


def _replay(at: datetime) -> Any:
    from datetime import timedelta

    from fraud.decisions.working import replay_decisions

    kept = replay_decisions(at=at, since=at - timedelta(days=7))
    return {"sampled": kept.sampled, "agreed": kept.agreed}


def _look_after_cases(at: datetime) -> Any:
    from fraud.cases.operations import lapse_decisions, look_after

    return look_after(actor=SCHEDULER, at=at) | {"lapsed": lapse_decisions(actor=SCHEDULER, at=at)}


def _snapshot_exposure(at: datetime) -> Any:
    from fraud.exposure.operations import forget_nights, snapshot_exposure

    return snapshot_exposure(actor=SCHEDULER, at=at) | {"forgotten": forget_nights(at=at)}


def _tell_overdue(at: datetime) -> Any:
    from billing.invoices.operations import tell_overdue

    return tell_overdue(at=at)


def _renew(at: datetime) -> Any:
    from billing.subscriptions.operations import renew_subscriptions, run_boundaries

    return {
        "boundaries": run_boundaries(actor=SCHEDULER, at=at),
        "renewals": renew_subscriptions(actor=SCHEDULER, at=at, seconds=1_200),
    }


def _collect(at: datetime) -> Any:
    from billing.collection.operations import work

    return work(actor=SCHEDULER, at=at, seconds=25)


def _advance_clocks(at: datetime) -> Any:
    from billing.subscriptions.operations import run_advances

    return run_advances(actor=SCHEDULER, at=at)


def _fetch_transactions(at: datetime) -> Any:
    from billing.reconciliation.operations import fetch_all

    return fetch_all(actor=SCHEDULER, at=at)


def _reconcile(at: datetime) -> Any:
    from billing.reconciliation.operations import ReconciliationRuns, reconcile

    try:
        return reconcile(actor=SCHEDULER, at=at).counts
    except ReconciliationRuns as refusal:
        return str(refusal)


def _send_webhooks(at: datetime) -> Any:
    from backoffice.partners.outgoing.operations import work

    return work(at=at, seconds=20)


def _forget_answers(at: datetime) -> Any:
    from backoffice.partners.outgoing.operations import forget_answers

    return forget_answers(at=at)


def _check_books(at: datetime) -> Any:
    from backoffice.desk.operations import check_books_now

    return check_books_now(actor=SCHEDULER, at=at).is_clean


TIMETABLE: dict[str, Job] = {
    job.name: job
    for job in [
        Job(
            "dispatch.work", 5, "money", "Send what is due on call rails, resume what crashed, ask about what is unknown.", _work
        ),
        Job("dispatch.sweep", 30, "files", "Build and hand over files left behind; ask rails what settled or came back.", _sweep),
        Job("outbox.relay", 5, "default", "Deliver events to their subscribers.", _relay),
        Job("holds.mature", 300, "default", "Make earnings available whose time has come.", _mature),
        Job(
            "trade_ins.follow",
            120,
            "default",
            "Free trade-ins whose time has come; note which were paid and which came back.",
            _follow_trade_ins,
        ),
        Job("holds.release", 300, "default", "Release holds and reserves whose time has come.", _release),
        Job(
            "compliance.deadlines",
            300,
            "default",
            "Ask again for what expires, remind, and mark overdue what is.",
            _keep_deadlines,
        ),
        Job("compliance.volumes", 86_400, "files", "Ask for what a seller's volume makes due.", _assess_volumes),
        Job("compliance.catalogue", 3600, "files", "Ask what a new version of the catalogue asks.", _apply_catalogues),
        Job(
            "compliance.store_documents",
            60,
            "files",
            "Put the documents that came in into storage, and delete erased ones there.",
            _store_documents,
        ),
        Job(
            "compliance.rate", 86_400, "files", "Rate sellers by the scorecard and start the reviews that are due.", _rate_sellers
        ),
        Job(
            "compliance.open_files", 3600, "default", "Ask the catalogue's questions of sellers nobody has assessed.", _open_files
        ),
        Job(
            "reporting.tax_data", 86_400, "files", "Ask reportable sellers for missing tax data, and remind them.", _keep_tax_data
        ),
        Job("audit.seal", 60, "default", "Chain fresh audit entries.", _seal),
        Job("ledger.roll_up", 60, "default", "Fold hot accounts into checkpoints.", _roll_up),
        Job("runs.expire", 3600, "default", "Give back the money of runs nobody approved in time.", _expire),
        Job(
            "dispatch.close_return_windows", 3600, "default", "Make paid payouts final after their return window.", _close_windows
        ),
        Job(
            "screening.work",
            30,
            "files",
            "End old clearances, take new list versions over the parties, screen who is due.",
            _screen,
        ),
        Job("payments.work", 5, "money", "Call the gateways, resume what crashed, ask about what is unknown.", _call_gateways),
        Job(
            "payments.look_after",
            300,
            "files",
            "Ask gateways about what waits there, and send refunds whose seller has earned enough.",
            _look_after_payments,
        ),
        Job("webhooks.work", 5, "default", "Process the card provider's events, and give back what crashed.", _process_notices),
        Job("webhooks.heal", 3600, "files", "Take in events that were lost on their way to us.", _heal_notices),
        Job("webhooks.forget", 86_400, "files", "Forget the bodies of old events.", _forget_bodies),
        Job("disputes.answer", 5, "default", "Send answers to disputes, and ask about those that are unknown.", _answer_disputes),
        Job("disputes.watch", 900, "files", "Accept small disputes by the policy; look again at quiet ones.", _watch_disputes),
        Job(
            "screening.watch_server",
            600,
            "files",
            "Ask a screening server what its lists are at, and screen again when they moved on.",
            _watch_screening_server,
        ),
        Job("fraud.feed", 60, "default", "Copy what was sold and what came back into the wing's memory.", _feed_fraud),
        Job(
            "fraud.decide_sales", 30, "default", "Decide on the sales that were booked; their money waits for it.", _decide_sales
        ),
        Job("fraud.watch_rules", 60, "default", "Stop rules that do more than they promised; end listed values.", _watch_rules),
        Job("fraud.backtests", 5, "files", "Run the back-tests that were asked for.", _backtest),
        Job("fraud.train", 30, "files", "Train the models that were asked for.", _train),
        Job(
            "fraud.holds",
            60,
            "default",
            "Ask again about what is held, free what nothing speaks against; hold the money of stopped sales; place and end reserves.",
            _keep_fraud_holds,
        ),
        Job("fraud.replay", 86_400, "files", "Make a sample of decisions again and compare.", _replay),
        Job("cases.look_after", 60, "default", "Wake cases that were put off, and free those nobody touched.", _look_after_cases),
        Job(
            "exposure.snapshot",
            86_400,
            "files",
            "Take the night's exposure of every seller, and tell who crossed a threshold.",
            _snapshot_exposure,
        ),
        Job("invoices.overdue", 3600, "default", "Tell of invoices whose due date has passed.", _tell_overdue),
        Job("subscriptions.renew", 300, "files", "Renew subscriptions, and do what else falls due for them.", _renew),
        Job("collection.work", 15, "money", "Make the attempts to collect that are due.", _collect),
        Job("subscriptions.clocks", 15, "default", "Walk the test clocks partners asked for.", _advance_clocks),
        Job("reconciliation.fetch", 3600, "files", "Fetch the balance transactions of the gateways.", _fetch_transactions),
        Job("reconciliation.run", 3600, "files", "Match what providers and banks say with the books; open breaks.", _reconcile),
        Job("deliveries.work", 5, "default", "Send webhooks to partners, and try again what failed.", _send_webhooks),
        Job("deliveries.forget", 86_400, "files", "Forget what partners' servers answered long ago.", _forget_answers),
        Job("books.check", 3600, "files", "Prove the books.", _check_books),
        Job("rows.forget", 86_400, "default", "Forget idempotency keys and skips of runs past their age.", _forget),
        Job("ticks.forget", 86_400, "default", "Forget old rows of this timetable.", forget_ticks),
    ]
}


def run_job(name: str, *, at: datetime) -> JobRun | None:
    """Run a job for the present slot, once among all schedulers and workers. Refuses: NotFound."""
    job = TIMETABLE.get(name)
    if job is None:
        raise NotFound(what="job", ref=name)
    return run_tick(job=job.name, every_seconds=job.every_seconds, work=job.work, at=at)


def install(**facts: Any) -> None:
    """Write the timetable into the database scheduler; again and again changes nothing. Called after migrations (not after a flush)."""
    if facts and "plan" not in facts:
        return
    from django.db import connection
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    if PeriodicTask._meta.db_table not in connection.introspection.table_names():
        return  # a migration of one app alone, before the scheduler's own

    for job in TIMETABLE.values():
        interval, _ = IntervalSchedule.objects.get_or_create(every=job.every_seconds, period=IntervalSchedule.SECONDS)
        wanted = {
            "task": TASK_OF_QUEUE[job.queue],
            "args": json.dumps([job.name]),
            "queue": job.queue,
            "interval": interval,
            "crontab": None,
            "description": job.what,
            # A bell that could not be heard in time is not rung later: the next one does the same.
            "expire_seconds": max(job.every_seconds, 10),
        }
        found = PeriodicTask.objects.filter(name=job.name).first()
        if found is None or any(getattr(found, name) != value for name, value in wanted.items()):
            PeriodicTask.objects.update_or_create(name=job.name, defaults=wanted)
    PeriodicTask.objects.filter(task__in=TASK_OF_QUEUE.values()).exclude(name__in=TIMETABLE).delete()


TASK_OF_QUEUE = {
    "money": "backoffice.run_money_job",
    "files": "backoffice.run_long_job",
    "default": "backoffice.run_long_job",
}
