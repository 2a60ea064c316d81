"""Where documents lie: Django storage, every file sealed under a key of its own, and that key sealed by the key ring in the document's row.

So a rotation of the key ring reseals small columns and moves no file, a copy of the storage alone is worthless, and erasing the row's key
erases the paper wherever backups may still hold its bytes. Storage may be far away and may be down: bytes come in as a row of the upload's own
transaction, and a worker moves them out. That row goes in the commit that names the file, so a crash or an outage repeats the move.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.db import transaction

from backoffice.kit.crypto import CannotUnseal, new_data_key, seal_bytes, unseal_bytes
from backoffice.kit.errors import Refusal
from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.transactions import durable
from payouts.compliance import previews
from payouts.compliance.models import Document, DocumentBytes, DocumentPreview

logger = logging.getLogger(__name__)
declare("document_stored")


class DocumentGone(Refusal):
    code = "document_gone"
    sentence = "The file of this document is no longer kept."


class DocumentUnreadable(Refusal):
    code = "document_cannot_be_opened"
    sentence = "The stored file does not open: it was altered, or its key is gone. Whoever runs this system has to look."


class StorageDown(Refusal):
    code = "document_storage_down"
    sentence = "The storage of documents does not answer ({problem}). Nothing is lost: try again in some minutes."
    http_status = 503


def storage() -> Storage:
    return storages["documents"]


@contextmanager
def _answering() -> Iterator[None]:
    """Turn what a storage's client raises into a refusal: disks and S3 alike. The log names the kind of problem and no file."""
    try:
        yield
    except FileNotFoundError:
        raise DocumentGone() from None
    except (OSError, BotoCoreError, Boto3Error, ClientError) as problem:
        logger.warning("the storage of documents does not answer: %s", type(problem).__name__)
        raise StorageDown(problem=type(problem).__name__) from problem


def seal(document: Document, data: bytes) -> bytes:
    """Return the bytes sealed under a fresh key, which `data_key` of the unsaved row then holds."""
    document.data_key = new_data_key()
    return seal_bytes(data, document.data_key, document.public_id)


def _opened(document: Document, sealed: bytes, bound_to: str) -> bytes:
    try:
        return unseal_bytes(sealed, document.data_key, bound_to)
    except (CannotUnseal, ValueError):
        raise DocumentUnreadable() from None


# --- moving out ----------------------------------------------------------------------------------------------------------


@durable
def move_out(*, at: datetime, limit: int = 200) -> int:
    """Put waiting bytes into storage, one commit each, and make the pictures reviewers see; return how many. Refuses: StorageDown."""
    count = 0
    for document_id in list(DocumentBytes.objects.order_by("pk").values_list("pk", flat=True)[:limit]):
        waiting = DocumentBytes.objects.select_related("document").filter(pk=document_id).first()
        if waiting is None:
            continue  # another worker was faster
        sealed = bytes(waiting.sealed)
        written = _write(name_of(waiting.document), sealed)
        failpoint("document_stored")
        count += _note(waiting.document, written, _picture_of(waiting.document, sealed))
    return count


def name_of(document: Document) -> str:
    """Return the name a document's file is first written under."""
    return f"{document.public_id[-2:]}/{document.public_id}.sealed"


def _write(name: str, sealed: bytes) -> list[str]:
    """Write the bytes and return the names in storage: first the whole file, then what a crashed move may have left half-written.

    What is there already and is the same is kept. What differs is never deleted before the row names another file: a rival that just
    finished may have named it.
    """
    with _answering():
        if not storage().exists(name):
            return [storage().save(name, ContentFile(sealed))]
        if _stored(name) == sealed:
            return [name]
        return [storage().save(name, ContentFile(sealed)), name]


def _note(document: Document, written: list[str], picture: bytes | None) -> bool:
    """Name the file in the document's row, or learn that a rival has; delete the files that no row names."""
    with transaction.atomic():
        # the bytes first, as erasing does
        gone = DocumentBytes.objects.filter(pk=document.pk).delete()[0] == 0
        row = Document.objects.select_for_update(no_key=True).get(pk=document.pk)
        # Also when it was erased this moment: the file is then known, and deleted with the others.
        if not gone or not row.storage_name:
            row.storage_name = written[0]
            row.save(update_fields=["storage_name"])
        if picture is not None and row.erased_at is None:
            DocumentPreview.objects.update_or_create(document=row, defaults={"sealed": picture})
    with _answering():
        for name in written:
            if name != row.storage_name:
                storage().delete(name)
    return not gone


def _picture_of(document: Document, sealed: bytes) -> bytes | None:
    """Return a small sealed picture of an image; None for other papers, and for an erased one, whose key is gone."""
    if not document.media_type.startswith("image/"):
        return None
    try:
        drawn = previews.draw(_opened(document, sealed, document.public_id)) if document.data_key else None
        return seal_bytes(drawn, document.data_key, _bound(document)) if drawn is not None else None
    except (DocumentUnreadable, CannotUnseal):
        logger.warning("%s does not open: it is stored without a picture", document.public_id)
        return None


def _bound(document: Document) -> str:
    return f"{document.public_id}:preview"


# --- reading -------------------------------------------------------------------------------------------------------------


@durable
def read(document: Document) -> bytes:
    """Return the bytes as they were sent. Refuses: DocumentGone, DocumentUnreadable, StorageDown."""
    waiting = DocumentBytes.objects.filter(pk=document.pk).first()
    if waiting is None:
        document.refresh_from_db()  # they may have been moved out this moment
    if not document.data_key or (waiting is None and not document.storage_name):
        raise DocumentGone()
    if waiting is not None:
        return _opened(document, bytes(waiting.sealed), document.public_id)
    with _answering():
        sealed = _stored(document.storage_name)
    return _opened(document, sealed, document.public_id)


def read_preview(document: Document) -> bytes | None:
    """Return the drawn picture of a paper, None where there is none (yet). Refuses: DocumentUnreadable."""
    found = DocumentPreview.objects.filter(document=document).first()
    if found is None or not document.data_key:
        return None
    return _opened(document, bytes(found.sealed), _bound(document))


def delete(name: str) -> None:
    """Delete a file. Refuses: StorageDown."""
    with _answering():
        storage().delete(name)


def _stored(name: str) -> bytes:
    with storage().open(name, "rb") as stream:
        return bytes(stream.read())
