"""The made history: repeatable, whole, and honest enough that rules can be measured on it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from fraud.decisions.trial import try_on_file
from fraud.features.generating import SHARES, HistoryInvalid, make_history, write_history

ENDS = datetime(2026, 3, 1, tzinfo=UTC)
# What a rule has to find of its kind, and how many of its hits may be wrong; the rest of a kind is for the other rules.
RULES = {
    "stolen_card": ("buyer.count_24h >= 3 && double(buyer.sum_amount_24h) > 1.5 * double(buyer.mean_amount_30d) && buyer.distinct_devices_7d >= 2", 0.25, 0.6),
    "takeover": ("payee.count_24h >= 6 && payee.mean_amount_24h > 25000", 0.4, 0.9),
    "ring": ("device.distinct_buyers_7d >= 3", 0.7, 0.9),
    "refund_abuse": ("buyer.fraud_rate_30d > 0.5 && buyer.count_7d >= 3", 0.12, 0.4),
    "compromised_seller": ("seller.fraud_rate_7d > 0.3 && seller.labels_7d >= 4", 0.2, 0.12),
}  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "history.csv"
    write_history(path=path, events=8_000, days=60, seed=11, ends=ENDS)
    return path


def test_the_same_seed_makes_the_same_history_and_every_kind_of_fraud() -> None:
    one, other = (make_history(events=3_000, days=30, seed=5, ends=ENDS) for _ in range(2))
    assert one == other != make_history(events=3_000, days=30, seed=6, ends=ENDS)
    assert len(one) == 3_000 and {row.scenario for row in one} == {"honest", *SHARES}
    assert all(row.is_fraud == (row.scenario != "honest") and row.known_at > row.at for row in one)
    assert [row.at for row in one] == sorted(row.at for row in one) and one[-1].at <= ENDS


@pytest.mark.parametrize("kind", RULES)
def test_a_rule_for_each_kind_finds_it_and_few_honest_sales(path: Path, kind: str, tmp_path: Path) -> None:
    expression, recall, precision = RULES[kind]
    lines = path.read_text().splitlines()
    # only this kind and honest trade: what the rule finds is then its own
    kept = [line for line in lines[1:] if line.split(",")[10] in (kind, "honest")]
    own = tmp_path / "own.csv"
    own.write_text("\n".join([lines[0], *kept]) + "\n")
    found = try_on_file(expression=expression, path=own)
    assert found["recall"] >= recall and found["precision"] >= precision, found


def test_the_command_writes_what_the_backtest_reads_and_refuses_what_makes_no_sense(tmp_path: Path) -> None:
    made = tmp_path / "made.parquet"
    out = StringIO()
    call_command(
        "make_fraud_history", str(made), "--events", "1500", "--days", "20", "--at", ENDS.isoformat(), "--json", stdout=out
    )
    said = json.loads(out.getvalue())
    assert said["events"] == 1_500 and said["frauds"] == sum(n for name, n in said["scenarios"].items() if name != "honest")
    found = try_on_file(expression="event.amount_minor >= 0", path=made)
    assert (found["events"], found["true_hits"]) == (1_500, said["frauds"])
    with pytest.raises(SystemExit) as stop:
        call_command("make_fraud_history", str(made), "--events", "5", "--json", stdout=StringIO(), stderr=StringIO())
    assert stop.value.code == 2
    with pytest.raises(HistoryInvalid, match="cannot be written"):
        write_history(path=tmp_path / "no" / "such.csv", events=1_000, days=20, seed=1, ends=ENDS)
