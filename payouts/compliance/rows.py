"""Requirement rows: made from rules, moved with history and event. The other modules of this room write no requirement otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from backoffice.kit.actors import Actor
from backoffice.kit.errors import NotFound
from backoffice.kit.outbox import tell
from backoffice.kit.states import born_set, transition
from payouts.compliance.catalogue import Catalogue, Rule
from payouts.compliance.models import Person, Requirement
from payouts.compliance.states import REQUIREMENT, Capability, RequirementState
from payouts.sellers.models import Seller
from payouts.sellers.queries import lock_seller
from payouts.sellers.states import SellerStatus

Q = RequirementState
OPEN = [Q.EVENTUALLY_DUE, Q.CURRENTLY_DUE, Q.PAST_DUE, Q.PENDING_VERIFICATION]
MET = [Q.SATISFIED, Q.WAIVED]
GRACE_DAYS = 30


def build(
    seller: Seller, catalogue: Catalogue, rule: Rule, at: datetime, *, person: Person | None = None, state: str = "", **over: Any
) -> Requirement:
    """Return an unsaved row as the rule has it: due at once when gating, with its deadline otherwise, later when a volume has to come first.

    A seller who is being paid already is not stopped by a question that is new: it has its days of grace.
    """
    row = Requirement(
        seller=seller, person=person, code=rule.code, catalogue=catalogue.name, evidence=rule.evidence, by_person=rule.by_person,
        title=rule.title, seller_text=rule.text, why=rule.why, source=rule.source, alternatives=list(rule.alternatives),
        capabilities=list(rule.capabilities), gating=rule.gating and seller.status != SellerStatus.ACTIVE, valid_days=rule.valid_days, grace_days=rule.grace_days, created_at=at,
        state=state or (Q.EVENTUALLY_DUE if rule.threshold else Q.CURRENTLY_DUE), **over,
    )  # fmt: skip
    if row.state == Q.CURRENTLY_DUE and not row.gating:
        row.deadline_at = at + timedelta(days=rule.grace_days or GRACE_DAYS)
    return row


def save_new(rows: Sequence[Requirement], *, actor: Actor, at: datetime, reason: str = "") -> None:
    """Insert fresh rows with the first line of their history."""
    if rows:
        Requirement.objects.bulk_create(rows, batch_size=1_000)
        given = "SELECT unnest(%(ids)s::bigint[])"
        born_set(REQUIREMENT, given, {"ids": [row.pk for row in rows]}, actor=actor, at=at, reason=reason)


def staff_rule(code: str, title: str, text: str, why: str) -> dict[str, Any]:
    """Return the columns of a row that no country's catalogue asks for but the marketplace itself."""
    return {
        "code": code, "catalogue": "marketplace", "evidence": "review", "by_person": True, "title": title, "seller_text": text,
        "why": why, "source": "Policy of the marketplace", "alternatives": [], "capabilities": list(Capability.values),
    }  # fmt: skip


def lock_requirement(requirement_id: int) -> Requirement:
    """Lock the seller, then one of its requirements. Refuses: NotFound."""
    seller_id = Requirement.objects.filter(pk=requirement_id).values_list("seller_id", flat=True).first()
    if seller_id is None:
        raise NotFound(what="requirement", ref=requirement_id)
    seller = lock_seller(seller_id)
    row = Requirement.objects.select_for_update(no_key=True, of=("self",)).get(pk=requirement_id)
    row.seller = seller
    return row


def rows_of_seller(seller: Seller) -> list[Requirement]:
    """Return a locked seller's rows, for change."""
    rows = list(Requirement.objects.filter(seller=seller).order_by("pk"))
    for row in rows:
        row.seller = seller
    return rows


def move(
    row: Requirement,
    to: str,
    *,
    actor: Actor,
    at: datetime,
    reason: str = "",
    code: str = "",
    quiet: bool = False,
    **columns: Any,
) -> None:
    """Move a row, write what goes with the move, and tell `requirement.<state>` to the partner.

    What is met keeps nothing off any more when it is asked for again later: it has its deadline first. What was overdue, or is refused, does
    until it is met.
    """
    if to == Q.PENDING_VERIFICATION and row.state == Q.PAST_DUE:
        columns.setdefault("gating", True)
    if to in MET:
        columns = {"gating": False, "deadline_at": None, "error_code": "", "error_text": ""} | columns
    transition(REQUIREMENT, row, to, actor=actor, at=at, reason=reason, code=code)
    for name, value in columns.items():
        setattr(row, name, value)
    if columns:
        row.save(update_fields=list(columns))
    if not quiet:
        tell(
            f"requirement.{to}", subject=row.public_id, payload=told(row) | {"reason_code": code}, at=at,
            partner_id=row.seller.partner_id,
        )  # fmt: skip


def told(row: Requirement) -> dict[str, Any]:
    """What events say of a requirement: no value, no name."""
    return {
        "seller": row.seller.public_id,
        "code": row.code,
        "state": str(row.state),
        "capabilities": row.capabilities,
        "deadline_at": row.deadline_at.isoformat() if row.deadline_at else None,
        "error_code": row.error_code,
    }


def open_again(
    row: Requirement,
    *,
    actor: Actor,
    at: datetime,
    reason: str,
    code: str,
    text: str,
    gating: bool,
    deadline_at: datetime | None = None,
) -> None:
    """Ask for something again, with its error for the seller; what is not gating goes on until `deadline_at`, or for its days of grace."""
    columns: dict[str, Any] = {"gating": gating, "error_code": code[:60], "error_text": text}
    columns["deadline_at"] = None if gating else deadline_at or at + timedelta(days=row.grace_days or GRACE_DAYS)
    move(row, Q.CURRENTLY_DUE, actor=actor, at=at, reason=reason, code=code, **columns)


def refuse_given(row: Requirement, *, actor: Actor, at: datetime, reason: str, code: str, text: str) -> None:
    """Ask again for what was given and is not accepted; what it replaced still holds until its deadline, if that is to come."""
    holds = row.state == Q.PENDING_VERIFICATION and not row.gating and row.deadline_at is not None and row.deadline_at > at
    open_again(
        row,
        actor=actor,
        at=at,
        reason=reason,
        code=code,
        text=text,
        gating=not holds,
        deadline_at=row.deadline_at if holds else None,
    )


def index(rows: Iterable[Requirement]) -> dict[tuple[str, int | None], Requirement]:
    return {(row.code, row.person_id): row for row in rows}
