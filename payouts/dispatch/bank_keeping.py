"""Keep a bank's file with every line of it and what became of it; what nobody can place waits with an owner, its money in suspense."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from backoffice.kit.actors import Actor
from backoffice.kit.money import Money
from payouts import bankfiles
from payouts.bankfiles import Statement
from payouts.dispatch import money
from payouts.dispatch.bank_lines import Line
from payouts.dispatch.models import BankFile, BankFileEntry
from payouts.dispatch.outcomes import Effect, Outcome
from payouts.dispatch.states import BankFileState, EntryState
from payouts.dispatch.stored import put_away
from payouts.ledger.operations import Draft, post
from payouts.ledger.templates import platform


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


def outcomes_of(lines: list[Line]) -> list[Outcome]:
    """Return one outcome an order; in one file a return outranks a settlement, since it implies it."""
    chosen: dict[int, Outcome] = {}
    for line in lines:
        for outcome in line.outcomes:
            before = chosen.get(outcome.order_id)
            if before is None or before.told == "settled":
                chosen[outcome.order_id] = outcome
    return list(chosen.values())


def identity_of(parts: tuple[str, ...]) -> str:
    text = "|".join(parts)
    return text if len(text) <= 180 else f"{text[:100]}#{hashlib.sha256(text.encode()).hexdigest()}"


def keep(
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
    """Store the file and its lines, and complete `result` with what was applied and what was not."""
    identity = identity_of(read.identity())
    if BankFile.objects.filter(identity=identity).exists():
        identity = f"{identity[:130]}#{sha256}"
    kept = BankFile(
        sha256=sha256,
        file_name=file_name[:200],
        format=str(read.format),
        identity=identity,
        state=BankFileState.APPLIED,
        received_at=at,
        received_by=str(actor),
    )
    put_away(kept, data)
    kept.save(force_insert=True)
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
    for outcome in outcomes_of(lines):
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


def statement_json(statement: Statement) -> dict[str, Any]:
    opening, closing = statement.opening, statement.closing
    return {
        "id": statement.statement_id,
        "account": money.bank_holder(statement.account_iban),
        "opening": Money(opening.amount_minor, opening.currency).as_json() if opening else None,
        "closing": Money(closing.amount_minor, closing.currency).as_json() if closing else None,
        "entries": len(statement.entries),
    }


def book_unexplained(kept: BankFile, lines: list[Line], actor: Actor, at: datetime) -> None:
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
