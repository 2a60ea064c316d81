"""Payment orders: made from approved payouts, turned into instructions for a rail."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection

from backoffice.kit.actors import Actor
from backoffice.kit.states import born_set
from payouts.dispatch.models import PaymentOrder
from payouts.dispatch.states import ORDER
from payouts.rails.port import Instruction

_NEW_ORDERS = """
    INSERT INTO payouts_paymentorder (
        public_id, payout_id, attempt, rail, payee_account_id, currency, amount_minor, end_to_end_id, key, request_hash, status, code, reason,
        raw_code, provider_ref, fence, tries, called, next_try_at, created_at)
    SELECT n.public_id, n.id, n.attempt, n.rail, n.payee_account_id, n.currency, n.amount_minor, replace(n.public_id, '_', '-'),
           'payout-' || n.payout || '-' || n.attempt,
           encode(sha256(convert_to(concat_ws('|', n.payout, n.attempt, n.rail, n.number_index, n.currency, n.amount_minor), 'UTF8')), 'hex'),
           'approved', '', '', '', '', 0, 0, false, least(now(), n.called_before - interval '1 day'), %(at)s
      FROM (SELECT kit_typeid('ord') AS public_id, p.id, p.public_id AS payout, p.rail, p.payee_account_id, p.currency, p.amount_minor,
                   a.number_index, e.called_before, 1 + coalesce(e.attempt, 0) AS attempt
              FROM payouts_payout p JOIN payouts_payeeaccount a ON a.id = p.payee_account_id
              LEFT JOIN LATERAL (SELECT max(o.attempt) AS attempt, min(o.first_called_at) AS called_before
                                   FROM payouts_paymentorder o WHERE o.payout_id = p.id) e ON true
             WHERE p.id = ANY(%(payouts)s) ORDER BY p.id) n
    RETURNING id
"""


def create_orders(payout_ids: Sequence[int], *, actor: Actor, at: datetime) -> list[int]:
    """Write the next attempt of each payout, due now (a further attempt ahead of those never tried); returns the new ids.

    The key is made of ids and stored here, before any call. The database refuses it for payouts nobody else approved, and beside a live attempt.
    """
    with connection.cursor() as cursor:
        cursor.execute(_NEW_ORDERS, {"payouts": list(payout_ids), "at": at})
        ids = [row[0] for row in cursor.fetchall()]
    born_set(ORDER, "SELECT unnest(%(orders)s::bigint[])", {"orders": ids}, actor=actor, at=at)
    return ids


def instructions_for(orders: Iterable[PaymentOrder]) -> list[Instruction]:
    """Return what the rail is told; the orders come with payout, seller and payee account selected."""
    return [instruction_for(order) for order in orders]


def instruction_for(order: PaymentOrder) -> Instruction:
    payee, payout = order.payee_account, order.payout
    return Instruction(
        order_id=order.public_id,
        end_to_end_id=order.end_to_end_id,
        key=order.key,
        amount_minor=order.amount_minor,
        currency=order.currency,
        payee_kind=payee.kind,
        payee_number=payee.number,
        payee_holder=payee.account_holder,
        payee_bic=payee.bic,
        payee_routing_number=payee.routing_number,
        payee_country=payee.country,
        payee_town=payout.seller.town if payout.seller.country == payee.country else "",
        remittance=f"{settings.PLATFORM_NAME} {payout.reference}",
        created_at=order.created_at,
        instant=payout.instant,
    )


def request_hash(order: PaymentOrder) -> str:
    """Recompute what the order was hashed as when it was made; anything else means a row was tampered with."""
    payout = order.payout
    parts: list[Any] = [
        payout.public_id,
        order.attempt,
        order.rail,
        order.payee_account.number_index,
        order.currency,
        order.amount_minor,
    ]
    return hashlib.sha256("|".join(str(part) for part in parts).encode()).hexdigest()
