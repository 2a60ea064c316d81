"""What each line of a bank file says about our orders, before anything is booked: matching by our own ids, never by guess."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from payouts.bankfiles import BankFile, PaymentReturn, Statement, StatementEntry, StatusReport
from payouts.dispatch import money
from payouts.dispatch.models import PaymentOrder, RailFile
from payouts.dispatch.outcomes import Outcome, Told
from payouts.dispatch.own_accounts import own_account
from payouts.dispatch.states import OrderStatus
from payouts.rails.reason_codes import Action, rule_for

REFUSED = {"RJCT"}
TAKEN = {"ACCP", "ACTC", "ACCC", "ACSP", "ACSC", "ACWC", "ACWP", "PDNG", "RCVD", "PATC", "ACFC"}
ACCEPTED = TAKEN - {"PDNG", "RCVD"}
# Statements of booked days: the ones that move cash. Notifications and intraday reports repeat their lines under other names.
END_OF_DAY = ("camt.053", "053", "mt940", "bai2", "csv")
# What the statements of one day may settle in one line: orders that went and were not refused.
_LIVE = {OrderStatus.SENDING, OrderStatus.UNKNOWN, OrderStatus.SENT, OrderStatus.COMPLETED, OrderStatus.RETURNED}


@dataclass(slots=True)
class Line:
    """One line as it will be kept, with the outcomes it tells; `problem` is why it cannot be placed, '' where it can."""

    kind: str
    line_ref: str
    outcomes: list[Outcome] = field(default_factory=list)
    problem: str = ""
    note: str = ""
    account: str = ""
    end_to_end_id: str = ""
    amount_minor: int | None = None
    currency: str = ""
    direction: str = ""
    booked_on: date | None = None
    code: str = ""
    text: str = ""
    servicer_ref: str = ""
    order_id: int | None = None
    incident: str = ""
    books_cash: bool = False
    # what the statement calls the line, without the statement's own id
    name: str = ""


@dataclass(slots=True)
class FileAnswer:
    """What a status report says about one of our files as a whole."""

    file: RailFile
    state: str
    reason: str = ""


class Known:
    """Our orders and files that a bank file names, read once."""

    def __init__(self, end_to_end_ids: Iterable[str], file_ids: Iterable[str]) -> None:
        names = {name for name in file_ids if name}
        # banks name a batch by the file's MsgId or by its PmtInfId, which is the same with a P
        message_ids = names | {name.removesuffix("P") for name in names}
        self.files = {row.message_id: row for row in RailFile.objects.filter(message_id__in=message_ids).defer("sealed")}
        self.orders: dict[str, PaymentOrder] = {}
        wanted = sorted({name for name in end_to_end_ids if name})
        for start in range(0, len(wanted), 5_000):
            rows = PaymentOrder.objects.filter(end_to_end_id__in=wanted[start : start + 5_000]).select_related("rail_file")
            self.orders |= {row.end_to_end_id: row for row in rows.defer("rail_file__sealed")}
        self._of_file: dict[int, list[PaymentOrder]] = {}

    def file(self, name: str | None) -> RailFile | None:
        return self.files.get(name or "") or self.files.get((name or "").removesuffix("P"))

    def orders_of(self, file: RailFile) -> list[PaymentOrder]:
        if file.pk not in self._of_file:
            self._of_file[file.pk] = list(PaymentOrder.objects.filter(rail_file=file).order_by("pk"))
        return self._of_file[file.pk]


def read_lines(file: BankFile) -> tuple[list[Line], list[FileAnswer], Known]:
    """Return what a bank file says, line by line; nothing is locked or written."""
    if file.status_report is not None:
        report = file.status_report
        known = Known((tx.end_to_end_id or "" for tx in report.transactions), [report.original_message_id or ""])
        lines, answers = _status_lines(report, known)
        return lines, answers, known
    if file.payment_return is not None:
        known = Known((one.original_end_to_end_id or "" for one in file.payment_return.returns), [])
        return _return_lines(file.payment_return, known), [], known
    details = [detail for st in file.statements for entry in st.entries for detail in entry.details]
    entries = [entry for st in file.statements for entry in st.entries]
    known = Known(
        (name for d in details for name in (d.end_to_end_id or "", d.original_end_to_end_id or "")),
        [name or "" for e in entries for name in (e.batch_message_id, e.batch_payment_info_id)]
        + [name or "" for d in details for name in (d.message_id, d.payment_info_id)],
    )
    return [line for st in file.statements for line in _statement_lines(st, known)], [], known


# --- pain.002 ---


def _status_lines(report: StatusReport, known: Known) -> tuple[list[Line], list[FileAnswer]]:
    file = known.file(report.original_message_id)
    listed = [_status_line(report, number, known) for number, _ in enumerate(report.transactions)]
    if file is None:
        if not report.transactions:
            reason = report.group_reason or ""
            listed.append(
                Line(
                    "status",
                    f"{report.message_id}/group",
                    problem="unknown_file",
                    code=reason,
                    text=report.group_reason_text or "",
                )
            )
        return listed, []
    named = {line.order_id for line in listed}
    whole = _whole_status(report)
    answer = FileAnswer(file, whole, " ".join(filter(None, [report.group_reason, report.group_reason_text])))
    lines = [*listed, _group_line(report, file, whole, [o for o in known.orders_of(file) if o.pk not in named])]
    return lines, [answer]


def _whole_status(report: StatusReport) -> str:
    """Return RJCT, PART, ACCP or '' for a file: some banks report on the payment info only, and a file of ours has one."""
    status = report.group_status or next((info.status for info in report.payment_infos if info.status), None)
    if status is None and report.transactions:
        statuses = {tx.status for tx in report.transactions}
        status = "PART" if statuses & REFUSED else "ACCP" if statuses & ACCEPTED else None
    return "ACCP" if status in ACCEPTED else status or ""


def _status_line(report: StatusReport, number: int, known: Known) -> Line:
    tx = report.transactions[number]
    name = tx.end_to_end_id or tx.instruction_id or ""
    order = known.orders.get(name)
    line = Line(
        "status",
        f"{report.message_id}/{number}/{name}",
        end_to_end_id=name,
        code=tx.reason_code or "",
        text=tx.reason_text or "",
        order_id=order.pk if order else None,
    )
    status = tx.status or report.group_status
    if order is None:
        line.problem = "unknown_order"
    elif tx.amount is not None and (tx.amount.amount_minor, tx.amount.currency) != (order.amount_minor, order.currency):
        line.problem = "amount_differs"
    elif status in REFUSED:
        _refuse([order], line, tx.reason_code or "", tx.reason_text or "", report)
    elif status in TAKEN:
        line.note = "accepted" if status in ACCEPTED else "received"
    else:
        line.problem = "unknown_status"
    return line


def _group_line(report: StatusReport, file: RailFile, whole: str, rest: Sequence[PaymentOrder]) -> Line:
    line = Line("status", f"{report.message_id}/group", code=report.group_reason or "", text=report.group_reason_text or "")
    info = next((one for one in report.payment_infos if one.status in REFUSED), None)
    if whole in REFUSED or (info is not None and not report.transactions):
        line.code = line.code or (info.reason_code or "" if info else "")
        line.text = line.text or (info.reason_text or "" if info else "")
        _refuse(rest, line, line.code, line.text, report)
    elif whole == "PART" or whole in TAKEN:
        line.note = "partly accepted" if whole == "PART" else "accepted"
    else:
        line.problem = "unknown_status"
    return line


def _refuse(orders: Sequence[PaymentOrder], line: Line, code: str, text: str, report: StatusReport) -> None:
    """A refusal rejects its orders; one that says "seen before" is an incident, and nothing is reversed by guess."""
    if rule_for(code).action == Action.INCIDENT:
        line.problem, line.incident = "seen_before_by_the_bank", code
        return
    on = report.created_at.date() if report.created_at else None
    line.outcomes = [Outcome(order.pk, Told.REJECTED, on, "", code, code, text) for order in orders]
    line.note = "rejected" if len(orders) == 1 and line.order_id else f"rejected {len(orders)} orders"


# --- pacs.004 ---


def _return_lines(returned: PaymentReturn, known: Known) -> list[Line]:
    lines = []
    for number, one in enumerate(returned.returns):
        name = one.original_end_to_end_id or one.original_instruction_id or ""
        order = known.orders.get(name)
        line = Line(
            "return",
            f"{returned.message_id}/{number}/{one.return_id or name}",
            end_to_end_id=name,
            amount_minor=one.amount.amount_minor,
            currency=one.amount.currency,
            direction="CRDT",
            booked_on=one.settled_on,
            code=one.reason_code or "",
            text=one.reason_text or "",
            order_id=order.pk if order else None,
        )
        if order is None:
            line.problem = "unknown_order"
        elif (one.amount.amount_minor, one.amount.currency) != (order.amount_minor, order.currency):
            line.problem = "amount_differs"
        else:
            line.outcomes = [_returned(order, line, one.settled_on, "")]
        lines.append(line)
    return lines


def _returned(order: PaymentOrder, line: Line, on: date | None, holder: str) -> Outcome:
    line.note = "returned"
    return Outcome(order.pk, Told.RETURNED, on, holder, line.code, line.code, line.text)


# --- camt.05x, MT940 ---


def _statement_lines(statement: Statement, known: Known) -> Iterable[Line]:
    # A credit on somebody else's account under our id is the payee's money, not ours coming back.
    ours = own_account(statement.account_iban)
    for entry in statement.entries:
        if ours is None:
            line = _line_of(statement, entry)
            line.problem, line.books_cash = "not_our_account", False
            yield line
        elif entry.status != "BOOK":
            line = _line_of(statement, entry)
            line.kind, line.note = "notice", "not booked yet"
            yield line
        else:
            yield from _booked(statement, entry, known)


def _line_of(statement: Statement, entry: StatementEntry) -> Line:
    return Line(
        "booking",
        f"{statement.statement_id}/{entry.line_ref}"[:200],
        account=own_account(statement.account_iban) or statement.account_iban,
        amount_minor=entry.amount.amount_minor,
        currency=entry.amount.currency,
        direction=entry.direction,
        booked_on=entry.booked_on or entry.value_on,
        text=_words(entry)[:500],
        servicer_ref=(entry.account_servicer_ref or "")[:80],
        name=entry.line_ref,
        # Only the end-of-day statement moves cash for what we cannot explain: a notification may repeat the same booking under another name.
        books_cash=statement.kind in END_OF_DAY,
    )


def _words(entry: StatementEntry) -> str:
    """Return what the bank says of a line: its own words and, of a credit, the sender's, by which a provider's payout is known."""
    said = [entry.additional_info or ""]
    said += [detail.remittance for detail in entry.details if entry.direction == "CRDT" and detail.remittance not in said]
    return " ".join(dict.fromkeys(part for part in said if part))


def _booked(statement: Statement, entry: StatementEntry, known: Known) -> Iterable[Line]:
    line = _line_of(statement, entry)
    holder = money.bank_holder(line.account)
    named = [detail for detail in entry.details if _order_of(detail, known) is not None]
    if not named:
        _match_batch(line, entry, known, holder)
        yield line
        return
    if not _adds_up(entry, known):
        line.problem = "batch_does_not_add_up"
        yield line
        return
    for number, detail in enumerate(entry.details):
        part = _line_of(statement, entry)
        if len(entry.details) > 1:
            part.line_ref, part.name = f"{line.line_ref}/{number}"[:200], f"{line.name}/{number}"
        amount = detail.amount or (entry.amount if len(entry.details) == 1 else None)
        part.amount_minor = amount.amount_minor if amount else None
        part.end_to_end_id = (detail.original_end_to_end_id or detail.end_to_end_id or "")[:35]
        part.code, part.text = detail.return_reason_code or "", detail.return_reason_text or part.text
        order = _order_of(detail, known)
        if order is None:
            part.problem = "unknown_order"
        elif amount is not None and (amount.amount_minor, amount.currency) != (order.amount_minor, order.currency):
            part.problem, part.order_id = "amount_differs", order.pk
        else:
            part.order_id = order.pk
            part.outcomes = [_moved(order, part, detail.direction, detail.is_return, holder)]
        yield part


def _adds_up(entry: StatementEntry, known: Known) -> bool:
    """Where details leave their amounts out, our orders' amounts stand for them, as long as they make up the booking."""
    if len(entry.details) == 1 or all(detail.amount is not None for detail in entry.details):
        return True
    total = 0
    for detail in entry.details:
        order = _order_of(detail, known)
        if detail.amount is None and order is None:
            return False
        amount = detail.amount.amount_minor if detail.amount else order.amount_minor if order else 0
        total += amount if detail.direction == entry.direction else -amount
    return total == entry.amount.amount_minor


def _order_of(detail: object, known: Known) -> PaymentOrder | None:
    names = [getattr(detail, name) for name in ("original_end_to_end_id", "end_to_end_id", "instruction_id")]
    return next((known.orders[name] for name in names if name and name in known.orders), None)


def _moved(order: PaymentOrder, line: Line, direction: str, is_return: bool, holder: str) -> Outcome:
    """A debit under our id is the payment; a credit under it can only be our money coming back."""
    if direction == "CRDT":
        return _returned(order, line, line.booked_on, holder)
    line.note = "settled"
    return Outcome(order.pk, Told.SETTLED, line.booked_on, holder)


def _match_batch(line: Line, entry: StatementEntry, known: Known, holder: str) -> None:
    """One debit for a whole file: it is ours when it adds up to the orders of that file that were not refused."""
    names = [entry.batch_message_id, entry.batch_payment_info_id]
    names += [name for detail in entry.details for name in (detail.message_id, detail.payment_info_id)]
    file = next((found for name in names if name and (found := known.file(name))), None)
    if file is None:
        line.problem = "not_ours_by_any_reference"
        return
    line.end_to_end_id = file.message_id
    orders = [order for order in known.orders_of(file) if order.status in _LIVE]
    if entry.direction != "DBIT" or sum(order.amount_minor for order in orders) != entry.amount.amount_minor:
        line.problem = "batch_does_not_add_up"
        return
    line.outcomes = [Outcome(order.pk, Told.SETTLED, line.booked_on, holder) for order in orders]
    line.note = f"settled {len(orders)} orders"
