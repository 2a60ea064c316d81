"""Take in a bank's file, whole or not at all: keep it, apply what it says about our orders, and leave open what nobody can place.

The same file twice is a no-op, by content and by what it calls itself; a line that an earlier file held is known and skipped; and whichever of
several messages comes first does the work, since every posting is keyed by its order.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError
from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.money import Money
from backoffice.kit.outbox import tell
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable
from payouts import bankfiles
from payouts.bankfiles import Statement
from payouts.dispatch import bank_statements, consequences, files, money
from payouts.dispatch.bank_lines import FileAnswer, Known, Line, read_lines
from payouts.dispatch.booked_twice import set_aside_second_bookings
from payouts.dispatch.models import BankFile, BankFileEntry, PaymentOrder, RailFile
from payouts.dispatch.outcomes import Effect, Outcome, apply_outcomes
from payouts.dispatch.states import RAIL_FILE, BankFileState, EntryState, FileState
from payouts.ledger.operations import Draft, post
from payouts.ledger.templates import platform
from payouts.rails.reason_codes import rule_for

declare("bank_file_read", "bank_file_applied", "bank_file_kept")


class OtherAccount(InputError):
    code = "other_account"
    sentence = "The file is about the account {found}, not about the one named. Nothing was taken from it."


@dataclass(slots=True)
class BankFileResult:
    """What a bank file held, what it did, and what could not be placed."""

    format: str
    duplicate_file: bool = False
    bank_file_id: str = ""
    statements: list[dict[str, Any]] = field(default_factory=list)
    applied: dict[str, int] = field(default_factory=dict)
    unplaced: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "format": self.format,
            "bank_file": self.bank_file_id,
            "duplicate_file": self.duplicate_file,
            "statements": self.statements,
            "applied": self.applied,
            "unplaced": self.unplaced,
        }


@composable
def import_bank_file(
    *, data: bytes, file_name: str, actor: Actor, at: datetime, account_iban: str | None = None
) -> BankFileResult:
    """Read and apply a pain.002, camt.052/053/054, pacs.004 or MT940; all of it or nothing.

    Events: payout.paid, payout.failed, payout.returned, bank_file.imported, bank.incident. Refuses: UnreadableFile with its place, OtherAccount.
    """
    _one_at_a_time()
    sha256 = hashlib.sha256(data).hexdigest()
    earlier = BankFile.objects.filter(sha256=sha256).first()
    if earlier is not None:
        return _seen(earlier)
    read = bankfiles.read(data, size_max=settings.BANK_FILE_MAX_BYTES, on_gap="report")
    _check_account(read.statements, account_iban)
    lines, answers, known = read_lines(read)
    lines += bank_statements.gap_lines(read)
    failpoint("bank_file_read")

    fresh = _not_seen_before(lines)
    if not any(line in fresh for line in lines) and (
        twin := BankFile.objects.filter(identity=_identity(read.identity())).first()
    ):
        return _seen(twin)
    set_aside_second_bookings(fresh)
    _record_late_hand_overs(fresh, answers, known, actor, at)
    effects = apply_outcomes(_outcomes_of(fresh), actor=actor, at=at)
    _answer_files(answers, actor, at)
    _raise_incidents(fresh, known, actor, at)
    failpoint("bank_file_applied")

    result = BankFileResult(str(read.format), statements=[_statement_json(st) for st in read.statements])
    kept = _keep(data, file_name, sha256, read, lines, fresh, effects, result, actor, at)
    bank_statements.remember(kept, read.statements)
    _book_unexplained(kept, fresh, actor, at)
    tell("bank_file.imported", subject=kept.public_id, payload={"format": result.format, "applied": result.applied}, at=at)
    failpoint("bank_file_kept")
    return result


def _one_at_a_time() -> None:
    """Bank files are applied one after the other: two of one account touch the same rows in any order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('payouts.import_bank_file'))")


def _seen(file: BankFile) -> BankFileResult:
    return BankFileResult(
        file.format,
        duplicate_file=True,
        bank_file_id=file.public_id,
        statements=file.summary.get("statements", []),
        applied={},
        unplaced=[],
    )


def _identity(parts: tuple[str, ...]) -> str:
    text = "|".join(parts)
    return text if len(text) <= 180 else f"{text[:100]}#{hashlib.sha256(text.encode()).hexdigest()}"


def _check_account(statements: tuple[Statement, ...], account_iban: str | None) -> None:
    wanted = "".join((account_iban or "").split()).upper()
    for statement in statements:
        if wanted and statement.account_iban != wanted:
            raise OtherAccount(found=money.bank_holder(statement.account_iban))


def _not_seen_before(lines: list[Line]) -> list[Line]:
    """Return the lines no earlier file held: (account, statement, reference) names a line for ever."""
    names = {line.line_ref for line in lines}
    seen: set[tuple[str, str]] = set()
    wanted = sorted(names)
    for start in range(0, len(wanted), 5_000):
        rows = BankFileEntry.objects.filter(line_ref__in=wanted[start : start + 5_000]).values_list("account_iban", "line_ref")
        seen |= set(rows)
    return [line for line in lines if (line.account[:34], line.line_ref) not in seen]


def _outcomes_of(lines: list[Line]) -> list[Outcome]:
    """Return one outcome an order; in one file a return outranks a settlement, since it implies it."""
    chosen: dict[int, Outcome] = {}
    for line in lines:
        for outcome in line.outcomes:
            before = chosen.get(outcome.order_id)
            if before is None or before.told == "settled":
                chosen[outcome.order_id] = outcome
    return list(chosen.values())


def _record_late_hand_overs(lines: list[Line], answers: list[FileAnswer], known: Known, actor: Actor, at: datetime) -> None:
    """A bank that answers a file has it: what we had not come to record is recorded first."""
    named = {answer.file.pk for answer in answers}
    ids = [outcome.order_id for line in lines for outcome in line.outcomes]
    for start in range(0, len(ids), 5_000):
        chunk = PaymentOrder.objects.filter(pk__in=ids[start : start + 5_000], rail_file__state=FileState.BUILT)
        named |= set(chunk.values_list("rail_file_id", flat=True))
    for file_id in sorted(RailFile.objects.filter(pk__in=named, state=FileState.BUILT).values_list("pk", flat=True)):
        files.record_hand_over(file_id=file_id, actor=actor, at=at)


_FILE_STATES = {"ACCP": FileState.ACCEPTED, "PART": FileState.PARTLY_ACCEPTED, "RJCT": FileState.REJECTED}


def _answer_files(answers: list[FileAnswer], actor: Actor, at: datetime) -> None:
    for answer in answers:
        to = _FILE_STATES.get(answer.state)
        file = RailFile.objects.select_for_update().defer("data").get(pk=answer.file.pk)
        if to is None or rule_for(answer.reason.split(" ")[0]).action == "incident":
            continue
        if RAIL_FILE.allows(file.state, to):
            transition(RAIL_FILE, file, to, actor=actor, at=at, reason=answer.reason)
        RailFile.objects.filter(pk=file.pk).update(answered_at=at, state_reason=answer.reason[:500])


def _raise_incidents(lines: list[Line], known: Known, actor: Actor, at: datetime) -> None:
    """The bank says it has seen this before: the runs stop, a person finds out what was paid, nothing is reversed by guess."""
    for line in lines:
        if not line.incident:
            continue
        rule = rule_for(line.incident)
        orders = [order for file in known.files.values() for order in known.orders_of(file)[:1]]
        if line.order_id:
            orders = [order for order in known.orders.values() if order.pk == line.order_id]
        orders = list(PaymentOrder.objects.select_related("payout").filter(pk__in=[order.pk for order in orders]))
        consequences.hold_rest_of_runs(orders, rule, actor=actor, at=at)
        for file in known.files.values():
            if file.answered_at is None:
                RailFile.objects.filter(pk=file.pk).update(answered_at=at, state_reason=f"{rule.code}: {rule.operator_text}")
        tell("bank.incident", subject=line.line_ref[:40], payload={"code": rule.code, "what": rule.operator_text}, at=at)


# --- keeping ---


def _keep(
    data: bytes,
    file_name: str,
    sha256: str,
    read: bankfiles.BankFile,
    lines: list[Line],
    fresh: list[Line],
    effects: dict[int, Effect],
    result: BankFileResult,
    actor: Actor,
    at: datetime,
) -> BankFile:
    identity = _identity(read.identity())
    if BankFile.objects.filter(identity=identity).exists():
        identity = f"{identity[:130]}#{sha256}"
    kept = BankFile.objects.create(
        sha256=sha256,
        file_name=file_name[:200],
        format=str(read.format),
        identity=identity,
        data=data,
        state=BankFileState.APPLIED,
        received_at=at,
        received_by=str(actor),
    )
    result.bank_file_id = kept.public_id
    seen = {id(line) for line in lines} - {id(line) for line in fresh}
    entries = [_entry(kept, number, line, effects, id(line) in seen, at) for number, line in enumerate(lines, 1)]
    BankFileEntry.objects.bulk_create(entries, batch_size=1_000)
    result.applied = _count(fresh, effects, entries)
    result.unplaced = [_unplaced_json(entry) for entry in entries if entry.state == EntryState.UNPLACED]
    kept.state = BankFileState.PARTLY_PLACED if result.unplaced else BankFileState.APPLIED
    kept.summary = {"statements": result.statements, "applied": result.applied, "unplaced": len(result.unplaced)}
    kept.save(update_fields=["state", "summary"])
    return kept


def _entry(kept: BankFile, number: int, line: Line, effects: dict[int, Effect], seen: bool, at: datetime) -> BankFileEntry:
    state, outcome = _verdict(line, effects, seen)
    return BankFileEntry(
        bank_file=kept,
        position=number,
        line_ref=line.line_ref,
        servicer_ref=line.servicer_ref,
        kind=line.kind,
        account_iban=line.account[:34],
        end_to_end_id=line.end_to_end_id[:35],
        amount_minor=line.amount_minor,
        currency=line.currency,
        direction=line.direction,
        booked_on=line.booked_on,
        code=(line.problem if line.problem and not line.code else line.code)[:40],
        text=line.text,
        payment_order_id=line.order_id,
        state=state,
        outcome=outcome[:60],
        owner="finance" if state == EntryState.UNPLACED else "",
        created_at=at,
    )


def _verdict(line: Line, effects: dict[int, Effect], seen: bool) -> tuple[str, str]:
    if seen:
        return EntryState.INFO, "in an earlier file"
    if line.problem:
        return EntryState.UNPLACED, line.problem
    found = {effects.get(outcome.order_id, Effect.CONFLICT) for outcome in line.outcomes}
    if Effect.CONFLICT in found:
        return EntryState.UNPLACED, "contradicts_the_order"
    if Effect.APPLIED in found:
        return EntryState.APPLIED, line.note
    return EntryState.INFO, f"{line.note}, known already" if line.outcomes else line.note


def _count(lines: list[Line], effects: dict[int, Effect], entries: list[BankFileEntry]) -> dict[str, int]:
    """Return how many orders were settled, rejected, returned, known already; and lines that accept, inform or wait."""
    counts: Counter[str] = Counter({"settled": 0, "rejected": 0, "returned": 0})
    for outcome in _outcomes_of(lines):
        effect = effects.get(outcome.order_id, Effect.CONFLICT)
        counts[str(outcome.told) if effect == Effect.APPLIED else str(effect)] += 1
    counts["accepted"] = sum(
        1 for entry in entries if entry.state == EntryState.INFO and entry.outcome == "accepted" and entry.end_to_end_id
    )
    counts["seen_before"] = sum(1 for entry in entries if entry.outcome == "in an earlier file")
    return dict(counts)


def _unplaced_json(entry: BankFileEntry) -> dict[str, Any]:
    amount = None if entry.amount_minor is None else {"amount_minor": entry.amount_minor, "currency": entry.currency}
    return {
        "id": entry.public_id,
        "kind": entry.kind,
        "code": entry.outcome,
        "bank_code": entry.code,
        "line_ref": entry.line_ref,
        "end_to_end_id": entry.end_to_end_id,
        "direction": entry.direction,
        "amount": amount,
        "booked_on": entry.booked_on.isoformat() if entry.booked_on else None,
    }


def _statement_json(statement: Statement) -> dict[str, Any]:
    opening, closing = statement.opening, statement.closing
    return {
        "id": statement.statement_id,
        "account": money.bank_holder(statement.account_iban),
        "opening": Money(opening.amount_minor, opening.currency).as_json() if opening else None,
        "closing": Money(closing.amount_minor, closing.currency).as_json() if closing else None,
        "entries": len(statement.entries),
    }


def _book_unexplained(kept: BankFile, lines: list[Line], actor: Actor, at: datetime) -> None:
    """Money that moved on our statement and that we cannot explain stands in suspense, so that bank.cash agrees with the bank."""
    unplaced = BankFileEntry.objects.filter(bank_file=kept, state=EntryState.UNPLACED, kind="booking", amount_minor__gt=0)
    wanted = {(line.account[:34], line.line_ref) for line in lines if line.books_cash}
    drafts = []
    for entry in unplaced.order_by("position"):
        if (entry.account_iban, entry.line_ref) not in wanted:
            continue
        signed = entry.amount_minor if entry.direction == "CRDT" else -(entry.amount_minor or 0)
        holder = money.bank_holder(entry.account_iban)
        drafts.append(
            Draft(
                template="bank_unexplained",
                key=entry.public_id,
                legs=[
                    platform("bank.cash", entry.currency, signed or 0, holder),
                    platform("suspense", entry.currency, -(signed or 0)),
                ],
                source_kind="bank_entry",
                source_id=entry.pk,
            )
        )
    post(drafts=drafts, actor=actor, at=at)
