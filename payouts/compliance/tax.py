"""Requirement rows of the tax reports: asked by the reporting room, answered through the same door as every other, guarding payouts alone.

They keep nothing off until their deadline, and have none until the second reminder went out: nobody's payouts stop unwarned.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from backoffice.kit.actors import Actor
from backoffice.kit.transactions import composable
from payouts.compliance import rows
from payouts.compliance.deriving import derive
from payouts.compliance.models import Requirement
from payouts.compliance.rows import OPEN, Q
from payouts.compliance.states import TAX_CATALOGUE, Capability
from payouts.sellers.models import Seller


@dataclass(frozen=True, slots=True)
class TaxItem:
    """One piece of data a tax report needs of a seller, as the seller is asked for it; `evidence` says how an answer is checked."""

    code: str
    title: str
    text: str
    why: str
    source: str
    evidence: str


@composable
def ask_tax_data(*, wanted: Mapping[int, Sequence[TaxItem]], actor: Actor, at: datetime) -> int:
    """Ask sellers (locked by the caller) for what is missing, by seller id, and ask no longer for what is not; return how many rows changed.

    Rows come without a deadline: `set_tax_deadline` gives it. Tells `requirement.currently_due` of rows asked again, `requirement.withdrawn`
    of others, and `seller.capabilities_changed`.
    """
    sellers = Seller.objects.in_bulk(list(wanted))
    known: dict[tuple[int, str], Requirement] = {}
    for row in Requirement.objects.filter(seller_id__in=sellers, catalogue=TAX_CATALOGUE).order_by("pk"):
        row.seller = sellers[row.seller_id]
        known[row.seller_id, row.code] = row
    fresh = [
        _row(sellers[seller_id], item, at)
        for seller_id, items in wanted.items()
        for item in items
        if (seller_id, item.code) not in known
    ]
    rows.save_new(fresh, actor=actor, at=at, reason="a tax report needs it")
    moved = _move(known, {(seller_id, item.code) for seller_id, items in wanted.items() for item in items}, actor, at)
    derive(list(sellers), actor=actor, at=at)
    return len(fresh) + moved


def _move(known: Mapping[tuple[int, str], Requirement], wanted: Collection[tuple[int, str]], actor: Actor, at: datetime) -> int:
    count = 0
    for key, row in known.items():
        if key in wanted and row.state in (Q.WITHDRAWN, Q.SATISFIED):
            rows.move(row, Q.CURRENTLY_DUE, actor=actor, at=at, code="tax_data_missing", deadline_at=None, gating=False)
        elif key not in wanted and row.state in OPEN:
            rows.move(row, Q.WITHDRAWN, actor=actor, at=at, code="no_longer_asked", deadline_at=None)
        else:
            continue
        count += 1
    return count


def _row(seller: Seller, item: TaxItem, at: datetime) -> Requirement:
    return Requirement(
        seller=seller, code=item.code, catalogue=TAX_CATALOGUE, evidence=item.evidence, by_person=False, title=item.title,
        seller_text=item.text, why=item.why, source=item.source, alternatives=[], capabilities=[Capability.PAY_OUT.value], gating=False,
        state=Q.CURRENTLY_DUE, created_at=at,
    )  # fmt: skip


@composable
def set_tax_deadline(*, deadlines: Mapping[int, datetime], actor: Actor, at: datetime) -> None:
    """Give what sellers (locked by the caller) still owe its deadline, by seller id; when it passes, payouts stop with `tax_data_missing`.

    The second reminder is this deadline's own: no other reminder follows it.
    """
    found = Requirement.objects.filter(
        seller_id__in=deadlines, catalogue=TAX_CATALOGUE, state=Q.CURRENTLY_DUE, deadline_at__isnull=True
    )
    due = list(found.order_by("pk"))
    for row in due:
        row.deadline_at, row.reminded_at = deadlines[row.seller_id], at
    Requirement.objects.bulk_update(due, ["deadline_at", "reminded_at"], batch_size=1_000)
    derive(list(deadlines), actor=actor, at=at)
