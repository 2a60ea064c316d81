"""Gates: others are asked before something happens, in the same transaction, and a gate that crashes is a refusal."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from backoffice.kit.errors import Refusal

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Objection:
    """One reason why not: `effect` is 'hold' (keep the money aside, ask a person) or 'block' (refuse)."""

    effect: str
    code: str
    reason: str


class GateFailedClosed(Refusal):
    code = "gate_failed_closed"
    sentence = "The check {check!r} could not run, so nothing was done. It is logged; try again once it works."


@dataclass
class Gate:
    """A named question that other wings answer; they plug in from AppConfig.ready()."""

    name: str
    checks: dict[str, Callable[..., list[Objection]]] = field(default_factory=dict)
    needs: dict[str, Callable[[], bool]] = field(default_factory=dict)

    def plug(self, name: str, check: Callable[..., list[Objection]], *, needed: Callable[[], bool] | None = None) -> None:
        """Add a check. `needed` tells, for everything at once, whether it could object at all: a run of 100,000 is then not asked one by one."""
        self.checks[name] = check
        self.needs.pop(name, None)
        if needed is not None:
            self.needs[name] = needed

    def unplug(self, name: str) -> None:
        self.checks.pop(name, None)
        self.needs.pop(name, None)

    def is_needed(self) -> bool:
        """Tell whether asking could bring an objection; a check that cannot tell is asked."""
        for name in self.checks:
            try:
                if name not in self.needs or self.needs[name]():
                    return True
            except Exception:
                logger.exception("gate %s: check %s cannot tell whether it is needed", self.name, name)
                return True
        return False

    def ask(self, **facts: Any) -> list[Objection]:
        """Return every objection; raise GateFailedClosed when a check crashes or answers with something else than a list."""
        objections: list[Objection] = []
        for name, check in self.checks.items():
            try:
                answer = check(**facts)
                objections.extend(answer)
            except Refusal:
                raise
            except Exception as error:
                logger.exception("gate %s: check %s failed", self.name, name)
                raise GateFailedClosed(check=name) from error
        return objections
