"""A small marketplace with one row of everything, made through the verbs, and people signed in with their roles."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client

from backoffice.kit import clock
from backoffice.kit.actors import Actor, staff
from backoffice.partners.operations import create_partner, issue_key
from fraud.screening.operations import clear_hit
from payouts.compliance.claiming import claim
from payouts.compliance.models import Requirement
from payouts.compliance.operations import ask_seller, declare_ownership, rate_sellers
from payouts.dispatch.models import BankFile, BankFileEntry, PaymentOrder
from payouts.dispatch.operations import bounce, settle, submit_run
from payouts.dispatch.stored import put_away
from payouts.earnings.importing import import_earnings
from payouts.holds.operations import create_reserve_plan, place_hold
from payouts.ledger.periods import open_period
from payouts.reporting.operations import set_tax_exclusion
from payouts.runs.models import PayoutRun
from payouts.sellers.models import Seller
from tests.factories import billing, fraud, notices, reconciliation, reporting, screening, subscriptions
from tests.factories.cases import furnish_cases
from tests.factories.compliance import make_newcomer, name_person, upload
from tests.factories.dispatch import rails_in
from tests.factories.receiver import delivered, make_endpoint
from tests.factories.runs import give_money, make_approved_run, make_payable_seller, make_run
from tests.factories.sellers import make_payee, make_seller, make_staff
from tests.factories.tradeins import make_accepted

# Near now: pages read the clock, and an approval of January has expired.
AT = clock.now().replace(hour=9, minute=0, second=0, microsecond=0) - timedelta(days=3)
ROLES = ("finance", "lead", "compliance", "risk", "support", "auditor")


@dataclass(frozen=True)
class Market:
    """Handles on the marketplace: people, sellers, and which run is where on its way."""

    maker: Actor
    checker: Actor
    paid: Seller
    bounced: Seller
    held: Seller
    sent: PayoutRun
    approved: PayoutRun
    waiting: PayoutRun


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture(scope="module")
def _market(tmp_path_factory: Any, django_db_setup: None, django_db_blocker: Any) -> Iterator[Market]:
    """Open the marketplace once for a file of tests: each test works in a savepoint of this transaction, which is rolled back."""
    folder = tmp_path_factory.mktemp("market")
    outer = transaction.atomic()
    outer._from_testcase = True  # type: ignore[attr-defined] - as Django's own TestCase marks its transactions
    with django_db_blocker.unblock(), rails_in(folder, MEDIA_ROOT=folder / "media"):
        outer.__enter__()
        try:
            yield open_market(folder)
        finally:
            transaction.set_rollback(True)
            outer.__exit__(None, None, None)


@pytest.fixture
def market(_market: Market, db: None) -> Market:
    """A run that was sent (one payout settled, one came back, one on its way), one approved, one waiting; a hold, a plan, an import."""
    found = {name: getattr(_market, name) for name in ("paid", "bounced", "held", "sent", "approved", "waiting")}
    for name, row in found.items():
        found[name] = type(row)._default_manager.get(pk=row.pk)
    return replace(_market, **found)


def open_market(folder: Path) -> Market:
    maker, checker = staff(make_staff("finance").pk), staff(make_staff("lead").pk)
    paid, bounced, _on_its_way = (make_payable_seller(amount) for amount in (10_000, 20_000, 30_000))
    sent = _sent(maker, checker)
    orders = {order.payout.seller_id: order for order in PaymentOrder.objects.filter(payout__run=sent).select_related("payout")}
    for seller in (paid, bounced):
        settle(order_id=orders[seller.pk].pk, actor=checker, at=AT + timedelta(days=1), holder="bank")
    bounce(
        order_id=orders[bounced.pk].pk,
        code="AC04",
        actor=checker,
        at=AT + timedelta(days=2),
        holder="bank",
        reason="Account closed.",
    )

    make_payable_seller(40_000, money_in="USD")
    approved = make_approved_run(on=AT.date(), at=AT, actor=maker, checker=checker, currency="USD")
    make_payable_seller(50_000, money_in="CHF")
    give_money(make_seller(), 7_000, currency="CHF")  # nowhere to pay it to: skipped
    waiting = make_run(on=AT.date(), at=AT, actor=maker, currency="CHF")

    held = make_payable_seller(60_000)
    billing.furnish(held, AT)
    subscriptions.furnish(AT)
    notices.furnish(held)
    reconciliation.furnish()
    make_payee(held, trusted=False)
    _furnish(folder, held, maker, checker)
    furnish_cases(held, maker, checker, at=AT)
    return Market(maker, checker, paid, bounced, held, sent, approved, waiting)


def _sent(maker: Actor, checker: Actor) -> PayoutRun:
    run = make_approved_run(on=AT.date(), at=AT, actor=maker, checker=checker, currency="EUR")
    submit_run(run_id=run.pk, actor=maker, at=AT + timedelta(minutes=10))
    run.refresh_from_db()
    return run


def _furnish(folder: Path, seller: Seller, maker: Actor, checker: Actor) -> None:
    give_money(seller, 1_000)
    said: dict[str, Any] = {
        "reason": "A look at two parcels.",
        "seller_text": "We keep it while we look.",
        "actor": maker,
        "at": AT,
    }
    place_hold(seller_id=seller.pk, currency="EUR", amount_minor=1_500, code="review", owner=str(maker), key="hold", **said)
    create_reserve_plan(seller_id=seller.pk, currency="EUR", kind="rolling", basis_points=1_000, days=30, key="plan", **said)
    lines = "external_id,seller,kind,order_ref,occurred_at,delivered_at,currency,gross,fee\n"
    lines += f"s1,{seller.external_id},sale,o1,2026-01-06T10:00:00Z,,EUR,120.00,12.00\nx1,nobody,sale,o2,2026-01-06T10:00:00Z,,EUR,1.00,0.10\n"
    (folder / "earnings.csv").write_text(lines)
    import_earnings(path=folder / "earnings.csv", source="shop", actor=maker, at=AT)
    open_period(month=AT.date(), at=AT)
    _screen(folder)
    _review(maker)
    _report_taxes(seller)
    partner = create_partner(name="Partner", livemode=False, actor=checker, at=AT)
    issue_key(partner_id=partner.pk, label="shop", scopes=["events:read"], actor=checker, at=AT)
    delivered(make_endpoint(at=AT, partner=partner), at=AT)
    file = BankFile(
        sha256=hashlib.sha256(b"<x/>").hexdigest(), file_name="statement.xml", format="camt.053", identity="x", state="partly_placed", received_at=AT,
        received_by=str(maker), summary={"entries": 1},
    )  # fmt: skip
    put_away(file, b"<x/>")
    file.save()
    BankFileEntry.objects.create(
        bank_file=file,
        position=1,
        line_ref="L1",
        kind="booking",
        amount_minor=-500,
        currency="EUR",
        state="unplaced",
        created_at=AT,
    )
    make_accepted(amount_minor=90_000, at=AT)


def _screen(folder: Path) -> None:
    """Load a list; two parties resemble entries of it, one of them cleared."""
    screening.load(folder, at=AT)
    open_one = screening.make_party("Zoltan Krabbenhoft Vasquelle", at=AT)
    weaker = screening.make_party("Zoltan Vasquelle", at=AT)
    assert {open_one.state, weaker.state} == {"hits"}
    clear_hit(hit_id=weaker.hits.get().pk, reason="Born in another town.", actor=staff(1), at=AT)


def _report_taxes(seller: Seller) -> None:
    """A frozen report that waits to be filed, and a seller the law leaves out of it."""
    set_tax_exclusion(seller_id=seller.pk, exclusion="listed", reason="On the list of Euronext.", actor=staff(1), at=AT)
    reporting.freeze_everything(2026, AT)


def _review(reviewer: Actor) -> None:
    """A newcomer half on the way: a paper to check, an owner with a share, a question, and somebody who works on it."""
    newcomer = make_newcomer()
    owner = name_person(newcomer, "Ada Martin", "owner", "representative", at=AT)
    declare_ownership(seller_id=newcomer.pk, stakes=[(owner.public_id, None, 9_000)], actor=reviewer, at=AT)
    upload(Requirement.objects.get(seller=newcomer, code="registration_document"), at=AT)
    ask_seller(seller_id=newcomer.pk, text="Which shops are yours?", actor=reviewer, at=AT)
    claim(seller_id=newcomer.pk, actor=reviewer, at=AT)
    rate_sellers(actor=reviewer, at=AT)
    fraud.furnish()


@pytest.fixture
def sign_in(db: None) -> Callable[..., Client]:
    """Return a client signed in with a role, or as somebody; `.user` is who it is."""

    def signed(role: str, actor: Actor | None = None) -> Client:
        from django.contrib.auth import get_user_model

        client = Client()
        user = get_user_model().objects.get(pk=actor.ref) if actor else make_staff(role)
        client.force_login(user)
        client.user = user  # type: ignore[attr-defined]
        return client

    return signed
