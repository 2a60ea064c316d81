"""Where documents lie: Django storage, every file sealed under a key of its own, and that key sealed by the key ring in the document's row.

So a rotation of the key ring reseals small columns and moves no file, a copy of the storage alone is worthless, and erasing the row's key
erases the paper wherever backups may still hold its bytes.
"""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

from backoffice.kit.crypto import NONCE_BYTES, CannotUnseal
from backoffice.kit.errors import Refusal

if TYPE_CHECKING:
    from payouts.compliance.models import Document


class DocumentGone(Refusal):
    code = "document_gone"
    sentence = "The file of this document is no longer kept."


class DocumentUnreadable(Refusal):
    code = "document_cannot_be_opened"
    sentence = "The stored file does not open: it was altered, or its key is gone. Whoever runs this system has to look."


def storage() -> Storage:
    return storages["documents"]


def keep(document: Document, data: bytes) -> None:
    """Seal bytes under a fresh key and store them; fills `data_key` and `storage_name` of the unsaved row."""
    key, nonce = AESGCM.generate_key(256), os.urandom(NONCE_BYTES)
    sealed = nonce + AESGCM(key).encrypt(nonce, data, document.public_id.encode())
    document.data_key = base64.b64encode(key).decode()
    name = f"documents/{document.public_id[-2:]}/{document.public_id}.sealed"
    document.storage_name = storage().save(name, ContentFile(sealed))


def read(document: Document) -> bytes:
    """Return the bytes as they were sent. Refuses: DocumentGone, DocumentUnreadable."""
    if not document.storage_name or not document.data_key:
        raise DocumentGone()
    try:
        with storage().open(document.storage_name, "rb") as stream:
            sealed = stream.read()
        key = AESGCM(base64.b64decode(document.data_key))
        return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], document.public_id.encode())
    except FileNotFoundError:
        raise DocumentGone() from None
    except (InvalidTag, CannotUnseal, ValueError):
        raise DocumentUnreadable() from None


def forget(document: Document) -> None:
    """Delete the file and its key."""
    if document.storage_name:
        storage().delete(document.storage_name)
    document.storage_name, document.data_key = "", ""
