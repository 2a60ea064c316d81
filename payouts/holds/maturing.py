"""Pending money becomes available: in sets, debt repaid first, reserve plans applied to what is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Sum

from backoffice.kit.actors import Actor
from backoffice.kit.ids import new_id
from backoffice.kit.money import Money
from backoffice.kit.outbox import tell_set
from backoffice.kit.states import born_set
from backoffice.kit.transactions import durable
from payouts.earnings.allocation import Purse
from payouts.earnings.bulk import Postings, array, text_array
from payouts.earnings.operations import mark_matured
from payouts.earnings.purses import lock_purses, lock_seller_rows
from payouts.earnings.queries import Due, Pending, due, lock_pending
from payouts.holds.gates import before_maturing
from payouts.holds.models import Hold, PlanKind, ReservePlan
from payouts.holds.states import HOLD, HoldState, PlanState
from payouts.ledger.templates import Leg, seller

CHUNK = 10_000
_INSERT_HOLDS = """
    INSERT INTO payouts_hold (id, public_id, seller_id, currency, kind, plan_id, earning_id, amount_minor, remaining_minor, owner, code,
                              reason, seller_text, release_condition, release_at, state, release_reason, changed_by, created_at)
    SELECT u.id, u.public_id, p.seller_id, p.currency, 'reserve', p.id, u.earning_id, u.amount, u.amount, p.created_by,
           p.kind || '_reserve', p.reason, p.seller_text, '', u.release_at, 'active', '', %(actor)s, %(at)s
      FROM unnest(%(ids)s::bigint[], %(keys)s::text[], %(plans)s::bigint[], %(earnings)s::bigint[], %(amounts)s::bigint[],
                  %(ends)s::timestamptz[]) AS u(id, public_id, plan_id, earning_id, amount, release_at)
      JOIN payouts_reserveplan p ON p.id = u.plan_id"""
_AVAILABLE = """
    SELECT s.public_id, jsonb_build_object('seller', s.public_id, 'currency', u.currency, 'matured_minor', u.matured,
                                           'repaid_debt_minor', u.repaid, 'reserved_minor', u.reserved), s.partner_id
      FROM unnest(%(sellers)s::bigint[], %(currencies)s::text[], %(matured)s::bigint[], %(repaid)s::bigint[], %(reserved)s::bigint[])
           AS u(seller_id, currency, matured, repaid, reserved) JOIN payouts_seller s ON s.id = u.seller_id"""


@dataclass(slots=True)
class Cut:
    """One reserve to be made: what plan, of which sale, how much, until when."""

    plan: ReservePlan
    earning_id: int
    amount_minor: int
    release_at: datetime


@dataclass
class Chunk:
    """What one set of due earnings does, before it is written."""

    postings: Postings = field(default_factory=lambda: Postings("earning"))
    earning_ids: list[int] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    waiting: int = 0
    sums: dict[tuple[int, str], list[int]] = field(default_factory=dict)  # matured, repaid, reserved


@durable
def mature_earnings(*, actor: Actor, at: datetime) -> dict[str, Any]:
    """Make every earning available whose time has come: pending → (debt, then) available, and the plans' shares → reserved.

    In chunks of a transaction each; a second call at the same instant finds nothing, two at once share the work. Answers the number of earnings,
    the minor units by currency, the reserves made, and how many wait because somebody still has to look at them (`holds/gates.py`).
    Tells `balance.available` per seller and currency.
    """
    answer: dict[str, Any] = {"earnings": 0, "waiting": 0, "reserves": 0, "matured": {}, "repaid_debt": {}, "reserved": {}}
    last: Due | None = None
    while found := due(at, CHUNK, last):
        last = found[-1]
        chunk = _mature_chunk(found, actor, at)
        answer["earnings"] += len(chunk.earning_ids)
        answer["waiting"] += chunk.waiting
        answer["reserves"] += len(chunk.cuts)
        for (_, currency), sums in chunk.sums.items():
            for name, amount in zip(("matured", "repaid_debt", "reserved"), sums, strict=True):
                answer[name][currency] = answer[name].get(currency, 0) + amount
    return answer


@transaction.atomic
def _mature_chunk(found: Sequence[Due], actor: Actor, at: datetime) -> Chunk:
    # whoever makes an earning wait said so in the transaction that booked it: no row seen here can begin to wait later
    waiting = before_maturing.waiting([one.earning_id for one in found])
    chunk = Chunk(waiting=len(waiting))
    free = [one for one in found if one.earning_id not in waiting]
    if not free:
        return chunk
    sellers = lock_seller_rows({one.seller_id for one in free})
    purses = lock_purses(sellers)
    plans = _plans(sellers)
    for earning in lock_pending([one.earning_id for one in free]):
        _mature(chunk, earning, purses.setdefault((earning.seller_id, earning.currency), Purse(0, 0, 0)), plans, at)

    mark_matured(earning_ids=chunk.earning_ids, at=at)
    chunk.postings.send(actor=actor, at=at)
    _reserve(chunk.cuts, actor, at)
    _tell(chunk, at)
    return chunk


def _mature(chunk: Chunk, earning: Pending, purse: Purse, plans: dict[tuple[int, str], list[Plan]], at: datetime) -> None:
    available, repaid = purse.give(earning.pending_minor)
    legs = [
        seller("pending", earning.seller_id, earning.currency, earning.pending_minor),
        seller("available", earning.seller_id, earning.currency, -available),
        Leg("receivable.seller_debt", earning.seller_id, "", earning.currency, -repaid),
    ]
    chunk.earning_ids.append(earning.earning_id)
    chunk.postings.add("mature", earning.public_id, str(earning.pending_minor), earning.earning_id, earning.available_at, legs)
    reserved = 0
    for plan in plans.get((earning.seller_id, earning.currency), []):
        amount = plan.cut(available, min(available - reserved, purse.available_minor))
        ends = plan.ends(earning.available_at)
        if amount > 0 and ends > at:
            purse.available_minor -= amount
            plan.kept_minor += amount
            reserved += amount
            chunk.cuts.append(Cut(plan.row, earning.earning_id, amount, ends))
    sums = chunk.sums.setdefault((earning.seller_id, earning.currency), [0, 0, 0])
    sums[0] += earning.pending_minor
    sums[1] += repaid
    sums[2] += reserved


@dataclass(slots=True)
class Plan:
    """An active plan with what it keeps already, for its cap."""

    row: ReservePlan
    kept_minor: int

    def cut(self, available_minor: int, room_minor: int) -> int:
        """Return the share of what became available, within the cap and within what the seller really has (a balance below zero comes first)."""
        share = Money(available_minor, self.row.currency).share(self.row.basis_points).amount_minor
        if self.row.cap_minor is not None:
            room_minor = min(room_minor, self.row.cap_minor - self.kept_minor)
        return max(0, min(share, room_minor))

    def ends(self, available_at: datetime) -> datetime:
        if (
            self.row.kind == PlanKind.ROLLING or self.row.release_on is None
        ):  # create_reserve_plan refuses fixed ones without a day
            return available_at + timedelta(days=self.row.days)
        return datetime.combine(self.row.release_on or date.max, time.min, UTC)


def _plans(seller_ids: Sequence[int]) -> dict[tuple[int, str], list[Plan]]:
    rows = list(ReservePlan.objects.filter(seller_id__in=seller_ids, state=PlanState.ACTIVE).order_by("pk"))
    kept = dict(
        Hold.objects.filter(plan__in=rows, state=HoldState.ACTIVE).values_list("plan_id").annotate(total=Sum("remaining_minor"))
    )
    plans: dict[tuple[int, str], list[Plan]] = {}
    for row in rows:
        plans.setdefault((row.seller_id, row.currency), []).append(Plan(row, int(kept.get(row.pk) or 0)))
    return plans


def _reserve(cuts: list[Cut], actor: Actor, at: datetime) -> None:
    if not cuts:
        return
    ids, keys = _hold_ids(len(cuts)), [new_id("hld") for _ in cuts]
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT_HOLDS,
            {
                "ids": array(ids),
                "keys": array(keys),
                "plans": array([cut.plan.pk for cut in cuts]),
                "earnings": array([cut.earning_id for cut in cuts]),
                "amounts": array([cut.amount_minor for cut in cuts]),
                "ends": text_array(str(cut.release_at) for cut in cuts),
                "actor": str(actor),
                "at": at,
            },
        )
    born_set(HOLD, "SELECT unnest(%(ids)s::bigint[])", {"ids": ids}, actor=actor, at=at)
    postings = Postings("hold")
    for cut, hold_id, key in zip(cuts, ids, keys, strict=True):
        legs = [
            seller("available", cut.plan.seller_id, cut.plan.currency, cut.amount_minor),
            seller("reserved", cut.plan.seller_id, cut.plan.currency, -cut.amount_minor),
        ]
        postings.add("reserve", key, f"{cut.earning_id}:{cut.amount_minor}", hold_id, at, legs)
    postings.send(actor=actor, at=at)


def _hold_ids(count: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('payouts_hold_id_seq') FROM generate_series(1, %s)", [count])
        return [row[0] for row in cursor.fetchall()]


def _tell(chunk: Chunk, at: datetime) -> None:
    if not chunk.sums:
        return
    keys, sums = list(chunk.sums), list(chunk.sums.values())
    columns = {
        "sellers": [seller_id for seller_id, _ in keys],
        "currencies": [currency for _, currency in keys],
        "matured": [one[0] for one in sums],
        "repaid": [one[1] for one in sums],
        "reserved": [one[2] for one in sums],
    }
    tell_set("balance.available", _AVAILABLE, columns, at=at)
