"""Public ids: TypeID (prefix + UUIDv7 in base32), so that an id tells what it names and sorts by time."""

from __future__ import annotations

import secrets
import time
from typing import Any

from django.db import models
from typeid import TypeID

# The prefix registry of the product (interfaces.md); a second use of a prefix would make /go/<id> ambiguous.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_SHIFTS = range(70, -1, -10)
_VERSION_AND_VARIANT = 0x7 << 76 | 0b10 << 62
_RANDOM = (1 << 80) - 1 - (0xF << 76 | 0b11 << 62)


def new_id(prefix: str) -> str:
    """Return a fresh TypeID. Own encoder for the hot path; tests compare it with typeid-python."""
    return new_ids(prefix, 1)[0]


def new_ids(prefix: str, count: int) -> list[str]:
    """Return many fresh TypeIDs of one moment, for much less than one at a time."""
    moment = time.time_ns() // 1_000_000
    start = prefix + "_" + "".join([_PAIRS[moment >> shift & 1023] for shift in range(40, -1, -10)])
    noise, pairs, ids = secrets.token_bytes(10 * count), _PAIRS, []
    for place in range(0, 10 * count, 10):
        # the 80 bits behind the time: version 7, 12 random bits, the variant, 62 random bits
        value = int.from_bytes(noise[place : place + 10]) & _RANDOM | _VERSION_AND_VARIANT
        ids.append(start + "".join([pairs[value >> shift & 1023] for shift in _SHIFTS]))
    return ids


def prefix_of(public_id: str) -> str | None:
    """Return the prefix of a well-formed TypeID, None of anything else."""
    try:
        return TypeID.from_string(public_id).prefix or None
    except Exception:  # noqa: BLE001 - typeid raises several unrelated classes for malformed text
        return None


class PublicIdField(models.CharField):
    """A unique TypeID column; fills itself when the row is made in Python."""

    def __init__(self, prefix: str = "", **kwargs: Any) -> None:
        self.prefix = prefix
        kwargs.setdefault("max_length", 40)
        kwargs.setdefault("unique", True)
        kwargs.setdefault("editable", False)
        kwargs.setdefault("db_collation", "C")
        super().__init__(**kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs["prefix"] = self.prefix
        return name, path, args, kwargs

    def get_default(self) -> str:
        return new_id(self.prefix)
