"""Rules are data with bounds; sums have one answer or none; and no order of telling changes what matches."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backoffice.kit.actors import staff
from backoffice.kit.approvals import ApproverIsMaker
from backoffice.kit.ids import new_id
from backoffice.kit.invariants import check_books
from billing.reconciliation.fetching import OVERLAP
from billing.reconciliation.models import DifferenceLine, StagedLine
from billing.reconciliation.operations import adopt_rules, propose_rules
from billing.reconciliation.rulebook import FIRST_RULES, FIRST_SLA_DAYS, RulesInvalid, parse, rulebook_in_force
from billing.reconciliation.subsets import only_subset
from payouts.ledger.queries import trial_balance
from tests.factories.books import undone
from tests.factories.reconciliation import AT, Balance, bank_csv, book, fetch, match
from tests.factories.sellers import make_staff


@given(st.lists(st.integers(1, 30), max_size=8), st.integers(1, 90), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_the_only_subset_is_found_exactly_where_plain_search_finds_one(amounts: list[int], total: int, chance: random.Random):
    ways = [
        places for size in range(2, 7) for places in itertools.combinations(range(len(amounts)), size) if sum(amounts[p] for p in places) == total
    ]  # fmt: skip

    found = only_subset(amounts, total, members_max=6)

    assert found == (ways[0] if len(ways) == 1 else None)
    turned = chance.sample(amounts, len(amounts))
    again = only_subset(turned, total, members_max=6)
    assert (found is None) == (again is None)
    assert sorted(amounts[p] for p in found or ()) == sorted(turned[p] for p in again or ())


def test_a_search_that_would_not_end_gives_up():
    assert only_subset([2 * one for one in range(10_000, 10_030)], 160_001, members_max=8) is None


WRONG: dict[str, dict[str, Any]] = {
    "tolerance": {"tolerance_minor": 10_001, "tolerance_bp": 10, "difference": "fee"},
    "undeclared difference": {"tolerance_minor": 5, "tolerance_bp": 10},
    "column": {"theirs": "amount_minor; DROP TABLE x"},
    "method": {"method": "guess"},
    "days": {"days": 400},
    "kind of a value": {"days": "3"},
    "unknown name": {"force": True},
    "leg": {"legs": ["suspense"]},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_rules_beyond_their_bounds_are_refused(change):
    with pytest.raises(RulesInvalid) as refusal:
        parse([FIRST_RULES[1] | change])

    assert "Rule 1" in str(refusal.value)


@pytest.mark.django_db
def test_other_rules_are_in_force_when_a_second_person_says_so_and_small_differences_are_then_explicit():
    maker, checker = staff(make_staff("finance").pk), staff(make_staff("lead").pk)
    rules = [
        one | ({"tolerance_minor": 5, "tolerance_bp": 100, "difference": "rounding"} if one["code"] == "own_reference" else {})
        for one in FIRST_RULES
    ]
    book_of_rules = propose_rules(rules=rules, sla_days=FIRST_SLA_DAYS, reason="A provider rounds.", actor=maker, at=AT)
    with pytest.raises(ApproverIsMaker):
        adopt_rules(rulebook_id=book_of_rules.pk, actor=maker, at=AT)
    adopt_rules(rulebook_id=book_of_rules.pk, actor=checker, at=AT)
    assert rulebook_in_force().version == 2
    balance = Balance()
    for reference, theirs in (("within", 1_003), ("beyond", 1_006), ("small", 103)):
        balance.add("charge", theirs, reference=reference)
    for reference, ours in (("within", 1_000), ("beyond", 1_000), ("small", 100)):
        book(reference, ours)
    fetch(balance)

    match(day=3)

    assert [(d.kind, d.amount_minor) for d in DifferenceLine.objects.all()] == [("rounding", 3)]
    assert set(StagedLine.objects.filter(state="needs_review").values_list("reference", flat=True)) == {"beyond", "small"}
    signed = {row["code"]: row["signed_minor"] for row in trial_balance()}
    assert (signed["psp.clearing"], signed["expense.psp_fee"]) == (2_103, -3)
    assert [v.name for v in check_books() if not v.ok] == []


# --- no order of telling changes what matches -------------------------------------------------------------------------------

# Our own ids: what a posting is about stands in its key, whatever else the key says.
NAMES = {letter: new_id("pay") for letter in "abcd"} | {"": ""}
# A provider may tell late, but not later than the overlap every fetch asks for again.
FACT = st.tuples(st.sampled_from(["a", "b", "c", "d", ""]), st.sampled_from([100, 200, 300, 500]), st.integers(0, OVERLAP.days))


def outcome(theirs: list[tuple[str, int, int]], ours: list[tuple[str, int, int]], chance: random.Random | None) -> Any:
    """Tell all of it — shuffled, repeated, in pieces with passes in between where there is chance — and return what ended with whom."""
    balance, told = Balance(), Balance()
    lines = [
        balance.add("charge", amount, reference=NAMES[name], source=f"ch_{n}", day=day)
        for n, (name, amount, day) in enumerate(theirs)
    ]
    steps: list[tuple[str, Any]] = [("theirs", (n, line)) for n, line in enumerate(lines)] + [
        ("ours", (n, one)) for n, one in enumerate(ours)
    ]
    if chance:
        steps += chance.sample(steps, len(steps) // 2)
        chance.shuffle(steps)
    booked: set[int] = set()
    for number, (side, fact) in enumerate(steps):
        if side == "theirs":
            told.transactions = [fact[1]]
            fetch(told)
        elif fact[0] not in booked:
            booked.add(fact[0])
            book(f"{NAMES[fact[1][0]]}:{fact[0]}", fact[1][1], day=fact[1][2])
        if chance and chance.random() < 0.15:
            match(day=number % 4)
    match(day=4)
    match(day=40)
    groups: dict[int, list[tuple[str, str, int]]] = {}
    names = {line.provider_ref: n for n, line in enumerate(lines)}
    loose = []
    for line in StagedLine.objects.all():
        name = f"t{names[line.source_ref]}" if line.side == "theirs" else f"o{line.reference}:{line.amount_minor}:{line.on}"
        if line.group_id:
            groups.setdefault(line.group_id, []).append((name, line.state, line.amount_minor))
        else:
            loose.append((name, line.state))
    return sorted(sorted(members) for members in groups.values()), sorted(loose)


@pytest.mark.django_db
@given(st.lists(FACT, max_size=6), st.lists(FACT, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_permuting_repeating_and_splitting_what_is_told_ends_in_the_same_matches(theirs, ours, chance):
    found = []
    for chosen in (None, chance):
        with undone():
            found.append(outcome(theirs, ours, chosen))
            assert [v for v in check_books({1, 9, 11}) if not v.ok] == []

    assert found[0] == found[1]


def test_the_bank_s_csv_of_the_factory_is_the_one_we_read():
    from payouts.bankfiles import read

    (statement,) = read(bank_csv([(-150, "r", "t", 0)])).statements
    assert [entry.signed_minor for entry in statement.entries] == [-150]
    assert Decimal(statement.entries[0].amount.decimal()) == Decimal("1.50")
    assert statement.from_on == (AT + timedelta()).date()
