"""Chaos: thousands of payouts under kill -9, freezes, cut connections, a restarted database and an unkind provider. Double, lost, stuck,
drift: 0, by the provider's own books.

The short form runs with the suite, the long one with `make chaos` (CHAOS=long).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.chaos
LONG = os.environ.get("CHAOS") == "long"
# What the runtime wrote for this test session: the harness brings up servers of its own.
OWN = {"DATABASE_URL", "DATABASE_OWNER_URL", "BROKER_URL", "BACKOFFICE_DATA", "TEST_DATABASE_NAME", "BACKOFFICE_DB_ROLE"}


def run_harness(folder: Path, *options: str, timeout: int = 1_500) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if name not in OWN}
    command = [sys.executable, "-m", "tests.chaos.harness", "--folder", str(folder), *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)
    assert done.stdout.strip(), done.stderr[-3_000:]
    report = json.loads(done.stdout.strip().splitlines()[-1])
    print(json.dumps(report))
    if LONG:
        with (Path("var") / "chaos.jsonl").open("a") as log:
            log.write(json.dumps(report) + "\n")
    return report


def assert_nothing_went_wrong(report: dict[str, Any]) -> None:
    found = {name: report[name] for name in ("DOUBLE", "LOST", "STUCK", "DRIFT", "BROKEN")}
    assert found == {"DOUBLE": 0, "LOST": 0, "STUCK": 0, "DRIFT": 0, "BROKEN": []}, report


@pytest.mark.skipif(LONG, reason="the long form runs instead")
def test_two_thousand_payouts_survive_two_hundred_kills_and_forty_freezes(tmp_path: Path):
    report = run_harness(tmp_path, "--payouts", "2000", "--kills", "200", "--freezes", "40", "--patience", "420")

    assert_nothing_went_wrong(report)
    assert report["killed"] >= 200
    assert report["frozen"] >= 40
    assert report["restarts"] >= 1
    assert sum(report["faults"].values()) >= 200


@pytest.mark.skipif(not LONG, reason="long: make chaos")
@pytest.mark.parametrize("seed", ["11", "12", "13"])
def test_ten_thousand_payouts_survive_a_thousand_kills(tmp_path: Path, seed: str):
    report = run_harness(
        tmp_path, "--payouts", "10000", "--kills", "1000", "--freezes", "200", "--massacres", "50", "--restarts", "3",
        "--seed", seed, "--patience", "1200", timeout=2_400,
    )  # fmt: skip

    assert_nothing_went_wrong(report)
    assert report["killed"] >= 1_000
    assert report["frozen"] >= 200
    assert report["massacres"] >= 50
    assert sum(report["faults"].values()) >= 1_300


@pytest.mark.skipif(not LONG, reason="long: make chaos")
@pytest.mark.parametrize("bug", ["M1", "M3", "M4", "M12"])
def test_the_harness_finds_a_planted_bug(tmp_path: Path, bug: str):
    options = ["--payouts", "600", "--kills", "20", "--freezes", "90", "--massacres", "2", "--restarts", "0", "--patience", "180"]
    report = run_harness(tmp_path, *options, "--bug", bug)

    assert any(report[name] for name in ("DOUBLE", "LOST", "STUCK", "DRIFT", "BROKEN")), report
