"""Files as they come: three formats, and every way to be broken; a bad line costs itself, a bad file is refused whole."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from payouts.earnings.lines import COLUMNS, BadLine, EarningLine
from payouts.earnings.reading import LINE_BYTES_MAX, FileUnusable, open_source
from tests.factories.earnings import make_line, write_csv, write_jsonl, write_parquet

HEADER = ",".join(COLUMNS)
GOOD = "e1,seller,sale,o1,2026-01-20T12:00:00Z,,EUR,10.00,1.00"


def read(path: Path) -> list[EarningLine | BadLine]:
    return list(open_source(path).lines())


def from_bytes(folder: Path, data: bytes, name: str = "earnings.csv") -> list[EarningLine | BadLine]:
    path = folder / name
    path.write_bytes(data)
    return read(path)


def codes(lines: list[EarningLine | BadLine]) -> list[str]:
    return [line.code if isinstance(line, BadLine) else "" for line in lines]


@pytest.mark.parametrize("write", [write_csv, write_jsonl, write_parquet])
def test_the_three_formats_say_the_same(tmp_path, write):
    lines = [make_line(external_id=f'a,"{n}"', order_ref="ä €") for n in range(5)]
    found = read(write(tmp_path / "file", lines))
    assert [line[1:] for line in found] == [line[1:] for line in lines]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_a_byte_order_mark_change_nothing(tmp_path, end, mark):
    found = from_bytes(tmp_path, mark + (HEADER + end + GOOD + end + end + GOOD).encode())
    assert codes(found) == ["", ""] and [line.line_no for line in found] == [2, 4]
    assert found[0].fee == "1.00"


def test_columns_may_stand_in_any_order_beside_others(tmp_path):
    header = ",".join(["extra", *reversed(COLUMNS)])
    line = ",".join(["x", *reversed(GOOD.split(","))])
    assert from_bytes(tmp_path, f"{header}\n{line}\n".encode())[0][1:] == tuple(GOOD.split(","))


def test_a_newline_inside_quotes_stays_in_its_record_and_lines_keep_their_numbers(tmp_path):
    quoted = GOOD.replace("o1", '"o\n1"')
    found = from_bytes(tmp_path, f"{HEADER}\n{quoted}\n{GOOD}\n".encode())
    assert [(line.line_no, line.order_ref) for line in found] == [(2, "o\n1"), (4, "o1")]


def test_a_quote_that_never_closes_costs_one_line(tmp_path):
    broken = GOOD.replace("o1", '"o1')
    found = from_bytes(tmp_path, "\n".join([HEADER, GOOD, broken, *[GOOD] * 500]).encode())
    assert codes(found) == ["", "broken_quotes"] + [""] * 500


def test_two_quotes_that_never_close_cost_two_lines_at_most(tmp_path):
    broken = GOOD.replace("o1", '"o1')
    found = from_bytes(tmp_path, "\n".join([HEADER, broken, GOOD, broken, *[GOOD] * 300]).encode())
    assert codes(found).count("") >= 300


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (GOOD.encode("utf-8").replace(b"o1", b"caf\xe9"), "not_utf8"),
        (GOOD.encode() + b",more", "wrong_number_of_fields"),
        (b"one,two", "wrong_number_of_fields"),
        (b"x" * 10_000_000, "line_too_long"),
        (GOOD.encode().replace(b"o1", b'"o"1"'), "broken_quotes"),
        (b'"' + b"y" * 10_000_000 + b'"', "line_too_long"),
    ],
)
def test_a_broken_line_costs_itself_only(tmp_path, line, code):
    found = from_bytes(tmp_path, b"\n".join([HEADER.encode(), GOOD.encode(), line, GOOD.encode()]))
    assert codes(found) == ["", code, ""]
    assert found[1].line_no == 3 and found[1].reason and len(found[1].raw) <= 500


def test_nul_bytes_are_shown_as_something_that_can_be_stored(tmp_path):
    found = from_bytes(tmp_path, f"{HEADER}\n\0\0\n{GOOD}".encode())
    assert codes(found) == ["wrong_number_of_fields", ""] and "\0" not in found[0].raw


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"  \n\n",
        (HEADER + "\n" + GOOD).encode("utf-16"),
        (HEADER + "\n" + GOOD).encode("utf-16-le"),
        HEADER.replace(",fee", "").encode() + b"\n",
        HEADER.replace(",", ";").encode() + b"\n",
        (HEADER + ",fee\n").encode(),
        b"\xff\xd8\xff" + HEADER.encode(),
        b"x" * 200_000,
        b"PAR1 and then nothing",
    ],
)
def test_a_file_that_is_none_of_ours_is_refused_whole(tmp_path, data):
    with pytest.raises(FileUnusable):
        from_bytes(tmp_path, data)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "nothing.csv"):
        with pytest.raises(FileUnusable):
            open_source(path)


def test_a_header_alone_is_a_file_without_lines(tmp_path):
    assert from_bytes(tmp_path, HEADER.encode()) == []


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("[1]", "bad_json"),
        ("{", "bad_json"),
        ('"text"', "bad_json"),
        ("[" * 60_000, "bad_json"),
        ('{"gross": {"a": 1}}', "bad_json"),
    ],
)
def test_a_broken_json_line_costs_itself_only(tmp_path, line, code):
    good = '{"external_id": "e", "gross": 10.10, "fee": 1}'
    found = from_bytes(tmp_path, f"{good}\n\n{line}\n{good}".encode(), "lines.jsonl")
    assert codes(found) == ["", code, ""]
    assert (found[0].gross, found[0].fee, found[0].seller) == ("10.10", "1", "")
    assert [one.line_no for one in found] == [1, 3, 4]


def test_a_truncated_parquet_file_is_refused_before_anything_is_booked(tmp_path):
    path = write_parquet(tmp_path / "file.parquet", [make_line() for _ in range(100)])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FileUnusable):
        open_source(path)


def test_damage_inside_a_parquet_file_is_found_before_anything_is_booked(tmp_path):
    path = tmp_path / "file.parquet"
    columns = {name: [f"{name}{n}" * 9 for n in range(20_000)] for name in COLUMNS}
    pyarrow.parquet.write_table(pyarrow.table(columns), path, compression="gzip", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = b"\xff" * 200
    path.write_bytes(data)
    with pytest.raises(FileUnusable):
        open_source(path)


def test_money_as_a_binary_fraction_is_refused_and_decimals_are_exact(tmp_path):
    columns = {name: [value] for name, value in zip(COLUMNS, GOOD.split(","), strict=True)}
    pyarrow.parquet.write_table(pyarrow.table(columns | {"gross": [10.1]}), tmp_path / "float.parquet")
    with pytest.raises(FileUnusable, match="binary fraction"):
        open_source(tmp_path / "float.parquet")
    pyarrow.parquet.write_table(pyarrow.table(columns | {"gross": [Decimal("10.10")]}), tmp_path / "decimal.parquet")
    assert read(tmp_path / "decimal.parquet")[0].gross == "10.10"


def test_a_parquet_file_without_a_column_is_refused(tmp_path):
    pyarrow.parquet.write_table(pyarrow.table({"gross": ["1"]}), tmp_path / "f.parquet")
    with pytest.raises(FileUnusable, match="lacks the columns"):
        open_source(tmp_path / "f.parquet")


def test_the_limit_of_a_line_is_in_bytes(tmp_path):
    long = GOOD.replace("o1", "ä" * (LINE_BYTES_MAX // 2))
    assert codes(from_bytes(tmp_path, f"{HEADER}\n{long}\n{GOOD}".encode())) == ["line_too_long", ""]
