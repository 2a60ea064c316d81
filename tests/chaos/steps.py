"""The harness's steps that use Django's own connection: seed a marketplace, decide what only people may, judge at the end."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any


def seed(folder: Path, payouts: int) -> None:
    """Make sellers with money and a payee account in bulk, then a run by the ordinary verbs: built, approved by another, submitted."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from backoffice.kit import clock
    from backoffice.kit.actors import staff
    from payouts.dispatch.operations import submit_run
    from payouts.runs.operations import approve_run, build_run
    from tests.factories.runs import make_checker
    from tests.factories.sellers import make_staff

    now = clock.now()
    make_sellers(payouts, now - timedelta(days=30))
    run = build_run(on=now.date(), actor=staff(make_staff("finance").pk), key="chaos", at=now, all_schedules=True)
    approve_run(run_id=run.pk, content_hash=run.content_hash, actor=make_checker(), at=now, confirmed_total=_total(run))
    result = submit_run(run_id=run.pk, actor=staff(1), at=now)
    if result.submitted != payouts:
        raise SystemExit(f"{result.submitted} of {payouts} payouts were submitted: {result.stopped[:3]}")


def _total(run: Any) -> str:
    from backoffice.kit.money import Money

    return ", ".join(f"{Money(total, currency).decimal()} {currency}" for currency, total in run.totals.items())


def make_sellers(count: int, at: Any) -> None:
    from backoffice.kit.actors import staff
    from backoffice.kit.crypto import blind_index
    from backoffice.kit.states import born_set
    from payouts.compliance.opening import vouch_for_sellers
    from payouts.ledger.operations import Draft, post, set_floors
    from payouts.ledger.templates import platform
    from payouts.ledger.templates import seller as bucket
    from payouts.sellers.models import PayeeAccount, Seller
    from payouts.sellers.queries import debt_limit_minor
    from payouts.sellers.states import PAYEE, SELLER
    from tests.factories.sellers import make_tier

    tier, actor = make_tier(), staff(1)
    sellers = Seller.objects.bulk_create(
        Seller(
            external_id=f"chaos-{n}", legal_name=f"Seller {n}", entity_type="company", country="US", currency="USD", tier=tier,
            schedule="daily", status="active", created_at=at,
        )
        for n in range(count)
    )  # fmt: skip
    PayeeAccount.objects.bulk_create(
        PayeeAccount(
            seller=one, currency="USD", version=1, kind="us_account", account_holder=holder_of(n), number=f"{n:010d}",
            routing_number="021000021", number_index=blind_index(f"{n:010d}"), last4=f"{n:010d}"[-4:], country="US",
            created_by=str(actor), created_at=at, cool_off_until=at,
        )
        for n, one in enumerate(sellers)
    )  # fmt: skip
    floors = [("seller.available", one.pk, "USD", -debt_limit_minor(tier, "USD")) for one in sellers]
    set_floors(floors=floors, actor=actor, at=at, reason="its tier's debt limit")
    born_set(SELLER, "SELECT id FROM payouts_seller", {}, actor=actor, at=at)
    born_set(PAYEE, "SELECT id FROM payouts_payeeaccount", {}, actor=actor, at=at)
    vouch_for_sellers(seller_ids=[one.pk for one in sellers], actor=actor, at=at, reason="chaos")
    drafts = [
        Draft(
            "adjustment", f"chaos:{one.pk}",
            [platform("suspense", "USD", 10_000 + n), bucket("available", one.pk, "USD", -10_000 - n)],
        )
        for n, one in enumerate(sellers)
    ]  # fmt: skip
    post(drafts=drafts, actor=actor, approver=staff(2), at=at)


def holder_of(n: int) -> str:
    return "SANDBOX REFUSE" if n % 50 == 7 else f"Seller {n}"


def decide(folder: Path, payouts: int) -> None:
    """Be the people: look into the provider's books for every order that waits for one, and say what is there."""
    from backoffice.kit import clock
    from backoffice.kit.errors import Refusal
    from payouts.dispatch.operations import confirm_absence, request_absence, resolve_unknown
    from payouts.dispatch.queries import unknown_orders
    from tests.factories.runs import make_checker

    known = {row["reference"]: row for row in _truth(folder)}
    person = other = None
    for order in unknown_orders().filter(code="needs_a_person"):
        person = person or make_checker(f"person-{os.getpid()}@example.com")
        other = other or make_checker(f"other-{os.getpid()}@example.com")
        found = known.get(order.key)
        says = {"order_id": order.pk, "reason": "seen in the provider's books", "at": clock.now()}
        try:
            if found:
                resolve_unknown(outcome="sent", provider_ref=f"sbx_{found['id']}", actor=person, **says)
            else:
                request_absence(actor=person, **says)
                confirm_absence(actor=other, **says)
        except Refusal:
            continue  # a worker was quicker


def judge(folder: Path, payouts: int) -> None:
    """Compare our books with the provider's, payout by payout, and print what is wrong."""
    from django.db.models import Max

    from backoffice.kit.invariants import check_books
    from payouts.dispatch.models import PaymentOrder
    from payouts.ledger.queries import trial_balance
    from payouts.runs.models import Payout

    paid: Counter[str] = Counter()
    money: Counter[str] = Counter()
    for row in _truth(folder):
        if row["status"] != "refused":
            name = payout_of(row["reference"])
            paid[name] += 1
            money[name] += row["amount_minor"]
    ours = {payout.public_id: payout for payout in Payout.objects.all()}
    gone = {name for name, payout in ours.items() if payout.status in ("in_transit", "paid")}
    ended = {name for name, payout in ours.items() if payout.status in ("paid", "failed")}
    balances = {row["code"]: row["signed_minor"] for row in trial_balance() if row["code"].startswith("bank.")}
    verdicts = [verdict for verdict in check_books() if not verdict.ok]
    tries = PaymentOrder.objects.aggregate(most=Max("attempt"))["most"]
    print(json.dumps({
        "payouts": len(ours),
        "DOUBLE": sum(count - 1 for count in paid.values() if count > 1),
        "LOST": len(gone - set(paid)) + len(set(paid) - gone) + abs(len(ours) - payouts),
        "STUCK": len(set(ours) - ended),
        "DRIFT": abs(sum(money.values()) + sum(balances.values()))
        + sum(1 for name, amount in money.items() if name not in ours or amount != ours[name].amount_minor * paid[name]),
        "BROKEN": [f"{verdict.name}: {verdict.error or verdict.rows[:2]}" for verdict in verdicts],
        "paid": len([p for p in ours.values() if p.status == "paid"]),
        "failed": len([p for p in ours.values() if p.status == "failed"]),
        "attempts_most": tries,
        "second_attempts": PaymentOrder.objects.filter(attempt=2).count(),
        "by_a_person": PaymentOrder.objects.filter(attempt__gte=3).count(),
    }))  # fmt: skip


def payout_of(reference: str) -> str:
    return reference.removeprefix("payout-").rsplit("-", 1)[0]


def _truth(folder: Path) -> list[dict[str, Any]]:
    from payouts.rails.sandbox_provider import SandboxProvider

    return SandboxProvider(folder / "provider" / "truth.sqlite3").truth()


if __name__ == "__main__":
    import django

    django.setup()
    {"seed": seed, "decide": decide, "judge": judge}[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
