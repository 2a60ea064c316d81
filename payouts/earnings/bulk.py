"""Postings by the thousand: columns built beside the loop that decides them, sent to the ledger's one writer as array literals.

`ledger.operations.post` is for ordinary use; here a line costs a dozen appends instead of objects, which is what lets a million of them through.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import IntegrityError, connection

from backoffice.kit.actors import Actor
from payouts.ledger.operations import refusal_of
from payouts.ledger.templates import TEMPLATES, Leg

AnyLeg = Leg | tuple[str, int, str, str, int]
_CALL = """SELECT FROM ledger_post(
    %s::text[], %s::smallint[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::timestamptz[], %s::bigint[], %s::int[], %s, '', %s, %s,
    %s::text[], %s::bigint[], %s::text[], %s::text[], %s::int[], %s::int[], %s::bigint[])"""


def array(values: Iterable[object]) -> str:
    """Return an array literal of numbers, ids or codes: values that need no quoting."""
    return "{" + ",".join(map(str, values)) + "}"


def text_array(values: Iterable[str]) -> str:
    """Return an array literal of any text."""
    return "{" + ",".join(map(quoted, values)) + "}"


@lru_cache(maxsize=1_000)
def quoted(text: str) -> str:
    """Return a text as an element of an array literal."""
    return '"' + (text.replace("\\", "\\\\").replace('"', '\\"') if "\\" in text or '"' in text else text) + '"'


class Postings:
    """Columns of postings to be, all from one source kind; `send` books them in one statement, all or nothing."""

    def __init__(self, source_kind: str) -> None:
        self.source_kind = source_kind
        self.templates: list[str] = []
        self.keys: list[str] = []
        self.fingerprints: list[str] = []
        self.source_ids: list[int] = []
        self.effective: list[datetime] = []
        self.accounts: dict[tuple[str, int, str, str], int] = {}
        self.firsts: list[int] = []
        self.ordinals: list[int] = []
        self.places: list[int] = []
        self.amounts: list[int] = []

    def add(
        self, template: str, key: str, fingerprint: str, source_id: int, effective_at: datetime, legs: Iterable[AnyLeg]
    ) -> None:
        """Add one posting; legs of zero are left out, and a posting without legs is none."""
        before = len(self.amounts)
        ordinal = len(self.keys) + 1
        accounts = self.accounts
        for code, holder_id, holder, currency, amount_minor in legs:
            if amount_minor:
                self.places.append(accounts.setdefault((code, holder_id, holder, currency), len(accounts) + 1))
                self.amounts.append(amount_minor)
                self.ordinals.append(ordinal)
        if len(self.amounts) > before:
            self.firsts.append(before + 1)
            self.templates.append(template)
            self.keys.append(key)
            self.fingerprints.append(fingerprint)
            self.source_ids.append(source_id)
            self.effective.append(effective_at)

    def send(self, *, actor: Actor, at: datetime, reason: str = "") -> int:
        """Book them; return how many. Raises the ledger's refusals."""
        if not self.keys:
            return 0
        count = len(self.keys)
        codes, holder_ids, holders, currencies = zip(*self.accounts, strict=True)
        parameters: list[Any] = [
            array(self.templates),
            array([TEMPLATES[template].version for template in self.templates]),
            array(self.keys),
            array(self.fingerprints),
            array([self.source_kind] * count),
            array(self.source_ids),
            '{"' + '","'.join(map(str, self.effective)) + '"}',
            array(["NULL"] * count),
            array(self.firsts),
            str(actor),
            reason,
            at,
            array(codes),
            array(holder_ids),
            text_array(holders),
            array(currencies),
            array(self.ordinals),
            array(self.places),
            array(self.amounts),
        ]
        try:
            with connection.cursor() as cursor:
                cursor.execute(_CALL, parameters)
        except IntegrityError as error:
            raise refusal_of(error) from error
        return count
