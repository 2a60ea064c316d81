"""Corrections by two people: an adjustment or a write-off is requested by one and booked by the approval of another."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError
from backoffice.kit.idempotency import fingerprint
from backoffice.kit.ids import new_id
from backoffice.kit.transactions import composable
from payouts.ledger.operations import Draft, Posted, post
from payouts.ledger.templates import Leg

ACTION = "ledger_correction"


@composable
def request_correction(*, template: str, legs: list[Leg], reason: str, actor: Actor, at: datetime) -> approvals.Approval:
    """Ask for an adjustment or write-off; nothing is booked until another person approves exactly these legs."""
    if template not in ("adjustment", "write_off"):
        raise InputError(detail="Only adjustments and write-offs are booked by hand.")
    if not reason.strip():
        raise InputError(detail="A correction needs a reason.")
    if sum(leg.amount_minor for leg in legs) or len({leg.currency for leg in legs}) != 1:
        raise InputError(detail="The legs of a correction are in one currency and sum to zero.")
    content = _content(template, legs, reason)
    return approvals.request_approval(
        action=ACTION,
        subject=new_id("adj"),
        content_hash=fingerprint(content),
        shown=content,
        maker=actor,
        at=at,
    )


@composable
def approve_correction(*, subject: str, actor: Actor, at: datetime) -> Posted:
    """Approve as another person, and book. Refuses as kit.approvals and ledger.post do; a refused booking leaves the request open."""
    request = approvals.Approval.objects.select_for_update().filter(action=ACTION, subject=subject).first()
    if request is None:
        raise approvals.ApprovalMissing()
    content = request.shown
    approvals.approve(action=ACTION, subject=subject, content_hash=fingerprint(content), checker=actor, at=at, reason="approved")
    approvals.use_approval(action=ACTION, subject=subject, content_hash=fingerprint(content), at=at)
    draft = Draft(content["template"], f"correction:{subject}", [Leg(*leg) for leg in content["legs"]], "correction")
    maker = Actor.parse(request.maker)
    return post(drafts=[draft], actor=maker, approver=actor, at=at, reason=content["reason"])[0]


@composable
def refuse_correction(*, subject: str, actor: Actor, at: datetime, reason: str) -> approvals.Approval:
    """Refuse a requested correction; nothing is booked."""
    return approvals.refuse(action=ACTION, subject=subject, checker=actor, at=at, reason=reason)


def _content(template: str, legs: list[Leg], reason: str) -> dict[str, Any]:
    return {"template": template, "legs": [list(leg) for leg in legs], "reason": reason}
