"""The postings of dispatch: handed over, settled, come back. Keys are order ids, so each can be booked once whoever reports it first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time

from django.db import connection

from backoffice.kit.actors import Actor
from payouts.dispatch.models import PaymentOrder
from payouts.ledger.operations import Draft, post
from payouts.ledger.queries import seller_buckets
from payouts.ledger.templates import Leg, non_zero, platform, seller

CHUNK = 10_000
DEBT = "receivable.seller_debt"


def bank_holder(account: str) -> str:
    """Return how one of our bank accounts is named in the books: enough to tell them apart, not enough to debit one."""
    account = "".join(account.split())
    return account if len(account) <= 8 else f"{account[:4]}****{account[-4:]}"


def lock_balances(seller_ids: Sequence[int], codes: Sequence[str]) -> None:
    """Lock the balances of many sellers in account order, before any row of theirs is touched."""
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH locked AS MATERIALIZED (
                   SELECT b.account_id FROM payouts_balance b JOIN payouts_account a ON a.id = b.account_id
                    WHERE a.code = ANY(%s) AND a.holder = '' AND a.holder_id = ANY(%s) ORDER BY b.account_id FOR UPDATE OF b)
               SELECT count(*) FROM locked""",
            [list(codes), list(seller_ids)],
        )


def _post(drafts: list[Draft], actor: Actor, at: datetime) -> None:
    for start in range(0, len(drafts), CHUNK):
        post(drafts=drafts[start : start + CHUNK], actor=actor, at=at)


def _value(on: date | None) -> datetime | None:
    return datetime.combine(on, time(), tzinfo=UTC) if on else None


def _draft(order: PaymentOrder, template: str, legs: list[Leg], on: date | None = None) -> Draft:
    return Draft(
        template=template,
        key=order.public_id,
        legs=non_zero(legs),
        source_kind="payout",
        source_id=order.payout_id,
        effective_at=_value(on),
    )


def post_sent(orders: Sequence[PaymentOrder], *, actor: Actor, at: datetime) -> None:
    """in_payout → bank.in_transit: the rail has it."""
    drafts = [
        _draft(
            order,
            "payout_sent",
            [
                seller("in_payout", order.payout.seller_id, order.currency, order.amount_minor),
                platform("bank.in_transit", order.currency, -order.amount_minor, order.rail),
            ],
        )
        for order in orders
    ]
    _post(drafts, actor, at)


def post_settled(orders: Sequence[tuple[PaymentOrder, str, date | None]], *, actor: Actor, at: datetime) -> None:
    """bank.in_transit → bank.cash: it stands on a statement of `holder` (order, holder, booked on)."""
    drafts = [
        _draft(
            order,
            "payout_settled",
            [
                platform("bank.in_transit", order.currency, order.amount_minor, order.rail),
                platform("bank.cash", order.currency, -order.amount_minor, holder),
            ],
            on,
        )
        for order, holder, on in orders
    ]
    _post(drafts, actor, at)


def post_back(orders: Sequence[tuple[PaymentOrder, Leg, date | None]], *, actor: Actor, at: datetime) -> None:
    """What came back → available, what the seller owes first (order, the leg it comes from, on). Sellers and their balances are locked."""
    owed = {
        key: buckets["debt"]
        for key, buckets in seller_buckets(sorted({order.payout.seller_id for order, _, _ in orders})).items()
    }
    drafts = []
    for order, source, on in orders:
        party = (order.payout.seller_id, order.currency)
        repaid = min(order.amount_minor, owed.get(party, 0))
        owed[party] = owed.get(party, 0) - repaid
        legs = [
            source,
            seller("available", party[0], order.currency, repaid - order.amount_minor),
            Leg(DEBT, party[0], "", order.currency, -repaid),
        ]
        drafts.append(_draft(order, "payout_bounced", legs, on))
    _post(drafts, actor, at)


def settled_from(orders: Sequence[PaymentOrder]) -> dict[str, str]:
    """Return {order's public id: holder of the bank.cash it was settled from}."""
    with connection.cursor() as cursor:
        cursor.execute(
            # Posting by posting, by the index that its order names: right after a first import the planner takes both tables for empty,
            # and would compare every entry with every posting.
            """SELECT q.key, x.holder FROM payouts_posting q CROSS JOIN LATERAL (
                      SELECT a.holder FROM payouts_entry e JOIN payouts_account a ON a.id = e.account_id
                       WHERE e.posting_id = q.id AND a.code = 'bank.cash' ORDER BY e.position LIMIT 1) x
                WHERE q.template = 'payout_settled' AND q.key = ANY(%s)""",
            [[order.public_id for order in orders]],
        )
        return dict(cursor.fetchall())


def from_cash(order: PaymentOrder, holder: str) -> Leg:
    return platform("bank.cash", order.currency, order.amount_minor, holder)


def from_transit(order: PaymentOrder) -> Leg:
    return platform("bank.in_transit", order.currency, order.amount_minor, order.rail)
