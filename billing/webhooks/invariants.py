"""Truth 12, for events of providers: each is done, or given up and waiting for a person; none is in between for longer than its limit."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth


@truth(
    12,
    "inbound_events_are_done",
    "Every inbound event is processed, ignored, stale, coalesced or dead; none waits or runs for an hour.",
)
def inbound_events_are_done() -> list[dict[str, Any]]:
    return rows_of(
        """SELECT public_id AS inbound_event, type, state, tries FROM billing_inboundevent
            WHERE state IN ('received', 'retry') AND next_try_at < clock_timestamp() - interval '1 hour'
               OR state = 'processing' AND coalesce(lease_until, received_at) < clock_timestamp() - interval '1 hour' LIMIT 1000"""
    )


@truth(12, "dead_events_say_why", "Every inbound event that was given up keeps why, and its body.")
def dead_events_say_why() -> list[dict[str, Any]]:
    return rows_of("SELECT public_id AS inbound_event FROM billing_inboundevent WHERE state = 'dead' AND (code = '' OR raw = '')")
