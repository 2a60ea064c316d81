"""Run the worked examples of docs/money.md through the real writer."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings

from backoffice.kit.actors import system
from backoffice.kit.invariants import check_books
from backoffice.kit.money import to_minor
from payouts.ledger.operations import Draft, account_of, post, set_floors
from payouts.ledger.queries import balance
from payouts.ledger.templates import Leg

AT = datetime(2026, 3, 4, tzinfo=UTC)
PAGE = Path(settings.BASE_DIR) / "docs" / "money.md"
SELLER = 77


def holder(code: str) -> tuple[int, str]:
    return (SELLER, "") if code.startswith("seller.") or code == "receivable.seller_debt" else (0, "platform")


def blocks() -> list[list[str]]:
    return [body.strip("\n").split("\n") for body in re.findall(r"```ledger\n(.*?)```", PAGE.read_text(), re.S)]


def read(block: list[str]) -> list[tuple[str, list[list[str]]]]:
    """Return (heading, rows) pairs: a heading stands at the margin, its rows are indented."""
    parts: list[tuple[str, list[list[str]]]] = []
    for line in block:
        if line.startswith(" "):
            parts[-1][1].append(line.split())
        else:
            parts.append((line.strip(), []))
    return parts


@pytest.mark.django_db
def test_the_worked_examples_of_the_money_page_are_what_the_ledger_does():
    # the sale's own 4-entry posting and the balances of every block, in reading order, on one seller
    compared = booked = 0
    for block_no, block in enumerate(blocks()):
        for part_no, (heading, rows) in enumerate(read(block)):
            if heading.startswith("floor "):
                _, code, amount = heading.split()
                set_floors(
                    floors=[(code, SELLER, "EUR", to_minor(amount, "EUR"))], actor=system("docs"), at=AT, reason="an example"
                )
            elif heading == "balances":
                for code, amount in rows:
                    account = account_of(code, holder(code)[0], "EUR", holder(code)[1])
                    assert balance(account.pk) == to_minor(amount, "EUR"), f"{code} after block {block_no}"
                    compared += 1
            else:
                legs = [
                    Leg(code, *holder(code), "EUR", to_minor(amount, "EUR") * (1 if side == "debit" else -1))
                    for side, code, amount in rows
                ]
                post(drafts=[Draft(heading, f"doc:{block_no}:{part_no}", legs)], actor=system("docs"), at=AT)
                booked += 1
    assert (booked, compared) == (19, 19), "the page lost or gained an example: count again"
    assert [verdict for verdict in check_books({1, 2, 3, 8}) if not verdict.ok] == []
