"""Rotation of the field keys: every sealed value is sealed again with the first key of FIELD_KEYS.

Batches are commits of their own, so that a killed rotation has lost nothing and goes on when started again; values sealed by a process
that still runs with the old key are found by the next run. A key whose id no row names any more can be taken out of FIELD_KEYS.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction

from backoffice.kit.actors import Actor
from backoffice.kit.crypto import CannotUnseal, SealedField, current_key_id, seal, unseal
from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.transactions import durable
from backoffice.staff import audit

BATCH_ROWS = 500
FAILURES_SHOWN = 100
declare("rotation_between_batches")


@dataclass
class Rotation:
    """What a rotation did: values sealed anew and values that would not open, by `table.column`; keys the rows still name."""

    key_id: str
    rotated: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    failed_rows: list[str] = field(default_factory=list)
    keys_in_use: dict[str, int] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        return set(self.keys_in_use) <= {self.key_id}


@durable
def rotate_field_keys(*, actor: Actor, at: datetime, batch_rows: int = BATCH_ROWS) -> Rotation:
    """Seal every value again that another key than the current one sealed; count what remains."""
    rotation = Rotation(current_key_id())
    for model, columns in sealed_columns():
        last = 0
        while (last := _rotate_batch(model, columns, last, batch_rows, rotation)) != 0:
            failpoint("rotation_between_batches")
    rotation.keys_in_use = keys_in_use()
    audit.record(
        actor,
        "field_keys.rotate",
        f"key:{rotation.key_id}",
        at,
        facts={"rotated": rotation.rotated, "failed": rotation.failed, "keys_in_use": rotation.keys_in_use},
    )
    return rotation


def sealed_columns() -> Iterator[tuple[type[models.Model], list[SealedField]]]:
    """Yield every model with sealed fields."""
    for model in apps.get_models():
        columns = [one for one in model._meta.local_concrete_fields if isinstance(one, SealedField)]
        if columns:
            yield model, columns


def keys_in_use() -> dict[str, int]:
    """Return how many values each key id has sealed."""
    found: dict[str, int] = {}
    with connection.cursor() as cursor:
        for model, columns in sealed_columns():
            for column in columns:
                cursor.execute(
                    f"SELECT split_part({column.column}, ':', 1), count(*) FROM {model._meta.db_table}"  # noqa: S608 - names from models
                    f" WHERE {column.column} <> '' GROUP BY 1"
                )
                for key_id, count in cursor.fetchall():
                    found[key_id] = found.get(key_id, 0) + count
    return found


@transaction.atomic
def _rotate_batch(model: type[models.Model], columns: list[SealedField], after: int, batch_rows: int, rotation: Rotation) -> int:
    """Rotate the next rows with an old key, locked in id order; return the last id, 0 when there are none."""
    table = model._meta.db_table
    names = [str(column.column) for column in columns]
    old = " OR ".join(f"({name} <> '' AND split_part({name}, ':', 1) <> %(key)s)" for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT id, public_id, {", ".join(names)} FROM {table}
                 WHERE id > %(after)s AND ({old}) ORDER BY id LIMIT %(limit)s FOR NO KEY UPDATE""",  # noqa: S608 - names from models
            {"key": rotation.key_id, "after": after, "limit": batch_rows},
        )
        rows = cursor.fetchall()
        for row in rows:
            values = _reseal(table, row[1], dict(zip(names, row[2:], strict=True)), rotation)
            if values:
                sets = ", ".join(f"{name} = %({name})s" for name in values)
                cursor.execute(f"UPDATE {table} SET {sets} WHERE id = %(id)s", values | {"id": row[0]})  # noqa: S608 - names of tables and columns come from code
    return int(rows[-1][0]) if rows else 0


def _reseal(table: str, public_id: str, values: dict[str, str], rotation: Rotation) -> dict[str, Any]:
    fresh = {}
    for name, sealed in values.items():
        if not sealed or sealed.partition(":")[0] == rotation.key_id:
            continue
        bound_to = f"{table}:{public_id}:{name}"
        try:
            fresh[name] = seal(unseal(sealed, bound_to), bound_to)
        except (CannotUnseal, ValueError):
            _count(rotation.failed, f"{table}.{name}")
            if len(rotation.failed_rows) < FAILURES_SHOWN:
                rotation.failed_rows.append(f"{public_id} {name}")
        else:
            _count(rotation.rotated, f"{table}.{name}")
    return fresh


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1
