"""The evidence pack: texts and papers in the provider's places, checked for size before anybody relies on it. One submission counts.

Limits are Stripe's: 4.5 MB and 50 pages over all files, 20,000 characters a text, 150,000 over all of them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backoffice.kit.actors import Actor
from backoffice.kit.crypto import NONCE_BYTES, CannotUnseal
from backoffice.kit.errors import InputError, NotFound
from backoffice.kit.idempotency import fingerprint
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from billing.disputes.models import Dispute, EvidenceFile, EvidencePack
from billing.disputes.working import lock_open, take_off_automatic
from payouts.compliance import content

BYTES_MAX = 4_500_000
PAGES_MAX = 50
TEXT_MAX, TEXTS_MAX = 20_000, 150_000
TEXT_FIELDS = {
    "product_description": "What was sold",
    "uncategorized_text": "What happened, in your words",
    "customer_name": "Buyer's name",
    "customer_email_address": "Buyer's e-mail address",
    "customer_purchase_ip": "Buyer's IP address",
    "billing_address": "Billing address",
    "shipping_address": "Shipping address",
    "shipping_carrier": "Carrier",
    "shipping_date": "Shipped on",
    "shipping_tracking_number": "Tracking number",
    "service_date": "Service given on",
    "access_activity_log": "Log of the buyer's use",
    "refund_policy_disclosure": "How the refund policy was shown",
    "refund_refusal_explanation": "Why no refund was given",
    "cancellation_policy_disclosure": "How the cancellation policy was shown",
    "cancellation_rebuttal": "Why the cancellation does not count",
    "duplicate_charge_explanation": "Why the charges are two purchases",
    "duplicate_charge_id": "The other charge",
}
FILE_FIELDS = {
    "receipt": "Receipt",
    "shipping_documentation": "Proof of delivery",
    "customer_communication": "Messages with the buyer",
    "customer_signature": "Buyer's signature",
    "refund_policy": "Refund policy",
    "cancellation_policy": "Cancellation policy",
    "service_documentation": "Proof of service",
    "duplicate_charge_documentation": "Proof of two purchases",
    "uncategorized_file": "Other paper",
}


class EvidenceInvalid(InputError):
    code = "evidence_invalid"
    sentence = "{detail}"


class EvidenceTooLarge(InputError):
    code = "evidence_too_large"
    sentence = "With this file the pack has {bytes:,} bytes and {pages} pages; the provider takes {most_bytes:,} bytes and {most_pages} pages. Remove or shrink a file."
    http_status = 413


class EvidenceUnreadable(InputError):
    code = "evidence_unreadable"
    sentence = "A stored file of this pack does not open: it was altered, or its key is gone. Remove it and upload it again."


@dataclass(frozen=True, slots=True)
class Measure:
    """How large a pack is, and what it is: `content_hash` binds a confirmation to exactly this content."""

    bytes: int
    pages: int
    texts: int
    content_hash: str

    @property
    def is_empty(self) -> bool:
        return not self.bytes and not self.texts


@composable
def write_evidence(*, dispute_id: int, texts: Mapping[str, str], actor: Actor, at: datetime) -> EvidencePack:
    """Set texts of a pack by field; an empty one takes the field off, others stay. Refuses: NotFound, DisputeNeedsNoAnswer, WorkIsDone, EvidenceInvalid."""
    for field, text in texts.items():
        if field not in TEXT_FIELDS:
            raise EvidenceInvalid(detail=f"{field[:40]!r} is no text of a pack: {', '.join(TEXT_FIELDS)}.", field=field[:40])
        if len(text) > TEXT_MAX:
            raise EvidenceInvalid(detail=f"{TEXT_FIELDS[field]} has more than {TEXT_MAX:,} characters.", field=field)
    row = lock_open(dispute_id)
    pack = _pack_of(row, actor, at)
    kept = {**texts_of(pack), **{field: text.strip() for field, text in texts.items()}}
    kept = {field: text for field, text in sorted(kept.items()) if text}
    if sum(map(len, kept.values())) > TEXTS_MAX:
        raise EvidenceInvalid(detail=f"All texts together have more than {TEXTS_MAX:,} characters.")
    pack.texts = json.dumps(kept, ensure_ascii=False) if kept else ""
    _touch(pack, row, actor, at)
    audit.record(actor, "dispute.write_evidence", row.public_id, at, facts={"fields": sorted(texts)})
    return pack


@composable
def add_evidence_file(*, dispute_id: int, field: str, data: bytes, actor: Actor, at: datetime) -> EvidenceFile:
    """Put a paper into a pack, in the place of an earlier one; what it is, its bytes say.

    Refuses: NotFound, DisputeNeedsNoAnswer, WorkIsDone, EvidenceInvalid, EvidenceTooLarge, and every DocumentRejected.
    """
    if field not in FILE_FIELDS:
        raise EvidenceInvalid(detail=f"{field[:40]!r} is no place for a file: {', '.join(FILE_FIELDS)}.", field=field[:40])
    looked = content.inspect(data)
    row = lock_open(dispute_id)
    pack = _pack_of(row, actor, at)
    others = [one for one in files_of(pack) if one.field != field]
    size, pages = sum(one.size_bytes for one in others) + len(data), sum(one.pages for one in others) + (looked.pages or 1)
    if size > BYTES_MAX or pages > PAGES_MAX:
        raise EvidenceTooLarge(bytes=size, pages=pages, most_bytes=BYTES_MAX, most_pages=PAGES_MAX)
    pack.files.filter(field=field, removed_at__isnull=True).update(removed_at=at, sealed=b"")
    key, nonce = AESGCM.generate_key(256), os.urandom(NONCE_BYTES)
    made = EvidenceFile(
        pack=pack, field=field, media_type=looked.media_type, size_bytes=len(data), pages=looked.pages or 1,
        sha256=hashlib.sha256(data).hexdigest(), uploaded_by=str(actor), uploaded_at=at,
    )  # fmt: skip
    made.data_key = base64.b64encode(key).decode()
    made.sealed = nonce + AESGCM(key).encrypt(nonce, data, made.public_id.encode())
    made.save(force_insert=True)
    _touch(pack, row, actor, at)
    facts = {"field": field, "bytes": len(data), "sha256": made.sha256}
    audit.record(actor, "dispute.add_file", row.public_id, at, facts=facts)
    return made


@composable
def remove_evidence_file(*, dispute_id: int, field: str, actor: Actor, at: datetime) -> EvidencePack:
    """Take a paper out of a pack; its bytes are forgotten. Refuses: NotFound, DisputeNeedsNoAnswer, WorkIsDone."""
    row = lock_open(dispute_id)
    pack = _pack_of(row, actor, at)
    if not pack.files.filter(field=field, removed_at__isnull=True).update(removed_at=at, sealed=b""):
        raise NotFound(what="file", ref=field[:40])
    _touch(pack, row, actor, at)
    audit.record(actor, "dispute.remove_file", row.public_id, at, facts={"field": field[:40]})
    return pack


def _pack_of(row: Dispute, actor: Actor, at: datetime) -> EvidencePack:
    return EvidencePack.objects.get_or_create(dispute=row, defaults={"changed_by": str(actor), "changed_at": at})[0]


def _touch(pack: EvidencePack, row: Dispute, actor: Actor, at: datetime) -> None:
    pack.changed_by, pack.changed_at = str(actor), at
    pack.save()
    take_off_automatic(row)


def texts_of(pack: EvidencePack | None) -> dict[str, str]:
    found: dict[str, str] = json.loads(pack.texts) if pack and pack.texts else {}
    return found


def files_of(pack: EvidencePack | None) -> list[EvidenceFile]:
    """Return the files in the pack now, without their bytes."""
    if pack is None:
        return []
    return list(pack.files.filter(removed_at__isnull=True).defer("sealed", "data_key").order_by("field"))


def bytes_of(file: EvidenceFile) -> bytes:
    """Return a file as it was uploaded. Refuses: EvidenceUnreadable."""
    sealed = bytes(file.sealed)
    try:
        key = AESGCM(base64.b64decode(file.data_key))
        return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], file.public_id.encode())
    except (InvalidTag, CannotUnseal, ValueError):
        raise EvidenceUnreadable() from None


def pack_of(row: Dispute) -> EvidencePack | None:
    return EvidencePack.objects.filter(dispute=row).first()


def measure(pack: EvidencePack | None) -> Measure:
    """Return the size of a pack and the hash of its content."""
    texts, files = texts_of(pack), files_of(pack)
    exact: list[Any] = [sorted(texts.items()), [[one.field, one.sha256] for one in files]]
    return Measure(
        sum(one.size_bytes for one in files), sum(one.pages for one in files), sum(map(len, texts.values())), fingerprint(exact)
    )
