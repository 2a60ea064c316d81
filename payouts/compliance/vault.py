"""Where documents lie: Django storage, every file sealed under a key of its own, and that key sealed by the key ring in the document's row.

So a rotation of the key ring reseals small columns and moves no file, a copy of the storage alone is worthless, and erasing the row's key
erases the paper wherever backups may still hold its bytes. Storage may be far away: bytes come in as a row of the upload's own transaction, and
a worker moves them out. A crash in between repeats the move, to the same name.
"""

from __future__ import annotations

import base64
import os
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.db import transaction

from backoffice.kit.crypto import NONCE_BYTES, CannotUnseal
from backoffice.kit.errors import Refusal
from backoffice.kit.transactions import durable
from payouts.compliance.models import Document, DocumentBytes


class DocumentGone(Refusal):
    code = "document_gone"
    sentence = "The file of this document is no longer kept."


class DocumentUnreadable(Refusal):
    code = "document_cannot_be_opened"
    sentence = "The stored file does not open: it was altered, or its key is gone. Whoever runs this system has to look."


def storage() -> Storage:
    return storages["documents"]


def seal(document: Document, data: bytes) -> bytes:
    """Return the bytes sealed under a fresh key, which `data_key` of the unsaved row then holds."""
    key, nonce = AESGCM.generate_key(256), os.urandom(NONCE_BYTES)
    document.data_key = base64.b64encode(key).decode()
    return nonce + AESGCM(key).encrypt(nonce, data, document.public_id.encode())


@durable
def move_out(*, at: datetime, limit: int = 200) -> int:
    """Put waiting bytes into storage, one commit each; return how many. A name that is there already was written by a move that crashed."""
    count = 0
    for document_id in list(DocumentBytes.objects.order_by("pk").values_list("pk", flat=True)[:limit]):
        waiting = DocumentBytes.objects.select_related("document").filter(pk=document_id).first()
        if waiting is None:
            continue  # another worker was faster
        name = f"{waiting.document.public_id[-2:]}/{waiting.document.public_id}.sealed"
        if storage().exists(name):
            storage().delete(name)
        kept_as = storage().save(name, ContentFile(bytes(waiting.sealed)))
        with transaction.atomic():
            # also when it was erased this moment: the file is then known, and deleted
            Document.objects.filter(pk=document_id).update(storage_name=kept_as)
            count += DocumentBytes.objects.filter(pk=document_id).delete()[0]
    return count


@durable
def read(document: Document) -> bytes:
    """Return the bytes as they were sent. Refuses: DocumentGone, DocumentUnreadable."""
    waiting = DocumentBytes.objects.filter(pk=document.pk).first()
    if waiting is None:
        document.refresh_from_db()  # they may have been moved out this moment
    if not document.data_key or (waiting is None and not document.storage_name):
        raise DocumentGone()
    try:
        sealed = bytes(waiting.sealed) if waiting is not None else _stored(document.storage_name)
        key = AESGCM(base64.b64decode(document.data_key))
        return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], document.public_id.encode())
    except FileNotFoundError:
        raise DocumentGone() from None
    except (InvalidTag, CannotUnseal, ValueError):
        raise DocumentUnreadable() from None


def _stored(name: str) -> bytes:
    with storage().open(name, "rb") as stream:
        return bytes(stream.read())
