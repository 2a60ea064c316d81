"""What the schedule runs: stop rules that do more than they promised, make a sample of decisions again."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Q

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.outbox import tell
from fraud.decisions.models import Decision, Replay, RuleHit
from fraud.decisions.operations import replay
from fraud.rules.models import RuleVersion
from fraud.rules.operations import stop_rule
from fraud.rules.states import EVALUATED

logger = logging.getLogger(__name__)
# Below so few decisions a share says nothing.
ASKED_LEAST = 50
WATCH_HOURS = 24
SAMPLE = 500
DIFFERING_SHOWN = 20


def tried(version: RuleVersion, *, since: datetime, until: datetime) -> dict[str, int]:
    """Return how often a version was asked, hit and could not be answered between two instants."""
    counted = RuleHit.objects.filter(version=version, at__gt=since, at__lte=until).aggregate(
        hits=Count("pk", filter=Q(is_hit=True)), unknown=Count("pk", filter=Q(is_hit=False))
    )
    asked = Decision.objects.filter(point=version.rule.point, decided_at__gt=since, decided_at__lte=until).count()
    return {"asked": asked, "hits": counted["hits"], "unknown": counted["unknown"]}


def watch_rules(*, actor: Actor, at: datetime) -> list[str]:
    """Stop every version that hit more than it promised in the last 24 hours, or more than its daily ceiling; returns which."""
    stopped = []
    for version in RuleVersion.objects.select_related("rule").filter(state__in=EVALUATED).order_by("pk"):
        begun = max(filter(None, [version.live_at, version.shadow_at]), default=at)
        found = tried(version, since=max(begun, at - timedelta(hours=WATCH_HOURS)), until=at)
        why = too_much(version, found)
        if why and version.state in ("live", "shadow"):
            try:
                stop_rule(version_id=version.pk, actor=actor, at=at, reason=why)
            except Refusal:
                continue  # somebody moved it meanwhile
            stopped.append(version.public_id)
    return stopped


def too_much(version: RuleVersion, found: dict[str, int]) -> str:
    """Return why a version did more than it promised, '' when it did not."""
    hits, asked = found["hits"], found["asked"]
    if hits > version.daily_ceiling:
        return f"It hit {hits} times in {WATCH_HOURS} hours; its ceiling is {version.daily_ceiling}."
    if asked >= ASKED_LEAST and hits * 10_000 > version.expected_basis_points * asked:
        return f"It hit {hits} of {asked} decisions ({hits / asked:.1%}); it promised {version.expected_basis_points / 100:g} % at most."
    return ""


def replay_decisions(*, at: datetime, sample: int = SAMPLE, since: datetime | None = None) -> Replay:
    """Make a sample of decisions again, spread over the last ones, and keep how many agreed. Tells `decisions.differ` when one does not."""
    rows = Decision.objects.filter(decided_at__lte=at)
    rows = rows.filter(decided_at__gt=since) if since else rows
    newest = rows.order_by("-pk").values_list("pk", flat=True).first() or 0
    oldest = rows.order_by("pk").values_list("pk", flat=True).first() or 0
    step = max(1, (newest - oldest + 1) // sample)
    chosen = rows.filter(pk__in=range(newest, max(oldest - 1, newest - step * sample), -step)).order_by("pk")
    differing: list[dict[str, Any]] = []
    sampled = 0
    for decision in chosen.iterator(chunk_size=200):
        sampled += 1
        if difference := _differs(decision):
            differing.append({"decision": decision.public_id, "difference": difference})
    with transaction.atomic():
        kept = Replay.objects.create(
            at=at, sampled=sampled, agreed=sampled - len(differing), differing=differing[:DIFFERING_SHOWN]
        )
        if differing:
            tell(
                "decisions.differ",
                subject=differing[0]["decision"],
                payload={"sampled": sampled, "differing": len(differing)},
                at=at,
            )
    return kept


def _differs(decision: Decision) -> dict[str, Any]:
    try:
        return replay(decision)
    except Refusal as refusal:
        return {"error": {"was": "", "again": str(refusal)}}
