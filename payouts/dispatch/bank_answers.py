"""Take in a bank's file, whole or not at all: keep it, apply what it says about our orders, and leave open what nobody can place.

The same file twice is a no-op, by content and by what it calls itself; a line that an earlier file held is known and skipped; and whichever of
several messages comes first does the work, since every posting is keyed by its order.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.conf import settings
from django.db import connection

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError
from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.outbox import tell
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable
from payouts import bankfiles
from payouts.bankfiles import Statement
from payouts.dispatch import bank_statements, consequences, files, money
from payouts.dispatch.bank_keeping import BankFileResult, book_unexplained, identity_of, keep, outcomes_of, statement_json
from payouts.dispatch.bank_lines import FileAnswer, Known, Line, read_lines
from payouts.dispatch.booked_twice import set_aside_second_bookings
from payouts.dispatch.models import BankFile, BankFileEntry, PaymentOrder, RailFile
from payouts.dispatch.outcomes import apply_outcomes
from payouts.dispatch.states import RAIL_FILE, FileState
from payouts.rails.reason_codes import rule_for

declare("bank_file_read", "bank_file_applied", "bank_file_kept")


class OtherAccount(InputError):
    code = "other_account"
    sentence = "The file is about the account {found}, not about the one named. Nothing was taken from it."


@composable
def import_bank_file(
    *, data: bytes, file_name: str, actor: Actor, at: datetime, account_iban: str | None = None
) -> BankFileResult:
    """Read and apply a pain.002, camt.052/053/054, pacs.004, MT940, BAI2 or CSV; all of it or nothing.

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
    if not fresh and (twin := BankFile.objects.filter(identity=identity_of(read.identity())).first()):
        return _seen(twin)
    set_aside_second_bookings(fresh)
    _record_late_hand_overs(fresh, answers, known, actor, at)
    effects = apply_outcomes(outcomes_of(fresh), actor=actor, at=at)
    _answer_files(answers, actor, at)
    _raise_incidents(fresh, known, actor, at)
    failpoint("bank_file_applied")

    result = BankFileResult(str(read.format), statements=[statement_json(st) for st in read.statements])
    kept = keep(data, file_name, sha256, read, lines, fresh, effects, result, actor, at)
    bank_statements.remember(kept, read.statements)
    book_unexplained(kept, fresh, actor, at)
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
        file = RailFile.objects.select_for_update().defer("sealed").get(pk=answer.file.pk)
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
