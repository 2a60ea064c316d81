"""Bytes of report files: sealed under a key of their own, which the key ring seals in turn. A rotation reseals the key and leaves the bytes."""

from __future__ import annotations

import hashlib
from datetime import datetime

from backoffice.kit.crypto import CannotUnseal, new_data_key, seal_bytes, unseal_bytes
from backoffice.kit.errors import Refusal
from payouts.reporting.models import TaxReport, TaxReportFile


class TaxReportFileAltered(Refusal):
    code = "tax_report_file_altered"
    sentence = "The stored bytes of {name} are not what was frozen, or their key is gone. Do not send this file; call whoever runs this system."


def keep_file(report: TaxReport, *, name: str, media_type: str, data: bytes, at: datetime) -> TaxReportFile:
    """Store a file of a report that is being frozen; return its row."""
    file = TaxReportFile(
        report=report,
        name=name,
        media_type=media_type,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        created_at=at,
    )
    file.data_key = new_data_key()
    file.sealed = seal_bytes(data, file.data_key, file.public_id)
    file.save(force_insert=True)
    return file


def read_file(file: TaxReportFile) -> bytes:
    """Return the bytes as they were frozen. Refuses: TaxReportFileAltered."""
    try:
        data = unseal_bytes(bytes(file.sealed), file.data_key, file.public_id)
    except (CannotUnseal, ValueError):
        raise TaxReportFileAltered(name=file.name) from None
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise TaxReportFileAltered(name=file.name)
    return data
