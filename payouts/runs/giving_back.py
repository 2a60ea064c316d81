"""Take payouts back before they leave: cancelled, denied or expired, their money is available again, what the seller owes first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q

from backoffice.kit import approvals, outbox
from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.gates import Objection
from backoffice.kit.states import transition, transition_set
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from payouts.runs import booking, content
from payouts.runs.building import PARTNER_PAYOUTS
from payouts.runs.gates import may_cancel
from payouts.runs.locks import CODES, lock_payout, lock_run
from payouts.runs.models import Payout, PayoutRun
from payouts.runs.states import PAYOUT, RUN, PayoutStage, PayoutStatus, RunStatus

_NOT_YET_SENT = [PayoutStatus.NEEDS_APPROVAL, PayoutStatus.APPROVED, PayoutStatus.HELD]
_ENDED = [PayoutStatus.CANCELED, PayoutStatus.DENIED, PayoutStatus.EXPIRED]
_STOPPABLE = [RunStatus.NEEDS_APPROVAL, RunStatus.APPROVED]


class PayoutOnItsWay(Refusal):
    code = "payout_on_its_way"
    sentence = "This payout can no longer be cancelled: it is {state}."


class RunOnItsWay(Refusal):
    code = "run_on_its_way"
    sentence = "This run can no longer be cancelled: it is {state}, {count} of its payouts have left or are leaving."


@composable
def cancel_payout(*, payout_id: int, actor: Actor, at: datetime, reason: str, code: str = "canceled") -> Payout:
    """Cancel one payout before it leaves; its money is available again at once.

    A payout being sent is cancelled only if its order never left us. Events: payout.canceled. Refuses: PayoutOnItsWay, SellersAreBusy.
    """
    with booking.patient():
        payout = lock_payout(payout_id)
        _refuse_gone([payout], actor, at)

        give_back(payout_ids=[payout.pk], to=PayoutStatus.CANCELED, code=code, reason=reason, actor=actor, at=at)
    audit.record(actor, "cancel_payout", payout.public_id, at, reason)
    payout.refresh_from_db()
    return payout


def _refuse_gone(payouts: Sequence[Payout], actor: Actor, at: datetime) -> None:
    for payout in payouts:
        if payout.status not in [*_NOT_YET_SENT, PayoutStatus.PENDING]:
            raise PayoutOnItsWay(state=payout.get_status_display())
    pending = [payout.pk for payout in payouts if payout.status == PayoutStatus.PENDING]
    # with nobody there to say whether an order left us, it may have
    if pending and (not may_cancel.checks or may_cancel.ask(payout_ids=pending, actor=actor, at=at)):
        raise PayoutOnItsWay(state="being sent, and its order may have left us")


def give_back(*, payout_ids: Sequence[int], to: str, code: str, reason: str, actor: Actor, at: datetime) -> int:
    """Return the money of locked payouts to their sellers, first to what they owe, and move the payouts; the caller has checked and locked."""
    chosen = {"payouts": list(payout_ids)}
    booked = booking.post_payouts(
        template="payout_canceled",
        select="""SELECT p.id AS payout_id, p.public_id AS key, p.seller_id, p.currency,
                         least(p.amount_minor, coalesce(b.amount_minor, 0)) - p.amount_minor AS available, p.amount_minor AS in_payout,
                         -least(p.amount_minor, coalesce(b.amount_minor, 0)) AS debt
                    FROM payouts_payout p
                    LEFT JOIN (payouts_account a JOIN payouts_balance b ON b.account_id = a.id)
                           ON a.code = 'receivable.seller_debt' AND a.holder_id = p.seller_id AND a.holder = '' AND a.currency = p.currency
                   WHERE p.id = ANY(%(payouts)s)""",
        params=chosen,
        actor=actor,
        at=at,
        reason=reason,
    )
    moved = transition_set(
        PAYOUT,
        "SELECT unnest(%(payouts)s::bigint[]) AS id",
        chosen,
        to,
        actor=actor,
        at=at,
        code=code,
        reason=reason,
        also={"status_code": code, "status_reason": reason, "changed_at": at},
    )
    if booked != moved or moved != len(payout_ids):
        raise PayoutOnItsWay(state="changed by somebody else meanwhile")
    outbox.tell_set(f"payout.{to}", PARTNER_PAYOUTS + " AND p.id = ANY(%(payouts)s)", chosen, at=at)
    return moved


def give_back_run(run: PayoutRun, to: str, *, code: str, reason: str, actor: Actor, at: datetime) -> int:
    """Give back every payout of a locked run that has not left."""
    ids = list(Payout.objects.filter(run=run, status__in=_NOT_YET_SENT).order_by("pk").values_list("pk", flat=True))
    return give_back(payout_ids=ids, to=to, code=code, reason=reason, actor=actor, at=at) if ids else 0


def end_run(run: PayoutRun, to: str, *, actor: Actor, at: datetime, reason: str) -> None:
    transition(RUN, run, to, actor=actor, at=at, reason=reason)
    outbox.tell(f"payout_run.{to}", subject=run.public_id, payload={"reason": reason}, at=at)


@composable
def cancel_run(*, run_id: int, actor: Actor, at: datetime, reason: str) -> PayoutRun:
    """Cancel a run before any of its payouts leaves; all its money is available again. Refuses: RunOnItsWay, SellersAreBusy."""
    with booking.patient():
        run = lock_run(run_id)
        gone = _leaving(run)
        if gone or run.status not in _STOPPABLE:
            raise RunOnItsWay(state=run.get_status_display(), count=gone)

        if run.status == RunStatus.NEEDS_APPROVAL:
            approvals.refuse(action=content.ACTION, subject=run.public_id, checker=actor, at=at, reason=reason)
        give_back_run(run, PayoutStatus.CANCELED, code="run_canceled", reason=reason, actor=actor, at=at)
        end_run(run, RunStatus.CANCELED, actor=actor, at=at, reason=reason)
    audit.record(actor, "cancel_run", run.public_id, at, reason)
    return run


def expire_runs(*, at: datetime, actor: Actor) -> list[PayoutRun]:
    """Give back the money of runs nobody approved or submitted in time, and of payouts held that long; return the runs that ended.

    One transaction a run, so that the locks of two never cross.
    """
    approvals.expire_approvals(at=at)
    waiting = PayoutRun.objects.filter(status__in=_STOPPABLE, expires_at__lte=at).order_by("pk")
    ended = [
        run for run_id in list(waiting.values_list("pk", flat=True)) if (run := _expire_run(run_id=run_id, actor=actor, at=at))
    ]
    # released from a hold after the rest of its run had gone, and never submitted again: that approval is over too
    left = Q(status=PayoutStatus.HELD) | Q(status=PayoutStatus.APPROVED, run__status=RunStatus.SUBMITTED)
    for payout_id in list(
        Payout.objects.filter(left, stage=PayoutStage.OPEN, run__expires_at__lte=at).order_by("pk").values_list("pk", flat=True)
    ):
        _expire_left(payout_id=payout_id, actor=actor, at=at)
    return ended


@composable
def _expire_run(*, run_id: int, actor: Actor, at: datetime) -> PayoutRun | None:
    reason = "Nobody approved or submitted it in time."
    with booking.patient():
        run = lock_run(run_id)
        if run.status not in _STOPPABLE or _leaving(run):
            return None
        give_back_run(run, PayoutStatus.EXPIRED, code="expired", reason=reason, actor=actor, at=at)
        end_run(run, RunStatus.EXPIRED, actor=actor, at=at, reason=reason)
    return run


@composable
def _expire_left(*, payout_id: int, actor: Actor, at: datetime) -> None:
    reason = "Not sent until its approval expired."
    with booking.patient():
        if lock_payout(payout_id).status in (PayoutStatus.HELD, PayoutStatus.APPROVED):
            give_back(payout_ids=[payout_id], to=PayoutStatus.EXPIRED, code="expired", reason=reason, actor=actor, at=at)


def _leaving(run: PayoutRun) -> int:
    """Return how many payouts of a run have left or may be leaving."""
    return Payout.objects.filter(run=run).exclude(status__in=[*_NOT_YET_SENT, *_ENDED]).count()


def payee_changed(
    *, seller_id: int, currency: str, old: object, new: object, actor: Actor, at: datetime, **_: object
) -> list[Objection]:
    """Cancel the open payouts to the account that was replaced; a plug of sellers.gates.payee_changed.

    The seller is locked by the caller. What may have left us stays: only its rail can tell.
    """
    booking.lock_accounts_of("SELECT %(seller)s::bigint", {"seller": seller_id}, codes=CODES, currency=currency)
    open_payouts = Payout.objects.select_for_update().filter(seller_id=seller_id, currency=currency)
    for payout in open_payouts.filter(status__in=[*_NOT_YET_SENT, PayoutStatus.PENDING]).order_by("pk"):
        try:
            _refuse_gone([payout], actor, at)
        except PayoutOnItsWay:
            continue
        give_back(
            payout_ids=[payout.pk],
            to=PayoutStatus.CANCELED,
            code="payee_changed",
            reason="The payee account was changed.",
            actor=actor,
            at=at,
        )
    return []
