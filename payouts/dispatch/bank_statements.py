"""Do the bank's statements follow on from each other? A gap is money nobody has shown us yet."""

from __future__ import annotations

from payouts import bankfiles
from payouts.bankfiles import Statement
from payouts.dispatch.bank_lines import Line
from payouts.dispatch.models import BankFile, BankStatement

# End-of-day statements only: notifications and intraday reports have no chain.
CHAINED = ("camt.053", "053", "mt940", "bai2", "csv")


def gap_lines(read: bankfiles.BankFile) -> list[Line]:
    """Return a line to be explained for every gap: entries that do not make up the balances, or a statement that does not follow the last one."""
    lines = [
        Line(
            "gap",
            f"{read.message_id}/gap/{number}",
            problem="statement_gap",
            account=read.statements[0].account_iban if read.statements else "",
            text=finding.sentence,
            amount_minor=abs(finding.gap_minor),
            currency=finding.currency,
            direction="CRDT" if finding.gap_minor > 0 else "DBIT",
        )
        for number, finding in enumerate(read.findings, 1)
    ]
    inside: dict[str, Statement] = {}
    for statement in read.statements:
        if statement.kind in CHAINED:
            line = _does_not_follow(statement, inside.get(statement.account_iban))
            lines += [line] if line else []
            inside[statement.account_iban] = statement
    return lines


def _does_not_follow(statement: Statement, in_same_file: Statement | None) -> Line | None:
    """Compare the opening balance with the closing balance of the statement before; unknown predecessors prove nothing."""
    if statement.opening is None:
        return None
    if in_same_file is not None and in_same_file.closing is not None:
        before = in_same_file.closing.amount_minor
        what = in_same_file.statement_id
    else:
        row = _predecessor(statement)
        if row is None or row.closing_minor is None:
            return None
        before, what = row.closing_minor, row.statement_id
    missing = statement.opening.amount_minor - before
    if not missing:
        return None
    return Line(
        "gap",
        f"{statement.statement_id}/opening",
        problem="statement_gap",
        account=statement.account_iban,
        text=f"The opening balance is not the closing balance of statement {what}: a statement or a line between them is missing.",
        amount_minor=abs(missing),
        currency=statement.opening.currency,
        direction="CRDT" if missing > 0 else "DBIT",
        booked_on=statement.from_on,
    )


def _predecessor(statement: Statement) -> BankStatement | None:
    rows = BankStatement.objects.filter(
        account_iban=statement.account_iban[:34], kind=statement.kind, currency=statement.currency or ""
    )
    day = statement.from_on or statement.to_on
    if day is not None:
        rows = rows.filter(to_on__lt=day)
    return rows.exclude(statement_id=statement.statement_id[:80]).order_by("-to_on", "-id").first()


def remember(kept: BankFile, statements: tuple[Statement, ...]) -> None:
    BankStatement.objects.bulk_create(
        BankStatement(
            bank_file=kept,
            kind=st.kind,
            account_iban=st.account_iban[:34],
            statement_id=st.statement_id[:80],
            sequence=(st.sequence or "")[:20],
            currency=st.currency or "",
            from_on=st.from_on,
            to_on=st.to_on,
            opening_minor=st.opening.amount_minor if st.opening else None,
            closing_minor=st.closing.amount_minor if st.closing else None,
            entries_count=len(st.entries),
        )
        for st in statements
    )
