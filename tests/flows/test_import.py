"""Files of earnings through the command: counts, kept rejects, repeated and broken-off imports, real orders to the cent."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command

from backoffice.kit import failpoints
from backoffice.kit.invariants import check_books
from payouts.earnings.importing import import_earnings
from payouts.earnings.models import Earning, EarningImport, RejectedLine, RejectedState
from payouts.ledger.models import Posting
from payouts.sellers.models import Seller
from tests.factories.earnings import AT, ROBOT, buckets, make_line, write_csv, write_jsonl, write_parquet
from tests.factories.sellers import make_seller, make_tier

pytestmark = pytest.mark.django_db
REAL = Path(django_settings.BASE_DIR).parent / "shared" / "data" / "orders"


@pytest.fixture(autouse=True)
def books_stay_clean(db):
    yield
    assert not [verdict for verdict in check_books() if not verdict.ok]


@pytest.fixture(autouse=True)
def own_folder(settings, tmp_path):
    settings.DATA_DIR = tmp_path / "data"


def run(*arguments: str) -> tuple[int, dict]:
    """Run the command as a shell would; return its exit code and its JSON."""
    out = StringIO()
    try:
        call_command("import_earnings", *arguments, "--json", stdout=out, stderr=StringIO())
    except SystemExit as ended:
        return int(ended.code or 0), json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


@pytest.mark.parametrize("write", [write_csv, write_jsonl, write_parquet])
def test_every_line_is_accepted_a_duplicate_or_rejected_and_kept(tmp_path, write):
    seller = make_seller()
    sale = make_line(seller)
    lines = [
        sale,
        sale,
        make_line("=nobody"),
        make_line(seller, gross="x"),
        make_line(seller, kind="refund", order_ref=sale.order_ref),
    ]
    code, answer = run(str(write(tmp_path / "file", lines)))
    assert code == 3
    assert {name: answer[name] for name in ("read", "accepted", "duplicate", "rejected")} == {
        "read": 5, "accepted": 2, "duplicate": 1, "rejected": 2,
    }  # fmt: skip
    assert answer["totals"] == {"EUR": {"gross_minor": 0, "fee_minor": 0, "net_minor": 0}}
    with Path(answer["rejects_file"]).open(newline="") as file:
        kept = list(csv.DictReader(file))
    assert [(row["code"], row["seller"]) for row in kept] == [
        ("unknown_seller", "'=nobody"),
        ("amount_not_a_number", seller.external_id),
    ]
    assert RejectedLine.objects.count() == 2 and buckets(seller) == {}


def test_a_repeated_import_changes_nothing(tmp_path):
    seller = make_seller()
    path = write_csv(tmp_path / "file.csv", [make_line(seller), make_line("nobody"), make_line(seller)])
    run(str(path))
    before = (Earning.objects.count(), Posting.objects.count(), RejectedLine.objects.count(), buckets(seller))
    code, answer = run(str(path))
    assert (code, answer["accepted"], answer["duplicate"], answer["rejected"], answer["totals"]) == (3, 0, 2, 1, {})
    assert (Earning.objects.count(), Posting.objects.count(), RejectedLine.objects.count(), buckets(seller)) == before


def test_the_same_lines_in_other_bytes_are_duplicates_one_by_one(tmp_path):
    seller = make_seller()
    lines = [make_line(seller) for _ in range(20)]
    run(str(write_csv(tmp_path / "a.csv", lines)))
    code, answer = run(str(write_jsonl(tmp_path / "b.jsonl", lines[::-1])))
    assert (code, answer["accepted"], answer["duplicate"]) == (0, 0, 20)


def test_a_repeated_import_tries_again_what_was_rejected(tmp_path):
    path = write_csv(tmp_path / "file.csv", [make_line("late"), make_line("never", gross="x")])
    assert run(str(path))[1]["rejected"] == 2
    seller = make_seller(external_id="late")
    code, answer = run(str(path))
    assert (code, answer["read"], answer["accepted"], answer["rejected"]) == (3, 2, 1, 1)
    assert answer["totals"]["EUR"]["net_minor"] == 9_000 and buckets(seller) == {"pending": 9_000}
    assert sorted(RejectedLine.objects.values_list("state", flat=True)) == [RejectedState.OPEN, RejectedState.RETRIED]


def test_unknown_sellers_are_opened_on_request_and_not_yet_payable(tmp_path):
    make_tier("new")
    path = write_csv(
        tmp_path / "file.csv", [make_line("fresh"), make_line("fresh"), make_line("fresh", currency="JPY", gross="500", fee="0")]
    )
    code, answer = run(str(path), "--create-sellers")
    seller = Seller.objects.get(external_id="fresh")
    assert (code, answer["accepted"], seller.status, seller.tier.code) == (0, 3, "created", "new")
    assert buckets(seller) == {"pending": 18_000} and buckets(seller, "JPY") == {"pending": 500}


@pytest.mark.parametrize("data", ["", "external_id;seller\n", "external_id,seller\n1,2\n"])
def test_an_unusable_file_ends_with_two_and_books_nothing(tmp_path, data):
    path = tmp_path / "file.csv"
    path.write_text(data)
    code, answer = run(str(path))
    assert (code, answer["error"]["code"]) == (2, "file_unusable")
    assert not EarningImport.objects.exists()


def test_an_import_that_breaks_off_goes_on_where_it_stopped(tmp_path):
    sellers = [make_seller() for _ in range(3)]
    lines = [make_line(sellers[n % 3], order_ref=f"o{n % 7}", kind="sale" if n % 4 else "refund") for n in range(100)]
    lines += [lines[5], make_line("nobody")]
    path = write_csv(tmp_path / "file.csv", lines)

    class Cut(Exception):
        pass

    def cut() -> None:
        raise Cut

    broken = 0
    for place in ("import_before_commit", "import_after_commit") * 3:
        failpoints.hook(place, cut)
        try:
            import_earnings(path=path, source="a", actor=ROBOT, at=AT, batch_lines=10)
        except Cut:
            broken += 1
        finally:
            failpoints.hook(place, None)
    resumed = import_earnings(path=path, source="a", actor=ROBOT, at=AT, batch_lines=10)
    found = [buckets(seller) for seller in sellers]
    assert broken == 6 and not resumed.repeated
    assert (resumed.read, resumed.accepted, resumed.duplicate, resumed.rejected) == (102, 100, 1, 1)
    twin = import_earnings(path=path, source="b", actor=ROBOT, at=AT)
    assert (twin.accepted, twin.duplicate, twin.rejected, twin.totals) == (100, 1, 1, resumed.totals)
    assert [buckets(seller) for seller in sellers] == [{name: 2 * amount for name, amount in one.items()} for one in found]


@pytest.mark.real_data
def test_real_orders_add_up_to_the_cent(tmp_path):
    if not REAL.is_dir():
        pytest.skip(f"{REAL} is not there")
    make_tier("new")
    expected = json.loads((REAL / "expected_2017h1.json").read_text())
    code, answer = run(str(REAL / "earnings_2017h1.csv"), "--create-sellers")
    assert (code, answer["accepted"]) == (0, expected["lines"])
    assert answer["totals"] == {
        "EUR": {
            "gross_minor": expected["sale"]["gross_minor"] - expected["refund"]["gross_minor"],
            "fee_minor": expected["sale"]["fee_minor"] - expected["refund"]["fee_minor"],
            "net_minor": expected["net_minor"],
        }
    }
