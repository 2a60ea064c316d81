"""Sockets of holds that other wings plug into from AppConfig.ready()."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass
class BeforeMaturing:
    """Asked before pending money becomes available: which of these earnings have to wait. What crashes keeps the whole set pending."""

    checks: dict[str, Callable[[Sequence[int]], set[int]]] = field(default_factory=dict)

    def plug(self, name: str, check: Callable[[Sequence[int]], set[int]]) -> None:
        self.checks[name] = check

    def waiting(self, earning_ids: Sequence[int]) -> set[int]:
        """Return the ids of those somebody still has to look at; they stay pending, and are asked about again the next time."""
        return set().union(*(check(earning_ids) for check in self.checks.values()))


before_maturing = BeforeMaturing()
