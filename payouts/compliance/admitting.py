"""Decisions about a whole seller: reject, reactivate (both by two people), and what the rooms around ask before they change something."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.approvals import Approval
from backoffice.kit.errors import Refusal
from backoffice.kit.gates import Objection
from backoffice.kit.outbox import Event
from backoffice.kit.states import timeline
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from payouts.compliance.deciding import close_review, start_review
from payouts.compliance.models import Person, Requirement, SellerCapabilities
from payouts.compliance.rows import OPEN, Q
from payouts.compliance.settling import settle_file
from payouts.compliance.sockets import HITS, screening
from payouts.compliance.states import CapabilityCode
from payouts.sellers.models import EntityType, PayeeAccount, Seller
from payouts.sellers.operations import ReasonMissing, set_seller_status
from payouts.sellers.queries import lock_seller
from payouts.sellers.states import SELLER, SellerStatus

REJECT, REACTIVATE = "seller.reject", "seller.reactivate"
_TO = {REJECT: SellerStatus.BLOCKED, REACTIVATE: SellerStatus.ACTIVE}
_FROM = {
    REJECT: {SellerStatus.CREATED, SellerStatus.REVIEW, SellerStatus.ACTIVE, SellerStatus.PAUSED},
    REACTIVATE: {SellerStatus.BLOCKED},
}


class DecisionNotFor(Refusal):
    code = "decision_not_for"
    sentence = "This is not decided about a seller that is {state}."


@composable
def ask_decision(*, seller_id: int, action: str, actor: Actor, at: datetime, reason: str) -> Approval:
    """Ask a second person to reject (REJECT) or reactivate (REACTIVATE) a seller; nothing changes yet.

    Refuses: NotFound, ReasonMissing, DecisionNotFor.
    """
    seller = lock_seller(seller_id)
    if not reason.strip():
        raise ReasonMissing()
    if seller.status not in _FROM[action]:
        raise DecisionNotFor(state=seller.get_status_display())
    audit.record(actor, f"{action}.ask", seller.public_id, at, reason=reason)
    shown = {"seller": seller.public_id, "reason": reason, "state": str(seller.status)}
    return approvals.request_approval(
        action=action, subject=seller.public_id, content_hash=_hash(action, seller), shown=shown, maker=actor, at=at
    )


@composable
def approve_decision(*, seller_id: int, action: str, actor: Actor, at: datetime, reason: str = "") -> Seller:
    """Reject or reactivate a seller as another person asked. Tells `seller.status_changed`.

    Refuses: DecisionNotFor, StatusChangeRefused, and what `approvals.approve` refuses.
    """
    seller = lock_seller(seller_id)
    if seller.status not in _FROM[action]:
        raise DecisionNotFor(state=seller.get_status_display())
    digest = _hash(action, seller)
    given = approvals.approve(action=action, subject=seller.public_id, content_hash=digest, checker=actor, at=at, reason=reason)
    if action == REJECT:
        approvals.use_approval(action=action, subject=seller.public_id, content_hash=digest, at=at)
    # a reactivation's approval is spent by the gate below: there is no other way out of blocked
    return set_seller_status(seller_id=seller.pk, to=_TO[action], actor=actor, at=at, reason=given.shown["reason"])


@composable
def refuse_decision(*, seller_id: int, action: str, actor: Actor, at: datetime, reason: str) -> Approval:
    """Refuse what was asked for, or take the asking back. Refuses: ReasonMissing, ApprovalMissing, ApprovalNotOpen."""
    seller = lock_seller(seller_id)
    if not reason.strip():
        raise ReasonMissing()
    audit.record(actor, f"{action}.refuse", seller.public_id, at, reason=reason)
    return approvals.refuse(action=action, subject=seller.public_id, checker=actor, at=at, reason=reason)


def _hash(action: str, seller: Seller) -> str:
    """Bind to the seller as it stands: another move in between voids the asking."""
    last = timeline(SELLER, seller.pk).last()
    return hashlib.sha256(f"{action}:{seller.public_id}:{seller.status}:{last.pk if last else 0}".encode()).hexdigest()


# --- gates of the rooms around -------------------------------------------------------------------------------------------


def may_change_status(*, seller: Seller, to: str, actor: Actor, at: datetime, **facts: Any) -> list[Objection]:
    """Object to activating by hand: a seller is active when its requirements are met, and leaves `blocked` by two people only.

    Putting an active seller under review opens a review that stops its payouts; activating it again closes that.
    """
    if to == SellerStatus.REVIEW and seller.status == SellerStatus.ACTIVE:
        start_review(seller_id=seller.pk, actor=actor, at=at, reason=str(facts["reason"]), stop_payouts=True)
    if to not in (SellerStatus.ACTIVE, SellerStatus.REVIEW):
        return []
    if seller.status == SellerStatus.BLOCKED:
        approvals.use_approval(action=REACTIVATE, subject=seller.public_id, content_hash=_hash(REACTIVATE, seller), at=at)
        return []
    if seller.status == SellerStatus.PAUSED or to == SellerStatus.REVIEW:
        return []  # the pause was staff's own order; what the requirements say comes on top
    close_review(seller, actor=actor, at=at, reason=str(facts["reason"]))
    stored = SellerCapabilities.objects.filter(seller=seller).first()
    code = stored.pay_out_code if stored else CapabilityCode.NOT_ASSESSED
    if not code:
        return []
    open_rows = Requirement.objects.filter(seller=seller, state__in=OPEN, gating=True).order_by("pk")
    missing = ", ".join(row.title for row in open_rows[:5]) or CapabilityCode(code).label
    return [Objection("block", str(code), f"it follows from the requirements, and these are open: {missing}.")]


def payee_changed(
    *, seller_id: int, currency: str, old: PayeeAccount | None, new: PayeeAccount, actor: Actor, at: datetime
) -> list[Objection]:
    """Object to a change of the account while who acts for the seller is not verified; a first account is part of the onboarding."""
    stored = SellerCapabilities.objects.filter(seller_id=seller_id).first()
    if old is not None and stored is not None and stored.change_payee_code and not actor.is_person:
        label = CapabilityCode(stored.change_payee_code).label
        return [Objection("block", stored.change_payee_code, f"{label}; a member of staff can change it after a call.")]
    if Requirement.objects.filter(seller_id=seller_id, evidence="payee_account").exists():
        settle_file(seller_id=seller_id, actor=actor, at=at)
    return []


def data_changed(*, seller: Seller, changed: Sequence[str], actor: Actor, at: datetime) -> list[Objection]:
    """Ask what the new country or form asks, and have a changed name looked at again."""
    if {"country", "entity_type"} & set(changed):
        settle_file(seller_id=seller.pk, actor=actor, at=at)
    return []


# --- events --------------------------------------------------------------------------------------------------------------


def screening_changed(event: Event) -> None:
    """Consume `screening.changed`, `person.added`, `seller.created` and `seller.updated`: ask what the lists say, and let the file follow."""
    subject = event.payload.get("subject") or event.subject
    person = Person.objects.filter(public_id=subject).first()
    seller = person.seller if person else Seller.objects.filter(public_id=subject).first()
    if seller is None or screening.standing_of is None:
        return
    actor, at = Actor("system", "screening"), event.occurred_at
    if event.type == "seller.updated" and not {"legal_name", "country"} & set(event.payload["changed"]):
        return
    if event.type != "screening.changed":
        _screen(seller, person, actor, at)
    if Requirement.objects.filter(seller=seller, evidence="screening").exclude(state=Q.WITHDRAWN).exists():
        settle_file(seller_id=seller.pk, actor=actor, at=at)
    elif screening.standing(subject) == HITS and seller.status != SellerStatus.CLOSED:
        # verified elsewhere, before there were lists here: nothing is paid until a person has looked
        start_review(seller_id=seller.pk, actor=actor, at=at, reason="a name stands on a list", stop_payouts=True)


def _screen(seller: Seller, person: Person | None, actor: Actor, at: datetime) -> None:
    if person is None:
        kind = "entity" if seller.entity_type == EntityType.COMPANY else "person"
        screening.screen(
            subject=seller.public_id, kind=kind, names=[seller.legal_name], birth_on=None, countries=[seller.country],
            identifiers={}, actor=actor, at=at,
        )  # fmt: skip
    else:
        kind = "person" if person.kind == "person" else "entity"
        screening.screen(
            subject=person.public_id, kind=kind, names=[person.name],
            birth_on=date.fromisoformat(person.birth_on) if person.birth_on else None, countries=[person.country],
            identifiers={}, actor=actor, at=at,
        )  # fmt: skip
