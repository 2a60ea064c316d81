"""Verbs of decisions in a case: decide, approve as another person, refuse; with the seller told in words somebody chose."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.gates import Objection
from backoffice.kit.idempotency import fingerprint, recall
from backoffice.kit.money import Money
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from fraud.cases.effects import Wish, carry_out, freed_by, stands_still, weigh
from fraud.cases.models import Case, CaseDecision, Kind
from fraud.cases.policy import CasePolicy, case_policy
from fraud.cases.states import CASE_DECISION, LIVE, CaseDecisionState
from fraud.cases.taking import ReasonMissing
from fraud.cases.working import held_case, lock_case
from fraud.decisions.models import DecisionReview, RiskReserve
from payouts.sellers.models import Seller

ACTION = "case_decision"
# What touches the seller says so in words the seller reads.
TELLS_SELLER = (Kind.HOLD, Kind.PAUSE, Kind.RESERVE, Kind.BLOCK, Kind.CLOSE_SELLER)


class SellerTextMissing(InputError):
    code = "seller_text_missing"
    sentence = "Say what the seller reads: they learn that something was done, and never from our reasons."


class DecisionWaits(Refusal):
    code = "case_decision_waits"
    sentence = "The same is waiting for a second person already."


class CaseDecisionNotWaiting(Refusal):
    code = "case_decision_not_waiting"
    sentence = "This decision is {state}; only one that waits can be approved or refused."


class AmountMovedOn(Refusal):
    code = "case_amount_moved_on"
    sentence = "It was about {was} when it was asked for, and is about {now} now. Refuse it, and decide anew."


@composable
def decide_case(*, case_id: int, wish: Wish, reason: str, actor: Actor, at: datetime, key: str) -> CaseDecision:
    """Decide something in a case one works on; carried out at once, or by a second person where the policy asks for one.

    Tells `case.decision_asked`, or `case.decided` with the seller's text. Refuses: as held_case and weigh, ReasonMissing, SellerTextMissing,
    DecisionWaits, and as the verb that is called.
    """
    case = held_case(case_id, actor, at, with_seller=True)
    content = [case_id, wish.kind, wish.target, wish.amount_minor, wish.currency, wish.seller_text, wish.terms, reason]
    earlier = recall(scope="case_decision", key=key, content=content)
    if earlier.outcome is not None:
        return CaseDecision.objects.get(pk=earlier.outcome)

    if not reason.strip():
        raise ReasonMissing()
    if wish.kind in TELLS_SELLER and not wish.seller_text.strip():
        raise SellerTextMissing()
    amount_minor, currency = weigh(case, wish)
    policy = case_policy()
    takes_two = policy.takes_two(wish.kind, amount_minor, currency)
    if (
        takes_two
        and CaseDecision.objects.filter(case=case, kind=wish.kind, target=wish.target, state=CaseDecisionState.WAITING).exists()
    ):
        raise DecisionWaits()

    decision = _write(case, wish, amount_minor, currency, policy, takes_two, reason, actor, at)
    if takes_two:
        _ask(decision, actor, at)
    else:
        _do(case, decision, actor, at)
    earlier.keep(decision.pk)
    return decision


def _write(
    case: Case,
    wish: Wish,
    amount_minor: int,
    currency: str,
    policy: CasePolicy,
    takes_two: bool,
    reason: str,
    actor: Actor,
    at: datetime,
) -> CaseDecision:
    decision = CaseDecision(
        case=case, kind=wish.kind, target=wish.target, amount_minor=amount_minor, currency=currency, terms=wish.terms, reason=reason.strip(),
        seller_text=wish.seller_text.strip(), state=CaseDecisionState.WAITING if takes_two else CaseDecisionState.APPROVED, takes_two=takes_two,
        policy_number=policy.number, made_by=str(actor), made_at=at,
    )  # fmt: skip
    decision.content_hash = content_hash(decision)
    decision.save(force_insert=True)
    born(CASE_DECISION, decision, actor=actor, at=at, reason=decision.reason)
    audit.record(actor, f"case.decide_{decision.kind}", case.public_id, at, decision.reason, shown(decision))
    return decision


def shown(decision: CaseDecision) -> dict[str, Any]:
    """Return what a second person agrees to."""
    money = {"amount_minor": decision.amount_minor, "currency": decision.currency}
    return {"decision": decision.public_id, "kind": decision.kind, "target": decision.target, "terms": decision.terms} | money


def content_hash(decision: CaseDecision) -> str:
    return fingerprint([shown(decision), decision.case_id, decision.reason, decision.seller_text])


def _ask(decision: CaseDecision, actor: Actor, at: datetime) -> None:
    approvals.request_approval(
        action=ACTION, subject=decision.public_id, content_hash=decision.content_hash, shown=shown(decision) | {"reason": decision.reason},
        maker=actor, at=at,
    )  # fmt: skip
    tell("case.decision_asked", subject=decision.case.public_id, payload=shown(decision), at=at)


def _do(case: Case, decision: CaseDecision, actor: Actor, at: datetime) -> None:
    decision.made, decision.done_at = carry_out(case, decision, actor, at), at
    decision.save(update_fields=["made", "done_at"])
    transition(CASE_DECISION, decision, CaseDecisionState.DONE, actor=actor, at=at)
    told = {
        "kind": decision.kind,
        "amount_minor": decision.amount_minor,
        "currency": decision.currency,
        "text": decision.seller_text,
    }
    told |= {"seller": case.seller.public_id if case.seller else None}
    # the marketplace passes the text on to its seller; without one there is nothing to pass on
    partner_id = case.seller.partner_id if case.seller and decision.seller_text else None
    tell("case.decided", subject=case.public_id, payload=told, at=at, partner_id=partner_id)


@composable
def approve_case_decision(*, decision_id: int, actor: Actor, at: datetime, reason: str = "") -> CaseDecision:
    """Approve a decision as another person than its maker, and carry it out in the same transaction.

    Refuses: NotFound, CaseDecisionNotWaiting, AmountMovedOn, as approvals do, and as the verb that is called.
    """
    case, decision = _lock(decision_id)
    wish = Wish(decision.kind, decision.target, decision.amount_minor, decision.currency, decision.seller_text, decision.terms)
    now_minor, currency = weigh(case, wish)
    # what a share keeps moves with every sale, and the share is what was agreed to; everything else is about exactly its amount
    moves = decision.kind == Kind.RESERVE
    if currency != decision.currency or (now_minor != decision.amount_minor and not moves):
        raise AmountMovedOn(was=Money(decision.amount_minor, decision.currency), now=Money(now_minor, currency))
    exact: Any = {"action": ACTION, "subject": decision.public_id, "content_hash": content_hash(decision), "at": at}
    approvals.approve(checker=actor, reason=reason, **exact)
    approvals.use_approval(**exact)
    decision.approved_by = str(actor)
    decision.save(update_fields=["approved_by"])
    transition(CASE_DECISION, decision, CaseDecisionState.APPROVED, actor=actor, at=at, reason=reason)
    _do(case, decision, actor, at)
    audit.record(actor, "case.approve_decision", case.public_id, at, reason, shown(decision))
    return decision


@composable
def refuse_case_decision(*, decision_id: int, actor: Actor, at: datetime, reason: str) -> CaseDecision:
    """Refuse a decision that waits, or take one's own back. Tells `case.decision_refused`. Refuses: NotFound, CaseDecisionNotWaiting, ReasonMissing."""
    if not reason.strip():
        raise ReasonMissing()
    case, decision = _lock(decision_id)
    approvals.refuse(action=ACTION, subject=decision.public_id, checker=actor, at=at, reason=reason)
    transition(CASE_DECISION, decision, CaseDecisionState.REFUSED, actor=actor, at=at, reason=reason)
    audit.record(actor, "case.refuse_decision", case.public_id, at, reason, shown(decision))
    tell("case.decision_refused", subject=case.public_id, payload=shown(decision), at=at)
    return decision


def _lock(decision_id: int) -> tuple[Case, CaseDecision]:
    case_id = CaseDecision.objects.filter(pk=decision_id).values_list("case_id", flat=True).first()
    if case_id is None:
        raise NotFound(what="decision", ref=decision_id)
    case = lock_case(case_id, with_seller=True)
    decision = CaseDecision.objects.select_for_update().get(pk=decision_id)
    if decision.state != CaseDecisionState.WAITING:
        raise CaseDecisionNotWaiting(state=decision.get_state_display())
    return case, decision


@composable
def lapse_decisions(*, actor: Actor, at: datetime) -> int:
    """Let decisions lapse that nobody approved while their approval lived; returns how many."""
    since = at - timedelta(days=settings.APPROVAL_LIFETIME_DAYS)
    rows = CaseDecision.objects.select_for_update(skip_locked=True).filter(state=CaseDecisionState.WAITING, made_at__lte=since)
    found = list(rows)
    for decision in found:
        transition(CASE_DECISION, decision, CaseDecisionState.LAPSED, actor=actor, at=at, code="lapsed")
    return len(found)


# --- reviews are not a way around it ---------------------------------------------------------------------------------------


def may_allow(*, review: DecisionReview, actor: Actor, at: datetime, **_: Any) -> list[Objection]:
    """Answer the gate before somebody allows what a decision stopped: above the limit for one person, the case is where it is decided."""
    if CaseDecision.objects.filter(target=review.subject, kind=Kind.RELEASE, state=CaseDecisionState.APPROVED).exists():
        return []  # being carried out in this very transaction
    amount_minor, currency = freed_by(review, Seller.objects.filter(public_id=review.seller).first())
    if not stands_still(review) or not case_policy().takes_two(Kind.RELEASE, amount_minor, currency):
        return []
    reason = f"Releasing {Money(amount_minor, currency)} takes two people: work its case, and decide the release there."
    return [Objection("block", "release_takes_two", reason)]


def keeps_reserve(*, reserve: RiskReserve, **_: Any) -> list[Objection]:
    """Answer the gate before a reserve ends on its day: while a case about the seller is open, a person says whether it ends."""
    if Case.objects.filter(seller=reserve.seller_id, state__in=LIVE).exists():
        return [Objection("hold", "case_is_open", "A case about this seller is open.")]
    return []
