"""The policy of cases: deadlines, locks, and when a decision takes a second person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fraud.cases.models import Kind, Priority
from fraud.policies.models import PolicyKind
from fraud.policies.operations import declare_kind, in_force
from fraud.policies.shapes import by_currency, keys, some_of, text, texts, whole

_KINDS = {str(value): str(label) for value, label in Kind.choices}
_AMOUNT = whole(0, 10**15)
_HOURS = whole(1, 2_000)
CASES = keys(
    hours=keys(low=_HOURS, normal=_HOURS, high=_HOURS, critical=_HOURS),
    lock_minutes=whole(1, 24 * 60),
    snooze_days=whole(1, 90),
    repeat_days=whole(1, 365),
    critical_minor=by_currency(_AMOUNT),
    alone_minor=by_currency(_AMOUNT),
    two_people_by_amount=some_of(_KINDS),
    two_people_always=some_of(_KINDS),
)
REPORTS = keys(
    rentity_id=whole(0, 10**9),
    rentity_branch=text,
    currency_local=text,
    person=keys(first_name=text, last_name=text, occupation=text),
    address=keys(address_type=text, address=text, city=text, country_code=text),
    indicators=texts,
)


def declare() -> None:
    declare_kind(PolicyKind.CASES, CASES)
    declare_kind(PolicyKind.REPORTS, REPORTS)


@dataclass(frozen=True, slots=True)
class CasePolicy:
    """The figures in force, with their version."""

    number: int
    content: dict[str, Any]

    def due(self, priority: int, since: datetime) -> datetime:
        """Return until when a case of a priority that began at an instant has to be decided."""
        return since + timedelta(hours=self.content["hours"][Priority(priority).name.lower()])

    def locked_until(self, at: datetime) -> datetime:
        return at + timedelta(minutes=self.content["lock_minutes"])

    def is_critical(self, amount_minor: int, currency: str) -> bool:
        """Tell whether an amount makes an alert critical; where no limit is set for its currency, none does."""
        limit = self.content["critical_minor"].get(currency)
        return limit is not None and amount_minor >= limit

    def takes_two(self, kind: str, amount_minor: int, currency: str) -> bool:
        """Tell whether a decision takes a second person: always by its kind, or above the limit of its currency (zero where none is set).

        A reserve goes by its amount whatever the figures say: it keeps a seller's coming sales, which no single person decides on.
        """
        if kind in self.content["two_people_always"]:
            return True
        by_amount = [*self.content["two_people_by_amount"], Kind.RESERVE]
        return kind in by_amount and amount_minor > self.content["alone_minor"].get(currency, 0)


def case_policy() -> CasePolicy:
    row = in_force(PolicyKind.CASES)
    return CasePolicy(row.number, row.content)
