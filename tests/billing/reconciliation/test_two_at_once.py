"""Two workers reconcile the same lines: one does it, the other says so or finds nothing left, and the matches are those of one."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from backoffice.kit.invariants import check_books
from billing.reconciliation.fetching import fetch_all, gateways
from billing.reconciliation.models import Break, Feed, MatchGroup, ReconciliationRun, StagedLine
from billing.reconciliation.operations import ReconciliationRuns
from tests.factories.reconciliation import AT, ROBOT, Balance, book, fetch, match


@pytest.mark.races
@pytest.mark.django_db(transaction=True)
def test_two_passes_at_once_match_every_line_once() -> None:
    balance = Balance()
    for number in range(40):
        balance.add("charge", 1_000 + number, reference=f"o-{number}")
        if number % 10:
            book(f"o-{number}", 1_000 + number)
    start, ended = threading.Barrier(3), []

    def work(first: Any) -> None:
        try:
            start.wait(10)
            first()
            ended.append(match())
        except ReconciliationRuns as refusal:
            ended.append(refusal)
        finally:
            connection.close()

    # all three fetch the same list while two of them match
    threads = [threading.Thread(target=work, args=(lambda: fetch(balance),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(ended) == 3, "a worker died"
    match()
    match(day=9)

    assert StagedLine.objects.filter(side="theirs").count() == 40
    assert MatchGroup.objects.filter(state="posted").count() == 36
    assert sorted(Break.objects.values_list("reference", flat=True)) == ["o-0", "o-10", "o-20", "o-30"]
    assert ReconciliationRun.objects.filter(finished_at__isnull=True).count() == 0
    assert not [one for one in check_books({2, 9, 11}) if not one.ok]


@pytest.mark.django_db
def test_every_pass_asks_the_gateway_cards_are_charged_at() -> None:
    assert set(gateways()) == {"stripe", "fake"}
    assert set(fetch_all(actor=ROBOT, at=AT)) == {"fake"}, "stripe is not set up here, which is no trouble"
    assert Feed.objects.get(name="fake").last_problem == ""
