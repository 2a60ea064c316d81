"""Verbs that add to a case: notes and papers, both sealed; opening a paper stands in the audit."""

from __future__ import annotations

import base64
import hashlib
import os
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backoffice.kit.actors import Actor
from backoffice.kit.crypto import NONCE_BYTES, CannotUnseal
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from fraud.cases.models import CaseFile, CaseNote
from fraud.cases.working import held_case, lock_case
from payouts.compliance.content import inspect

NOTE_MAX = 4_000


class NoteInvalid(InputError):
    code = "note_invalid"
    sentence = f"A note has 1 to {NOTE_MAX} characters."


class PaperKnown(Refusal):
    code = "case_paper_known"
    sentence = "This very file lies in the case already."


class PaperAltered(Refusal):
    code = "case_paper_altered"
    sentence = "The stored bytes do not open: they were altered, or their key is gone. Whoever runs this system has to look."


@composable
def write_note(*, case_id: int, text: str, actor: Actor, at: datetime) -> CaseNote:
    """Write a note into a live case; colleagues who do not hold it may, too. Refuses: as lock_case, NoteInvalid."""
    if not 0 < len(text.strip()) <= NOTE_MAX:
        raise NoteInvalid()
    case = lock_case(case_id)
    return CaseNote.objects.create(case=case, text=text.strip(), actor=str(actor), at=at)


@composable
def attach_paper(*, case_id: int, data: bytes, what: str, actor: Actor, at: datetime) -> CaseFile:
    """Put a PDF, JPEG or PNG into a case; its bytes say what it is. Refuses: as held_case, DocumentRejected, PaperKnown."""
    found = inspect(data)
    case = held_case(case_id, actor, at)
    digest = hashlib.sha256(data).hexdigest()
    if CaseFile.objects.filter(case=case, sha256=digest).exists():
        raise PaperKnown()
    key, nonce = AESGCM.generate_key(256), os.urandom(NONCE_BYTES)
    paper = CaseFile(
        case=case,
        what=what.strip()[:120],
        media_type=found.media_type,
        size_bytes=len(data),
        sha256=digest,
        actor=str(actor),
        at=at,
    )
    paper.sealed = nonce + AESGCM(key).encrypt(nonce, data, paper.public_id.encode())
    paper.data_key = base64.b64encode(key).decode()
    paper.save(force_insert=True)
    audit.record(actor, "case.attach", case.public_id, at, facts={"paper": paper.public_id, "media_type": found.media_type})
    return paper


@composable
def open_paper(*, paper_id: int, actor: Actor, at: datetime) -> tuple[CaseFile, bytes]:
    """Return a paper's bytes as they were given; who opened it stands in the audit. Refuses: NotFound, PaperAltered."""
    paper = CaseFile.objects.select_related("case").filter(pk=paper_id).first()
    if paper is None:
        raise NotFound(what="paper", ref=paper_id)
    try:
        sealed = bytes(paper.sealed)
        data = AESGCM(base64.b64decode(paper.data_key)).decrypt(
            sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], paper.public_id.encode()
        )
    except (InvalidTag, CannotUnseal, ValueError):
        raise PaperAltered() from None
    if hashlib.sha256(data).hexdigest() != paper.sha256:
        raise PaperAltered()
    audit.record(actor, "case.open_paper", paper.case.public_id, at, facts={"paper": paper.public_id})
    return paper, data
