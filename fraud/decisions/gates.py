"""The wing's answers at others' gates. Money that leaves fails closed: what goes wrong here is a crash there, and that is a refusal.

A gate costs one look-up where nothing could object: no rule at its point, nothing listed, nobody stopped at onboarding.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from backoffice.kit.actors import Actor, system
from backoffice.kit.errors import Refusal
from backoffice.kit.gates import Objection
from fraud.decisions.holding import WAITS_FOR_HOLD, waiting_for
from fraud.decisions.models import Decision, DecisionReview, Outcome
from fraud.decisions.operations import Question, decide
from fraud.decisions.states import ReviewState
from fraud.features.models import Point
from fraud.features.recording import Happening
from fraud.lists.queries import anything_active, lists_version
from fraud.model.queries import live_model
from fraud.rules.sets import current_set_id, load_set
from payouts.runs.models import Payout
from payouts.sellers.models import PayeeAccount, Seller
from payouts.sellers.states import SellerStatus

ROBOT = system("decisions")
HOLD, BLOCK = "hold", "block"
STOPPED_AT_ONBOARDING = "stopped_at_onboarding"
CODE_OF_ACCOUNT_MAX = 20


class CannotDecide(RuntimeError):
    """No answer could be made; not a refusal, so that the gate takes it for a crash and fails closed."""


def needed(point: str) -> bool:
    """Tell whether a decision at this point could say anything but allow."""
    if load_set(current_set_id()).at(point).members or anything_active() or live_model(point) is not None:
        return True
    return point == Point.PAYOUT and (_stopped_sellers().exists() or waiting_for().exists())


def _stopped_sellers() -> Any:
    return DecisionReview.objects.filter(
        point=Point.ONBOARDING, state=ReviewState.OPEN, outcome__in=[Outcome.HOLD, Outcome.BLOCK]
    )


def _decided(question: Question, actor: Actor, at: datetime) -> Decision:
    try:
        return decide(question=question, actor=actor, at=at)
    except Refusal as refusal:
        raise CannotDecide(str(refusal)) from refusal


def payout_leaves(*, payout: Payout, at: datetime, **_: Any) -> list[Objection]:
    """Answer `before_payout`: hold keeps the money aside with the rule's reason, block takes the payout back.

    Asked twice within an hour about the same rules, lists and reviews, it answers from the decision that stands.
    """
    if not needed(Point.PAYOUT):
        return []
    stopped = _stopped_sellers().filter(seller=payout.seller.public_id).select_related("decision").first()
    if stopped is not None:
        return [Objection(HOLD, STOPPED_AT_ONBOARDING, f"Held at onboarding: {stopped.decision.operator_text}")]
    waiting = waiting_for([payout.seller_id]).filter(currency=payout.currency).select_related("decision").first()
    if waiting is not None:
        return [Objection(HOLD, WAITS_FOR_HOLD, f"A sale of this seller is to be held first: {reason_of(waiting.decision)}")]
    judged = DecisionReview.objects.filter(point=Point.PAYOUT, subject=payout.public_id).exclude(state=ReviewState.OPEN)
    review = judged.order_by("-pk").first()
    reviewed = f"{review.pk}{review.state}" if review else "0"
    key = f"{payout.public_id}:{current_set_id()}:{lists_version()}:{reviewed}:{at:%Y%m%d%H}"
    happening = Happening(
        ref=f"payout:{key}", kind=Point.PAYOUT, at=at, amount_minor=payout.amount_minor, currency=payout.currency,
        seller=payout.seller.public_id, payee=payout.payee_account.number_index, partner_id=payout.seller.partner_id,
    )  # fmt: skip
    question = Question(happening, payout.public_id, key, seller=payout.seller, payee=payout.payee_account)
    decision = _decided(question, ROBOT, at)
    effect = {Outcome.HOLD: HOLD, Outcome.BLOCK: BLOCK}.get(Outcome(decision.outcome))
    # a review lets the payout go: somebody looks at it afterwards
    return [Objection(effect, decision.code, reason_of(decision))] if effect else []


def reason_of(decision: Decision) -> str:
    until = f" To be looked at by {decision.review_on}." if decision.review_on else ""
    return f"{decision.operator_text or decision.get_because_display()}{until} ({decision.public_id})"


def account_changes(
    *, seller_id: int, currency: str, old: PayeeAccount | None, new: PayeeAccount, actor: Actor, at: datetime, **_: Any
) -> list[Objection]:
    """Answer `payee_changed`: hold and block both keep the new account from being used. A refusal would roll the decision's record back."""
    if not needed(Point.PAYEE_CHANGE):
        return []
    seller = Seller.objects.get(pk=seller_id)
    happening = Happening(
        ref=f"payee_change:{new.public_id}", kind=Point.PAYEE_CHANGE, at=at, seller=seller.public_id, payee=new.number_index,
        country=new.country, currency=currency, partner_id=seller.partner_id,
    )  # fmt: skip
    decision = _decided(Question(happening, new.public_id, new.public_id, seller=seller, payee=new), actor, at)
    if decision.outcome in (Outcome.HOLD, Outcome.BLOCK):
        return [Objection(HOLD, decision.code[:CODE_OF_ACCOUNT_MAX], reason_of(decision))]
    return []


def sellers_opened(*, seller_ids: Sequence[int], verified: bool, actor: Actor, at: datetime, **_: Any) -> list[Objection]:
    """Decide on new sellers; a held one is not made active and not paid until somebody judged it.

    Sellers that somebody vouched for in an import are not asked about one by one: their payouts are.
    """
    if verified or not needed(Point.ONBOARDING):
        return []
    for seller in Seller.objects.filter(pk__in=list(seller_ids)).order_by("pk"):
        happening = Happening(
            ref=f"onboarding:{seller.public_id}", kind=Point.ONBOARDING, at=at, seller=seller.public_id, country=seller.country,
            currency=seller.currency, partner_id=seller.partner_id,
        )  # fmt: skip
        _decided(Question(happening, seller.public_id, seller.public_id, seller=seller), actor, at)
    return []


def status_changes(*, seller: Seller, to: str, actor: Actor, at: datetime, **_: Any) -> list[Objection]:
    """Answer `seller_status_change`: nobody makes a seller active whom a decision stopped, before it was judged."""
    if to != SellerStatus.ACTIVE:
        return []
    last = Decision.objects.filter(subject=seller.public_id, point=Point.ONBOARDING).order_by("-pk").first()
    if last is None or last.outcome not in (Outcome.HOLD, Outcome.BLOCK):
        return []
    if DecisionReview.objects.filter(decision=last, state=ReviewState.ALLOWED).exists():
        return []
    return [Objection(BLOCK, STOPPED_AT_ONBOARDING, f"A decision stopped this seller at onboarding: {reason_of(last)}")]


def plug_in() -> None:
    """Plug into the gates of payouts and billing."""
    from billing.payments.gates import before_charge
    from billing.refunds.gates import before_refund
    from fraud.decisions import awaiting, gates_of_billing, holding
    from payouts.gates import before_payout
    from payouts.sellers import gates

    before_payout.plug("fraud decides on the payout", payout_leaves, needed=lambda: needed(Point.PAYOUT))
    gates.payee_changed.plug("fraud decides on the account", account_changes)
    gates.opened.plug("fraud decides on new sellers", sellers_opened)
    gates.status_change.plug("fraud stopped the seller", status_changes)
    before_charge.plug("fraud decides on the charge", gates_of_billing.charge_made)
    before_refund.plug("fraud decides on the refund", gates_of_billing.refund_asked)
    gates_of_billing.plug_in()
    holding.plug_in()
    awaiting.plug_in()
