"""Papers: taken in after a look at their content, kept sealed, judged by a reviewer, and asked for again before they expire."""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.idempotency import recall
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable, durable
from backoffice.staff import audit
from payouts.compliance import content, vault
from payouts.compliance.answering import AnsweredElsewhere, RequirementNotOpen
from payouts.compliance.deriving import derive
from payouts.compliance.models import Document, DocumentBytes, Requirement
from payouts.compliance.rows import Q, lock_requirement, move, refuse_given
from payouts.compliance.states import DOCUMENT, DocumentState, RefusalReason


class DocumentKnown(Refusal):
    code = "document_known"
    sentence = "This very file was sent for this requirement before and was refused. Send a better one."


class DocumentDecided(Refusal):
    code = "document_decided"
    sentence = "The document is {state} already."


class RefusalReasonUnknown(InputError):
    code = "refusal_reason_unknown"
    sentence = "The reason is one of the closed list."


class ExpiryPassed(InputError):
    code = "expiry_passed"
    sentence = "That day has passed: refuse the document as expired instead."


class ContentNotBase64(InputError):
    code = "content_not_base64"
    sentence = "The content is not base64."


class ReviewerBroughtIt(Refusal):
    code = "reviewer_brought_it"
    sentence = "You uploaded this document yourself; another person must check it."


def unpack(text: str) -> bytes:
    """Return the bytes behind base64 as the API takes it. Refuses: ContentNotBase64, FileTooLarge."""
    if len(text) > content.BYTES_MAX * 4 // 3 + 8:
        raise content.FileTooLarge(most=content.BYTES_MAX // 1024 // 1024)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ContentNotBase64() from None


@composable
def upload_document(*, requirement_id: int, data: bytes, actor: Actor, key: str, at: datetime) -> Document:
    """Take in a paper for a requirement and put it before a reviewer; the type is what the bytes are.

    The sealed bytes are a row of this transaction; `vault.move_out` puts them into storage. Tells `document.received` and
    `requirement.pending_verification`. Refuses: NotFound, RequirementNotOpen, AnsweredElsewhere, DocumentKnown,
    KeyReused, and every DocumentRejected.
    """
    inspected = content.inspect(data)
    row = lock_requirement(requirement_id)
    digest = hashlib.sha256(data).hexdigest()
    earlier = recall(scope=f"upload_document:{row.public_id}", key=key, content=digest)
    if earlier.outcome is not None:
        return Document.objects.get(pk=earlier.outcome)
    family, _, kind = row.evidence.partition(":")
    if family != "document":
        raise AnsweredElsewhere(how="something else than a document")
    if row.state not in (Q.EVENTUALLY_DUE, Q.CURRENTLY_DUE, Q.PAST_DUE, Q.PENDING_VERIFICATION):
        raise RequirementNotOpen(state=row.get_state_display())
    if Document.objects.filter(requirement=row, sha256=digest, state=DocumentState.REFUSED).exists():
        raise DocumentKnown()

    document = Document(
        seller=row.seller, requirement=row, kind=kind, media_type=inspected.media_type, size_bytes=len(data), pages=inspected.pages,
        sha256=digest, uploaded_by=str(actor), uploaded_at=at,
    )  # fmt: skip
    sealed = vault.seal(document, data)
    document.save(force_insert=True)
    DocumentBytes.objects.create(document=document, sealed=sealed)
    born(DOCUMENT, document, actor=actor, at=at)
    transition(DOCUMENT, document, DocumentState.VALIDATION_ASKED, actor=actor, at=at)
    if row.state != Q.PENDING_VERIFICATION:
        given: dict[str, Any] = {"provided_by": str(actor), "provided_at": at, "error_code": "", "error_text": ""}
        move(row, Q.PENDING_VERIFICATION, actor=actor, at=at, **given)
    derive([row.seller_id], actor=actor, at=at)
    earlier.keep(document.pk)
    audit.record(actor, "document.upload", document.public_id, at, facts={"seller": row.seller.public_id, "code": row.code})
    _tell("document.received", document, at)
    return document


@composable
def validate_document(
    *, document_id: int, actor: Actor, at: datetime, reason: str = "", expires_on: date | None = None
) -> Document:
    """Accept a paper: its requirement is satisfied until the paper expires (`expires_on`, or the rule's own days, or for good).

    Tells `document.validated` and `requirement.satisfied`. Refuses: NotFound, DocumentDecided, ExpiryPassed, ReviewerBroughtIt.
    """
    document, row = _lock(document_id)
    if actor.is_person and str(actor) == document.uploaded_by:
        raise ReviewerBroughtIt()
    if document.state != DocumentState.VALIDATION_ASKED:
        raise DocumentDecided(state=document.get_state_display())
    if expires_on is not None and expires_on <= at.date():
        raise ExpiryPassed()

    for old in Document.objects.select_for_update(no_key=True).filter(requirement=row, state=DocumentState.VALIDATED):
        transition(DOCUMENT, old, DocumentState.OUT_OF_DATE, actor=actor, at=at, code="replaced")
    _decide(document, DocumentState.VALIDATED, actor, at, reason, expires_on=expires_on)
    expires_at = datetime.combine(expires_on, time.min, UTC) if expires_on else None
    if expires_at is None and row.valid_days:
        expires_at = at + timedelta(days=row.valid_days)
    if row.state == Q.PENDING_VERIFICATION:
        decided: dict[str, Any] = {"decided_by": str(actor), "decided_at": at, "expires_at": expires_at, "reminded_at": None}
        move(row, Q.SATISFIED, actor=actor, at=at, reason=reason, **decided)
    derive([row.seller_id], actor=actor, at=at)
    audit.record(actor, "document.validate", document.public_id, at, reason=reason, facts={"seller": row.seller.public_id})
    _tell("document.validated", document, at)
    return document


@composable
def refuse_document(*, document_id: int, refusal: str, actor: Actor, at: datetime, text: str = "") -> Document:
    """Refuse a paper for one of the closed reasons; `text` goes to the seller, whose requirement is due again.

    Tells `document.refused` and `requirement.currently_due`. Refuses: NotFound, DocumentDecided, RefusalReasonUnknown.
    """
    document, row = _lock(document_id)
    if document.state not in (DocumentState.VALIDATION_ASKED, DocumentState.VALIDATED):
        raise DocumentDecided(state=document.get_state_display())
    if refusal not in RefusalReason.values:
        raise RefusalReasonUnknown()

    sentence = text.strip() or f"The document was refused: {RefusalReason(refusal).label}."
    _decide(document, DocumentState.REFUSED, actor, at, sentence, code=refusal, refusal=refusal, refusal_text=sentence)
    others = Document.objects.filter(requirement=row, state=DocumentState.VALIDATION_ASKED)
    if row.state in (Q.PENDING_VERIFICATION, Q.SATISFIED) and not others.exists():
        refuse_given(row, actor=actor, at=at, reason=sentence, code=refusal, text=sentence)
    derive([row.seller_id], actor=actor, at=at)
    audit.record(actor, "document.refuse", document.public_id, at, reason=sentence, facts={"refusal": refusal})
    _tell("document.refused", document, at)
    return document


@durable
def open_document(*, document_id: int, actor: Actor, at: datetime) -> tuple[Document, bytes]:
    """Return a paper with its bytes; that somebody wanted to look stands in the audit trail before the bytes are touched.

    Refuses: NotFound, DocumentGone, DocumentUnreadable, StorageDown.
    """
    document = Document.objects.select_related("seller").filter(pk=document_id).first()
    if document is None:
        raise NotFound(what="document", ref=document_id)
    audit.record(actor, "document.open", document.public_id, at, facts={"seller": document.seller.public_id})
    return document, vault.read(document)


@durable
def preview_document(*, document_id: int, actor: Actor, at: datetime) -> bytes | None:
    """Return the drawn picture of a paper, None where there is none; looking at it is opening it, and stands in the audit trail.

    Refuses: NotFound, DocumentUnreadable.
    """
    document = Document.objects.select_related("seller").filter(pk=document_id).first()
    if document is None:
        raise NotFound(what="document", ref=document_id)
    drawn = vault.read_preview(document)
    if drawn is not None:
        audit.record(actor, "document.preview", document.public_id, at, facts={"seller": document.seller.public_id})
    return drawn


def _lock(document_id: int) -> tuple[Document, Requirement]:
    requirement_id = Document.objects.filter(pk=document_id).values_list("requirement_id", flat=True).first()
    if requirement_id is None:
        raise NotFound(what="document", ref=document_id)
    row = lock_requirement(requirement_id)
    document = Document.objects.select_for_update(no_key=True).get(pk=document_id)
    document.requirement, document.seller = row, row.seller
    return document, row


def _decide(document: Document, to: str, actor: Actor, at: datetime, reason: str, *, code: str = "", **columns: object) -> None:
    transition(DOCUMENT, document, to, actor=actor, at=at, reason=reason, code=code)
    columns |= {"decided_by": str(actor), "decided_at": at}
    for name, value in columns.items():
        setattr(document, name, value)
    document.save(update_fields=list(columns))


def _tell(event: str, document: Document, at: datetime) -> None:
    seller = document.seller
    told = {"seller": seller.public_id, "requirement": document.requirement.public_id, "code": document.requirement.code}
    told |= {"state": str(document.state), "refusal": document.refusal}
    tell(event, subject=document.public_id, payload=told, at=at, partner_id=seller.partner_id)
