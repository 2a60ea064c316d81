"""Lines of earnings for tests, booked through the same verb as everything else."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backoffice.kit.actors import system
from payouts.earnings.lines import COLUMNS, EarningLine, LineResult
from payouts.earnings.operations import record_earnings
from payouts.ledger.queries import seller_buckets
from payouts.sellers.models import Seller

AT = datetime(2026, 2, 2, 9, 0, tzinfo=UTC)
ROBOT = system("test")
_numbers = itertools.count(1)


def make_line(seller: Seller | str = "seller", **over: Any) -> EarningLine:
    """Return a sale of 100.00 EUR with a fee of 10.00; any column by keyword."""
    number = next(_numbers)
    fields: dict[str, Any] = {
        "external_id": f"line-{number}",
        "seller": seller if isinstance(seller, str) else seller.external_id,
        "kind": "sale",
        "order_ref": f"order-{number}",
        "occurred_at": "2026-01-20T12:00:00Z",
        "delivered_at": "",
        "currency": "EUR",
        "gross": "100.00",
        "fee": "10.00",
    }
    return EarningLine.of(over.pop("line_no", number), fields | over)


def record(*lines: EarningLine, source: str = "test", at: datetime = AT, **facts: Any) -> list[LineResult]:
    return record_earnings(lines=lines, source=source, actor=ROBOT, at=at, **facts)


def buckets(seller: Seller, currency: str = "EUR") -> dict[str, int]:
    """Return the seller's buckets that are not zero."""
    found = seller_buckets([seller.pk]).get((seller.pk, currency), {})
    return {name: amount for name, amount in found.items() if amount and name != "total"}


def write_csv(path: Path, lines: Iterable[EarningLine]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(line[1:] for line in lines)
    return path


def write_jsonl(path: Path, lines: Iterable[EarningLine]) -> Path:
    path.write_text("".join(json.dumps(dict(zip(COLUMNS, line[1:], strict=True))) + "\n" for line in lines))
    return path


def write_parquet(path: Path, lines: Sequence[EarningLine]) -> Path:
    import pyarrow
    import pyarrow.parquet

    columns = {name: [line[place] for line in lines] for place, name in enumerate(COLUMNS, 1)}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path
