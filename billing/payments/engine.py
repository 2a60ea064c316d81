"""The only place from which a gateway is asked to move money: claim, act, record, with nothing open in between.

A worker that dies leaves a claim that runs out. Whoever takes it up asks the gateway first; only what the gateway does not know, while it still
remembers the key, is sent again, and then under the very same key.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction

from backoffice.kit.actors import Actor, rail
from backoffice.kit.errors import Refusal
from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.transactions import durable
from billing.gateways.port import Answer, Outcome
from billing.payments import attempts
from billing.payments.attempts import HANDLERS, Claimed

logger = logging.getLogger(__name__)
declare(
    "gateway_before_ask", "gateway_after_ask", "gateway_before_call", "gateway_after_call", "gateway_before_record",
    "gateway_in_record", "gateway_recorded",
)  # fmt: skip
NEEDS_A_PERSON = "needs_a_person"


@durable
def work(
    *, at: datetime, limit: int = 1_000_000, seconds: float = math.inf, only: int | None = None, kinds: Sequence[str] = ()
) -> int:
    """Send what is due to the gateways, resume what crashed, ask about what is unknown; returns how many attempts were taken up.

    None is begun after `seconds` (a task has a time limit). Any number of workers may run it. Events: those of the kinds' rooms.
    """
    taken, until = 0, time.monotonic() + seconds
    while taken < limit and time.monotonic() < until:
        claimed = attempts.claim_one(actor=rail("gateway"), at=at, only=only, kinds=kinds)
        if claimed is None:
            break
        taken += 1
        _one(claimed, rail(claimed.attempt.gateway), at)
    return taken


def _one(claimed: Claimed, actor: Actor, at: datetime) -> None:
    answer = act(claimed)
    failpoint("gateway_before_record")
    if answer is None:
        attempts.give_back(claimed, actor=actor, at=at)
    else:
        record(claimed, answer, actor=actor, at=at)
    failpoint("gateway_recorded")


def act(claimed: Claimed) -> Answer | None:
    """Ask where an earlier call may have left us, else send; None when no call left now. Whatever goes wrong on the way is unknown."""
    handler = HANDLERS[claimed.attempt.kind]
    try:
        if claimed.asked_before:
            failpoint("gateway_before_ask")
            found = handler.look_up(claimed.attempt)
            failpoint("gateway_after_ask")
            if not (found.is_absent and claimed.may_repeat):
                return found
        # With less lease left than a call takes, somebody else may own the attempt before it ends.
        if time.monotonic() > claimed.deadline:
            return None
        failpoint("gateway_before_call")
        answer = handler.send(claimed.attempt)
        failpoint("gateway_after_call")
    except Exception as problem:
        # The text of a client's error may carry what was sent; its class is enough here.
        logger.exception("attempt %s: the gateway %s failed", claimed.attempt.key, claimed.attempt.gateway, exc_info=False)
        return Answer(Outcome.UNKNOWN, detail=f"The call failed ({type(problem).__name__}).")
    return answer


def record(claimed: Claimed, answer: Answer, *, actor: Actor, at: datetime) -> None:
    """Record an answer under the fence; what cannot be booked stays unknown, is asked about again, and waits for a person meanwhile."""
    try:
        with transaction.atomic():
            _record(claimed, answer, actor, at)
    except (Refusal, IntegrityError) as problem:
        logger.exception("attempt %s: the answer could not be recorded", claimed.attempt.key)
        reason = f"The answer could not be recorded: {str(problem).splitlines()[0][:200]}"
        with transaction.atomic():
            _leave(claimed, reason, actor, at, NEEDS_A_PERSON)


def _record(claimed: Claimed, answer: Answer, actor: Actor, at: datetime) -> None:
    handler = HANDLERS[claimed.attempt.kind]
    if answer.outcome == Outcome.UNKNOWN and not (answer.is_absent and claimed.asked_before and claimed.surely_over):
        _leave(claimed, answer.detail or "No answer came.", actor, at)
        return
    target = handler.lock(claimed.attempt.target_id)
    row = attempts.lock_claimed(claimed)
    if row is None:
        logger.info("a late answer to %s was dropped: somebody else owns the attempt by now", claimed.attempt.key)
        return
    if answer.is_absent:
        attempts.close_absent(row, actor=actor, at=at, reason="The gateway has never seen it; its time is over.")
        handler.absent(target, row, actor, at)
    else:
        attempts.close_answered(row, answer, actor=actor, at=at)
        handler.record(target, row, answer, actor, at)
    failpoint("gateway_in_record")


def _leave(claimed: Claimed, reason: str, actor: Actor, at: datetime, code: str = "") -> None:
    handler = HANDLERS[claimed.attempt.kind]
    target = handler.lock(claimed.attempt.target_id)
    row = attempts.lock_claimed(claimed)
    if row is not None and attempts.leave_unknown(row, actor=actor, at=at, reason=reason, code=code):
        handler.unknown(target, row, actor, at)
