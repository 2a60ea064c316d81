"""What became of payment orders, applied once whoever tells it first: sent, settled, rejected, returned.

All of it is set-based, under the locks of the one order: sellers by id, their balances, payouts and orders by id. An outcome that is already
booked, or that a later one has overtaken, changes nothing and says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from django.db import connection

from backoffice.kit.actors import Actor
from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.states import transition_set
from backoffice.kit.transactions import composable
from payouts.dispatch import consequences, money
from payouts.dispatch.models import PaymentOrder
from payouts.dispatch.states import ORDER, OrderStatus
from payouts.rails import calendars
from payouts.rails.reason_codes import rule_for
from payouts.runs.giving_back import give_back
from payouts.runs.operations import mark_payouts
from payouts.runs.states import PayoutStatus
from payouts.sellers.queries import lock_sellers

declare("outcomes_locked", "outcomes_settled", "outcomes_taken_back", "outcomes_marked")

ACCOUNTS = ["seller.available", "seller.in_payout", money.DEBT]


class Told(StrEnum):
    """What a rail or bank says."""

    SETTLED = "settled"
    RETURNED = "returned"
    REJECTED = "rejected"


class Effect(StrEnum):
    """What an outcome did."""

    APPLIED = "applied"
    ALREADY = "already"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One fact about one order. `holder` names the bank account it stands on (see money.bank_holder), '' for the rail itself."""

    order_id: int
    told: Told
    on: date | None = None
    holder: str = ""
    code: str = ""
    raw_code: str = ""
    reason: str = ""


# What each fact does, by the order's status: apply it, know it already, or leave it to a person.
_ALREADY = {
    Told.SETTLED: {OrderStatus.COMPLETED, OrderStatus.RETURNED},
    Told.RETURNED: {OrderStatus.RETURNED},
    Told.REJECTED: {OrderStatus.REJECTED},
}
_APPLIES = {
    Told.SETTLED: {OrderStatus.SENDING, OrderStatus.UNKNOWN, OrderStatus.SENT},
    Told.RETURNED: {OrderStatus.SENDING, OrderStatus.UNKNOWN, OrderStatus.SENT, OrderStatus.COMPLETED},
    Told.REJECTED: {OrderStatus.SENDING, OrderStatus.UNKNOWN, OrderStatus.SENT},
}


@composable
def apply_outcomes(outcomes: Sequence[Outcome], *, actor: Actor, at: datetime) -> dict[int, Effect]:
    """Book facts about orders and carry out what their reason codes ask for; returns {order id: effect}.

    An order may stand in it once. A return of something not yet settled settles it first: what came back had left. Events: payout.paid,
    payout.failed, payout.returned.
    """
    by_order = {outcome.order_id: outcome for outcome in outcomes}
    if not by_order:
        return {}
    rows = lock_orders(by_order, with_sellers=any(o.told != Told.SETTLED for o in outcomes))
    failpoint("outcomes_locked")
    effects = {row.pk: _effect_of(by_order[row.pk].told, row.status) for row in rows}
    live = [row for row in rows if effects[row.pk] == Effect.APPLIED]

    went = [row for row in live if by_order[row.pk].told != Told.REJECTED]
    record_sent([row for row in went if row.status in (OrderStatus.SENDING, OrderStatus.UNKNOWN)], actor=actor, at=at)
    _settle([(row, by_order[row.pk]) for row in went if row.status != OrderStatus.COMPLETED], actor, at)
    failpoint("outcomes_settled")
    _take_back([(row, by_order[row.pk]) for row in live if by_order[row.pk].told == Told.RETURNED], actor, at)
    _reject([(row, by_order[row.pk]) for row in live if by_order[row.pk].told == Told.REJECTED], actor, at)
    failpoint("outcomes_taken_back")

    bad = [(row, by_order[row.pk]) for row in live if by_order[row.pk].told != Told.SETTLED]
    consequences.carry_out(bad, actor=actor, at=at)
    failpoint("outcomes_marked")
    return effects


def _effect_of(told: Told, status: str) -> Effect:
    if status in _ALREADY[told]:
        return Effect.ALREADY
    return Effect.APPLIED if status in _APPLIES[told] else Effect.CONFLICT


_WITH = ["payout__seller", "payee_account", "rail_file"]
_NEEDED = [
    *(
        "public_id",
        "rail",
        "currency",
        "amount_minor",
        "status",
        "attempt",
        "key",
        "payout_id",
        "rail_file__execute_on",
        "payee_account__status",
    ),
    *("payout__public_id", "payout__run_id", "payout__seller_id", "payout__instant", "payout__seller__status"),
]


def lock_orders(order_ids: Iterable[int], *, with_sellers: bool) -> list[PaymentOrder]:
    """Lock orders with everything that must be locked before them, and return them with payout, seller, run and payee account."""
    ids = sorted(order_ids)
    sellers = sorted(set(PaymentOrder.objects.filter(pk__in=ids).values_list("payout__seller_id", flat=True)))
    if with_sellers:
        lock_sellers(sellers)
    money.lock_balances(sellers, ACCOUNTS if with_sellers else ["seller.in_payout"])
    _lock_rows("payouts_payout", "SELECT payout_id FROM payouts_paymentorder WHERE id = ANY(%s)", ids)
    _lock_rows("payouts_paymentorder", "SELECT unnest(%s::bigint[])", ids)
    # A file may hold 100,000 of them: only the columns the outcomes need, never names or account numbers.
    return list(PaymentOrder.objects.filter(pk__in=ids).select_related(*_WITH).only(*_NEEDED).order_by("pk"))


def _lock_rows(table: str, select: str, ids: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH locked AS MATERIALIZED (SELECT id FROM {table} WHERE id IN ({select}) ORDER BY id FOR NO KEY UPDATE)
                SELECT count(*) FROM locked""",  # noqa: S608 - table and select come from code
            [ids],
        )


def record_sent(orders: Sequence[PaymentOrder], *, actor: Actor, at: datetime, ask: bool | None = None) -> None:
    """Book that the rail has these locked orders: in_payout → bank.in_transit, payouts in transit. Call rails are asked again later."""
    if not orders:
        return
    money.post_sent(orders, actor=actor, at=at)
    failpoint("in_record")
    by_file = [order for order in orders if order.rail_file_id]
    _move(by_file, OrderStatus.SENT, actor, at, sent_at=at, claim=None, lease_until=None, next_try_at=None)
    called = [order for order in orders if not order.rail_file_id]
    _move(called, OrderStatus.SENT, actor, at, sent_at=at, claim=None, lease_until=None, next_try_at=at)
    _due_now(called)
    groups: dict[date, list[int]] = defaultdict(list)
    for order in orders:
        execute_on = order.rail_file.execute_on if order.rail_file else at.date()
        rail = "sepa_instant" if order.rail == "sepa" and order.payout.instant else order.rail
        groups[calendars.expected_arrival(rail, execute_on)].append(order.payout_id)
    for expected, payouts in sorted(groups.items()):
        mark_payouts(payouts, PayoutStatus.IN_TRANSIT, actor, at, expected_arrival_on=expected)


def _settle(pairs: Sequence[tuple[PaymentOrder, Outcome]], actor: Actor, at: datetime) -> None:
    if not pairs:
        return
    money.post_settled([(row, told.holder or row.rail, told.on) for row, told in pairs], actor=actor, at=at)
    rows = [row for row, _ in pairs]
    _move(rows, OrderStatus.COMPLETED, actor, at, completed_at=at, claim=None, lease_until=None)
    _due_now([row for row in rows if not row.rail_file_id])
    groups: dict[date, list[int]] = defaultdict(list)
    for row, told in pairs:
        groups[calendars.return_window_closes_on(row.rail, told.on or at.date())].append(row.payout_id)
    for closes_on, payouts in sorted(groups.items()):
        mark_payouts(payouts, PayoutStatus.PAID, actor, at, paid_at=at, return_window_closes_on=closes_on)


def _take_back(pairs: Sequence[tuple[PaymentOrder, Outcome]], actor: Actor, at: datetime) -> None:
    if not pairs:
        return
    # a message that names no account of ours brings the money back to the one it left
    left = money.settled_from([row for row, told in pairs if not told.holder])
    back = [(row, money.from_cash(row, told.holder or left.get(row.public_id, row.rail)), told.on) for row, told in pairs]
    money.post_back(back, actor=actor, at=at)
    for (code, reason, raw), rows in _by_reason(pairs).items():
        _move(rows, OrderStatus.RETURNED, actor, at, code, reason, raw_code=raw, next_try_at=None)
        mark_payouts([row.payout_id for row in rows], PayoutStatus.RETURNED, actor, at, code, reason)


def _reject(pairs: Sequence[tuple[PaymentOrder, Outcome]], actor: Actor, at: datetime) -> None:
    if not pairs:
        return
    left = [(row, told) for row, told in pairs if row.status == OrderStatus.SENT]
    if left:
        money.post_back([(row, money.from_transit(row), told.on) for row, told in left], actor=actor, at=at)
    for (code, reason, raw), rows in _by_reason(pairs).items():
        gone = [row.payout_id for row in rows if row.status == OrderStatus.SENT]
        here = [row.payout_id for row in rows if row.status != OrderStatus.SENT]
        _move(rows, OrderStatus.REJECTED, actor, at, code, reason, raw_code=raw, claim=None, lease_until=None, next_try_at=None)
        if gone:
            mark_payouts(gone, PayoutStatus.FAILED, actor, at, code, reason)
        if here:
            give_back_failed(here, code, reason, actor, at)


def give_back_failed(payout_ids: Sequence[int], code: str, reason: str, actor: Actor, at: datetime) -> None:
    """Fail payouts whose money never left in_payout; sellers and balances are locked."""
    give_back(payout_ids=payout_ids, to=PayoutStatus.FAILED, code=code, reason=reason, actor=actor, at=at)


def _by_reason(pairs: Sequence[tuple[PaymentOrder, Outcome]]) -> dict[tuple[str, str, str], list[PaymentOrder]]:
    groups: dict[tuple[str, str, str], list[PaymentOrder]] = defaultdict(list)
    for row, told in pairs:
        rule = rule_for(told.code)
        code = (told.code or rule.code)[:40]
        # A known reason's own sentence says what it means; only where the bank's words are all there is do they come first.
        sentence = f"{told.reason} {rule.operator_text}".strip() if rule.code == "UNKNOWN" else rule.operator_text
        groups[(code, sentence[:1000], (told.raw_code or told.code)[:60])].append(row)
    return groups


def _move(
    rows: Sequence[PaymentOrder], to: str, actor: Actor, at: datetime, code: str = "", reason: str = "", **also: object
) -> None:
    """Move locked orders and remember it on the objects; a row that cannot move is a defect of the caller."""
    if not rows:
        return
    if code:
        also |= {"code": code, "reason": reason}
    chosen = {"orders": [row.pk for row in rows]}
    moved = transition_set(
        ORDER, "SELECT unnest(%(orders)s::bigint[]) AS id", chosen, to, actor=actor, at=at, code=code, reason=reason, also=also
    )
    if moved != len(rows):
        raise RuntimeError(f"{len(rows) - moved} orders could not become {to}, though they were locked and looked at.")
    if to in (OrderStatus.SENT, OrderStatus.COMPLETED):
        for row in rows:
            row.status = to


def _due_now(rows: Sequence[PaymentOrder]) -> None:
    """Ask the rail about these soon; by the database clock, which alone decides what is due."""
    if rows:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE payouts_paymentorder SET next_try_at = now() WHERE id = ANY(%s)", [[row.pk for row in rows]])
