"""Bytes that went to a bank or came from one: stored once, sealed under a key of their own, which the key ring seals in turn.

They hold names and account numbers, so a copy of the database alone must not show them. `sha256` is that of the file as the bank has it;
`sealed_sha256` that of what is stored, which `check_books` compares without opening anything.
"""

from __future__ import annotations

import hashlib

from backoffice.kit.crypto import CannotUnseal, new_data_key, seal_bytes, unseal_bytes
from backoffice.kit.errors import Refusal
from payouts.dispatch.models import BankFile, RailFile


class FileAltered(Refusal):
    code = "file_altered"
    sentence = "The stored bytes of {name} are not what was put away, or their key is gone. Nothing is sent; whoever runs this system has to look."


def put_away(file: RailFile | BankFile, data: bytes) -> None:
    """Seal bytes into a row that is not saved yet."""
    file.data_key = new_data_key()
    file.sealed = seal_bytes(data, file.data_key, file.public_id)
    file.sealed_sha256 = hashlib.sha256(file.sealed).hexdigest()


def bytes_of(file: RailFile | BankFile) -> bytes:
    """Return the bytes as they were put away. Refuses: FileAltered."""
    try:
        data = unseal_bytes(bytes(file.sealed), file.data_key, file.public_id)
    except (CannotUnseal, ValueError):
        raise FileAltered(name=file.file_name) from None
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise FileAltered(name=file.file_name)
    return data
