"""An order that never arrived, or that the rail refused, said by one person and confirmed by another: the words after which money leaves a second time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.approvals import Approval, ApprovalState
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.idempotency import fingerprint
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from payouts.dispatch import recording
from payouts.dispatch.models import PaymentOrder
from payouts.dispatch.outcomes import Outcome, Told, apply_outcomes, lock_orders
from payouts.dispatch.states import OrderStatus

ACTION = "order_absent"


class NotUnknown(Refusal):
    code = "order_not_unknown"
    sentence = "The outcome of this order is not unknown: it is {state}."


class OnlyAPersonDecides(Refusal):
    code = "only_a_person_decides"
    sentence = "Only a person can say what became of an order whose outcome is unknown."


class ReasonMissing(InputError):
    code = "reason_missing"
    sentence = "Give a reason: it is kept in the history."


@composable
def request_absence(*, order_id: int, reason: str, actor: Actor, at: datetime, code: str = "") -> Approval:
    """Say, with evidence, that an unknown order paid nobody; nothing follows before another person confirms exactly this.

    `code` is the rail's own (ISO) where it refused the order; blank says that the order never arrived. Asking anew replaces the open request. Refuses: OnlyAPersonDecides, ReasonMissing, NotUnknown, NotFound.
    """
    check_person(actor, reason)
    order = lock_unknown(order_id)
    content = _content(order, reason, code.strip())

    asked = approvals.request_approval(
        action=ACTION, subject=order.public_id, content_hash=fingerprint(content), shown=content, maker=actor, at=at
    )
    audit.record(actor, "order_absent.request", order.public_id, at, reason, {"approval": asked.public_id})
    return asked


@composable
def confirm_absence(*, order_id: int, actor: Actor, at: datetime, reason: str = "", content_hash: str = "") -> PaymentOrder:
    """Confirm as another person that an order paid nobody.

    Never arrived: it is closed as absent and the next attempt made, with a new key; what may not leave any more is held instead. Refused by the
    rail: the payout fails and its money is available again. `content_hash` is that of the request as it was shown. Events: payout.failed. Refuses: NotUnknown, NotFound, and what
    approvals refuse: ApprovalMissing, ContentChanged, ApproverIsMaker, ApproverIsNotAPerson, ApprovalExpired.
    """
    order = lock_unknown(order_id)
    asked = open_request(order)
    if asked is None:
        raise approvals.ApprovalMissing()
    evidence, code = str(asked.shown["evidence"]), str(asked.shown.get("code", ""))
    facts: dict[str, Any] = {
        "action": ACTION,
        "subject": order.public_id,
        "content_hash": fingerprint(_content(order, evidence, code)),
        "at": at,
    }
    if content_hash and content_hash != asked.content_hash:
        raise approvals.ContentChanged()
    approvals.approve(**facts, checker=actor, reason=reason)
    approvals.use_approval(**facts)

    if code:
        apply_outcomes([Outcome(order.pk, Told.REJECTED, at.date(), "", code, code, evidence)], actor=actor, at=at)
    else:
        recording.try_again(order, actor=actor, at=at, reason=f"It never arrived: {evidence}")
    audit.record(
        actor, "order_absent.confirm", order.public_id, at, reason, {"approval": asked.public_id, "asked_by": asked.maker}
    )
    return PaymentOrder.objects.get(pk=order_id)


@composable
def refuse_absence(*, order_id: int, actor: Actor, at: datetime, reason: str) -> Approval:
    """Refuse the word that an order paid nobody, or take one's own back; the order stays unknown. Refuses: ReasonMissing, ApprovalNotOpen."""
    check_person(actor, reason)
    subject = PaymentOrder.objects.filter(pk=order_id).values_list("public_id", flat=True).first()
    if subject is None:
        raise NotFound(what="payment order", ref=order_id)
    refused = approvals.refuse(action=ACTION, subject=subject, checker=actor, at=at, reason=reason)
    audit.record(actor, "order_absent.refuse", subject, at, reason, {"approval": refused.public_id})
    return refused


def open_request(order: PaymentOrder) -> Approval | None:
    """Return the request for a second person that waits on this order, or None."""
    return Approval.objects.filter(action=ACTION, subject=order.public_id, state=ApprovalState.REQUESTED).first()


def check_person(actor: Actor, reason: str) -> None:
    if not actor.is_person:
        raise OnlyAPersonDecides()
    if not reason.strip():
        raise ReasonMissing()


def lock_unknown(order_id: int) -> PaymentOrder:
    """Lock an order with its seller and balances, and return it. Refuses: NotFound, NotUnknown."""
    rows = lock_orders([order_id], with_sellers=True)
    if not rows:
        raise NotFound(what="payment order", ref=order_id)
    if rows[0].status != OrderStatus.UNKNOWN:
        raise NotUnknown(state=rows[0].get_status_display())
    return rows[0]


def _content(order: PaymentOrder, evidence: str, code: str) -> dict[str, Any]:
    content: dict[str, Any] = {
        "payment_order": order.public_id,
        "payout": order.payout.public_id,
        "attempt": order.attempt,
        "amount": {order.currency: order.amount_minor},
        "key": order.key,
        "evidence": evidence,
    }
    return content | {"code": code} if code else content
