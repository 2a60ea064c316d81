"""Money, runs and payouts for tests, made through the same verbs as everything else."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any

from backoffice.kit.actors import Actor, staff, system
from payouts.ledger.operations import Draft, post
from payouts.ledger.templates import platform
from payouts.ledger.templates import seller as bucket
from payouts.runs.models import Payout, PayoutRun
from payouts.runs.operations import approve_run, build_run
from payouts.sellers.models import Seller
from tests.factories.sellers import make_payee, make_seller, make_staff

# a Wednesday, 16 days after the sellers of the other factory were made
AT = datetime(2026, 1, 21, 9, 0, tzinfo=UTC)
ON = AT.date()
MAKER = system("test-maker")
_numbers = itertools.count(1)


def give_money(seller: Seller, amount_minor: int = 10_000, *, currency: str | None = None, at: datetime = AT) -> None:
    """Book an amount straight into the seller's available money, as two people's adjustment (negative takes it away)."""
    money = currency or seller.currency
    legs = [platform("suspense", money, amount_minor), bucket("available", seller.pk, money, -amount_minor)]
    post(
        drafts=[Draft("adjustment", f"give_money:{next(_numbers)}", legs)],
        actor=staff(1_000_001),
        approver=staff(1_000_002),
        at=at,
    )


def make_payable_seller(amount_minor: int = 10_000, **over: Any) -> Seller:
    """Return an active seller with a usable payee account and available money."""
    currency = over.pop("money_in", None)
    seller = make_seller(**over)
    make_payee(seller, currency=currency or seller.currency)
    give_money(seller, amount_minor, currency=currency)
    return seller


def make_run(*, on: date = ON, at: datetime = AT, actor: Actor = MAKER, sellers: int = 0, **over: Any) -> PayoutRun:
    """Return a run waiting for approval; `sellers` makes that many payable sellers first."""
    for _ in range(sellers):
        make_payable_seller()
    return build_run(on=on, at=at, actor=actor, key=f"make_run:{next(_numbers)}", **over)


def make_checker(email: str = "") -> Actor:
    """Return a finance lead."""
    return staff(make_staff("lead", email or f"lead-{next(_numbers)}@example.com").pk)


def make_approved_run(*, at: datetime = AT, checker: Actor | None = None, **over: Any) -> PayoutRun:
    """Return an approved run, checked by a finance lead."""
    run = make_run(at=at, **over)
    return approve_run(
        run_id=run.pk,
        content_hash=run.content_hash,
        actor=checker or make_checker(),
        at=at + timedelta(minutes=5),
        confirmed_total=", ".join(f"{total} {currency}" for currency, total in _decimals(run).items()),
    )


def make_payout(amount_minor: int = 10_000, *, approved: bool = True, **over: Any) -> Payout:
    """Return one payout of a fresh seller, in a run of its own, approved or waiting."""
    seller = make_payable_seller(amount_minor, **over)
    run = make_approved_run() if approved else make_run()
    return Payout.objects.get(run=run, seller=seller)


def _decimals(run: PayoutRun) -> dict[str, str]:
    from backoffice.kit.money import Money

    return {currency: Money(total, currency).decimal() for currency, total in run.totals.items()}
