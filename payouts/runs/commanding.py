"""What the commands of this room share: their options, and who acts."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date, datetime
from typing import Any

from backoffice.kit.actors import Actor
from backoffice.kit.commands import OperatorCommand, actor_of
from backoffice.kit.errors import InputError
from backoffice.kit.money import Money, MoneyError, exponent_of
from payouts.runs.models import PayoutRun
from payouts.runs.presenting import present_run


def add_day_options(parser: ArgumentParser) -> None:
    parser.add_argument("--on", metavar="DATE", help="the day of the run (default: the UTC day of --at)")
    parser.add_argument("--currency", metavar="C", help="only this currency")
    parser.add_argument("--all-schedules", action="store_true", help="everybody with money, except those paid on request")


def day_of(text: str | None, at: datetime) -> date:
    """Return the day named, or that of `at` in UTC. Raises InputError."""
    if not text:
        return at.date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(detail=f"{text!r} is not a date, such as 2026-11-23.") from None


def currency_of(text: str | None) -> str | None:
    """Return a known currency code, or None for all. Raises InputError."""
    if not text:
        return None
    try:
        exponent_of(text.upper())
    except MoneyError as error:
        raise InputError(detail=error.sentence) from None
    return text.upper()


def staff_actor(email: str | None, permission: str) -> Actor:
    """Return the staff member behind --as with this permission, or the machine when nobody is named. Raises InputError, NotPermitted."""
    return actor_of(email, permission=permission)


class RunCommand(OperatorCommand):
    """A command on one run, named by its id or `latest`, in somebody's name."""

    as_required = False
    takes_reason = False
    reason_required = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", metavar="RUN", help="the run's id, or `latest`")
        parser.add_argument("--as", dest="email", metavar="EMAIL", required=self.as_required, help="the staff member who acts")
        if self.takes_reason:
            parser.add_argument("--reason", default="", required=self.reason_required, help="why, for the timeline")

    def human(self, answer: dict[str, Any]) -> None:
        print_run(self, answer)


def print_run(command: OperatorCommand, answer: dict[str, Any]) -> None:
    """Print a run for people."""
    totals = ", ".join(Money(money["amount_minor"], currency).display() for currency, money in answer["totals"].items())
    command.stdout.write(
        f"{answer['run']} of {answer['on']}: {answer['status']}, {answer['payouts']} payouts, {totals or 'nothing'}"
    )
    if answer["skipped"]:
        skipped = ", ".join(f"{count} {code}" for code, count in answer["skipped_by_code"].items())
        command.stdout.write(f"skipped: {skipped}")


def answer_of(run: PayoutRun) -> dict[str, Any]:
    run.refresh_from_db()
    return present_run(run)
