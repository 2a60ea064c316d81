"""Rate sellers by the scorecard, keep every rating with its points, and let what follows follow; overrule it with two people and an end.

A stricter tier takes effect at once; a milder one is staff's decision at the next review, since it frees money sooner.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.approvals import Approval
from backoffice.kit.errors import InputError
from backoffice.kit.money import exponent_of
from backoffice.kit.outbox import tell
from backoffice.kit.transactions import composable, durable
from backoffice.staff import audit
from payouts.compliance.deciding import start_review
from payouts.compliance.models import Requirement, RiskRating, Stake
from payouts.compliance.opening import VOUCHED
from payouts.compliance.scorecard import Level, RiskFacts, Scorecard, scorecard
from payouts.compliance.sockets import volumes
from payouts.sellers.models import Seller, Tier
from payouts.sellers.operations import ReasonMissing, update_seller
from payouts.sellers.queries import lock_seller, lock_sellers
from payouts.sellers.states import SellerStatus

OVERRIDE = "seller.risk_override"
OVERRIDE_DAYS_MAX = 366
_CHUNK = 500


class OverrideInvalid(InputError):
    code = "override_invalid"
    sentence = "An override ends on a day after today and within a year."


def facts_of(sellers: Sequence[Seller], at: datetime) -> dict[int, RiskFacts]:
    """Return what is known of each seller now, in a few queries for all."""
    ids = [seller.pk for seller in sellers]
    since = at - timedelta(days=365)
    sold, back = volumes.of(ids, since, at), volumes.refunds(ids, since, at)
    vouched = set(Requirement.objects.filter(seller_id__in=ids, code=VOUCHED).values_list("seller_id", flat=True))
    companies = Counter(
        Stake.objects.filter(seller_id__in=ids, company__isnull=False)
        .values_list("seller_id", "company_id")
        .distinct()
        .values_list("seller_id", flat=True)
    )
    found = {}
    for seller in sellers:
        gross = sold.get(seller.pk, (0, 0))[1]
        found[seller.pk] = RiskFacts(
            entity_type=seller.entity_type,
            country=seller.country,
            layers=companies[seller.pk],
            channel="vouched" if seller.pk in vouched else "api" if seller.partner_id else "staff",
            age_days=(at - seller.created_at).days,
            volume=gross // 10 ** exponent_of(seller.currency),
            refunds_basis_points=back.get(seller.pk, 0) * 10_000 // gross if gross else 0,
        )
    return found


def distribution(*, at: datetime, card: Scorecard | None = None) -> dict[str, Any]:
    """Tell what a scorecard would make of every seller, beside what they are now; writes nothing."""
    card = card or scorecard()
    levels: Counter[str] = Counter()
    moves: Counter[str] = Counter()
    now = dict(RiskRating.objects.filter(is_current=True).values_list("seller_id", "level"))
    for sellers in _chunks():
        for seller_id, facts in facts_of(sellers, at).items():
            level = card.level_of(sum(card.points(facts).values())).code
            levels[level] += 1
            before = now.get(seller_id, "unrated")
            if before != level:
                moves[f"{before} to {level}"] += 1
    return {"version": card.version, "sellers": levels.total(), "levels": dict(levels), "moves": dict(moves)}


def _chunks() -> Any:
    ids = list(Seller.objects.exclude(status=SellerStatus.CLOSED).order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), _CHUNK):
        yield list(Seller.objects.filter(pk__in=ids[start : start + _CHUNK]).order_by("pk"))


@durable
def rate_sellers(*, actor: Actor, at: datetime) -> dict[str, Any]:
    """Rate every seller that is not closed, end overrides whose day has come, and start the reviews that are due. Answers the counts."""
    rated: Counter[str] = Counter()
    for sellers in _chunks():
        rated.update(_rate([seller.pk for seller in sellers], actor, at))
    due = RiskRating.objects.filter(is_current=True, next_review_on__lte=at.date()).order_by("seller_id")
    reviews = 0
    for seller_id in list(due.values_list("seller_id", flat=True)):
        reviews += _review(seller_id, actor, at)
    return {"version": scorecard().version, "levels": dict(rated), "reviews": reviews}


@composable
def _rate(seller_ids: Sequence[int], actor: Actor, at: datetime) -> Counter[str]:
    card, counts = scorecard(), Counter[str]()
    sellers = lock_sellers(seller_ids)
    current = {one.seller_id: one for one in RiskRating.objects.filter(seller__in=sellers, is_current=True)}
    known = facts_of(sellers, at)
    for seller in sellers:
        counts[_rate_one(seller, known[seller.pk], current.get(seller.pk), card, actor, at)] += 1
    return counts


def _rate_one(seller: Seller, facts: RiskFacts, old: RiskRating | None, card: Scorecard, actor: Actor, at: datetime) -> str:
    if old is not None and old.override_until is not None and old.override_until > at.date():
        return old.level  # two people said so, until that day
    points = card.points(facts)
    level = card.level_of(sum(points.values()))
    if old is None or (old.level, old.version, old.points) != (level.code, card.version, points):
        _keep(seller, level, points, card.version, old, actor, at, "by the scorecard")
    return level.code


def _keep(
    seller: Seller,
    level: Level,
    points: dict[str, int],
    version: str,
    old: RiskRating | None,
    actor: Actor,
    at: datetime,
    reason: str,
    until: date | None = None,
) -> RiskRating:
    """Make a rating the current one and let what follows follow. Tells `seller.risk_rated` when the level changes."""
    RiskRating.objects.filter(seller=seller, is_current=True).update(is_current=False)
    due = at.date() + timedelta(days=30 * level.review_months)
    rating = RiskRating.objects.create(
        seller=seller, version=version, score=sum(points.values()), level=level.code, points=points, override_until=until, reason=reason,
        next_review_on=min(due, old.next_review_on) if old else due, rated_by=str(actor), rated_at=at,
    )  # fmt: skip
    if old is None or old.level != level.code:
        _tighten(seller, level, actor, at)
        told = {"seller": seller.public_id, "level": level.code, "reserve_basis_points": level.reserve_basis_points}
        told |= {"reserve_days": level.reserve_days, "before": old.level if old else ""}
        tell("seller.risk_rated", subject=seller.public_id, payload=told, at=at, partner_id=None)
    return rating


def _tighten(seller: Seller, level: Level, actor: Actor, at: datetime) -> None:
    wanted = Tier.objects.filter(code=level.tier).first() if level.tier else None
    if wanted is not None and wanted.delay_days > seller.tier.delay_days and seller.status != SellerStatus.CLOSED:
        update_seller(seller_id=seller.pk, changes={"tier": wanted.code}, actor=actor, at=at)


@composable
def _review(seller_id: int, actor: Actor, at: datetime) -> int:
    seller = lock_seller(seller_id)
    rating = RiskRating.objects.filter(seller=seller, is_current=True).first()
    if rating is None or rating.next_review_on > at.date():
        return 0
    rating.next_review_on = at.date() + timedelta(days=30 * scorecard().level(rating.level).review_months)
    rating.save(update_fields=["next_review_on"])
    start_review(seller_id=seller.pk, actor=actor, at=at, reason=f"due by its risk: {rating.level}")
    return 1


# --- overrides: two people, and an end -------------------------------------------------------------------------------------


@composable
def ask_override(*, seller_id: int, level: str, until: date, actor: Actor, at: datetime, reason: str) -> Approval:
    """Ask a second person to set a seller's risk level until a day. Refuses: NotFound, ReasonMissing, OverrideInvalid, ScorecardWrong."""
    seller = lock_seller(seller_id)
    if not reason.strip():
        raise ReasonMissing()
    if not at.date() < until <= at.date() + timedelta(days=OVERRIDE_DAYS_MAX):
        raise OverrideInvalid()
    wanted = scorecard().level(level)
    shown = {"seller": seller.public_id, "level": wanted.code, "until": until.isoformat(), "reason": reason}
    audit.record(actor, f"{OVERRIDE}.ask", seller.public_id, at, reason=reason, facts={"level": level, "until": shown["until"]})
    return approvals.request_approval(
        action=OVERRIDE, subject=seller.public_id, content_hash=_hash(shown), shown=shown, maker=actor, at=at
    )


@composable
def approve_override(*, seller_id: int, actor: Actor, at: datetime, reason: str = "") -> RiskRating:
    """Set the risk level another person asked for. Tells `seller.risk_rated`. Refuses: what `approvals.approve` refuses."""
    seller = lock_seller(seller_id)
    asked = Approval.objects.filter(action=OVERRIDE, subject=seller.public_id).order_by("-pk").first()
    shown = asked.shown if asked else {}
    approvals.approve(action=OVERRIDE, subject=seller.public_id, content_hash=_hash(shown), checker=actor, at=at, reason=reason)
    approvals.use_approval(action=OVERRIDE, subject=seller.public_id, content_hash=_hash(shown), at=at)
    card = scorecard()
    old = RiskRating.objects.filter(seller=seller, is_current=True).first()
    points = card.points(facts_of([seller], at)[seller.pk])
    until = date.fromisoformat(shown["until"])
    audit.record(actor, OVERRIDE, seller.public_id, at, reason=shown["reason"], facts={"level": shown["level"]})
    return _keep(seller, card.level(shown["level"]), points, card.version, old, actor, at, shown["reason"], until)


@composable
def refuse_override(*, seller_id: int, actor: Actor, at: datetime, reason: str) -> Approval:
    """Refuse a risk level that was asked for, or take the asking back. Refuses: NotFound, ReasonMissing, ApprovalMissing, ApprovalNotOpen."""
    seller = lock_seller(seller_id)
    if not reason.strip():
        raise ReasonMissing()
    audit.record(actor, f"{OVERRIDE}.refuse", seller.public_id, at, reason=reason)
    return approvals.refuse(action=OVERRIDE, subject=seller.public_id, checker=actor, at=at, reason=reason)


def _hash(shown: dict[str, Any]) -> str:
    return hashlib.sha256(repr(sorted(shown.items())).encode()).hexdigest()
