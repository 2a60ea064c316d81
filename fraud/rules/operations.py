"""Verbs of rules: write, try in the shadow, put to a second person, go live, return, stop, retire."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Max

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.idempotency import fingerprint
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from fraud.features.catalogue import catalogue_version
from fraud.features.models import Point
from fraud.rules.cel import compile_expression
from fraud.rules.models import Effect, Rule, RuleVersion
from fraud.rules.sets import write_set
from fraud.rules.states import EVALUATED, RULE, RuleState

ACTION = "rule_version"
LOCK = 7_305_002  # of the rules as a whole: sets are written one after the other
SHADOW_HOURS_MIN, SHADOW_HOURS_MAX = 24, 24 * 90


class RuleInvalid(InputError):
    code = "rule_invalid"
    sentence = "{detail}"


class RuleNotDraft(Refusal):
    code = "rule_not_draft"
    sentence = "{rule} is {state}: what it says is fixed. Write a new version."


class ShadowTooShort(Refusal):
    code = "shadow_too_short"
    sentence = "{rule} has to stay in the shadow until {until}, to show what it would do."


class HitsTooMuch(Refusal):
    code = "rule_hits_too_much"
    sentence = "In the shadow {rule} hit {hits} of {asked} decisions ({share}); it promised {expected} at most. Narrow it, or promise more, as a new version."


class NoPrevious(Refusal):
    code = "no_previous_version"
    sentence = "{rule} has no earlier version that was live."


@dataclass(frozen=True, slots=True)
class Wording:
    """What a version says. `expected_basis_points` and `daily_ceiling` are what it promises; beyond them it is stopped."""

    expression: str
    effect: str
    score: int
    code: str
    operator_text: str
    seller_text: str
    expected_basis_points: int
    daily_ceiling: int
    review_days: int = 3
    shadow_hours: int = SHADOW_HOURS_MIN
    reserve_basis_points: int = 0
    reserve_days: int = 0


@composable
def draft_rule(*, name: str, point: str, wording: Wording, actor: Actor, at: datetime) -> RuleVersion:
    """Write a version of a rule, the first or a further one; it decides nothing yet. Refuses: RuleInvalid, ExpressionInvalid."""
    _check(name, point, wording)
    compiled = compile_expression(wording.expression)
    _lock_rules()
    rule, _ = Rule.objects.get_or_create(name=name, defaults={"point": point, "owner": str(actor), "created_at": at})
    if rule.point != point:
        raise RuleInvalid(detail=f"The rule {name} stands at “{rule.get_point_display()}”; give the other one another name.")

    number = (rule.versions.aggregate(last=Max("number"))["last"] or 0) + 1
    version = RuleVersion(
        rule=rule, number=number, features=sorted(compiled.names), catalogue_version=catalogue_version(), made_by=str(actor), made_at=at,
        changed_at=at, **asdict(wording),
    )  # fmt: skip
    version.content_hash = content_hash(version)
    version.save()
    born(RULE, version, actor=actor, at=at)
    audit.record(actor, "rule.draft", version.public_id, at, facts=shown(version))
    return version


@composable
def change_draft(*, version_id: int, wording: Wording, actor: Actor, at: datetime) -> RuleVersion:
    """Change what a draft says. Refuses: NotFound, RuleNotDraft, RuleInvalid, ExpressionInvalid."""
    version = _locked(version_id)
    if version.state != RuleState.DRAFT:
        raise RuleNotDraft(rule=version, state=version.get_state_display())
    _check(version.rule.name, version.rule.point, wording)
    compiled = compile_expression(wording.expression)
    for name, value in asdict(wording).items():
        setattr(version, name, value)
    # who changed it last made it: a second person is somebody else
    version.features, version.made_by, version.made_at, version.changed_at = sorted(compiled.names), str(actor), at, at
    version.catalogue_version = catalogue_version()
    version.content_hash = content_hash(version)
    version.save()
    audit.record(actor, "rule.change", version.public_id, at, facts=shown(version))
    return version


def _check(name: str, point: str, wording: Wording) -> None:
    problems = {
        "A rule's name is lower-case letters, digits and hyphens, 3 to 60 of them.": not re.fullmatch(
            r"[a-z][a-z0-9-]{2,59}", name
        ),
        f"A decision point is one of: {', '.join(Point.values)}.": point not in Point.values,
        f"An effect is one of: {', '.join(Effect.values)}.": wording.effect not in Effect.values,
        "The score lies between 0 and 1000.": not 0 <= wording.score <= 1000,
        "A rule that only scores has a score above 0, or asks for a reserve.": wording.effect == Effect.SCORE
        and wording.score == 0
        and wording.reserve_basis_points == 0,
        "A reserve keeps more than 0 and at most 100 % of what the seller earns, each for 1 to 180 days.": (
            (wording.reserve_basis_points, wording.reserve_days) != (0, 0)
            and not (0 < wording.reserve_basis_points <= 10_000 and 0 < wording.reserve_days <= 180)
        ),
        "The reason code is lower-case letters, digits and underscores, 3 to 40 of them.": not re.fullmatch(
            r"[a-z][a-z0-9_]{2,39}", wording.code
        ),
        "Say what the operator reads when it hits.": not wording.operator_text.strip(),
        "Say what the seller reads when it hits; nothing that teaches how to get round it.": not wording.seller_text.strip(),
        "Texts have at most 1000 characters.": max(len(wording.operator_text), len(wording.seller_text)) > 1000,
        "The expected share lies between 1 and 10000 basis points.": not 1 <= wording.expected_basis_points <= 10_000,
        "The daily ceiling lies between 1 and 1000000 hits.": not 1 <= wording.daily_ceiling <= 1_000_000,
        "A hold is looked at within 1 to 30 days.": not 1 <= wording.review_days <= 30,
        f"The shadow lasts {SHADOW_HOURS_MIN} to {SHADOW_HOURS_MAX} hours.": not SHADOW_HOURS_MIN
        <= wording.shadow_hours
        <= SHADOW_HOURS_MAX,
    }
    for sentence, wrong in problems.items():
        if wrong:
            raise RuleInvalid(detail=sentence)


def shown(version: RuleVersion) -> dict[str, Any]:
    """Return what a second person agrees to. Without a reserve it reads as it did before rules could ask for one: what waits stays approvable."""
    says = {"rule": version.rule.name, "point": version.rule.point, "version": version.number}
    left_out = () if version.reserve_basis_points else ("reserve_basis_points", "reserve_days")
    return says | {name: getattr(version, name) for name in Wording.__slots__ if name not in left_out}


def content_hash(version: RuleVersion) -> str:
    return fingerprint([version.public_id, shown(version)])


def _lock_rules() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def _locked(version_id: int) -> RuleVersion:
    _lock_rules()
    version = RuleVersion.objects.select_for_update(of=("self",)).select_related("rule").filter(pk=version_id).first()
    if version is None:
        raise NotFound(what="rule version", ref=version_id)
    return version


def _move(version: RuleVersion, to: RuleState, actor: Actor, at: datetime, reason: str = "", code: str = "") -> None:
    """Move a version and, where that changes what is asked, write the next set. Tells `rule.<state>`."""
    before = version.state
    transition(RULE, version, to, actor=actor, at=at, reason=reason, code=code)
    RuleVersion.objects.filter(pk=version.pk).update(changed_at=at)
    asked_before = before in EVALUATED, before == RuleState.LIVE
    if asked_before != (to in EVALUATED, to == RuleState.LIVE):
        write_set(actor=actor, at=at, why=f"{version} is {to}")
    audit.record(actor, f"rule.{to}", version.public_id, at, reason=reason)
    tell(f"rule.{to}", subject=version.public_id, payload={"rule": version.rule.name, "version": version.number}, at=at)


@composable
def start_shadow(*, version_id: int, actor: Actor, at: datetime) -> RuleVersion:
    """Let a draft be asked with every decision without counting. Refuses: NotFound, MoveNotAllowed."""
    version = _locked(version_id)
    version.shadow_at = at
    version.save(update_fields=["shadow_at"])
    _move(version, RuleState.SHADOW, actor, at)
    return version


@composable
def ask_for_approval(*, version_id: int, tried: dict[str, int], actor: Actor, at: datetime, reason: str = "") -> RuleVersion:
    """Put a version that was long enough in the shadow to a second person. `tried` says how often it was asked and hit there.

    Refuses: NotFound, MoveNotAllowed, ShadowTooShort, HitsTooMuch.
    """
    version = _locked(version_id)
    if not RULE.allows(version.state, RuleState.WAITING):
        _move(version, RuleState.WAITING, actor, at)  # refuses, in the words of states
    until = (version.shadow_at or at) + timedelta(hours=version.shadow_hours)
    if at < until:
        raise ShadowTooShort(rule=version, until=f"{until:%Y-%m-%d %H:%M} UTC")
    asked, hits = tried.get("asked", 0), tried.get("hits", 0)
    if hits * 10_000 > version.expected_basis_points * max(asked, 1):
        raise HitsTooMuch(
            rule=version,
            hits=hits,
            asked=asked,
            share=f"{hits / max(asked, 1):.1%}",
            expected=f"{version.expected_basis_points / 100:g} %",
        )
    approvals.request_approval(
        action=ACTION, subject=version.public_id, content_hash=content_hash(version), shown=shown(version) | tried, maker=Actor.parse(version.made_by),
        at=at, barred={} if str(actor) == version.made_by else {str(actor): "you put it to approval"},
    )  # fmt: skip
    _move(version, RuleState.WAITING, actor, at, reason)
    return version


@composable
def approve_rule(*, version_id: int, actor: Actor, at: datetime, reason: str = "") -> RuleVersion:
    """Approve exactly what a version says, as another person than its maker. Refuses: NotFound, MoveNotAllowed, and what approvals refuse."""
    version = _locked(version_id)
    if not RULE.allows(version.state, RuleState.APPROVED):
        _move(version, RuleState.APPROVED, actor, at)
    exact: Any = {"action": ACTION, "subject": version.public_id, "content_hash": content_hash(version), "at": at}
    approvals.approve(checker=actor, reason=reason, **exact)
    approvals.use_approval(**exact)
    version.approved_by = str(actor)
    version.save(update_fields=["approved_by"])
    _move(version, RuleState.APPROVED, actor, at, reason)
    return version


@composable
def refuse_rule(*, version_id: int, actor: Actor, at: datetime, reason: str) -> RuleVersion:
    """Send a version that waits back into the shadow. Refuses: NotFound, MoveNotAllowed."""
    version = _locked(version_id)
    if version.state != RuleState.WAITING:
        _move(version, RuleState.SHADOW, actor, at, reason)
    approvals.refuse(action=ACTION, subject=version.public_id, checker=actor, at=at, reason=reason)
    _move(version, RuleState.SHADOW, actor, at, reason)
    return version


@composable
def go_live(*, version_id: int, actor: Actor, at: datetime, reason: str = "") -> RuleVersion:
    """Let an approved version decide; the one that was live is kept, to return to. Refuses: NotFound, MoveNotAllowed."""
    version = _locked(version_id)
    if not RULE.allows(version.state, RuleState.LIVE):
        _move(version, RuleState.LIVE, actor, at)
    _swap(version, actor, at, reason)
    return version


def _swap(version: RuleVersion, actor: Actor, at: datetime, reason: str, leaves_as: RuleState = RuleState.REPLACED) -> None:
    now = (
        RuleVersion.objects.select_for_update(of=("self",))
        .select_related("rule")
        .filter(rule=version.rule, state=RuleState.LIVE)
        .first()
    )
    if now is not None:
        transition(RULE, now, leaves_as, actor=actor, at=at, code=f"version_{version.number}", reason=reason)
        RuleVersion.objects.filter(pk=now.pk).update(changed_at=at)
    version.live_at = at
    version.save(update_fields=["live_at"])
    _move(version, RuleState.LIVE, actor, at, reason)


@composable
def return_to_previous(*, version_id: int, actor: Actor, at: datetime, reason: str) -> RuleVersion:
    """Retire a live version and let the one before it decide again, at once: that one was approved. Refuses: NotFound, NoPrevious, MoveNotAllowed."""
    version = _locked(version_id)
    if version.state != RuleState.LIVE:
        _move(version, RuleState.REPLACED, actor, at)
    before = (
        RuleVersion.objects.select_for_update(of=("self",)).select_related("rule")
        .filter(rule=version.rule, state=RuleState.REPLACED, number__lt=version.number).order_by("-live_at").first()
    )  # fmt: skip
    if before is None:
        raise NoPrevious(rule=version)
    _swap(before, actor, at, reason, leaves_as=RuleState.RETIRED)
    return before


@composable
def stop_rule(*, version_id: int, actor: Actor, at: datetime, reason: str) -> RuleVersion:
    """Take a version out of all decisions because it does more than it promised; somebody looks. Refuses: NotFound, MoveNotAllowed."""
    version = _locked(version_id)
    version.stopped_because = reason
    version.save(update_fields=["stopped_because"])
    _move(version, RuleState.STOPPED, actor, at, reason)
    return version


@composable
def retire_rule(*, version_id: int, actor: Actor, at: datetime, reason: str) -> RuleVersion:
    """End a version for good. Refuses: NotFound, MoveNotAllowed."""
    version = _locked(version_id)
    if version.state == RuleState.WAITING:
        approvals.refuse(action=ACTION, subject=version.public_id, checker=actor, at=at, reason=reason)
    _move(version, RuleState.RETIRED, actor, at, reason)
    return version
