"""What people do about the batch: let a parked item pass, give it up, stop a batch and let it go on."""

from __future__ import annotations

from datetime import datetime

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from billing.subscriptions.models import RenewalBatch, RenewalItem
from billing.subscriptions.states import BATCH, ITEM, BatchState, ItemState


class ReasonMissing(InputError):
    code = "reason_missing"
    sentence = "Give a reason: it is kept in the history."


@composable
def release_item(*, item_id: int, actor: Actor, at: datetime, reason: str) -> RenewalItem:
    """Let a parked item pass its bounds; the next tick renews it. Refuses: NotFound, ReasonMissing, MoveNotAllowed."""
    item = _item(item_id, reason)
    transition(ITEM, item, ItemState.OPEN, actor=actor, at=at, reason=reason)
    item.accepted_by = str(actor)
    item.save(update_fields=["accepted_by"])
    audit.record(actor, "renewal.release", item.public_id, at, reason=reason, facts={"code": item.code})
    return item


@composable
def dismiss_item(*, item_id: int, actor: Actor, at: datetime, reason: str) -> RenewalItem:
    """Give a parked item up: this boundary is never renewed by the batch, and the subscription waits for its end or a person.

    Refuses: NotFound, ReasonMissing, MoveNotAllowed.
    """
    item = _item(item_id, reason)
    transition(ITEM, item, ItemState.DISMISSED, actor=actor, at=at, reason=reason)
    audit.record(actor, "renewal.dismiss", item.public_id, at, reason=reason, facts={"code": item.code})
    return item


def _item(item_id: int, reason: str) -> RenewalItem:
    item = RenewalItem.objects.select_for_update().filter(pk=item_id).first()
    if item is None:
        raise NotFound(what="renewal item", ref=item_id)
    if not reason.strip():
        raise ReasonMissing()
    return item


@composable
def stop_batch(*, batch_id: int, actor: Actor, at: datetime, reason: str) -> RenewalBatch:
    """Leave the open items of a batch alone; the set in work ends. Refuses: NotFound, ReasonMissing, MoveNotAllowed."""
    return _move(batch_id, BatchState.STOPPED, "renewal_batch.stop", actor, at, reason)


@composable
def resume_batch(*, batch_id: int, actor: Actor, at: datetime, reason: str) -> RenewalBatch:
    """Let a stopped batch go on with the next tick. Refuses: NotFound, ReasonMissing, MoveNotAllowed."""
    return _move(batch_id, BatchState.RUNNING, "renewal_batch.resume", actor, at, reason)


def _move(batch_id: int, to: str, action: str, actor: Actor, at: datetime, reason: str) -> RenewalBatch:
    batch = RenewalBatch.objects.select_for_update().filter(pk=batch_id).first()
    if batch is None:
        raise NotFound(what="renewal batch", ref=batch_id)
    if not reason.strip():
        raise ReasonMissing()
    transition(BATCH, batch, to, actor=actor, at=at, reason=reason)
    audit.record(actor, action, batch.public_id, at, reason=reason)
    return batch
