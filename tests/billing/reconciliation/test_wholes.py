"""Names that add up at once are written once, as what they are, with the history they would have had; a rival's line spoils nothing."""

from __future__ import annotations

import pytest

from backoffice.kit.states import timeline
from billing.reconciliation import matching
from billing.reconciliation.models import MatchGroup, StagedLine
from billing.reconciliation.rulebook import rulebook_in_force, rules_of
from billing.reconciliation.staging import ROBOT, stage_ledger
from billing.reconciliation.states import GROUP, LINE
from billing.reconciliation.wholes import match_whole
from tests.factories.reconciliation import AT, Balance, book, fetch, match

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_books")]


def both_sides(reference="order-9", amount=7_000):
    balance = Balance()
    balance.add("charge", amount, reference=reference)
    fetch(balance)
    book(reference, amount)


def moves(of, pk):
    return [(one.from_state, one.to_state, one.code) for one in timeline(of, pk)]


def test_a_group_that_adds_up_at_once_has_the_moves_and_sums_of_one_that_was_judged():
    both_sides()
    match()
    group = MatchGroup.objects.get()
    assert (group.state, group.theirs_minor, group.ours_minor, group.lines_count, group.decided_by) == (
        "posted",
        7_000,
        7_000,
        2,
        "auto",
    )
    assert group.decided_at is not None and not group.forced
    assert moves(GROUP, group.pk) == [("", "expected", ""), ("expected", "posted", group.rule)]
    for line in StagedLine.objects.all():
        assert (line.group_id, moves(LINE, line.pk)) == (group.pk, [("", "staged", ""), ("staged", "matched", "")])


def test_when_somebody_took_one_of_the_lines_meanwhile_nothing_of_the_group_stands():
    both_sides()
    stage_ledger(at=AT, commit=lambda: None)
    rule_book = rulebook_in_force()
    rule = next(one for one in rules_of(rule_book) if one.code == "own_reference")
    params = {
        "legs": list(rule.legs), "slices": 1, "slice": 0, "rule": rule.code, "book": rule_book.pk, "at": AT, "actor": str(ROBOT),
    }  # fmt: skip
    seen = matching._loose(rule)
    # what was read says another state than the row of our side has by now
    stale = seen.replace("l.state,", "CASE l.side WHEN 'ours' THEN 'needs_review' ELSE l.state END AS state,", 1)
    assert stale != seen
    assert match_whole(stale, params) == 0
    assert not MatchGroup.objects.exists() and not StagedLine.objects.filter(group__isnull=False).exists()
    assert match_whole(seen, params) == 2
    assert MatchGroup.objects.get().state == "posted"
