"""Truth 12, for webhooks to partners: deliveries end, and one that arrived has the answer that says so."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth


@truth(
    12,
    "deliveries_are_done",
    "Every webhook delivery of an enabled endpoint ends or has a next attempt; none is overdue or under way for an hour.",
)
def deliveries_are_done() -> list[dict[str, Any]]:
    return rows_of(
        """SELECT d.public_id AS delivery, d.status, d.tries FROM backoffice_webhookdelivery d
             JOIN backoffice_webhookendpoint e ON e.id = d.endpoint_id
            WHERE d.status = 'pending' AND e.status = 'enabled' AND d.next_attempt_at < clock_timestamp() - interval '1 hour'
               OR d.status = 'pending' AND e.status LIKE 'disabled%%'
               OR d.status = 'sending' AND d.lease_until < clock_timestamp() - interval '1 hour' LIMIT 1000""",
        {},
    )


@truth(
    12, "delivered_was_answered", "Every webhook delivery that counts as delivered has an attempt that was answered with success."
)
def delivered_was_answered() -> list[dict[str, Any]]:
    return rows_of(
        """SELECT d.public_id AS delivery FROM backoffice_webhookdelivery d
            WHERE d.status = 'succeeded' AND NOT EXISTS (
                SELECT FROM backoffice_deliveryattempt a WHERE a.delivery_id = d.id AND a.http_status BETWEEN 200 AND 299) LIMIT 1000"""
    )
