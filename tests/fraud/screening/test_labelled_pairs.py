"""228 pairs of names that somebody else judged (nomenklatura's checks): most of them hard on purpose, so they are no bar but a line we do not fall behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

from fraud.screening.evaluation import facts_of
from fraud.screening.matching.matcher import EntryFacts, Matcher, Query
from fraud.screening.reading import read_list

FOLDER = Path(settings.BASE_DIR).parent / "shared" / "data" / "sanctions"
KINDS = {"Person": "person", "Company": "entity", "Organization": "entity", "LegalEntity": "unknown", "Vessel": "vessel"}
FIRST_KEY = 1_000_000


def names_of(side: dict[str, Any]) -> list[str]:
    parts = [side.get(name) or "" for name in ("firstName", "middleName", "fatherName", "lastName")]
    given = side.get("name") or " ".join(filter(None, parts))
    return given if isinstance(given, list) else [given]


@pytest.mark.real_data
def test_pairs_judged_by_others_are_told_apart_no_worse_than_they_were() -> None:
    pairs_file, list_file = FOLDER / "nomenklatura_checks.yml", FOLDER / "UN_consolidated.xml.gz"
    if not pairs_file.is_file() or not list_file.is_file():
        pytest.skip("reads shared/data/sanctions beside the checkout, which is not here")
    pairs = yaml.safe_load(pairs_file.read_text(encoding="utf-8"))["checks"]
    # among the names of a real list, since how rare a part is counts
    entries = list(facts_of(read_list(list_file, "un-xml")))
    for number, pair in enumerate(pairs):
        listed = [(name, False) for name in names_of(pair["candidate"])]
        entries.append(EntryFacts(FIRST_KEY + number, KINDS[pair["schema"]], listed))
    matcher = Matcher(entries)

    said = {True: [0, 0], False: [0, 0]}
    for number, pair in enumerate(pairs):
        found = matcher.match(Query(names_of(pair["query"]), KINDS[pair["schema"]]), 80)
        said[pair["match"]][any(one.key == FIRST_KEY + number for one in found)] += 1

    found, missed = said[True][1], said[True][0]
    alarms, quiet = said[False][1], said[False][0]
    assert found + missed > 120 and alarms + quiet > 95
    # measured 0.772 and 0.218 on names alone; other romanisations, nicknames and names told backwards are what is missed
    assert found / (found + missed) >= 0.76
    assert alarms / (alarms + quiet) <= 0.23
