"""`bench screening` on files of names, and its bars on the UN's list with names altered here."""

from __future__ import annotations

import gzip
import io
import json
import random
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from fraud.screening.reading import read_list
from tests.factories.screening import ROWS, write_list

pytestmark = pytest.mark.django_db
UN_LIST = Path(settings.BASE_DIR).parent / "shared" / "data" / "sanctions" / "UN_consolidated.xml.gz"
FIRST = "Anna Bertrand Camille Dieter Elodie Frans Gisela Henrik Ingrid Joanna Kasper Lieselotte Maurice Nathalie Olivier Petra Quentin Ramona Stefano Therese Ulrike Valentina Wiebke Xavier Yvonne Zbigniew".split()  # fmt: skip
LAST = "Almqvist Beauchamp Czerwinski Dubois Eriksson Ferrari Grosjean Hofmann Iversen Jankowski Kowalczyk Lefebvre Marchetti Nilsson Oosterhuis Pettersen Quaglia Rasmussen Schneider Torvald Uhlmann Verhoeven Wisniewski Yldiz Zimmermann Fontaine Delacroix Mancini".split()  # fmt: skip


def bench(*options: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("bench", "screening", *options, "--json", stdout=out)
    return json.loads(out.getvalue())


def altered(name: str, chooser: random.Random) -> str:
    """Return a name with one thing done to it that people and systems do."""
    parts = name.split()
    at = chooser.randrange(1, max(2, len(name) - 1))
    vowels = {"A": "E", "E": "A", "I": "Y", "O": "U", "U": "OU"}
    return chooser.choice(
        [
            name[:at] + name[at + 1 :],
            name[:at] + name[at] + name[at:],
            name[: at - 1] + name[at : at + 1] + name[at - 1] + name[at + 1 :],
            " ".join([*parts[1:], parts[0]]),
            f"{parts[-1]}, {' '.join(parts[:-1])}",
            name.replace(" ", "", 1),
            " ".join([parts[0][0] + ".", *parts[1:]]) if len(parts) > 2 else name.replace(" ", "-"),
            " ".join([*parts[:-1], "Karim", parts[-1]]) if len(parts) > 2 else name.title(),
            name.replace("A", "Á", 2).replace("O", "Ö", 1),
            "".join(vowels.get(letter, letter) if place == at else letter for place, letter in enumerate(name)),
        ]
    )


@pytest.mark.real_data
def test_the_bars_hold_on_the_list_of_the_un(tmp_path: Path) -> None:
    if not UN_LIST.is_file():
        pytest.skip(f"reads {UN_LIST.relative_to(settings.BASE_DIR.parent)}, which is not here")
    chooser = random.Random(7)
    people = [entry.name for entry in read_list(UN_LIST, "un-xml") if entry.kind == "person" and len(entry.name.split()) > 1]
    positives, negatives = tmp_path / "positives", tmp_path / "negatives"
    positives.write_text("\n".join(altered(name, chooser) for name in people))
    clean = sorted({f"{chooser.choice(FIRST)} {chooser.choice(FIRST)} {last}" for last in LAST for _ in range(90)})
    negatives.write_text("\n".join(clean))
    found = bench("--list", str(UN_LIST), "--format", "un-xml", "--positives", str(positives), "--negatives", str(negatives))
    assert found["recall"] >= 0.985
    assert found["false_alarm_rate"] <= 0.0005
    # the goal is a p99 of 10 ms: docs/operations.md; here other tests take the processor away from single names
    assert found["p50_ms"] <= 10
    assert found["positives"] > 600 and found["negatives"] > 2_000


def test_it_counts_at_the_asked_threshold_and_draws_the_curve(tmp_path: Path) -> None:
    listed = write_list(tmp_path, ROWS)
    positives, negatives = tmp_path / "p.txt", tmp_path / "n.txt"
    positives.write_text("\ufeffZoltan Krabenhoft Vasquelle\r\nTamarindez Quiroga, Ildefonso\n\nNobody Atall\n王小明\n")
    negatives.write_text("Anna Bergqvist\nBo Carlsen\n")
    found = bench(
        "--list",
        str(listed),
        "--format",
        "csv",
        "--positives",
        str(positives),
        "--negatives",
        str(negatives),
        "--threshold",
        "85",
    )
    assert (found["recall"], found["false_alarm_rate"], found["threshold"]) == (0.5, 0.0, 85.0)
    assert (found["positives"], found["positives_not_screenable"], found["negatives"], found["entries"]) == (4, 1, 2, 4)
    assert [point["threshold"] for point in found["curve"]][::20] == [60.0, 80.0, 100.0]
    assert sorted(found["curve"], key=lambda point: -point["recall"]) == found["curve"], "recall only falls"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "--list, --format, --positives, --negatives"),
        (["--list", "{list}", "--format", "csv", "--positives", "{list}", "--negatives", "{nowhere}"], "no such file"),
        (["--list", "{nowhere}", "--format", "csv", "--positives", "{list}", "--negatives", "{list}"], "no such file"),
        (["--list", "{packed}", "--format", "un-xml", "--positives", "{list}", "--negatives", "{list}"], "not well-formed"),
        (["--list", "{list}", "--format", "csv", "--positives", "{packed}", "--negatives", "{list}"], "not UTF-8"),
        (
            ["--list", "{list}", "--format", "csv", "--positives", "{list}", "--negatives", "{list}", "--threshold", "101"],
            "between 0 and 100",
        ),
    ],
)
def test_unusable_input_is_exit_2_with_a_sentence(tmp_path: Path, options: list[str], said: str) -> None:
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(b"<CONSOLIDATED_LIST><INDIVIDUAL>"))
    places = {"list": write_list(tmp_path, ROWS), "nowhere": tmp_path / "nowhere", "packed": packed}
    err = io.StringIO()
    with pytest.raises(SystemExit) as exit_:
        call_command("bench", "screening", *[one.format(**places) for one in options], stdout=io.StringIO(), stderr=err)
    assert exit_.value.code == 2
    assert said in err.getvalue()
