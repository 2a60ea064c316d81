"""The last gate before money: asked when a payout is submitted, and again when its order is about to leave.

An approval may be days old. What changed since holds the payout (a person looks) or takes it back (the account is another one now).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from backoffice.kit.approvals import Approval, ApprovalState
from backoffice.kit.errors import Refusal
from backoffice.kit.gates import GateFailedClosed
from payouts.gates import before_payout
from payouts.runs.models import Payout, PayoutRun

HOLD, BLOCK = "hold", "block"


class RunNotApproved(Refusal):
    code = "run_not_approved"
    sentence = "The run is {state}; only an approved run can be submitted."


class ApprovalNotGood(Refusal):
    code = "approval_not_good"
    sentence = "The run's approval does not hold any more: {why}. Build it again, or have it approved again."


@dataclass(frozen=True, slots=True)
class Stop:
    """Why one payout must not leave now."""

    effect: str
    code: str
    reason: str


def check_approval(run: PayoutRun, *, at: datetime) -> None:
    """Refuse a run whose approval is missing, of other content, by its own maker, or expired. Refuses: ApprovalNotGood."""
    approval = Approval.objects.filter(
        action="payout_run", subject=run.public_id, state__in=[ApprovalState.APPROVED, ApprovalState.USED]
    ).first()
    if approval is None:
        raise ApprovalNotGood(why="nobody gave it")
    if approval.content_hash != run.content_hash:
        raise ApprovalNotGood(why="the content is not what was approved")
    if not approval.checker or approval.checker in (approval.maker, run.maker):
        raise ApprovalNotGood(why="it was given by the maker")
    if at >= approval.expires_at:
        raise ApprovalNotGood(why=f"it expired on {approval.expires_at.day} {approval.expires_at:%b %Y}")


# What stands in our own tables against a payout, the strongest first.
_OWN = {
    "payee_changed": (BLOCK, "The payee account was changed after this payout was built."),
    "payee_not_usable": (HOLD, "The payee account cannot be used as it stands."),
    "name_check_failed": (HOLD, "The account holder's name does not match."),
    "seller_not_active": (HOLD, "The seller is not active."),
    "not_assessed": (HOLD, "Nobody has said yet what this seller has to show."),
    "requirements_past_due": (HOLD, "A requirement of the seller is overdue."),
    "tax_data_missing": (HOLD, "Data for the tax report is missing, after two reminders."),
    "requirements_due": (HOLD, "A requirement of the seller is not met."),
    "requirements_pending": (HOLD, "What the seller gave is being verified."),
    "on_hold": (HOLD, "A pause stops all payouts of this seller."),
}
_OWN_SQL = """
    SELECT f.id, f.code FROM (
        SELECT p.id, CASE
                   WHEN a.status = 'superseded' THEN 'payee_changed'
                   WHEN a.status <> 'active' THEN 'payee_not_usable'
                   WHEN a.name_check = 'no_match' THEN 'name_check_failed'
                   WHEN s.status <> 'active' THEN 'seller_not_active'
                   WHEN c.seller_id IS NULL THEN 'not_assessed'
                   WHEN c.pay_out_ends_at <= %(at)s THEN c.pay_out_ends_code
                   WHEN c.pay_out_code <> '' THEN c.pay_out_code
                   WHEN EXISTS (SELECT 1 FROM payouts_hold h WHERE h.seller_id = p.seller_id AND h.kind = 'pause' AND h.state = 'active'
                                   AND h.currency IN ('', p.currency)) THEN 'on_hold' END AS code
          FROM payouts_payout p JOIN payouts_seller s ON s.id = p.seller_id JOIN payouts_payeeaccount a ON a.id = p.payee_account_id
          LEFT JOIN payouts_sellercapabilities c ON c.seller_id = s.id
         WHERE p.id = ANY(%(payouts)s)) f
     WHERE f.code IS NOT NULL
"""
_ASK_AT_ONCE = 500


def stops_for(payout_ids: Sequence[int], *, at: datetime) -> dict[int, Stop]:
    """Return {payout id: why not} for payouts that must not leave; their sellers are locked by the caller."""
    with connection.cursor() as cursor:
        cursor.execute(_OWN_SQL, {"payouts": list(payout_ids), "at": at})
        found = {payout_id: Stop(_OWN[code][0], code, _OWN[code][1]) for payout_id, code in cursor.fetchall()}
    if before_payout.is_needed():
        left = [payout_id for payout_id in payout_ids if payout_id not in found]
        for start in range(0, len(left), _ASK_AT_ONCE):
            chunk = Payout.objects.select_related("seller", "payee_account").filter(pk__in=left[start : start + _ASK_AT_ONCE])
            for payout in chunk.order_by("pk"):
                stop = _asked(payout, at)
                if stop is not None:
                    found[payout.pk] = stop
    return found


def _asked(payout: Payout, at: datetime) -> Stop | None:
    try:
        with transaction.atomic():
            objections = before_payout.ask(payout=payout, at=at)
    except GateFailedClosed as refusal:
        return Stop(HOLD, refusal.code, str(refusal))
    if not objections:
        return None
    worst = next((one for one in objections if one.effect == BLOCK), objections[0])
    return Stop(BLOCK if worst.effect == BLOCK else HOLD, worst.code, worst.reason)
