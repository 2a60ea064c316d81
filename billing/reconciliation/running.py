"""One pass: stage what is new, walk the payouts, apply the rules by priority, open breaks for what is left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Max

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.outbox import tell
from backoffice.kit.transactions import durable
from billing.reconciliation.judging import judge_waiting, open_lonely
from billing.reconciliation.matching import match_by_amount, match_by_names
from billing.reconciliation.models import MatchRulebook, ReconciliationRun, StagedLine
from billing.reconciliation.payouts import notice_payouts, walk_payouts
from billing.reconciliation.queries import coverage
from billing.reconciliation.rulebook import Rule, rulebook_in_force, rules_of
from billing.reconciliation.staging import stage_bank, stage_ledger
from billing.reconciliation.summing import match_sums

_LOCK = "SELECT {}(hashtext('billing.reconcile'))"
_MATCHERS: dict[str, Callable[..., int]] = {
    "reference": match_by_names,
    "amount_day": match_by_amount,
    "subset": match_sums,
}


class ReconciliationRuns(Refusal):
    code = "reconciliation_runs"
    sentence = "Another worker is reconciling; what you staged is matched by it or by the next pass."


class _Steps:
    """A transaction that is committed step by step: what a killed pass has done stays done."""

    def __enter__(self) -> _Steps:
        self._atomic = transaction.atomic()
        self._atomic.__enter__()
        return self

    def __call__(self) -> None:
        self._atomic.__exit__(None, None, None)
        self._atomic = transaction.atomic()
        self._atomic.__enter__()

    def __exit__(self, *failure: Any) -> None:
        self._atomic.__exit__(*failure)


@durable
def reconcile(*, actor: Actor, at: datetime, progress: Callable[[str, int], None] | None = None) -> ReconciliationRun:
    """Match everything staged on all sides, by the rules in force; what is left of theirs is a break. Tells `reconciliation.finished`.

    One at a time; killed and started again, it goes on where it stopped. Refuses: ReconciliationRuns.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK.format("pg_try_advisory_lock"))
        if not cursor.fetchone()[0]:
            raise ReconciliationRuns()
    try:
        book = rulebook_in_force()
        before = ReconciliationRun.objects.filter(finished_at__isnull=False).aggregate(last=Max("bank_entries_upto"))["last"] or 0
        run = ReconciliationRun.objects.create(rulebook=book, started_at=at, actor=str(actor))
        with _Steps() as commit:
            run.counts = _pass(run, book, before, at, commit, progress or (lambda step, count: None))
            run.coverage = coverage(at)
            run.finished_at = at
            run.save()
            tell("reconciliation.finished", subject=str(run.pk), payload=run.counts, at=at)
        return run
    finally:
        with connection.cursor() as cursor:
            cursor.execute(_LOCK.format("pg_advisory_unlock"))


def _pass(
    run: ReconciliationRun, book: MatchRulebook, after: int, at: datetime, commit: _Steps, progress: Callable[[str, int], None]
) -> dict[str, int]:
    counts: dict[str, int] = {}

    def done(step: str, count: int) -> None:
        counts[step] = count
        progress(step, count)

    bank, run.bank_entries_upto = stage_bank(after=after, at=at, commit=commit)
    done("staged_bank", bank)
    done("staged_ledger", stage_ledger(at=at, commit=commit))
    done("payouts_noticed", notice_payouts(at=at))
    commit()
    # Lines that come while this runs are the next pass's.
    run.lines_upto = StagedLine.objects.aggregate(last=Max("pk"))["last"] or 0
    _analyse()
    rules = rules_of(book)
    for rule in rules:
        if rule.method == "provider_payout":
            for step, count in walk_payouts(rule=rule, book=book, at=at, commit=commit).items():
                done(step, count)
        else:
            done(rule.code, _MATCHERS[rule.method](rule=rule, book=book, at=at, commit=commit))
    judge_waiting(book=book, rules=rules, at=at)
    commit()
    done("breaks_opened", open_lonely(book=book, at=at, commit=commit))
    return counts


def _analyse() -> None:
    """Let the planner know what was just staged: it would take a fresh table for empty, and compare each line with each."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM billing_stagedline WHERE group_id IS NULL")
        if cursor.fetchone()[0] > 1_000:
            cursor.execute("ANALYZE billing_stagedline")


def rule_named(book: MatchRulebook, code: str) -> Rule | None:
    return next((rule for rule in rules_of(book) if rule.code == code), None)
