"""Questions about lists: what is said of a set of values, at one version."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, Q

from fraud.lists.models import ListedValue, ListsVersion
from fraud.lists.states import ListedState

STRENGTH = {"blocked": 3, "allowed": 2, "watched": 1}


@dataclass(frozen=True, slots=True)
class Condition:
    """That one value of the asked is listed."""

    id: str
    list: str
    kind: str
    absolute: bool
    reason: str

    def as_json(self) -> dict[str, object]:
        return {"id": self.id, "list": self.list, "kind": self.kind, "absolute": self.absolute, "reason": self.reason}


def lists_version() -> int:
    """Return the version the lists have now; the caller holds them still."""
    return int(ListsVersion.objects.aggregate(last=Max("pk"))["last"] or 0)


def conditions(indexes: Mapping[str, Collection[str]], at: datetime) -> list[Condition]:
    """Return what is in force of {kind: blind indexes}, in one statement, in a steady order."""
    if not indexes:
        return []
    wanted = Q(pk__in=[])
    for kind, found in indexes.items():
        wanted |= Q(kind=kind, value_index__in=list(found))
    rows = ListedValue.objects.filter(wanted, state=ListedState.ACTIVE).filter(Q(expires_at__isnull=True) | Q(expires_at__gt=at))
    return [Condition(row.public_id, row.list, row.kind, row.absolute, row.reason) for row in rows.order_by("pk")]


def said_of(kinds: Iterable[str], found: list[Condition]) -> dict[str, str]:
    """Return {kind: strongest list or ''} for the kinds that were asked about."""
    said = dict.fromkeys(kinds, "")
    for one in found:
        if STRENGTH[one.list] > STRENGTH.get(said[one.kind], 0):
            said[one.kind] = one.list
    return said


def anything_active() -> bool:
    return ListedValue.objects.filter(state=ListedState.ACTIVE).exists()
