"""What a reason code asks for besides booking the money back: see the table in rails/reason_codes.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from backoffice.kit.actors import Actor
from backoffice.kit.outbox import tell
from payouts.dispatch.models import PaymentOrder
from payouts.holds.operations import place_pause
from payouts.rails.reason_codes import Action, ReasonRule, rule_for
from payouts.runs.models import Payout
from payouts.runs.operations import mark_payouts
from payouts.runs.states import PayoutStatus
from payouts.sellers.models import Seller
from payouts.sellers.operations import mark_payee_account, set_seller_status
from payouts.sellers.states import SellerStatus

if TYPE_CHECKING:
    from payouts.dispatch.outcomes import Outcome

# Where nothing else stops the next run from paying the same account again, a person has to let it.
_ASKS_A_PERSON = {Action.COMPLIANCE_CASE, Action.RETRY_ONCE_MANUALLY, Action.ASK}
# Above this many of one code in one answer it is not about a seller but about the file or the bank.
_WHOLESALE = 25


def carry_out(told: Sequence[tuple[PaymentOrder, Outcome]], *, actor: Actor, at: datetime) -> None:
    """Mark payee accounts, pause or freeze sellers, hold the rest of the run; orders and sellers are locked by the caller."""
    by_rule: dict[str, list[tuple[PaymentOrder, str]]] = {}
    for order, outcome in told:
        by_rule.setdefault(rule_for(outcome.code).code, []).append((order, outcome.code))
    for pairs in by_rule.values():
        rule = rule_for(pairs[0][1])
        for order, code in pairs:
            _for_one(order, code or rule.code, rule, actor, at, wholesale=len(pairs) > _WHOLESALE)
        if rule.action in (Action.HOLD_RUN, Action.INCIDENT):
            hold_rest_of_runs([order for order, _ in pairs], rule, actor=actor, at=at)
        if rule.action in (Action.HOLD_RUN, Action.INCIDENT, Action.ENGINEERING):
            tell(
                "bank.incident",
                subject=pairs[0][0].public_id,
                payload={"code": rule.code, "action": str(rule.action), "orders": len(pairs), "what": rule.operator_text},
                at=at,
            )


def _for_one(order: PaymentOrder, code: str, rule: ReasonRule, actor: Actor, at: datetime, *, wholesale: bool) -> None:
    payee, seller = order.payee_account, order.payout.seller
    if rule.payee_state and payee.status == "active":
        mark_payee_account(
            payee_account_id=payee.pk, status=rule.payee_state, code=code, reason=rule.operator_text, actor=actor, at=at
        )
    # read again: one file may bring back two payments of the same seller
    if rule.action == Action.FREEZE_SELLER and _status_of(seller.pk) not in (SellerStatus.BLOCKED, SellerStatus.CLOSED):
        set_seller_status(seller_id=seller.pk, to=SellerStatus.BLOCKED, actor=actor, at=at, reason=rule.operator_text)
    if rule.action in _ASKS_A_PERSON and not rule.payee_state and not wholesale:
        place_pause(
            seller_id=seller.pk,
            code=f"bank_{code.lower()}"[:40],
            reason=f"{rule.operator_text} ({order.payout.public_id})",
            seller_text=rule.seller_text,
            owner="finance",
            actor=actor,
            key=f"bank-answer:{order.public_id}",
            at=at,
        )


def _status_of(seller_id: int) -> str:
    return Seller.objects.values_list("status", flat=True).get(pk=seller_id)


def hold_rest_of_runs(orders: Sequence[PaymentOrder], rule: ReasonRule, *, actor: Actor, at: datetime) -> int:
    """Hold every payout of these orders' runs that has not left yet; returns how many."""
    runs = {order.payout.run_id for order in orders}
    waiting = list(
        Payout.objects.select_for_update(skip_locked=True)
        .filter(run_id__in=runs, status=PayoutStatus.APPROVED)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    if waiting:
        mark_payouts(waiting, PayoutStatus.HELD, actor, at, rule.code, rule.operator_text)
    return len(waiting)
