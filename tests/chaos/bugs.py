"""The planted defects of reliability.md 3.7 that live in the engine: each turns one safeguard off, for the harness to find."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from django.db import DatabaseError, connection

from backoffice.kit.actors import rail
from payouts.dispatch import claims, recording
from payouts.dispatch.claims import Claimed
from payouts.dispatch.engine import Engine, Result
from payouts.rails.port import Accepted, Refused, Unknown


class Sound(Engine):
    """No defect."""


class RandomKeyPerTry(Engine):
    """M1: the provider key is invented anew for each try."""

    def act(self, one: Claimed) -> Result:
        return super().act(replace(one, instruction=replace(one.instruction, key=f"try-{uuid.uuid4()}"), ask_only=False))


class NoFencing(Engine):
    """M2: a late worker's answer is written whoever owns the order by now."""

    def record(self, results: Sequence[tuple[Claimed, Result]], at: datetime) -> None:
        fenced = recording._fenced
        recording._fenced = lambda rows, claimed: list(rows)
        try:
            super().record(results, at)
        finally:
            recording._fenced = fenced


class NoLookUp(Engine):
    """M3: a crashed order is sent again without asking whether it arrived."""

    def act(self, one: Claimed) -> Result:
        return super().act(replace(one, ask_only=False))


class NoLeaseGuard(Engine):
    """M4: the call is made however long ago the claim was."""

    def guard(self, one: Claimed) -> Callable[[], None]:
        return lambda: None


class NoRowLock(Engine):
    """M5: an order is claimed by reading that it is due, without locking it or testing it again."""

    def claim(self, rails: Sequence[str], limit: int, at: datetime) -> list[Claimed]:
        return [replace(one, ask_only=False) for one in super().claim(rails, limit, at)]

    @staticmethod
    @contextmanager
    def planted() -> Iterator[None]:
        """Read what is due without a lock, in every thread, until the scenario is over."""
        due = claims._DUE
        claims._DUE = due.split("FOR UPDATE")[0]
        try:
            yield
        finally:
            claims._DUE = due


class BlindRetryAfterCommit(Engine):
    """M11: a record that failed at COMMIT is taken for a failed call, and the call is made again."""

    def record(self, results: Sequence[tuple[Claimed, Result]], at: datetime) -> None:
        try:
            super().record(results, at)
        except DatabaseError:
            connection.close()
            again = [(one, self.send(replace(one, deadline=one.deadline + 3600))) for one, _ in results]
            super().record(again, at)


class TimeoutIsFailure(Engine):
    """M12: no answer is taken for a refusal."""

    def act(self, one: Claimed) -> Result:
        found = super().act(one)
        return Refused("MS03", "timeout", "The provider did not answer.") if isinstance(found, Unknown) else found


BUGS: dict[str, type[Engine]] = {
    "": Sound,
    "M1": RandomKeyPerTry,
    "M2": NoFencing,
    "M3": NoLookUp,
    "M4": NoLeaseGuard,
    "M5": NoRowLock,
    "M11": BlindRetryAfterCommit,
    "M12": TimeoutIsFailure,
}


def engine_with(bug: str, *, wave: int = 1) -> Engine:
    return BUGS[bug](wave=wave, actor=rail("sandbox"))


__all__ = ["BUGS", "Accepted", "engine_with"]
