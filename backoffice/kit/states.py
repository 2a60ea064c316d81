"""States with history: an enum, an allowed-move table, one `transition()` that writes both the status and its history row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, models

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal


class MoveNotAllowed(Refusal):
    code = "move_not_allowed"
    sentence = "A {subject} that is {from_state} cannot become {to_state}."


class StateChange(models.Model):
    """One move of one subject: the timeline the operator sees. Appended, never edited."""

    subject = models.CharField(max_length=40)
    subject_id = models.BigIntegerField()
    from_state = models.CharField(max_length=30, blank=True)
    to_state = models.CharField(max_length=30)
    actor = models.CharField(max_length=80)
    code = models.CharField(max_length=60, blank=True)
    reason = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        app_label = "backoffice"
        indexes = [models.Index(fields=["subject", "subject_id", "id"], name="state_change_timeline")]

    def __str__(self) -> str:
        return f"{self.subject} {self.subject_id}: {self.from_state} → {self.to_state}"


@dataclass(frozen=True)
class StateMachine:
    """The states of one subject and the moves between them; `subject` names it in the history, `table` where its status stands."""

    subject: str
    table: str
    states: type[models.TextChoices]
    moves: dict[str, frozenset[str]]
    column: str = "status"

    def allows(self, from_state: str, to_state: str) -> bool:
        return to_state in self.moves.get(from_state, frozenset())


MACHINES: dict[str, StateMachine] = {}


def machine(
    subject: str,
    table: str,
    states: type[models.TextChoices],
    moves: dict[Any, Iterable[Any]],
    column: str = "status",
) -> StateMachine:
    """Declare and register a state machine; the move from '' names the states a subject may be born in."""
    declared = StateMachine(subject, table, states, {str(a): frozenset(str(b) for b in bs) for a, bs in moves.items()}, column)
    unknown = {s for bs in declared.moves.values() for s in bs} | {a for a in declared.moves if a} - set(states.values)
    if unknown - set(states.values):
        raise ValueError(f"{subject}: moves name unknown states {unknown - set(states.values)}")
    MACHINES[subject] = declared
    return declared


def transition(of: StateMachine, row: Any, to: str, *, actor: Actor, at: datetime, reason: str = "", code: str = "") -> None:
    """Move a locked row to another state and append the history; the caller holds the row lock.

    Writes only the status column. A row whose status in the database is no longer what the caller saw is refused (the move then counts
    as made by somebody else). Refuses: MoveNotAllowed.
    """
    from_state = getattr(row, of.column)
    to = str(to)
    if not of.allows(from_state, to):
        raise MoveNotAllowed(subject=of.subject, from_state=from_state, to_state=to)
    moved = type(row)._default_manager.filter(pk=row.pk, **{of.column: from_state}).update(**{of.column: to})
    if moved != 1:
        raise MoveNotAllowed(subject=of.subject, from_state="no longer " + from_state, to_state=to)
    setattr(row, of.column, to)
    record_change(of, row.pk, from_state, to, actor=actor, at=at, reason=reason, code=code)


def born(of: StateMachine, row: Any, *, actor: Actor, at: datetime, reason: str = "", code: str = "") -> None:
    """Append the first history row of a freshly inserted subject."""
    state = getattr(row, of.column)
    if not of.allows("", state):
        raise MoveNotAllowed(subject=of.subject, from_state="new", to_state=state)
    record_change(of, row.pk, "", state, actor=actor, at=at, reason=reason, code=code)


def record_change(
    of: StateMachine,
    subject_id: int,
    from_state: str,
    to_state: str,
    *,
    actor: Actor,
    at: datetime,
    reason: str = "",
    code: str = "",
) -> None:
    StateChange.objects.create(
        subject=of.subject,
        subject_id=subject_id,
        from_state=from_state,
        to_state=to_state,
        actor=str(actor),
        reason=reason,
        code=code,
        at=at,
    )


def transition_set(
    of: StateMachine,
    select_sql: str,
    params: dict[str, Any],
    to: str,
    *,
    actor: Actor,
    at: datetime,
    reason: str = "",
    code: str = "",
    also: dict[str, Any] | None = None,
) -> int:
    """Move every row whose id `select_sql` answers, in one statement, with their history; return how many moved.

    Only rows whose present state allows the move are touched: the caller compares the count. `select_sql` selects one column `id`, locked
    FOR UPDATE in id order where rivals exist. `also` sets further columns of the moved rows, in the same write.
    """
    also = also or {}
    further = "".join(f", {column} = %(_also_{column})s" for column in also)
    sources = [a for a, bs in of.moves.items() if str(to) in bs and a]
    moved = f"""
        WITH chosen AS MATERIALIZED ({select_sql}),
        before AS MATERIALIZED (
            SELECT t.id, t.{of.column} AS from_state FROM {of.table} t JOIN chosen USING (id)
            WHERE t.{of.column} = ANY(%(_sources)s) ORDER BY t.id FOR UPDATE OF t),
        moved AS (
            UPDATE {of.table} t SET {of.column} = %(_to)s{further} FROM before b
            WHERE t.id = b.id AND t.{of.column} = b.from_state RETURNING t.id, b.from_state)"""  # noqa: S608 - names of tables and columns come from code
    facts = params | {"_sources": sources, "_to": str(to)} | {f"_also_{column}": value for column, value in also.items()}
    return _write_moves(of, moved, facts, to, actor=actor, at=at, reason=reason, code=code)


def transition_where(
    of: StateMachine,
    condition: str,
    params: dict[str, Any],
    from_state: str,
    to: str,
    *,
    actor: Actor,
    at: datetime,
    reason: str = "",
    code: str = "",
    also: dict[str, Any] | None = None,
) -> int:
    """Move every row in one state that meets a condition on `t`, in one write without reading them first; return how many moved.

    For sets whose rivals the caller has locked out already. Refuses: MoveNotAllowed.
    """
    if not of.allows(from_state, to):
        raise MoveNotAllowed(subject=of.subject, from_state=from_state, to_state=to)
    also = also or {}
    further = "".join(f", {column} = %(_also_{column})s" for column in also)
    moved = f"""
        WITH moved AS (
            UPDATE {of.table} t SET {of.column} = %(_to)s{further}
             WHERE t.{of.column} = %(_from)s AND ({condition}) RETURNING t.id, %(_from)s AS from_state)"""  # noqa: S608 - names of tables and columns come from code
    facts = params | {"_from": str(from_state), "_to": str(to)} | {f"_also_{column}": value for column, value in also.items()}
    return _write_moves(of, moved, facts, to, actor=actor, at=at, reason=reason, code=code)


def _write_moves(
    of: StateMachine, moved: str, params: dict[str, Any], to: str, *, actor: Actor, at: datetime, reason: str, code: str
) -> int:
    """Run a statement whose last part `moved` answers (id, from_state), and write their history with it."""
    history = {"_subject": of.subject, "_actor": str(actor), "_code": code, "_reason": reason, "_at": at}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""{moved}
        INSERT INTO backoffice_statechange (subject, subject_id, from_state, to_state, actor, code, reason, at)
        SELECT %(_subject)s, id, from_state, %(_to)s, %(_actor)s, %(_code)s, %(_reason)s, %(_at)s FROM moved""",  # noqa: S608 - names of tables and columns come from code
            params | history,
        )
        return cursor.rowcount


def born_set(of: StateMachine, select_sql: str, params: dict[str, Any], *, actor: Actor, at: datetime, reason: str = "") -> int:
    """Append the first history rows of a set of fresh subjects; `select_sql` selects `id`."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO backoffice_statechange (subject, subject_id, from_state, to_state, actor, code, reason, at)
                SELECT %(_subject)s, t.id, '', t.{of.column}, %(_actor)s, '', %(_reason)s, %(_at)s
                FROM {of.table} t WHERE t.id IN ({select_sql})""",  # noqa: S608 - identifiers come from code
            params | {"_subject": of.subject, "_actor": str(actor), "_reason": reason, "_at": at},
        )
        return cursor.rowcount


def timeline(of: StateMachine, subject_id: int) -> models.QuerySet[StateChange]:
    """Return the history of one subject, oldest first."""
    return StateChange.objects.filter(subject=of.subject, subject_id=subject_id).order_by("id")
