"""Prepared statements: planned once, counted where somebody counts, and an insert that is what save() writes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DataError, transaction

from backoffice.kit.statements import all_rows, insert, one_row
from fraud.features.models import FraudEvent

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def event(ref: str, amount: int = 500) -> FraudEvent:
    return FraudEvent(ref=ref, kind="sale", at=AT, known_at=AT, seller="s1", currency="EUR", amount_minor=amount)


def test_what_is_inserted_reads_as_what_was_saved() -> None:
    mine, plain = insert(event("one")), event("two")
    plain.save()
    assert mine is not None and not mine._state.adding
    kept = {one.ref: one for one in FraudEvent.objects.all()}
    names = [field.attname for field in FraudEvent._meta.concrete_fields if field.attname not in ("id", "public_id", "ref")]
    assert [getattr(kept["one"], name) for name in names] == [getattr(kept["two"], name) for name in names]
    assert kept["one"].pk == mine.pk and kept["one"].public_id == mine.public_id


def test_the_same_again_is_not_written_and_said() -> None:
    insert(event("one"), once="ref")
    assert insert(event("one", 900), once="ref") is None
    assert FraudEvent.objects.get().amount_minor == 500


def test_one_text_has_one_plan_whatever_the_size_of_a_number_and_whoever_counts_sees_it(django_assert_num_queries: Any) -> None:
    text = "SELECT %(number)s + 1 AS statement_under_test"
    for number in (1, 70_000, 1 << 40):
        assert one_row(text, {"number": number}) == (number + 1,)
    prepared = all_rows(
        "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %(like)s", {"like": "SELECT $1 + 1 AS statement_under%"}
    )
    assert prepared == [(1,)]
    with django_assert_num_queries(1):
        assert one_row(text, {"number": 5}) == (6,)


def test_an_error_is_django_s_own_and_leaves_the_savepoint_usable() -> None:
    with pytest.raises(DataError), transaction.atomic():
        one_row("SELECT 1 / %(zero)s", {"zero": 0})
    assert one_row("SELECT %(one)s", {"one": 1}) == (1,)
