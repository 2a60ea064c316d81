"""Derive what sellers may do from their requirement rows: one statement for one seller or for all, in the transaction that changed the rows.

A capability is off while a requirement that guards it is overdue, or is gating and not met yet. A seller without any row is not assessed,
and may do nothing: fail closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from backoffice.kit.actors import Actor
from backoffice.kit.invariants import rows_of
from backoffice.kit.outbox import tell_set
from payouts.compliance.states import TAX_CATALOGUE, Capability, CapabilityCode
from payouts.sellers.standing import follow_review

_CODES = {
    CapabilityCode.REQUIREMENTS_PAST_DUE: f"r.state = 'past_due' AND r.catalogue <> '{TAX_CATALOGUE}'",
    CapabilityCode.TAX_DATA_MISSING: f"r.state = 'past_due' AND r.catalogue = '{TAX_CATALOGUE}'",
    CapabilityCode.REQUIREMENTS_DUE: "r.gating AND r.state = 'currently_due'",
    CapabilityCode.REQUIREMENTS_PENDING: "r.gating AND r.state = 'pending_verification'",
}


def _code_of(capability: str) -> str:
    whens = " ".join(
        f"WHEN bool_or(({condition}) AND '{capability}' = ANY(r.capabilities)) THEN '{code.value}'"
        for code, condition in _CODES.items()
    )
    # a seller whose rows were all withdrawn is asked nothing, and so was not assessed
    asked = "bool_or(r.id IS NOT NULL AND r.state <> 'withdrawn')"
    return f"CASE WHEN NOT {asked} THEN '{CapabilityCode.NOT_ASSESSED.value}' {whens} ELSE '' END AS {capability}_code"


_ENDING = "r.state = 'currently_due' AND NOT r.gating AND 'pay_out' = ANY(r.capabilities) AND r.deadline_at IS NOT NULL"
# The code that holds once the next deadline has passed.
_ENDS_WITH = f"CASE r.catalogue WHEN '{TAX_CATALOGUE}' THEN '{CapabilityCode.TAX_DATA_MISSING.value}' ELSE '{CapabilityCode.REQUIREMENTS_PAST_DUE.value}' END"
# What the rows say of each seller; compared with what is stored by the derivation itself and by the truth that checks it.
DERIVED = f"""
    SELECT s.id AS seller_id, {", ".join(_code_of(one) for one in Capability.values)},
           min(r.deadline_at) FILTER (WHERE {_ENDING}) AS pay_out_ends_at,
           coalesce((array_agg({_ENDS_WITH} ORDER BY r.deadline_at, r.id) FILTER (WHERE {_ENDING}))[1], '') AS pay_out_ends_code
      FROM payouts_seller s LEFT JOIN payouts_requirement r ON r.seller_id = s.id
     WHERE {{sellers}} GROUP BY s.id"""  # noqa: S608 - composed of this module's own text
COLUMNS = [*(f"{one}_code" for one in Capability.values), "pay_out_ends_at", "pay_out_ends_code"]
_NAMES = ", ".join(COLUMNS)
_TOLD = """
    SELECT s.public_id, jsonb_build_object('seller', s.public_id, 'external_id', s.external_id, 'sell', c.sell_code, 'accrue', c.accrue_code,
           'pay_out', c.pay_out_code, 'change_payee', c.change_payee_code), s.partner_id
      FROM payouts_seller s JOIN payouts_sellercapabilities c ON c.seller_id = s.id WHERE s.id = ANY(%(sellers)s) ORDER BY s.id"""


def derive(seller_ids: Sequence[int], *, actor: Actor, at: datetime, tells: bool = True, follow: bool = True) -> list[int]:
    """Bring capabilities and the review state of sellers in line with their rows; return those whose capabilities changed.

    The caller has locked the sellers. Tells `seller.capabilities_changed` (not where `seller.created` tells it all), and what `follow_review`
    tells, unless the caller is about to set the status itself (`follow`).
    """
    ids = sorted(set(seller_ids))
    if not ids:
        return []
    changed = _write(ids, at)
    if changed and tells:
        tell_set("seller.capabilities_changed", _TOLD, {"sellers": changed}, at=at)
    if follow:
        follow_review(ids, _STANDING, actor=actor, at=at)
    return changed


def _write(ids: list[int], at: datetime) -> list[int]:
    sets = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS)
    old = ", ".join(f"c.{name}" for name in COLUMNS)
    new = ", ".join(f"excluded.{name}" for name in COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO payouts_sellercapabilities AS c (seller_id, {_NAMES}, catalogue, derived_at)
                SELECT seller_id, {_NAMES}, '', %(at)s FROM ({DERIVED.format(sellers="s.id = ANY(%(sellers)s)")}) AS d ORDER BY seller_id
                ON CONFLICT (seller_id) DO UPDATE SET {sets}, derived_at = excluded.derived_at
                 WHERE ({old}) IS DISTINCT FROM ({new}) RETURNING seller_id""",  # noqa: S608 - names of this module
            {"sellers": ids, "at": at},
        )
        return sorted(row[0] for row in cursor.fetchall())


# Where an onboarding seller stands by its rows: payable, or everything given and ours to verify.
_STANDING = """
    SELECT c.seller_id AS id, CASE c.pay_out_code WHEN '' THEN 'active' WHEN 'requirements_pending' THEN 'review' END AS wanted
      FROM payouts_sellercapabilities c WHERE c.seller_id = ANY(%(sellers)s)"""


def disagreeing() -> list[dict[str, Any]]:
    """Return sellers whose stored capabilities are not what their rows say."""
    different = " OR ".join(f"c.{name} IS DISTINCT FROM d.{name}" for name in COLUMNS)
    return rows_of(
        f"""SELECT d.seller_id, c.pay_out_code AS stored, d.pay_out_code AS derived FROM ({DERIVED.format(sellers="true")}) AS d
              JOIN payouts_sellercapabilities c ON c.seller_id = d.seller_id WHERE {different}"""  # noqa: S608 - names of this module
    )
