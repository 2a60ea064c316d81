"""What reviewers decide about requirements: accept, refuse, ask again, ask for more, and waive with a second person."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.approvals import Approval
from backoffice.kit.errors import Refusal
from backoffice.kit.outbox import tell
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from payouts.compliance import rows
from payouts.compliance.catalogue import catalogue_of
from payouts.compliance.deriving import derive
from payouts.compliance.models import Document, Requirement, ReviewMessage
from payouts.compliance.opening import VOUCHED
from payouts.compliance.rows import Q, lock_requirement, move, open_again
from payouts.compliance.settling import settle_file
from payouts.compliance.states import Capability, DocumentState
from payouts.sellers.models import Seller
from payouts.sellers.operations import ReasonMissing
from payouts.sellers.queries import lock_seller
from payouts.sellers.validation import InvalidText, has_hidden

WAIVE = "requirement.waive"
REVIEW = "periodic_review"
MESSAGE_MAX = 2_000
_REVIEW = rows.staff_rule(
    REVIEW, "Periodic review", "Nothing to do: we look through your file again.",
    "What is known of a seller is kept up to date, more often where the risk is higher.",
) | {"capabilities": [Capability.PAY_OUT.value, Capability.CHANGE_PAYEE.value]}  # fmt: skip


class NothingToVerify(Refusal):
    code = "nothing_to_verify"
    sentence = "The requirement is {state}; there is nothing to decide."


class DocumentsToDecide(Refusal):
    code = "documents_to_decide"
    sentence = "A document waits for a decision: accept or refuse that, and the requirement follows."


class CheckDecides(Refusal):
    code = "check_decides"
    sentence = "This requirement is decided by a check, not by a person. It can be waived by two people."


class CannotWaive(Refusal):
    code = "cannot_waive"
    sentence = "The requirement is {state}; there is nothing to waive."


class CannotReopen(Refusal):
    code = "cannot_reopen"
    sentence = "The requirement is {state}; only what is satisfied or waived is opened again."


class ProviderDecides(Refusal):
    code = "provider_decides"
    sentence = "You gave this yourself; another person must accept it."


@composable
def accept_requirement(*, requirement_id: int, actor: Actor, at: datetime, reason: str) -> Requirement:
    """Accept what was given for a requirement. Tells `requirement.satisfied`.

    Refuses: NotFound, ReasonMissing, NothingToVerify, DocumentsToDecide, CheckDecides, ProviderDecides.
    """
    row = _lock_given(requirement_id, reason)
    if not row.by_person:
        raise CheckDecides()
    if row.provided_by == str(actor):
        raise ProviderDecides()
    expires_at = at + timedelta(days=row.valid_days) if row.valid_days else None
    decided: dict[str, Any] = {"decided_by": str(actor), "decided_at": at, "expires_at": expires_at}
    move(row, Q.SATISFIED, actor=actor, at=at, reason=reason, **decided)
    _finish(row, "requirement.accept", actor, at, reason)
    return row


@composable
def refuse_requirement(
    *, requirement_id: int, actor: Actor, at: datetime, reason: str, seller_text: str, code: str = "not_accepted"
) -> Requirement:
    """Refuse what was given; `seller_text` says to the seller what to give instead. Tells `requirement.currently_due`.

    Refuses: NotFound, ReasonMissing, NothingToVerify, DocumentsToDecide.
    """
    row = _lock_given(requirement_id, reason)
    text = _clean_message(seller_text)
    row.decided_by, row.decided_at = str(actor), at
    row.save(update_fields=["decided_by", "decided_at"])
    rows.refuse_given(row, actor=actor, at=at, reason=reason, code=code, text=text)
    _finish(row, "requirement.refuse", actor, at, reason)
    return row


@composable
def reopen_requirement(
    *, requirement_id: int, actor: Actor, at: datetime, reason: str, seller_text: str, at_once: bool = False
) -> Requirement:
    """Ask again for what was satisfied or waived; with `at_once` its capabilities are off until it is met, else after the days of grace.

    Opening what was verified elsewhere puts every question of the catalogue to the seller. Tells `requirement.currently_due`. Refuses:
    NotFound, ReasonMissing, CannotReopen.
    """
    row = lock_requirement(requirement_id)
    if not reason.strip():
        raise ReasonMissing()
    if row.state not in rows.MET:
        raise CannotReopen(state=row.get_state_display())
    text = _clean_message(seller_text)
    if row.code == VOUCHED:
        move(row, Q.WITHDRAWN, actor=actor, at=at, reason=reason, code="reopened")
        settle_file(seller_id=row.seller_id, actor=actor, at=at)
        if at_once:
            _stop_at_once(row)
    else:
        open_again(row, actor=actor, at=at, reason=reason, code="reopened", text=text, gating=at_once)
    _finish(row, "requirement.reopen", actor, at, reason)
    return row


def _stop_at_once(vouched: Requirement) -> None:
    """Take the days of grace from a seller who is being paid: what gates for newcomers gates here too."""
    gating = [rule.code for rule in catalogue_of(vouched.seller.country).rules if rule.gating]
    asked = Requirement.objects.filter(seller_id=vouched.seller_id, code__in=gating)
    asked.filter(state__in=[Q.CURRENTLY_DUE, Q.PENDING_VERIFICATION]).update(gating=True, deadline_at=None)


@composable
def ask_seller(*, seller_id: int, text: str, actor: Actor, at: datetime, requirement_id: int | None = None) -> ReviewMessage:
    """Ask a seller for more, about one requirement or at large; the message is kept. Tells `review.message` with its text.

    Refuses: NotFound, InvalidText.
    """
    seller = lock_seller(seller_id)
    row = lock_requirement(requirement_id) if requirement_id is not None else None
    message = ReviewMessage.objects.create(
        seller=seller,
        requirement=row if row is not None and row.seller_id == seller.pk else None,
        text=_clean_message(text),
        sent_by=str(actor),
        sent_at=at,
    )
    audit.record(actor, "review.message", seller.public_id, at, facts={"message": message.public_id})
    told = {"seller": seller.public_id, "requirement": row.public_id if row else None, "text": message.text}
    tell("review.message", subject=message.public_id, payload=told, at=at, partner_id=seller.partner_id)
    return message


# --- waiving: two people ---------------------------------------------------------------------------------------------------


@composable
def ask_waiver(*, requirement_id: int, actor: Actor, at: datetime, reason: str, until: date | None = None) -> Approval:
    """Ask a second person to waive a requirement, for good or until a day; nothing changes yet. Refuses: NotFound, ReasonMissing, CannotWaive."""
    row = lock_requirement(requirement_id)
    if not reason.strip():
        raise ReasonMissing()
    _refuse_unwaivable(row)
    shown = {"seller": row.seller.public_id, "code": row.code, "reason": reason, "until": until.isoformat() if until else None}
    audit.record(actor, "requirement.ask_waiver", row.public_id, at, reason=reason, facts={"until": shown["until"]})
    return approvals.request_approval(
        action=WAIVE, subject=row.public_id, content_hash=_hash(row, shown["until"]), shown=shown, maker=actor, at=at
    )


@composable
def approve_waiver(*, requirement_id: int, actor: Actor, at: datetime, reason: str = "") -> Requirement:
    """Waive a requirement as another person asked. Tells `requirement.waived`. Refuses: CannotWaive, and what `approvals.approve` refuses."""
    row = lock_requirement(requirement_id)
    asked = Approval.objects.filter(action=WAIVE, subject=row.public_id).order_by("-pk").first()
    until = asked.shown["until"] if asked else None
    _refuse_unwaivable(row)
    approvals.approve(action=WAIVE, subject=row.public_id, content_hash=_hash(row, until), checker=actor, at=at, reason=reason)
    used = approvals.use_approval(action=WAIVE, subject=row.public_id, content_hash=_hash(row, until), at=at)
    expires_at = datetime.combine(date.fromisoformat(until), time.min, UTC) if until else None
    columns: dict[str, Any] = {"decided_by": str(actor), "decided_at": at, "expires_at": expires_at}
    move(row, Q.WAIVED, actor=actor, at=at, reason=used.shown["reason"], **columns)
    _finish(row, "requirement.waive", actor, at, reason or used.shown["reason"])
    return row


@composable
def refuse_waiver(*, requirement_id: int, actor: Actor, at: datetime, reason: str) -> Approval:
    """Refuse a waiver that was asked for, or take the asking back. Refuses: ReasonMissing, ApprovalMissing, ApprovalNotOpen."""
    row = lock_requirement(requirement_id)
    if not reason.strip():
        raise ReasonMissing()
    audit.record(actor, "requirement.refuse_waiver", row.public_id, at, reason=reason)
    return approvals.refuse(action=WAIVE, subject=row.public_id, checker=actor, at=at, reason=reason)


def _refuse_unwaivable(row: Requirement) -> None:
    if row.state not in rows.OPEN:
        raise CannotWaive(state=row.get_state_display())


def _hash(row: Requirement, until: str | None) -> str:
    return hashlib.sha256(f"{row.public_id}:{row.code}:{row.catalogue}:{row.state}:{until}".encode()).hexdigest()


# --- periodic review -------------------------------------------------------------------------------------------------------


@composable
def start_review(*, seller_id: int, actor: Actor, at: datetime, reason: str, stop_payouts: bool = False) -> Requirement:
    """Put a seller before a reviewer again; with `stop_payouts` nothing is paid until the review is done. Refuses: NotFound, ReasonMissing."""
    seller = lock_seller(seller_id)
    if not reason.strip():
        raise ReasonMissing()
    row = Requirement.objects.filter(seller=seller, code=REVIEW).first()
    if row is None:
        row = Requirement(
            seller=seller, **_REVIEW, gating=stop_payouts, state=Q.PENDING_VERIFICATION, provided_at=at, created_at=at
        )
        rows.save_new([row], actor=actor, at=at, reason=reason)
    else:
        row.seller = seller
        if row.state in rows.MET:
            move(row, Q.CURRENTLY_DUE, actor=actor, at=at, reason=reason, quiet=True)
        if row.state == Q.CURRENTLY_DUE:
            move(row, Q.PENDING_VERIFICATION, actor=actor, at=at, reason=reason, gating=stop_payouts, provided_at=at)
        elif stop_payouts and not row.gating:
            row.gating = True
            row.save(update_fields=["gating"])
    _finish(row, "review.start", actor, at, reason)
    return row


def close_review(seller: Seller, *, actor: Actor, at: datetime, reason: str) -> None:
    """Close the review of a locked seller that somebody is about to activate by hand."""
    row = Requirement.objects.filter(seller=seller, code=REVIEW, state=Q.PENDING_VERIFICATION).first()
    if row is not None:
        row.seller = seller
        move(row, Q.SATISFIED, actor=actor, at=at, reason=reason, decided_by=str(actor), decided_at=at)
        derive([seller.pk], actor=actor, at=at, follow=False)


# --- what all share --------------------------------------------------------------------------------------------------------


def _lock_given(requirement_id: int, reason: str) -> Requirement:
    row = lock_requirement(requirement_id)
    if not reason.strip():
        raise ReasonMissing()
    if row.state != Q.PENDING_VERIFICATION:
        raise NothingToVerify(state=row.get_state_display())
    if Document.objects.filter(requirement=row, state=DocumentState.VALIDATION_ASKED).exists():
        raise DocumentsToDecide()
    return row


def _clean_message(text: str) -> str:
    stripped = text.strip()
    lines = stripped.replace("\r\n", "\n").split("\n")
    if not stripped or len(stripped) > MESSAGE_MAX or any(has_hidden(line) for line in lines):
        raise InvalidText(
            what="message to the seller", why=f"it is empty, longer than {MESSAGE_MAX} characters, or holds hidden ones"
        )
    return stripped


def _finish(row: Requirement, action: str, actor: Actor, at: datetime, reason: str) -> None:
    derive([row.seller_id], actor=actor, at=at)
    facts = {"seller": row.seller.public_id, "code": row.code, "state": str(row.state)}
    audit.record(actor, action, row.public_id, at, reason=reason, facts=facts)
