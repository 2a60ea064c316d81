"""Match one line with several whose amounts make it up, where no name says so: bounded, and only where the answer is the only one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connection

from billing.reconciliation.matching import claim
from billing.reconciliation.models import MatchRulebook
from billing.reconciliation.rulebook import Rule
from billing.reconciliation.subsets import only_subset

# Beyond this many loose lines something larger is wrong, and a person looks at breaks instead of us at sums.
SUMS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class _Loose:
    """A line that found nobody."""

    id: int
    side: str
    leg: str
    holder: str
    currency: str
    amount_minor: int
    on: date
    reference: str
    name: str

    @property
    def place(self) -> tuple[str, str, str, bool]:
        return self.leg, self.holder, self.currency, self.amount_minor > 0


def match_sums(*, rule: Rule, book: MatchRulebook, at: datetime, commit: Callable[[], None]) -> int:
    """Match one to many and many to one within the rule's days; return how many lines.

    All answers are found first; a line that stands in two of them is in none, so that the order of looking decides nothing.
    """
    loose = _loose(rule)
    if len(loose) > SUMS_MAX:
        return 0
    answers = [answer for whole in loose if (answer := _parts_of(whole, loose, rule, at))]
    used = Counter(line.id for answer in answers for line in answer)
    matched = 0
    for answer in answers:
        if all(used[line.id] == 1 for line in answer):
            whole, last_on = answer[0], max(line.on for line in answer)
            ids = [line.id for line in answer]
            claim(rule.code, book, whole.leg, whole.holder, whole.currency, whole.name, last_on, ids, rule=rule, at=at)
            matched += len(ids)
    commit()
    return matched


def _loose(rule: Rule) -> list[_Loose]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id, side, leg, holder, currency, amount_minor, "on", reference, left(source || ':' || source_ref, 120)
                 FROM billing_stagedline
                WHERE group_id IS NULL AND state IN ('staged', 'needs_review') AND leg = ANY(%s) AND amount_minor <> 0
                  AND NOT (source = 'provider' AND kind = 'payout')
                ORDER BY source, holder, source_ref LIMIT %s""",
            [list(rule.legs), SUMS_MAX + 1],
        )
        return [_Loose(*row) for row in cursor.fetchall()]


def _parts_of(whole: _Loose, loose: list[_Loose], rule: Rule, at: datetime) -> list[_Loose] | None:
    """Return the line and its parts, where there is one way only and no rival can come any more."""
    if whole.on + timedelta(days=2 * rule.days + rule.settle_days) >= at.date():
        return None
    near = [
        line
        for line in loose
        if line.side != whole.side
        and line.place == whole.place
        and abs((line.on - whole.on).days) <= rule.days
        and abs(line.amount_minor) < abs(whole.amount_minor)
        and (not line.reference or not whole.reference)
    ]
    if not 2 <= len(near) <= rule.candidates_max:
        return None
    places = only_subset([line.amount_minor for line in near], whole.amount_minor, members_max=rule.members_max)
    return [whole, *(near[place] for place in places)] if places else None
