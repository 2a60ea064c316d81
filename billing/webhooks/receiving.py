"""Take events in: one statement, whatever came before, and no word to the broker. The worker finds them in the table."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from backoffice.kit.crypto import seal
from backoffice.kit.ids import new_id
from backoffice.kit.statements import all_rows
from billing.gateways.port import Notice
from billing.webhooks import bodies
from billing.webhooks.models import Source

# The row and the first line of its history in one round trip; a duplicate writes neither.
_TAKE_IN = """
    WITH made AS (
        INSERT INTO billing_inboundevent (public_id, provider, account, event_ref, type, kind, object_ref, livemode, api_version, source, raw,
                                          occurred_at, received_at, state, tries, next_try_at, code, last_error, replays)
        VALUES (%(public_id)s, %(provider)s, %(account)s, %(event_ref)s, %(type)s, %(kind)s, %(object_ref)s, %(livemode)s, %(api_version)s,
                %(source)s, %(raw)s, %(occurred_at)s, %(at)s, 'received', 0, %(at)s, '', '', 0)
            ON CONFLICT (provider, account, event_ref) DO NOTHING RETURNING id, received_at, source)
    INSERT INTO backoffice_statechange (subject, subject_id, from_state, to_state, actor, code, reason, at)
    SELECT 'inbound_event', id, '', 'received', 'rail:' || source, '', '', received_at FROM made RETURNING subject_id
"""
_COUNT_REFUSED = """
    INSERT INTO billing_refusednotice (provider, "on", code, count, last_at) VALUES (%s, %s, %s, 1, %s)
    ON CONFLICT (provider, "on", code) DO UPDATE SET count = billing_refusednotice.count + 1, last_at = excluded.last_at
"""


def take_in(*, provider: str, notice: Notice, at: datetime, source: str = Source.DOOR) -> bool:
    """Keep an event unless it is here already; return whether it was new. Commits by itself outside of a transaction."""
    public_id = new_id("iev")
    kind = bodies.kind_of(notice.type)
    raw = seal(bodies.pack(notice.raw), f"billing_inboundevent:{public_id}:raw")
    facts = {
        "public_id": public_id, "provider": provider, "account": notice.account, "event_ref": notice.event_ref, "type": notice.type, "kind": kind,
        "object_ref": notice.object_ref if kind else notice.event_ref, "livemode": notice.livemode, "api_version": notice.api_version,
        "source": str(source), "raw": raw, "occurred_at": notice.created_at, "at": at,
    }  # fmt: skip
    return bool(all_rows(_TAKE_IN, facts))


def count_refused(*, provider: str, code: str, at: datetime) -> None:
    """Count a body that was refused at the door; nothing else of it is kept."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_REFUSED, [provider, at.date(), code, at])
