"""A list is what its files said, version by version: added, changed, removed; all or nothing; and it never shrinks unnoticed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import Event
from fraud.screening.loading import ListNameInvalid, ListShrinks, OtherFormat, load_list
from fraud.screening.models import ListEntry, ListVersion, ScreeningList, ScreeningPass
from fraud.screening.reading import UnreadableList
from tests.factories.screening import AT, ROBOT, ROWS, load, write_list

pytestmark = pytest.mark.django_db


def live() -> dict[str, str]:
    return dict(ListEntry.objects.filter(until=None).values_list("source_id", "name"))


def test_the_first_file_brings_everything_and_the_same_again_nothing(tmp_path: Path) -> None:
    first = load(tmp_path)
    assert (first.new, first.version, first.added, first.names) == (True, 1, 4, 6)
    again = load(tmp_path, at=AT + timedelta(days=1))
    assert (again.new, again.version, again.unchanged) == (False, 1, 4)
    assert ListVersion.objects.count() == ScreeningPass.objects.count() == 1
    assert Event.objects.filter(type="screening_list.loaded").count() == 1


def test_another_order_of_lines_and_aliases_is_no_change(tmp_path: Path) -> None:
    load(tmp_path)
    turned = [
        row.replace("Z. Krabbenhoft;Zoltán Krabbenhöft", "Zoltán Krabbenhöft;Z. Krabbenhoft") for row in reversed(ROWS.values())
    ]
    assert not load(tmp_path, turned).new


def test_a_change_ends_one_row_and_begins_another(tmp_path: Path) -> None:
    load(tmp_path)
    changed = load(tmp_path, ROWS | {"a1": ROWS["a1"].replace("1961-04-17", "1961-04-18"), "e5": "e5,Somebody New,person,,,,,"})
    assert (changed.version, changed.added, changed.changed, changed.removed) == (2, 1, 1, 0)
    before, after = ListEntry.objects.filter(source_id="a1").order_by("pk")
    assert (before.until.number, after.since.number, after.replaces, after.until) == (2, 2, before, None)
    assert after.births == ["1961-04-18"]


_CONTENT = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["Ann Berg", "Bo Carlsen", "Cy Dahl"]), min_size=1)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(_CONTENT, min_size=1, max_size=5))
def test_after_any_files_the_list_is_the_last_one_and_every_version_adds_up(tmp_path: Path, files: list[dict[str, str]]) -> None:
    with transaction.atomic():
        known: dict[str, str] = {}
        for rows in files:
            said = load(tmp_path, [f"{key},{name},,,,,," for key, name in rows.items()], accept_shrink="as published")
            assert said.added == len(rows.keys() - known.keys())
            assert said.removed == len(known.keys() - rows.keys())
            assert said.changed == sum(known[key] != rows[key] for key in rows.keys() & known.keys())
            assert live() == rows
            known = rows
        assert [verdict.rows for verdict in check_books({14}) if not verdict.ok] == []
        transaction.set_rollback(True)


def test_a_file_that_would_remove_much_is_refused_unless_somebody_says_why(tmp_path: Path) -> None:
    load(tmp_path)
    fewer = {key: ROWS[key] for key in ("a1", "b2", "c3")}
    with pytest.raises(ListShrinks, match="1 of 4 entries"):
        load(tmp_path, fewer)
    assert len(live()) == 4
    accepted = load(tmp_path, fewer, accept_shrink="Delisted by notice 12.")
    assert (accepted.removed, ListVersion.objects.get(number=2).shrink_reason) == (1, "Delisted by notice 12.")


def test_a_file_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    load(tmp_path)
    with pytest.raises(UnreadableList):
        load(tmp_path, [*ROWS.values(), "e5,Somebody New,robot,,,,,"])
    assert len(live()) == 4 and ListVersion.objects.count() == 1
    with pytest.raises(UnreadableList):
        load(tmp_path, ["broken"], name="another")
    assert not ScreeningList.objects.filter(name="another").exists()


def test_another_format_under_the_same_name_and_an_odd_name_are_refused(tmp_path: Path) -> None:
    load(tmp_path)
    with pytest.raises(OtherFormat):
        load_list(path=write_list(tmp_path, ROWS), list_format="opensanctions-csv", name="invented", actor=ROBOT, at=AT)
    with pytest.raises(ListNameInvalid):
        load(tmp_path, name="../etc")


def test_an_entry_is_frozen_whoever_writes(tmp_path: Path) -> None:
    load(tmp_path)
    for verb in (lambda rows: rows.update(name="Nobody"), lambda rows: rows._raw_delete("default")):
        with pytest.raises(DatabaseError), transaction.atomic():
            verb(ListEntry.objects.filter(source_id="a1"))
