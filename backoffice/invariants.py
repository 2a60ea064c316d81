"""Truths 9, 12 and 13: histories follow the allowed moves, events are delivered, the audit chain verifies."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth
from backoffice.kit.states import MACHINES
from backoffice.partners.outgoing import invariants  # noqa: F401 - registers its truths
from backoffice.staff import audit

Rows = list[dict[str, Any]]


@truth(9, "history_agrees_with_status", "The last history row of every subject is its status.")
def history_agrees_with_status() -> Rows:
    rows: Rows = []
    for machine in MACHINES.values():
        rows += rows_of(
            f"""SELECT %(subject)s AS subject, t.id, t.{machine.column} AS status, h.to_state AS last_history
                  FROM {machine.table} t
                  LEFT JOIN (SELECT DISTINCT ON (subject_id) subject_id, to_state FROM backoffice_statechange
                              WHERE subject = %(subject)s ORDER BY subject_id, id DESC) h ON h.subject_id = t.id
                 WHERE h.to_state IS DISTINCT FROM t.{machine.column} LIMIT 1000""",  # noqa: S608 - names come from code
            {"subject": machine.subject},
        )
    return rows


@truth(9, "history_follows_allowed_moves", "Every move in the history is allowed, and starts where the one before ended.")
def history_follows_allowed_moves() -> Rows:
    allowed = [f"{m.subject}:{a}>{b}" for m in MACHINES.values() for a, targets in m.moves.items() for b in targets]
    return rows_of(
        """SELECT * FROM (SELECT subject, subject_id, from_state, to_state, at,
                                 lag(to_state, 1, '') OVER (PARTITION BY subject, subject_id ORDER BY id) AS before
                            FROM backoffice_statechange) h
            WHERE before <> from_state OR NOT subject || ':' || from_state || '>' || to_state = ANY(%(allowed)s) LIMIT 1000""",
        {"allowed": allowed},
    )


@truth(12, "events_are_delivered", "Every event is delivered or dead-lettered; none has waited for more than a day.")
def events_are_delivered() -> Rows:
    return rows_of(
        """SELECT public_id AS event, type, attempts, last_error FROM backoffice_event
            WHERE delivered_at IS NULL AND dead_at IS NULL AND attempts > 0
              AND coalesce(next_try_at, occurred_at) < clock_timestamp() - interval '1 day' LIMIT 1000"""
    )


@truth(13, "audit_chain_verifies", "The audit chain verifies from its first row to its last.")
def audit_chain_verifies() -> Rows:
    return audit.verify()
