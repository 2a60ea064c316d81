"""Call rails: claim, act, record. The only place from which an order is sent over a network.

Three short steps with nothing open in between: the claim is committed before the call, the call is made with no transaction, the record checks
the fence. A worker that dies leaves a claim that runs out; whoever takes it up asks the rail first and never calls again by guess.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from backoffice.kit.actors import Actor, rail
from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.transactions import durable
from payouts.dispatch import recording
from payouts.dispatch.claims import Claimed, claim
from payouts.rails import registry
from payouts.rails.port import Absent, Accepted, NoTimeLeft, Present, Refused, Unknown

logger = logging.getLogger(__name__)

declare("before_lookup", "after_lookup", "before_call", "after_call", "before_record", "recorded")

# How many orders a worker carries at once: enough to hide a slow provider, few enough to lose little when it dies.
WAVE = 8


@dataclass(frozen=True, slots=True)
class NotCalled:
    """Nothing left: the lease was nearly over when the call would have started."""


Result = Accepted | Refused | Unknown | Present | Absent | NotCalled


class Engine:
    """One worker's loop. Its steps are methods, so that the chaos harness can plant a defect in one and see it found."""

    def __init__(self, *, wave: int = WAVE, actor: Actor | None = None) -> None:
        self.wave = wave
        self.actor = actor

    def run(self, *, at: datetime, limit: int, seconds: float = math.inf) -> int:
        """Work until nothing is due, `limit` orders were taken or the time is over; returns how many were taken."""
        rails = registry.names_of_mode("call")
        taken, until = 0, time.monotonic() + seconds
        while taken < limit and time.monotonic() < until:
            claimed = self.claim(rails, min(self.wave, limit - taken), at)
            if not claimed:
                break
            taken += len(claimed)
            self.record(self.act_all(claimed), at)
        return taken

    def claim(self, rails: Sequence[str], limit: int, at: datetime) -> list[Claimed]:
        return claim(rails=rails, limit=limit, actor=self.actor or rail("dispatch"), at=at)

    def act_all(self, claimed: Sequence[Claimed]) -> list[tuple[Claimed, Result]]:
        """Act on a wave at the same time; threads touch no database."""
        if len(claimed) < 2:
            return [(one, self.act(one)) for one in claimed]
        with ThreadPoolExecutor(max_workers=len(claimed), thread_name_prefix="dispatch") as pool:
            return list(zip(claimed, pool.map(self.act, claimed), strict=True))

    def act(self, one: Claimed) -> Result:
        """Ask where an earlier call may have left us, else send; whatever goes wrong on the way is unknown."""
        try:
            if one.ask_only:
                return self.ask(one)
            return self.send(one)
        except NoTimeLeft:
            return NotCalled()
        except Exception as problem:
            # The text of a client's error may carry what was sent; its class is enough here.
            logger.exception("order %s: the rail %s failed", one.instruction.order_id, one.rail, exc_info=False)
            return Unknown(f"The call failed ({type(problem).__name__}).")

    def ask(self, one: Claimed) -> Result:
        failpoint("before_lookup")
        found = registry.call_rail(one.rail).look_up(one.instruction.key)
        failpoint("after_lookup")
        return found

    def send(self, one: Claimed) -> Result:
        failpoint("before_call")
        answer = registry.call_rail(one.rail).send(one.instruction, still_mine=self.guard(one))
        failpoint("after_call")
        return answer

    def guard(self, one: Claimed) -> Callable[[], None]:
        """Return the check made right before the bytes leave: with less lease left than a call takes, somebody else may own the order."""

        def still_mine() -> None:
            if time.monotonic() > one.deadline:
                raise NoTimeLeft()

        return still_mine

    def record(self, results: Sequence[tuple[Claimed, Result]], at: datetime) -> None:
        failpoint("before_record")
        not_called = [one for one, result in results if isinstance(result, NotCalled)]
        told = [(one, result) for one, result in results if not isinstance(result, NotCalled)]
        recording.record_not_called(not_called, actor=self.actor or rail("dispatch"), at=at)
        recording.record_results(told, actor=self.actor, at=at)
        failpoint("recorded")


@durable
def work(*, at: datetime, limit: int = 1_000_000, wave: int = WAVE, seconds: float = math.inf) -> int:
    """Send what is due on call rails, resume what crashed, ask about what is unknown; returns how many orders were taken up.

    No new wave is begun after `seconds` (a task has a time limit). Any number of workers may run it. Events: payout.in_transit, payout.failed.
    """
    return Engine(wave=wave).run(at=at, limit=limit, seconds=seconds)
