"""Approve, refuse or refresh a run: another person, the content as it was shown, and everything read again inside the locks."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from backoffice.kit import approvals, outbox
from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.invariants import rows_of
from backoffice.kit.money import Money, MoneyError
from backoffice.kit.states import transition, transition_where
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from payouts.runs import booking, content
from payouts.runs.giving_back import end_run, give_back, give_back_run
from payouts.runs.locks import lock_run, payouts_in
from payouts.runs.models import PayoutRun
from payouts.runs.states import PAYOUT, RUN, PayoutStatus, RunStatus


class RunNotWaiting(Refusal):
    code = "run_not_waiting"
    sentence = "This run is not waiting for approval: it is {state}."


class RunContentChanged(Refusal):
    code = "run_content_changed"
    sentence = (
        "{changed} of {payouts} payouts of this run changed since it was built ({why}). Refresh the run: these are taken out, and what is left "
        "is put to approval again."
    )


class ApprovedHashDiffers(Refusal):
    code = "approved_hash_differs"
    sentence = "The run is not what you were shown. Open it again."


class TotalNotConfirmed(Refusal):
    code = "total_not_confirmed"
    sentence = "This run is above the limit for a plain approval. Type its total to confirm: {expected}."


@composable
def approve_run(
    *, run_id: int, content_hash: str, actor: Actor, at: datetime, reason: str = "", confirmed_total: str = ""
) -> PayoutRun:
    """Release a run to its rails, as another person than its maker and than whoever lately changed a payee account or hold in it.

    `content_hash` is that of the run as the approver saw it; `confirmed_total` is the total as typed ('1234.50 EUR', several separated by
    commas), asked for above STEP_UP_LIMIT_MINOR. Events: payout_run.approved. Refuses: RunNotWaiting, RunContentChanged,
    ApprovedHashDiffers, TotalNotConfirmed, SellersAreBusy, and what approvals refuse.
    """
    with booking.patient(), booking.reading_whole(payouts_in(run_id)):
        run = lock_run(run_id, codes=[])
        refuse_unless_waiting(run)
        totals = refuse_changed(run, at)
        if content_hash != run.content_hash:
            raise ApprovedHashDiffers()
        _check_total(totals, confirmed_total)
        approvals.approve(
            action=content.ACTION,
            subject=run.public_id,
            content_hash=run.content_hash,
            checker=actor,
            at=at,
            reason=reason,
            barred=content.barred_from(run, at=at),
        )

        approvals.use_approval(action=content.ACTION, subject=run.public_id, content_hash=run.content_hash, at=at)
        run.checker, run.approved_at = str(actor), at
        run.save(update_fields=["checker", "approved_at"])
        transition(RUN, run, RunStatus.APPROVED, actor=actor, at=at, reason=reason)
        transition_where(
            PAYOUT,
            "t.run_id = %(run)s",
            {"run": run.pk},
            PayoutStatus.NEEDS_APPROVAL,
            PayoutStatus.APPROVED,
            actor=actor,
            at=at,
            also={"checker": str(actor), "changed_at": at},
        )
    audit.record(actor, "approve_run", run.public_id, at, reason, {"content_hash": run.content_hash, "totals": totals})

    outbox.tell("payout_run.approved", subject=run.public_id, payload={"totals": totals}, at=at)
    return run


def refuse_unless_waiting(run: PayoutRun) -> None:
    if run.status != RunStatus.NEEDS_APPROVAL:
        raise RunNotWaiting(state=run.get_status_display())


def changed_payouts(run: PayoutRun, at: datetime) -> list[dict[str, Any]]:
    """Return the payouts of a waiting run whose seller, payee account or holds are no longer what they were, with the reason's code."""
    return rows_of(
        """SELECT p.id, p.public_id, CASE
                    WHEN s.status = 'paused' THEN 'paused_by_staff'
                    WHEN s.status <> 'active' THEN 'seller_not_active'
                    WHEN c.seller_id IS NULL THEN 'not_assessed'
                    WHEN c.pay_out_ends_at <= %(at)s THEN c.pay_out_ends_code
                    WHEN c.pay_out_code <> '' THEN c.pay_out_code
                    WHEN a.status = 'superseded' THEN 'payee_changed'
                    WHEN a.status <> 'active' THEN 'payee_not_usable'
                    WHEN a.name_check = 'no_match' THEN 'name_check_failed'
                    ELSE 'on_hold' END AS code
             FROM payouts_payout p JOIN payouts_seller s ON s.id = p.seller_id JOIN payouts_payeeaccount a ON a.id = p.payee_account_id
             LEFT JOIN payouts_sellercapabilities c ON c.seller_id = s.id
            WHERE p.run_id = %(run)s AND p.status = 'needs_approval'
              AND (s.status <> 'active' OR c.pay_out_code IS DISTINCT FROM '' OR c.pay_out_ends_at <= %(at)s OR a.status <> 'active' OR a.name_check = 'no_match'
                   OR EXISTS (SELECT 1 FROM payouts_hold h WHERE h.seller_id = p.seller_id AND h.kind = 'pause' AND h.state = 'active'
                                 AND h.currency IN ('', p.currency)))
            ORDER BY p.id""",
        {"run": run.pk, "at": at},
    )


def refuse_changed(run: PayoutRun, at: datetime) -> dict[str, int]:
    """Refuse a run that holds payouts with changed facts, or from which payouts were taken since it was put to approval; return its totals."""
    changed = changed_payouts(run, at)
    left, totals = content.counts_and_totals(run)
    shown = content.shown_payouts(run)
    # payouts are frozen, so content can only change by going; the trigger on payouts compares the hash itself
    if changed or shown != left:
        codes = sorted({row["code"] for row in changed} | ({"canceled"} if shown > left else set()))
        raise RunContentChanged(changed=len(changed) + shown - left, payouts=shown, why=", ".join(codes))
    return totals


@composable
def refresh_run(*, run_id: int, actor: Actor, at: datetime) -> PayoutRun:
    """Take the changed payouts out of a waiting run, give their money back, and put what is left to approval again.

    Who refreshes may not approve. A run with nothing left is cancelled. Refuses: RunNotWaiting, SellersAreBusy.
    """
    with booking.patient():
        run = lock_run(run_id)
        refuse_unless_waiting(run)
        by_code: dict[str, list[int]] = {}
        for row in changed_payouts(run, at):
            by_code.setdefault(row["code"], []).append(row["id"])
        for code, ids in sorted(by_code.items()):
            give_back(
                payout_ids=ids,
                to=PayoutStatus.CANCELED,
                code=code,
                reason="Taken out of the run before approval.",
                actor=actor,
                at=at,
            )

        run.content_hash = content.content_hash(run)
        run.save(update_fields=["content_hash"])
        if content.counts_and_totals(run)[0]:
            maker = Actor.parse(run.maker)
            barred = {} if actor == maker else {str(actor): "you refreshed this run"}
            content.ask_for_approval(run, maker=maker, at=at, barred=barred)
        else:
            end_run(run, RunStatus.CANCELED, actor=actor, at=at, reason="Nothing was left to pay.")
    audit.record(actor, "refresh_run", run.public_id, at, facts={"taken_out": {code: len(ids) for code, ids in by_code.items()}})
    return run


def _check_total(totals: dict[str, int], typed: str) -> None:
    asked = content.needs_step_up(totals)
    if not set(asked.items()) <= set(parse_totals(typed, list(totals)).items()):
        raise TotalNotConfirmed(expected=", ".join(Money(total, currency).display() for currency, total in sorted(asked.items())))


def parse_totals(typed: str, currencies: list[str]) -> dict[str, int]:
    """Return minor units by currency of a typed total; what cannot be read is left out, and so never matches."""
    found: dict[str, int] = {}
    for number, currency in re.findall(r"([\d,. ]*\d)\s*([A-Z]{3})?", typed.strip().upper()):
        named = currency or (currencies[0] if len(currencies) == 1 else "")
        try:
            found[named] = Money.parse(re.sub(r"[ ,]", "", number), named).amount_minor
        except MoneyError:
            continue
    return found


@composable
def deny_run(*, run_id: int, actor: Actor, at: datetime, reason: str) -> PayoutRun:
    """Refuse a waiting run; every payout of it is denied and its money available again. Refuses: RunNotWaiting, SellersAreBusy."""
    with booking.patient():
        run = lock_run(run_id)
        refuse_unless_waiting(run)
        approvals.refuse(action=content.ACTION, subject=run.public_id, checker=actor, at=at, reason=reason)
        give_back_run(run, PayoutStatus.DENIED, code="denied", reason=reason, actor=actor, at=at)
        end_run(run, RunStatus.DENIED, actor=actor, at=at, reason=reason)
    audit.record(actor, "deny_run", run.public_id, at, reason)
    return run
