"""Truths of collecting."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth


@truth(
    10,
    "nothing_planned_for_ended_collections",
    "What is settled or stopped has no planned attempt: nobody is charged after a cancellation.",
)
def ended_is_quiet() -> list[dict[str, Any]]:
    return rows_of(
        """SELECT c.public_id AS collection, a.public_id AS attempt, c.status FROM billing_collectionattempt a
             JOIN billing_collection c ON c.id = a.collection_id WHERE a.status = 'planned' AND c.status IN ('settled', 'stopped') LIMIT 100"""
    )


@truth(10, "attempts_explain_collections", "What attempts brought is never more than what their collection says was collected.")
def attempts_explain() -> list[dict[str, Any]]:
    return rows_of(
        """SELECT c.public_id AS collection, c.collected_minor, sum(a.balance_minor + a.card_minor) AS attempts_minor FROM billing_collection c
             JOIN billing_collectionattempt a ON a.collection_id = c.id AND a.status IN ('succeeded', 'failed')
            GROUP BY c.id HAVING sum(a.balance_minor + a.card_minor) > c.collected_minor LIMIT 100"""
    )


@truth(10, "settled_is_collected", "A settled collection collected all that was due, and an open one did not.")
def settled_is_collected() -> list[dict[str, Any]]:
    return rows_of(
        """SELECT public_id AS collection, status, amount_minor, collected_minor FROM billing_collection
            WHERE (status = 'settled') <> (collected_minor = amount_minor) AND status <> 'stopped' LIMIT 100"""
    )


@truth(
    7, "attempts_have_an_outcome", "No attempt to collect is left running: within an hour it has an outcome or is taken up again."
)
def running_too_long() -> list[dict[str, Any]]:
    return rows_of(
        """SELECT a.public_id AS attempt, a.started_at FROM billing_collectionattempt a JOIN billing_collection c ON c.id = a.collection_id
             JOIN billing_customer k ON k.id = c.customer_id
            WHERE a.status = 'running' AND k.clock_at IS NULL AND a.started_at < now() - interval '1 hour' LIMIT 100"""
    )
