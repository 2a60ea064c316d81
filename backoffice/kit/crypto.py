"""Sealed fields: AES-256-GCM with a key ring, bound to table, row and field; blind index for look-ups."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models

NONCE_BYTES = 12


class CannotUnseal(Exception):
    """The sealed value does not open: its key is gone, or it was moved to another row or field."""


@lru_cache(maxsize=4)
def _ring(text: str) -> dict[str, AESGCM]:
    ring: dict[str, AESGCM] = {}
    for part in filter(None, text.split(",")):
        key_id, _, key = part.partition(":")
        ring[key_id] = AESGCM(base64.b64decode(key))
    if not ring:
        raise CannotUnseal("FIELD_KEYS is empty: no key to seal or unseal with.")
    return ring


def current_key_id() -> str:
    return next(iter(_ring(settings.FIELD_KEYS)))


def seal(text: str, bound_to: str) -> str:
    """Return 'keyid:base64' of the sealed text; `bound_to` names table, row and field, and must be the same to unseal."""
    key_id = current_key_id()
    nonce = os.urandom(NONCE_BYTES)
    sealed = _ring(settings.FIELD_KEYS)[key_id].encrypt(nonce, text.encode(), bound_to.encode())
    return f"{key_id}:{base64.b64encode(nonce + sealed).decode()}"


def unseal(sealed: str, bound_to: str) -> str:
    """Return the text; raises CannotUnseal."""
    key_id, _, body = sealed.partition(":")
    raw = base64.b64decode(body)
    try:
        key = _ring(settings.FIELD_KEYS)[key_id]
        return key.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound_to.encode()).decode()
    except KeyError:
        raise CannotUnseal(f"Key {key_id!r} is not in FIELD_KEYS.") from None
    except InvalidTag:
        raise CannotUnseal("The sealed value does not belong to this row and field, or was altered.") from None


def new_data_key() -> str:
    """Return a key for the bytes of one row; it belongs into a SealedField of that row, so that a rotation reseals the key and leaves the bytes."""
    return base64.b64encode(AESGCM.generate_key(256)).decode()


def seal_bytes(data: bytes, data_key: str, bound_to: str) -> bytes:
    """Return bytes sealed under a row's own key; `bound_to` must be the same to unseal."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(base64.b64decode(data_key)).encrypt(nonce, data, bound_to.encode())


def unseal_bytes(sealed: bytes, data_key: str, bound_to: str) -> bytes:
    """Return the bytes; raises CannotUnseal."""
    try:
        return AESGCM(base64.b64decode(data_key)).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to.encode())
    except (InvalidTag, ValueError):
        raise CannotUnseal("The sealed bytes do not belong to this row, were altered, or their key is gone.") from None


def blind_index(text: str) -> str:
    """Return a keyed hash for equality look-ups of a sealed value (normalised: no spaces, upper case)."""
    if not settings.BLIND_INDEX_KEY:
        raise CannotUnseal("BLIND_INDEX_KEY is not set.")
    normal = "".join(text.split()).upper()
    return hmac.new(base64.b64decode(settings.BLIND_INDEX_KEY), normal.encode(), hashlib.sha256).hexdigest()


class _Sealed:
    """Descriptor: plain text in Python, sealed text in the instance's dict and in the database."""

    def __init__(self, field: SealedField) -> None:
        self.field = field

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        if self.field.attname not in instance.__dict__ and instance.pk is not None:
            instance.refresh_from_db(fields=[self.field.attname])  # it was deferred
        raw = instance.__dict__.get(self.field.attname, "")
        return unseal(raw, self.field.bound_to(instance)) if raw else ""

    def __set__(self, instance: Any, value: Any) -> None:
        # Rows loaded from the database set the sealed text through from_db; it is recognised by its wrapper class.
        if isinstance(value, SealedText):
            instance.__dict__[self.field.attname] = str(value)
        else:
            instance.__dict__[self.field.attname] = seal(value, self.field.bound_to(instance)) if value else ""


class SealedText(str):
    """Text that is already sealed."""


class SealedField(models.TextField):
    """A text column that is sealed at rest. The model needs a `public_id` set before the field (declare it first)."""

    def bound_to(self, instance: Any) -> str:
        return f"{instance._meta.db_table}:{instance.public_id}:{self.attname}"

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, self.attname, _Sealed(self))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return SealedText(value) if value else value

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        return model_instance.__dict__.get(self.attname, "")
