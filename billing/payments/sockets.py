"""What a payment may be for, keyed by the prefix of its purpose: who owns the claim plugs in, and is told what was paid and given back.

A purpose without a plug is a purchase: the seller's sale books it (`payouts/earnings`), and reconciliation holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from backoffice.kit.actors import Actor
from backoffice.kit.ids import prefix_of
from billing.invoices.claims import BalanceSource, Due


class Claim(Protocol):
    """The owner of a kind of claim. Every method joins the caller's transaction; `due` locks the claim until its end.

    The money is booked by us: `apply` notes a payment, `unapply` that some of it was given back. `posting_id` is the posting that moved `receivable.invoice`. `balance_sources` says what sellers' balances paid in all.
    """

    def due(self, *, purpose: str) -> Due: ...
    def apply(self, *, purpose: str, amount_minor: int, payment: str, posting_id: int, actor: Actor, at: datetime) -> None: ...
    def unapply(self, *, purpose: str, amount_minor: int, refund: str, posting_id: int, actor: Actor, at: datetime) -> None: ...
    def balance_sources(self, *, purpose: str) -> Sequence[BalanceSource]: ...


@dataclass
class _Claims:
    by_prefix: dict[str, Claim]

    def plug(self, prefix: str, claim: Claim) -> None:
        self.by_prefix[prefix] = claim

    def unplug(self, prefix: str) -> None:
        self.by_prefix.pop(prefix, None)

    def of(self, purpose: str) -> Claim | None:
        """Return who owns the claim behind a purpose, None for a purchase."""
        prefix = prefix_of(purpose)
        return self.by_prefix.get(prefix) if prefix else None


claims = _Claims({})
