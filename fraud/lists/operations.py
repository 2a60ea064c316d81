"""Verbs of lists: put a value on one, approve or refuse an allowed one, end one, import many.

Decisions hold a shared lock on the lists and changes an exclusive one: a decision sees all of a change or nothing, and names the version.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.clock import parse_at
from backoffice.kit.crypto import blind_index
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.idempotency import fingerprint
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from fraud.lists.models import ListedValue, ListKind, ListsVersion, ValueKind
from fraud.lists.states import LISTED, ListedState

ACTION = "listed_value"
LOCK = 7_305_001  # of the lists as a whole
ALLOWED_DAYS_MAX = 365
VALUE_MAX, IMPORT_MAX = 200, 10_000


class ListedValueInvalid(InputError):
    code = "listed_value_invalid"
    sentence = "{detail}"


class ListedAlready(Refusal):
    code = "listed_already"
    sentence = "{shown} is on the list “{list}” already ({state}). End that entry first."


class NotWaiting(Refusal):
    code = "listed_value_not_waiting"
    sentence = "This entry is {state}; only one that waits for a second person can be decided."


class NotListed(Refusal):
    code = "listed_value_not_active"
    sentence = "This entry is {state}; only one in force can be ended."


def lock_lists(*, shared: bool) -> None:
    """Hold the lists still until the transaction ends: shared to read them for a decision, exclusive to change them."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock{'_shared' if shared else ''}(%s)", [LOCK])


def normal(kind: str, value: str) -> str:
    """Return a value as it is compared: without spaces, in one case."""
    plain = "".join(value.split()).casefold()
    if kind == ValueKind.PHONE:
        plain = re.sub(r"[^\d+]", "", plain)
    if kind == ValueKind.PERSON:
        plain = " ".join(value.split()).casefold()
    return plain


def index_of(kind: str, value: str) -> str:
    """Return the blind index of a value; a bank account's is that of payee accounts, so that they meet without being opened."""
    return blind_index(value if kind == ValueKind.IBAN else f"{kind}:{normal(kind, value)}")


def masked(kind: str, value: str) -> str:
    """Return what screens show: references in full, what names a person or an account only in part."""
    plain = " ".join(value.split())
    if kind in (ValueKind.SELLER, ValueKind.COUNTRY, ValueKind.DEVICE, ValueKind.BUYER):
        return plain[:80]
    if kind == ValueKind.EMAIL:
        name, _, domain = plain.partition("@")
        return f"{name[:1]}…@{domain}"[:80]
    return f"{plain[:2]}…{plain[-2:]}" if kind == ValueKind.PERSON else f"…{plain[-4:]}"


@composable
def list_value(
    *,
    list: str,
    kind: str,
    value: str,
    reason: str,
    actor: Actor,
    at: datetime,
    absolute: bool = False,
    expires_at: datetime | None = None,
    owner: str = "",
) -> ListedValue:
    """Put a value on a list: blocked and watched at once, allowed once a second person agrees. Tells `list.changed`.

    An allowed value ends within a year. Refuses: ListedValueInvalid, ListedAlready.
    """
    _check(list, kind, value, reason, absolute, expires_at, at)
    lock_lists(shared=False)
    index = index_of(kind, value)
    there = ListedValue.objects.filter(list=list, kind=kind, value_index=index, state__in=["waiting", "active"]).first()
    if there is not None:
        raise ListedAlready(shown=there.shown, list=there.get_list_display(), state=there.get_state_display())

    waits = list == ListKind.ALLOWED
    row = ListedValue(
        list=list, kind=kind, value_index=index, shown=masked(kind, value), absolute=absolute, reason=reason.strip(),
        owner=owner or str(actor), expires_at=expires_at, state=ListedState.WAITING if waits else ListedState.ACTIVE, made_by=str(actor), made_at=at,
    )  # fmt: skip
    row.value = " ".join(value.split())
    if not waits:
        row.since_version = _next_version(actor, at, added=1).pk
    row.save()
    born(LISTED, row, actor=actor, at=at, reason=reason)
    if waits:
        approvals.request_approval(
            action=ACTION, subject=row.public_id, content_hash=content_hash(row), shown=shown(row), maker=actor, at=at
        )
    else:
        _tell(row, at)
    audit.record(actor, "list.add", row.public_id, at, reason=reason, facts=shown(row))
    return row


def _check(list: str, kind: str, value: str, reason: str, absolute: bool, expires_at: datetime | None, at: datetime) -> None:
    plain = normal(kind, value)
    problems = {
        "A value stands on the list allowed, blocked or watched.": list not in ListKind.values,
        f"A value is one of: {', '.join(ValueKind.values)}.": kind not in ValueKind.values,
        f"Give a value of 1 to {VALUE_MAX} characters.": not plain or len(value) > VALUE_MAX or not value.isprintable(),
        "Give a reason: whoever meets this entry later reads it.": not reason.strip(),
        "Only blocked values block absolutely.": absolute and list != ListKind.BLOCKED,
        "A country is its ISO code of two letters.": kind == ValueKind.COUNTRY and not re.fullmatch("[a-z]{2}", plain),
        "An email address has an @ and a domain.": kind == ValueKind.EMAIL and not re.fullmatch(r"[^@]+@[^@]+\.[^@]+", plain),
        "A seller is named by its id, such as sel_….": kind == ValueKind.SELLER and not plain.startswith("sel_"),
        "The end lies in the future.": expires_at is not None and expires_at <= at,
        f"An allowed value ends, within {ALLOWED_DAYS_MAX} days: give an end.": list == ListKind.ALLOWED
        and (expires_at is None or expires_at > at + timedelta(days=ALLOWED_DAYS_MAX)),
    }
    for sentence, wrong in problems.items():
        if wrong:
            raise ListedValueInvalid(detail=sentence)


def shown(row: ListedValue) -> dict[str, Any]:
    """Return what a second person agrees to; the value itself is masked."""
    return {
        "list": row.list,
        "kind": row.kind,
        "value": row.shown,
        "absolute": row.absolute,
        "owner": row.owner,
        "expires_at": row.expires_at.isoformat() if row.expires_at else None,
    }


def content_hash(row: ListedValue) -> str:
    return fingerprint([row.public_id, shown(row), row.value_index, row.reason])


def _next_version(actor: Actor, at: datetime, *, added: int = 0, ended: int = 0) -> ListsVersion:
    return ListsVersion.objects.create(at=at, actor=str(actor), added=added, ended=ended)


def _tell(row: ListedValue, at: datetime) -> None:
    tell("list.changed", subject=row.public_id, payload={"list": row.list, "kind": row.kind, "state": str(row.state)}, at=at)


@composable
def approve_listed(*, listed_id: int, actor: Actor, at: datetime, reason: str = "") -> ListedValue:
    """Let an allowed value in, as another person than who proposed it. Tells `list.changed`. Refuses: NotFound, NotWaiting, and what approvals refuse."""
    lock_lists(shared=False)
    row = _waiting(listed_id)
    exact: Any = {"action": ACTION, "subject": row.public_id, "content_hash": content_hash(row), "at": at}
    approvals.approve(checker=actor, reason=reason, **exact)
    approvals.use_approval(**exact)
    row.approved_by, row.since_version = str(actor), _next_version(actor, at, added=1).pk
    row.save(update_fields=["approved_by", "since_version"])
    transition(LISTED, row, ListedState.ACTIVE, actor=actor, at=at, reason=reason)
    audit.record(actor, "list.approve", row.public_id, at, reason=reason, facts=shown(row))
    _tell(row, at)
    return row


@composable
def refuse_listed(*, listed_id: int, actor: Actor, at: datetime, reason: str) -> ListedValue:
    """Refuse an allowed value that waits; who proposed it may, too. Refuses: NotFound, NotWaiting."""
    row = _waiting(listed_id)
    approvals.refuse(action=ACTION, subject=row.public_id, checker=actor, at=at, reason=reason)
    transition(LISTED, row, ListedState.REFUSED, actor=actor, at=at, reason=reason)
    audit.record(actor, "list.refuse", row.public_id, at, reason=reason)
    return row


def _waiting(listed_id: int) -> ListedValue:
    row = _locked(listed_id)
    if row.state != ListedState.WAITING:
        raise NotWaiting(state=row.get_state_display())
    return row


def _locked(listed_id: int) -> ListedValue:
    row = ListedValue.objects.select_for_update().filter(pk=listed_id).first()
    if row is None:
        raise NotFound(what="list entry", ref=listed_id)
    return row


@composable
def end_listed(*, listed_id: int, actor: Actor, at: datetime, reason: str) -> ListedValue:
    """Take a value off its list. Tells `list.changed`. Refuses: NotFound, NotListed."""
    lock_lists(shared=False)
    row = _locked(listed_id)
    if row.state != ListedState.ACTIVE:
        raise NotListed(state=row.get_state_display())
    row.ended_version, row.ended_by = _next_version(actor, at, ended=1).pk, str(actor)
    row.save(update_fields=["ended_version", "ended_by"])
    transition(LISTED, row, ListedState.ENDED, actor=actor, at=at, reason=reason)
    audit.record(actor, "list.end", row.public_id, at, reason=reason)
    _tell(row, at)
    return row


@composable
def end_expired(*, actor: Actor, at: datetime) -> int:
    """End every value whose time is over; decisions ignore them from that moment on by themselves."""
    due = ListedValue.objects.filter(state=ListedState.ACTIVE, expires_at__lte=at).values_list("pk", flat=True)[:1000]
    for pk in due:
        end_listed(listed_id=pk, actor=actor, at=at, reason="Its time was over.")
    return len(due)


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file did: rows added, rows that were there before, and why others were refused, by line."""

    added: int
    known: int
    refused: tuple[tuple[int, str], ...]


COLUMNS = ("list", "kind", "value", "reason", "absolute", "expires_at")


@composable
def import_values(*, text: str, actor: Actor, at: datetime) -> Imported:
    """Put the values of a CSV file on the lists: `list,kind,value,reason,absolute,expires_at`; a bad line stops nothing but itself.

    Refuses: ListedValueInvalid when the file cannot be read at all.
    """
    reader = csv.DictReader(io.StringIO(text))
    if not reader.fieldnames or not {"list", "kind", "value", "reason"} <= set(reader.fieldnames):
        raise ListedValueInvalid(detail=f"The first line names the columns: {','.join(COLUMNS)}.")
    added, known, refused = 0, 0, []
    for number, row in enumerate(reader, start=2):
        if number > IMPORT_MAX:
            raise ListedValueInvalid(detail=f"A file has at most {IMPORT_MAX} values.")
        try:
            _import_row({name: (row.get(name) or "").strip() for name in COLUMNS}, actor, at)
            added += 1
        except ListedAlready:
            known += 1
        except (ListedValueInvalid, ValueError) as problem:
            refused.append((number, str(problem)))
    return Imported(added, known, tuple(refused))


def _import_row(row: dict[str, str], actor: Actor, at: datetime) -> None:
    ends = parse_at(row["expires_at"]) if row["expires_at"] else None
    list_value(
        list=row["list"], kind=row["kind"], value=row["value"], reason=row["reason"],
        absolute=row["absolute"].casefold() in ("1", "yes", "true"), expires_at=ends, actor=actor, at=at,
    )  # fmt: skip


def export_values(rows: Iterable[ListedValue]) -> str:
    """Return values as the import takes them, opened: only for who may, and the audit says who did."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in rows:
        ends = row.expires_at.isoformat() if row.expires_at else ""
        cells = [row.list, row.kind, row.value, row.reason, "yes" if row.absolute else "", ends]
        # a cell that begins like a formula would be one in a spreadsheet
        writer.writerow(
            [f"'{cell}" if cell[:1] in "=+-@\t\r" and cell[:1] and row.kind != ValueKind.PHONE else cell for cell in cells]
        )
    return out.getvalue()
