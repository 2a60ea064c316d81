"""Sets of versions that decide together: written at each change, compiled once per set and process."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from backoffice.kit.actors import Actor
from fraud.rules.cel import Compiled, compile_expression
from fraud.rules.models import RuleSet, RuleVersion
from fraud.rules.policy import policy_version
from fraud.rules.states import EVALUATED, RuleState


@dataclass(frozen=True)
class Member:
    """One version as it is asked: `counted` when live, else only written down."""

    version_id: int
    public_id: str
    name: str
    number: int
    effect: str
    score: int
    code: str
    operator_text: str
    seller_text: str
    review_days: int
    counted: bool
    compiled: Compiled
    reserve_basis_points: int = 0
    reserve_days: int = 0


@dataclass(frozen=True)
class PointSet:
    """What is asked at one decision point, and the features that takes."""

    members: tuple[Member, ...]
    names: frozenset[str]

    @property
    def counted(self) -> bool:
        return any(member.counted for member in self.members)


@dataclass(frozen=True)
class CompiledSet:
    id: int
    points: Mapping[str, PointSet]

    def at(self, point: str) -> PointSet:
        return self.points.get(point, PointSet((), frozenset()))


def current_set_id() -> int:
    """Return the newest set's id; 0 before the first rule."""
    return RuleSet.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


@functools.lru_cache(maxsize=64)
def load_set(set_id: int) -> CompiledSet:
    """Return a set ready to be asked. Sets and what is evaluated never change, so what was compiled stays."""
    said = RuleSet.objects.filter(pk=set_id).values_list("members", flat=True).first() or []
    modes = {entry["version"]: bool(entry["counted"]) for entry in said}
    rows = RuleVersion.objects.select_related("rule").filter(pk__in=modes).order_by("pk")
    points: dict[str, list[Member]] = {}
    for row in rows:
        points.setdefault(row.rule.point, []).append(_member(row, modes[row.pk]))
    return CompiledSet(
        set_id,
        {
            point: PointSet(tuple(members), frozenset().union(*(member.compiled.names for member in members)))
            for point, members in points.items()
        },
    )


def _member(row: RuleVersion, counted: bool) -> Member:
    return Member(
        row.pk, row.public_id, row.rule.name, row.number, row.effect, row.score, row.code, row.operator_text, row.seller_text,
        row.review_days, counted, compile_expression(row.expression), row.reserve_basis_points, row.reserve_days,
    )  # fmt: skip


def write_set(*, actor: Actor, at: datetime, why: str) -> RuleSet:
    """Write which versions are asked from now on; the caller holds the rules still."""
    rows = RuleVersion.objects.filter(state__in=EVALUATED).order_by("pk").values_list("pk", "state", "rule__point")
    members = [{"version": pk, "point": point, "counted": state == RuleState.LIVE} for pk, state, point in rows]
    return RuleSet.objects.create(members=members, policy_version=policy_version(), made_at=at, actor=str(actor), why=why[:200])
