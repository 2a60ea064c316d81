"""Bytes of report files: sealed under a key of their own, which the key ring seals in turn. A rotation reseals the key and leaves the bytes."""

from __future__ import annotations

import base64
import hashlib
import os
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backoffice.kit.crypto import NONCE_BYTES, CannotUnseal
from backoffice.kit.errors import Refusal
from payouts.reporting.models import TaxReport, TaxReportFile


class TaxReportFileAltered(Refusal):
    code = "tax_report_file_altered"
    sentence = "The stored bytes of {name} are not what was frozen, or their key is gone. Do not send this file; call whoever runs this system."


def keep_file(report: TaxReport, *, name: str, media_type: str, data: bytes, at: datetime) -> TaxReportFile:
    """Store a file of a report that is being frozen; return its row."""
    key, nonce = AESGCM.generate_key(256), os.urandom(NONCE_BYTES)
    file = TaxReportFile(
        report=report,
        name=name,
        media_type=media_type,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        created_at=at,
    )
    file.sealed = nonce + AESGCM(key).encrypt(nonce, data, file.public_id.encode())
    file.data_key = base64.b64encode(key).decode()
    file.save(force_insert=True)
    return file


def read_file(file: TaxReportFile) -> bytes:
    """Return the bytes as they were frozen. Refuses: TaxReportFileAltered."""
    try:
        sealed = bytes(file.sealed)
        data = AESGCM(base64.b64decode(file.data_key)).decrypt(
            sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], file.public_id.encode()
        )
    except (InvalidTag, CannotUnseal, ValueError):
        raise TaxReportFileAltered(name=file.name) from None
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise TaxReportFileAltered(name=file.name)
    return data
