"""Every verb that moves money takes its locks in one order: sellers, balances, subjects. All of them at once never deadlock."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connections

from backoffice.kit.actors import staff, system
from backoffice.kit.errors import Refusal
from backoffice.kit.invariants import check_books
from payouts.dispatch.models import PaymentOrder
from payouts.dispatch.operations import import_bank_file, submit_run, sweep, work
from payouts.earnings.lines import EarningLine
from payouts.earnings.operations import record_earnings
from payouts.holds.models import Hold
from payouts.holds.operations import mature_earnings, place_hold, place_pause, release_due_holds, release_hold
from payouts.runs.models import Payout, PayoutRun
from payouts.runs.operations import approve_run, build_run, cancel_payout, expire_runs, refresh_run
from payouts.sellers.models import PayeeAccount, Seller, Tier
from payouts.sellers.operations import change_payee_account, mark_payee_account, set_seller_status, update_seller
from payouts.sellers.tiers import change_tier
from tests.factories.dispatch import BANK, rails_in
from tests.factories.runs import AT, make_checker, make_payable_seller
from tests.factories.sellers import make_iban, make_payee, make_seller, make_tier
from tests.payouts.bankfiles.samples import camt, details, entry, transaction

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.races]
LATER = AT + timedelta(hours=1)
CLERK = staff(1_000_001)
STEPS, THREADS, SELLERS = int(os.environ.get("LOCK_ORDER_STEPS", "25")), 4, 5
SEED = int(os.environ.get("LOCK_ORDER_SEED", "1"))


def test_all_verbs_at_once_never_deadlock(tmp_path: Path):
    with rails_in(tmp_path):
        for _ in range(SELLERS):
            seller = make_payable_seller(50_000)
            make_payee(seller, currency="USD", cool_off_until=AT)
        make_tier("new")
        checker = make_checker()
        begin = threading.Barrier(THREADS)
        deadlocks: list[str] = []
        worked: Counter[str] = Counter()

        def clerk(seed: int) -> None:
            draw = random.Random(SEED * 1_000 + seed)
            begin.wait()
            try:
                for step in range(STEPS):
                    name = draw.choice(sorted(VERBS) + OFTEN * 3)
                    try:
                        VERBS[name](draw, f"{seed}-{step}", checker)
                        worked[name] += 1
                    except Refusal as refusal:
                        if "deadlock" in str(refusal.__cause__ or ""):
                            deadlocks.append(f"{name}: {refusal.__cause__}")
            finally:
                connections.close_all()

        with ThreadPoolExecutor(THREADS) as pool:
            for done in [pool.submit(clerk, seed) for seed in range(THREADS)]:
                done.result()

        assert not deadlocks
        assert len(worked) > len(VERBS) // 2, f"most verbs were refused, which proves little: {worked}"
        assert [verdict for verdict in check_books() if not verdict.ok] == []


def _seller(draw):
    return draw.choice(list(Seller.objects.order_by("pk")))


def _one(draw, rows):
    found = list(rows)
    if not found:
        raise Refusal()
    return draw.choice(found)


def _earn(draw, key, checker):
    sellers = list(Seller.objects.order_by("?"))
    lines = [
        EarningLine(n, f"{key}-{n}", one.external_id, draw.choice(["sale", "refund"]), f"o{draw.randrange(6)}", "2026-01-06T10:00:00Z", "",
                    draw.choice(["EUR", "USD"]), "20.00", "2.00")
        for n, one in enumerate(sellers * 2, 1)
    ]  # fmt: skip
    record_earnings(lines=lines, source="race", actor=CLERK, at=LATER)


def _build(draw, key, checker):
    build_run(on=AT.date(), actor=CLERK, key=key, at=LATER, all_schedules=True, currency=draw.choice([None, "EUR", "USD"]))


def _approve(draw, key, checker):
    run = _one(draw, PayoutRun.objects.filter(status="needs_approval"))
    approve_run(run_id=run.pk, content_hash=run.content_hash, actor=checker, at=LATER)


def _submit(draw, key, checker):
    submit_run(run_id=_one(draw, PayoutRun.objects.filter(status__in=["approved", "submitted"])).pk, actor=CLERK, at=LATER)


def _bank(draw, key, checker):
    orders = list(PaymentOrder.objects.filter(currency="EUR", status__in=["sent", "completed"]).order_by("?")[:4])
    lines = "".join(
        entry(f"{order.amount_minor / 100:.2f}", way, reference=f"{way}{order.pk}", details=details(
            transaction(order.end_to_end_id, returned=draw.choice(["AC04", "MD07", "MS03"]) if way == "CRDT" else "")))
        for order in orders
        for way in draw.choice([["DBIT"], ["DBIT", "CRDT"]])
    )  # fmt: skip
    import_bank_file(data=camt(lines, number=draw.randrange(10**9)), file_name="x.xml", actor=BANK, at=LATER)


def _change_payee(draw, key, checker):
    change_payee_account(
        seller_id=_seller(draw).pk, currency="EUR", kind="iban", account_holder="X", number=make_iban(), actor=CLERK, key=key, at=LATER,
        trusted=True,
    )  # fmt: skip


def _hold(draw, key, checker):
    place_hold(
        seller_id=_seller(draw).pk, currency="EUR", amount_minor=100, code="x", reason="x", seller_text="x", owner="risk", actor=CLERK,
        key=key, at=LATER, release_at=LATER + timedelta(minutes=1),
    )  # fmt: skip


def _pause(draw, key, checker):
    if draw.random() < 0.8:
        raise Refusal()  # else everybody is paused, and nothing moves any more
    place_pause(seller_id=_seller(draw).pk, code="x", reason="x", seller_text="x", owner="risk", actor=CLERK, key=key, at=LATER)


OFTEN = ["build", "approve", "submit", "bank", "earn", "mature"]
VERBS = {
    "earn": _earn,
    "build": _build,
    "approve": _approve,
    "submit": _submit,
    "bank": _bank,
    "change_payee": _change_payee,
    "hold": _hold,
    "pause": _pause,
    "mature": lambda draw, key, checker: mature_earnings(actor=system("x"), at=LATER + timedelta(days=40)),
    "release": lambda draw, key, checker: release_hold(
        hold_id=_one(draw, Hold.objects.filter(state="active")).pk, actor=CLERK, at=LATER, reason="x"
    ),
    "release_due": lambda draw, key, checker: release_due_holds(actor=CLERK, at=LATER + timedelta(hours=1)),
    "cancel": lambda draw, key, checker: cancel_payout(
        payout_id=_one(draw, Payout.objects.all()).pk, actor=CLERK, at=LATER, reason="x"
    ),
    "refresh": lambda draw, key, checker: refresh_run(
        run_id=_one(draw, PayoutRun.objects.filter(status="needs_approval")).pk, actor=CLERK, at=LATER
    ),
    "expire": lambda draw, key, checker: expire_runs(at=LATER, actor=system("x")),
    "work": lambda draw, key, checker: work(at=LATER, limit=20, seconds=5),
    "sweep": lambda draw, key, checker: sweep(at=LATER),
    "activate": lambda draw, key, checker: set_seller_status(
        seller_id=_seller(draw).pk, to=draw.choice(["paused", "active"]), actor=CLERK, at=LATER, reason="x"
    ),
    "mark": lambda draw, key, checker: mark_payee_account(
        payee_account_id=_one(draw, PayeeAccount.objects.exclude(status="superseded")).pk,
        status="active",
        code="",
        reason="x",
        actor=CLERK,
        at=LATER,
    ),
    "limit": lambda draw, key, checker: update_seller(
        seller_id=_seller(draw).pk,
        changes=draw.choice([{"debt_limit_minor": 0}, {"debt_limit_minor": None}, {"tier": "new"}, {"tier": "standard"}]),
        actor=CLERK,
        at=LATER,
    ),
    "tier": lambda draw, key, checker: change_tier(
        tier_id=_one(draw, Tier.objects.filter(code__in=["new", "standard"])).pk,
        changes={"debt_limit": draw.choice([0, 50, 5_000])},
        actor=CLERK,
        at=LATER,
    ),
    "open": lambda draw, key, checker: make_seller(tier=draw.choice(["new", "standard"])),
}
