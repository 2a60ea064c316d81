"""The part of a seller's status that follows from its review: created, in review, active. Nobody sets these by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from backoffice.kit.actors import Actor
from backoffice.kit.invariants import rows_of
from backoffice.kit.outbox import tell_set
from backoffice.kit.states import transition_set
from payouts.sellers.states import SELLER, SellerStatus

# Staff's own orders (paused, blocked, closed) are not touched, and a seller who has become active stays so: what it may do meanwhile its
# capabilities say.
_FROM = {SellerStatus.ACTIVE: ["created", "review"], SellerStatus.REVIEW: ["created"]}
_CHOSEN = """SELECT s.id FROM payouts_seller s JOIN ({standing}) AS w USING (id)
              WHERE w.wanted = %(wanted)s AND s.status = ANY(%(sources)s) ORDER BY s.id"""
_TOLD = """SELECT public_id, jsonb_build_object('seller', public_id, 'external_id', external_id, 'status', status, 'to', status), partner_id
             FROM payouts_seller WHERE id = ANY(%(moved)s) ORDER BY id"""


def follow_review(seller_ids: Sequence[int], standing_sql: str, *, actor: Actor, at: datetime) -> None:
    """Move onboarding sellers to where their requirements put them; `standing_sql` answers (id, wanted) for %(sellers)s.

    The caller has locked the sellers. Tells `seller.status_changed`.
    """
    for to, sources in _FROM.items():
        chosen = _CHOSEN.format(standing=standing_sql)
        params = {"sellers": list(seller_ids), "wanted": str(to), "sources": sources}
        moved = [row["id"] for row in rows_of(chosen, params)]
        if moved:
            transition_set(
                SELLER, "SELECT unnest(%(moved)s::bigint[]) AS id", {"moved": moved}, to, actor=actor, at=at,
                code="requirements", reason="follows from the requirements",
            )  # fmt: skip
            tell_set("seller.status_changed", _TOLD, {"moved": moved}, at=at)
