"""Half a year of what buyers really paid, held against the sales that were really imported: exactly the orders that differ are breaks."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from billing.reconciliation.models import Break, MatchGroup, StagedLine
from payouts.ledger.models import Posting

ORDERS = Path(__file__).resolve().parents[4] / "shared" / "data" / "orders"
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.real_data,
    pytest.mark.skipif(not ORDERS.is_dir(), reason=f"the real orders are not here ({ORDERS})"),
]
PAYMENTS, SALES, SELLERS = ORDERS / "buyer_payments_2017h1.csv", ORDERS / "earnings_2017h1.csv", ORDERS / "sellers_2017h1.csv"
AT = "2017-12-01T09:00:00Z"


def manage(*words: object) -> dict[str, Any]:
    out = io.StringIO()
    call_command(str(words[0]), *map(str, words[1:]), "--json", "--at", AT, stdout=out, stderr=io.StringIO())
    return dict(json.loads(out.getvalue()))


def orders_that_differ() -> dict[str, int]:
    """Return {order: paid less sold}, worked out from the two files alone."""
    off: Counter[str] = Counter()
    with PAYMENTS.open(newline="") as file:
        for row in csv.DictReader(file):
            off[row["order_id"]] += int(row["payment_value_cents"])
    with SALES.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["kind"] == "sale":
                off[row["order_ref"]] -= int(Decimal(row["gross"]) * 100)
    return {order: amount for order, amount in off.items() if amount}


def test_exactly_the_orders_whose_payment_differs_show_as_breaks_and_the_file_again_changes_nothing(clean_books: None) -> None:
    expected = orders_that_differ()
    assert 0 < len(expected) < 100
    manage("import_sellers", SELLERS)
    manage("import_earnings", SALES)

    told = manage("import_buyer_payments", PAYMENTS)
    postings = Posting.objects.count()
    answer = manage("reconcile", "--no-fetch")

    assert told["known"] == 0
    assert {one.group.reference: one.amount_minor for one in Break.objects.select_related("group")} == expected
    assert MatchGroup.objects.filter(state="posted").count() == 3_552 - len(expected)
    assert sum(row["count"] for row in answer["breaks"]) == len(expected)
    assert Posting.objects.count() == postings, "matching books nothing"

    staged = StagedLine.objects.count()
    assert manage("import_buyer_payments", PAYMENTS) | {"new": 0} == told | {"new": 0, "known": told["read"]}
    manage("reconcile", "--no-fetch")
    assert (StagedLine.objects.count(), Break.objects.count()) == (staged, len(expected))
