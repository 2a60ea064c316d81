"""A small marketplace with one of everything the books can hold, made through the verbs everybody uses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction

from backoffice.kit.actors import Actor, staff, system
from backoffice.staff import audit
from payouts.dispatch.models import PaymentOrder
from payouts.dispatch.operations import settle, submit_run, work
from payouts.earnings.importing import import_earnings
from payouts.earnings.lines import COLUMNS
from payouts.holds.operations import mature_earnings, place_hold
from payouts.rails import registry
from payouts.runs.models import PayoutRun
from payouts.runs.operations import approve_run, build_run
from payouts.sellers.models import Seller
from tests.factories.sellers import make_payee, make_seller, make_staff

# A Monday, long enough after the sellers were made (5 January) for their money to be free.
AT = datetime(2026, 2, 2, 9, 0, tzinfo=UTC)
ROBOT = system("test")


@dataclass(frozen=True)
class Books:
    """Handles on the small marketplace: who is who, and which run is where on its way."""

    french: Seller
    american: Seller
    waiting: Seller
    maker: Actor
    checker: Actor
    settled: PayoutRun
    handed_over: PayoutRun
    submitted: PayoutRun
    built: PayoutRun


def open_books(folder: Path) -> Books:
    """Walk a few sales down the whole corridor, and leave payouts standing at several places on it.

    `folder` takes the files; settings.DATA_DIR points at it. Money afterwards: a payout settled on the sandbox, one in a file at the bank, one
    submitted and not yet sent, one waiting for approval; a hold; pending sales; a rejected line.
    """
    maker, checker = staff(make_staff("finance").pk), staff(make_staff("lead").pk)
    french, american, waiting = (
        make_seller(),
        make_seller(currency="USD", country="US"),
        make_seller(currency="CHF", country="DE"),
    )
    for seller in (french, american, waiting):
        make_payee(seller)
    _earn(folder, [french, american, waiting])
    mature_earnings(actor=ROBOT, at=AT)
    place_hold(
        seller_id=french.pk, currency="EUR", amount_minor=1_500, code="review", reason="A look at two parcels.",
        seller_text="We keep 15.00 EUR while we look.", owner="risk", actor=maker, key="books:hold", at=AT,
    )  # fmt: skip
    settled = _pay("USD", maker, checker, send=True)
    handed_over = _pay("EUR", maker, checker)
    _earn(folder, [american], day=10)
    mature_earnings(actor=ROBOT, at=AT)
    submitted = _pay("USD", maker, checker)
    built = build_run(on=AT.date(), currency="CHF", actor=maker, key="books:CHF", at=AT)
    audit.seal()
    return Books(french, american, waiting, maker, checker, settled, handed_over, submitted, built)


@contextmanager
def books_in(folder: Path) -> Iterator[Books]:
    """Open the books in one transaction for many tests, each of which undoes what it does; all of it is taken away afterwards."""
    before, settings.DATA_DIR = settings.DATA_DIR, folder
    registry.forget()
    outermost = transaction.atomic()
    outermost._from_testcase = True  # durable verbs may run in it, as in every test case's own
    outermost.__enter__()
    try:
        yield open_books(folder)
    finally:
        transaction.set_rollback(True)
        outermost.__exit__(None, None, None)
        connection.close()
        settings.DATA_DIR = before
        registry.forget()


@contextmanager
def undone() -> Iterator[None]:
    """Undo what a test does in opened books; durable verbs may run."""
    inner = transaction.atomic()
    inner._from_testcase = True
    with inner:
        registry.forget()
        yield
        transaction.set_rollback(True)


def _pay(currency: str, maker: Actor, checker: Actor, *, send: bool = False) -> PayoutRun:
    key = f"books:{currency}:{PayoutRun.objects.count()}"
    run = build_run(on=AT.date(), currency=currency, actor=maker, key=key, at=AT, all_schedules=True)
    approve_run(run_id=run.pk, content_hash=run.content_hash, actor=checker, at=AT + timedelta(minutes=5))
    submit_run(run_id=run.pk, actor=maker, at=AT + timedelta(minutes=10))
    if send:
        work(at=AT + timedelta(minutes=20), limit=100)
        for order in PaymentOrder.objects.filter(payout__run=run):
            settle(order_id=order.pk, actor=ROBOT, at=AT + timedelta(hours=1))
    run.refresh_from_db()
    return run


def _earn(folder: Path, sellers: list[Seller], day: int = 6) -> None:
    """Import a sale that is free by AT, one that is not, a refund of a part, and one line nobody can book."""
    rows = []
    for seller in sellers:
        for name, kind, on, gross, fee in (
            ("free", "sale", f"2026-01-{day:02d}T10:00:00Z", "120.00", "12.00"),
            ("late", "sale", "2026-02-01T10:00:00Z", "80.00", "8.00"),
            ("back", "refund", "2026-02-01T18:00:00Z", "20.00", "2.00"),
        ):
            order = f"{seller.external_id}-{day}-{'late' if name == 'back' else name}"
            rows.append([f"{order}-{kind}", seller.external_id, kind, order, on, "", seller.currency, gross, fee])
    rows.append([f"nobody-{day}", "nobody", "sale", "n1", "2026-01-06T10:00:00Z", "", "EUR", "1.00", "0.10"])
    path = folder / f"earnings-{day}.jsonl"
    path.write_text("".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in rows))
    import_earnings(path=path, source="books", actor=ROBOT, at=AT)
