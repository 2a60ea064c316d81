"""File rails: build once, seal, validate, hand over, record. Each step can be killed and taken up by anybody.

Until a file is stored nothing has left and it may be built again; from then on its bytes are the only ones there will ever be. Handing the
same bytes over again under the same name changes nothing, so no lease is needed: recording decides under the row's lock.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, connection, transaction

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition, transition_set
from backoffice.kit.transactions import composable, durable
from payouts.dispatch import money
from payouts.dispatch.claims import stop_unfit
from payouts.dispatch.models import PaymentOrder, RailFile
from payouts.dispatch.orders import instructions_for
from payouts.dispatch.outcomes import ACCOUNTS, give_back_failed, lock_orders, record_sent
from payouts.dispatch.states import ORDER, RAIL_FILE, FileState, OrderStatus
from payouts.dispatch.stored import FileAltered, bytes_of, put_away
from payouts.rails import registry
from payouts.rails.port import FileDraft, FileRail, Inexpressible
from payouts.runs.models import PayoutRun
from payouts.sellers.queries import lock_sellers

logger = logging.getLogger(__name__)

declare("file_built", "in_file_store", "file_stored", "file_validated", "file_handed_over", "in_file_record", "file_recorded")


@durable
def build_files(*, run_id: int, actor: Actor, at: datetime) -> list[RailFile]:
    """Write and seal the files of a run's orders that stand in none yet; returns the new ones, not handed over."""
    made: list[RailFile] = []
    for rail_name in registry.names_of_mode("file"):
        rail = registry.file_rail(rail_name)
        waiting = _waiting(run_id, rail_name)
        if any(order.created_at != at for order in waiting):
            _look_again(run_id, rail_name, actor=actor, at=at)
            waiting = _waiting(run_id, rail_name)
        if not waiting:
            continue
        run = PayoutRun.objects.get(pk=run_id)
        number = 1 + RailFile.objects.filter(run_id=run_id).count()
        drafts, bad = rail.build_files(instructions_for(waiting), batch_id=run.public_id, first_number=number, at=at)
        failpoint("file_built")
        made += _store(run, rail_name, drafts, bad, actor=actor, at=at)
        failpoint("file_stored")
    return made


def _waiting(run_id: int, rail_name: str) -> list[PaymentOrder]:
    return list(
        PaymentOrder.objects.filter(
            payout__run_id=run_id, rail=rail_name, status=OrderStatus.APPROVED, rail_file__isnull=True, payout__status="pending"
        )
        .select_related("payout__seller", "payee_account")
        .order_by("pk")
    )


@composable
def _look_again(run_id: int, rail_name: str, *, actor: Actor, at: datetime) -> None:
    """Ask the last gate again for orders that somebody else released: whoever did may have died a while ago."""
    ids = [order.pk for order in _waiting(run_id, rail_name)]
    lock_orders(ids, with_sellers=True)
    stop_unfit(_waiting(run_id, rail_name), actor=actor, at=at)


def _store(
    run: PayoutRun, rail_name: str, drafts: Sequence[FileDraft], bad: Sequence[Inexpressible], *, actor: Actor, at: datetime
) -> list[RailFile]:
    """Seal all files of one build, or none: somebody else building the same run took the same message ids first."""
    try:
        with transaction.atomic():
            _lock_for_store(bad, drafts)
            _fail_inexpressible(bad, actor=actor, at=at)
            files = [_seal(run, rail_name, draft, actor, at) for draft in drafts]
            failpoint("in_file_store")
            return files
    except IntegrityError as error:
        if "message_id" not in str(error):
            raise
        logger.info("run %s: its files were sealed by somebody else meanwhile", run.public_id)
        return []
    except OrdersMovedOn:
        logger.info("run %s: orders moved on while its files were written; they are written again", run.public_id)
        return []


class OrdersMovedOn(Exception):
    """Orders of a draft were cancelled or taken while it was written: the draft is worth nothing."""


def _lock_for_store(bad: Sequence[Inexpressible], drafts: Sequence[FileDraft]) -> None:
    names = [one.order_id for one in bad]
    sellers = sorted(set(PaymentOrder.objects.filter(public_id__in=names).values_list("payout__seller_id", flat=True)))
    lock_sellers(sellers)
    money.lock_balances(sellers, ACCOUNTS)
    names += [order_id for draft in drafts for order_id in draft.order_ids]
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH locked AS MATERIALIZED (
                   SELECT id, status, rail_file_id FROM payouts_paymentorder WHERE public_id = ANY(%s) ORDER BY id FOR NO KEY UPDATE)
               SELECT count(*) FROM locked WHERE status = 'approved' AND rail_file_id IS NULL""",
            [names],
        )
        if cursor.fetchone()[0] != len(names):
            raise OrdersMovedOn()


def _seal(run: PayoutRun, rail_name: str, draft: FileDraft, actor: Actor, at: datetime) -> RailFile:
    file = RailFile(
        run=run,
        rail=rail_name,
        bank_profile=draft.profile,
        file_name=draft.file_name,
        message_id=draft.message_id,
        sha256=draft.sha256,
        orders_count=len(draft.order_ids),
        control_sum_minor=draft.control_sum_minor,
        currency=draft.currency,
        execute_on=draft.execute_on,
        created_at=at,
    )
    put_away(file, draft.data)
    file.save(force_insert=True)
    born(RAIL_FILE, file, actor=actor, at=at)
    # From here the file may leave at any moment: its orders count as called.
    transition_set(
        ORDER,
        "SELECT id FROM payouts_paymentorder WHERE public_id = ANY(%(orders)s)",
        {"orders": list(draft.order_ids)},
        OrderStatus.SENDING,
        actor=actor,
        at=at,
        also={"rail_file_id": file.pk, "called": True, "first_called_at": at, "last_called_at": at, "next_try_at": None},
    )
    return file


def _fail_inexpressible(bad: Sequence[Inexpressible], *, actor: Actor, at: datetime) -> None:
    orders = {row.public_id: row for row in PaymentOrder.objects.filter(public_id__in=[one.order_id for one in bad])}
    for one in bad:
        order = orders[one.order_id]
        transition(ORDER, order, OrderStatus.CANCELED, actor=actor, at=at, code=one.code, reason=one.reason)
        PaymentOrder.objects.filter(pk=order.pk).update(code=one.code, reason=one.reason, next_try_at=None)
        give_back_failed([order.payout_id], one.code, one.reason, actor, at)


# --- handing over ---


@durable
def hand_over_files(*, actor: Actor, at: datetime, run_id: int | None = None) -> list[RailFile]:
    """Validate and hand over every sealed file that has not left yet, and record it; returns those recorded now."""
    waiting = RailFile.objects.filter(state=FileState.BUILT).order_by("pk")
    if run_id is not None:
        waiting = waiting.filter(run_id=run_id)
    done = []
    for file_id in list(waiting.values_list("pk", flat=True)):
        file = RailFile.objects.get(pk=file_id)
        try:
            data = bytes_of(file)
        except FileAltered as refusal:
            _not_handed_over(file, refusal)
            continue
        if _validated(file, data, actor, at) and _handed_over(file, data):
            done.append(record_hand_over(file_id=file_id, actor=actor, at=at))
            failpoint("file_recorded")
    return done


def _validated(file: RailFile, data: bytes, actor: Actor, at: datetime) -> bool:
    if file.validated_at is None:
        try:
            registry.file_rail(file.rail).validate(data)
        except Refusal as refusal:
            with transaction.atomic():
                _set_aside(file.pk, str(refusal), actor, at)
            return False
        RailFile.objects.filter(pk=file.pk, validated_at__isnull=True).update(validated_at=at)
    failpoint("file_validated")
    return True


def _handed_over(file: RailFile, data: bytes) -> bool:
    rail: FileRail = registry.file_rail(file.rail)
    try:
        rail.hand_over(file_name=file.file_name, data=data)
    except (Refusal, OSError) as problem:
        _not_handed_over(file, problem)
        return False
    failpoint("file_handed_over")
    return True


def _not_handed_over(file: RailFile, problem: Exception) -> None:
    """Say why. Nothing is lost: the file stays as it is and waits for the next round."""
    logger.warning("file %s was not handed over: %s", file.public_id, problem)
    RailFile.objects.filter(pk=file.pk).update(state_reason=f"Not handed over: {problem}"[:500])


def record_hand_over(*, file_id: int, actor: Actor, at: datetime) -> RailFile:
    """Book that the bank has a file: its orders are sent, its payouts in transit. Changes nothing the second time."""
    with transaction.atomic():
        order_ids = list(PaymentOrder.objects.filter(rail_file_id=file_id).values_list("pk", flat=True))
        orders = lock_orders(order_ids, with_sellers=False)
        file = RailFile.objects.select_for_update().defer("sealed").get(pk=file_id)
        if file.state != FileState.BUILT:
            return file
        record_sent([order for order in orders if order.status == OrderStatus.SENDING], actor=actor, at=at)
        transition(RAIL_FILE, file, FileState.HANDED_OVER, actor=actor, at=at)
        RailFile.objects.filter(pk=file_id).update(handed_over_at=at, state_reason="")
        file.handed_over_at = at
        tell(
            "payout_file.handed_over",
            subject=file.public_id,
            payload={"message_id": file.message_id, "orders": file.orders_count, "sha256": file.sha256},
            at=at,
        )
        failpoint("in_file_record")
    return file


def _set_aside(file_id: int, why: str, actor: Actor, at: datetime) -> None:
    """A file that breaks its schema never leaves: its payouts fail, their money is available again, engineering is told."""
    order_ids = list(PaymentOrder.objects.filter(rail_file_id=file_id).values_list("pk", flat=True))
    orders = lock_orders(order_ids, with_sellers=True)
    file = RailFile.objects.select_for_update().defer("sealed").get(pk=file_id)
    if file.state != FileState.BUILT:
        return
    transition(RAIL_FILE, file, FileState.INVALID, actor=actor, at=at, reason=why)
    RailFile.objects.filter(pk=file_id).update(state_reason=why[:500])
    reason = "The payment file did not pass its schema; nothing was sent. Engineering looks at it."
    transition_set(
        ORDER,
        "SELECT unnest(%(orders)s::bigint[]) AS id",
        {"orders": order_ids},
        OrderStatus.CANCELED,
        actor=actor,
        at=at,
        code="file_not_valid",
        reason=reason,
        also={"code": "file_not_valid", "reason": reason},
    )
    give_back_failed([order.payout_id for order in orders], "file_not_valid", reason, actor, at)
    tell("payout_file.invalid", subject=file.public_id, payload={"message_id": file.message_id, "why": why[:300]}, at=at)


def runs_without_files() -> list[int]:
    """Return runs with orders of file rails that stand in no file: whoever submitted them died in between."""
    rows = PaymentOrder.objects.filter(
        rail__in=registry.names_of_mode("file"), status=OrderStatus.APPROVED, rail_file__isnull=True, payout__status="pending"
    )
    return sorted(run_id for run_id in set(rows.values_list("payout__run_id", flat=True)) if run_id)
