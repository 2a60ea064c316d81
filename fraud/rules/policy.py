"""What each decision point makes of scores and of rules nobody can answer. Money that leaves fails closed; elsewhere a person looks.

A change here is a change of the policy: its version is a hash of the table, and each rule set and decision names it.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

from fraud.features.models import Point


@dataclass(frozen=True, slots=True)
class Policy:
    """Scores from which a decision becomes review, hold or block, and what an unknown rule makes of it. Points add up without a unit."""

    review_from: int
    hold_from: int
    block_from: int
    unknown: str


POLICIES: dict[str, Policy] = {
    Point.PAYOUT: Policy(40, 70, 150, "hold"),
    Point.PAYEE_CHANGE: Policy(40, 70, 150, "hold"),
    Point.ONBOARDING: Policy(40, 70, 150, "hold"),
    Point.SALE: Policy(50, 100, 150, "review"),
    Point.REFUND: Policy(50, 100, 150, "review"),
    Point.CHARGE: Policy(50, 100, 150, "review"),
}


@functools.cache
def policy_version() -> str:
    said = "\n".join(f"{point}|{policy}" for point, policy in sorted(POLICIES.items()))
    return hashlib.sha256(said.encode()).hexdigest()[:12]
