"""Round trips with a bank nobody here wrote: our file goes in over loopback, its answers come out through our readers, for each of its moods."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from backoffice.kit.money import Money
from payouts.bankfiles import BankFile, EntryDetail, Statement, StatusReport, UnreadableFile, read
from payouts.rails.bank_profiles import PROFILES
from payouts.rails.calendars import add_business_days, execution_date
from payouts.rails.reason_codes import Action, rule_for
from payouts.rails.sepa_file import CreditTransfer, Debtor, PaymentGroup, build_pain001, validate_pain001
from tests.factories.bank import (
    BAD_BANK_IBAN,
    BEHAVIOURS,
    CLOSED_IBAN,
    DEBTOR_BIC,
    DEBTOR_IBAN,
    DEBTOR_NAME,
    ELSEWHERE_IBAN,
    LoopbackBank,
)

AT = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
SETTLES = date(2026, 11, 20)


@pytest.fixture
def bank() -> Iterator[LoopbackBank]:
    """A fresh bank per test: its clock only ever moves forward."""
    with LoopbackBank.start(at="2026-11-20T14:00", holidays=("2026-12-25",)) as fresh:
        fresh.fund("ACME", 1_000_00)
        yield fresh


def payment_file(*ibans: str, message_id: str = "F1", amount_minor: int = 10_00) -> bytes:
    transfers = [
        CreditTransfer(
            f"{message_id}-e{number}", f"{message_id}-i{number}", amount_minor + number, f"Zoë {number}", iban, None, "Payout"
        )
        for number, iban in enumerate(ibans)
    ]
    group = PaymentGroup(f"{message_id}-1", execution_date(at=AT, profile=PROFILES["generic-sepa"]), False, transfers)
    built = build_pain001(
        message_id=message_id,
        created_at=AT,
        debtor=Debtor(DEBTOR_NAME, DEBTOR_IBAN, DEBTOR_BIC),
        profile=PROFILES["generic-sepa"],
        groups=[group],
    )
    validate_pain001(built.data)
    return built.data


def files(bank: LoopbackBank, kind: str) -> list[BankFile]:
    return [read(message.data, on_gap="report") for message in bank.collect(kind)]


def report(bank: LoopbackBank) -> StatusReport:
    (file,) = files(bank, "pain.002")
    assert file.status_report is not None
    return file.status_report


def our_statements(bank: LoopbackBank, kind: str) -> list[Statement]:
    return [statement for file in files(bank, kind) for statement in file.statements if statement.account_iban == DEBTOR_IBAN]


def details(statements: list[Statement]) -> list[EntryDetail]:
    return [detail for statement in statements for entry in statement.entries for detail in entry.details]


def test_accept_is_reported_notified_and_stated_to_the_cent(bank):
    answer = bank.send(payment_file(ELSEWHERE_IBAN, ELSEWHERE_IBAN))
    bank.advance(days=1)

    said = report(bank)
    notified, stated = our_statements(bank, "camt.054"), our_statements(bank, "camt.053")

    assert answer["status"] == "ACCP"
    assert (said.original_message_id, said.group_status, [line.status for line in said.transactions]) == (
        "F1",
        "ACCP",
        ["ACCP", "ACCP"],
    )
    assert [line.instruction_id for line in said.transactions] == ["F1-i0", "F1-i1"]
    assert [(d.end_to_end_id, d.instruction_id, d.amount) for d in details(notified)] == [
        ("F1-e0", "F1-i0", Money(10_00, "EUR")),
        ("F1-e1", "F1-i1", Money(10_01, "EUR")),
    ]
    assert [entry.line_ref for entry in notified[0].entries] == [entry.line_ref for entry in stated[0].entries]
    assert stated[0].opening is not None and stated[0].closing is not None
    assert (stated[0].opening.amount_minor, stated[0].closing.amount_minor) == (1_000_00, 1_000_00 - 20_01)
    assert [bank.times_paid(f"F1-e{n}") for n in (0, 1)] == [1, 1]
    assert bank.account()["balance"] == 1_000_00 - 20_01


def test_a_closed_account_is_rejected_alone_and_the_rest_is_paid(bank):
    bank.send(payment_file(ELSEWHERE_IBAN, CLOSED_IBAN))

    said = report(bank)

    assert said.group_status == "PART"
    assert [(line.end_to_end_id, line.status, line.reason_code) for line in said.transactions] == [
        ("F1-e0", "ACCP", None),
        ("F1-e1", "RJCT", "AC04"),
    ]
    assert rule_for(said.transactions[1].reason_code).payee_state == "closed"
    assert (bank.times_paid("F1-e0"), bank.times_paid("F1-e1")) == (1, 0)


def test_insufficient_funds_reject_what_no_longer_fits(bank):
    bank.behave("insufficient-funds")
    bank.fund("ACME", 15_00)
    bank.send(payment_file(ELSEWHERE_IBAN, ELSEWHERE_IBAN))

    said = report(bank)

    assert [(line.status, line.reason_code) for line in said.transactions] == [("ACCP", None), ("RJCT", "AM04")]
    assert rule_for("AM04").action is Action.HOLD_RUN


def test_a_bank_that_does_not_resolve_is_rejected_and_asks_for_data(bank):
    bank.send(payment_file(BAD_BANK_IBAN))

    said = report(bank)

    assert (said.group_status, said.transactions[0].reason_code) == ("RJCT", "RC01")
    assert rule_for("RC01").action is Action.FIX_DATA


def test_a_payment_can_come_back_days_after_it_was_settled(bank):
    bank.behave("return-later", days=3, reason="MD07", end_to_end_id="F1-e1")
    bank.send(payment_file(ELSEWHERE_IBAN, ELSEWHERE_IBAN))
    bank.advance(days=1)
    assert len(details(our_statements(bank, "camt.054"))) == 2
    our_statements(bank, "camt.053")

    bank.advance(days=5)

    (returned,) = files(bank, "pacs.004")
    (notified,) = details(our_statements(bank, "camt.054"))
    (stated,) = details(our_statements(bank, "camt.053"))
    assert returned.payment_return is not None
    (line,) = returned.payment_return.returns
    assert (line.original_end_to_end_id, line.original_message_id, line.amount, line.reason_code) == (
        "F1-e1",
        "F1",
        Money(10_01, "EUR"),
        "MD07",
    )
    assert line.settled_on == add_business_days("TARGET", SETTLES, 3)
    for detail in (notified, stated):
        assert (detail.direction, detail.original_end_to_end_id, detail.return_reason_code) == ("CRDT", "F1-e1", "MD07")
        assert detail.counterparty_iban == ELSEWHERE_IBAN
    assert (bank.times_paid("F1-e1"), bank.paid_minor("F1-e1"), bank.paid_minor("F1-e0")) == (1, 0, 10_00)


def test_a_rejected_file_is_rejected_as_a_whole(bank):
    bank.behave("reject-file")
    answer = bank.send(payment_file(ELSEWHERE_IBAN))

    said = report(bank)

    assert answer["status"] == "RJCT"
    assert (said.group_status, said.group_reason, said.transactions) == ("RJCT", "FF01", ())
    assert bank.times_paid("F1-e0") == 0


def test_a_file_sent_twice_is_rejected_as_a_duplicate_and_paid_once(bank):
    bank.behave("duplicate-file")
    data = payment_file(ELSEWHERE_IBAN)
    bank.send(data)
    bank.send(data)

    first, second = (file.status_report for file in files(bank, "pain.002"))

    assert first is not None and second is not None
    assert (first.group_status, second.group_status, second.group_reason) == ("ACCP", "RJCT", "DUPL")
    assert rule_for(second.group_reason).action is Action.INCIDENT
    assert bank.times_paid("F1-e0") == 1


def test_a_silent_bank_pays_and_says_nothing_until_the_statement(bank):
    bank.behave("silent")
    bank.send(payment_file(ELSEWHERE_IBAN))
    bank.advance(days=1)

    assert files(bank, "pain.002") == []
    assert [detail.end_to_end_id for detail in details(our_statements(bank, "camt.053"))] == ["F1-e0"]
    assert bank.times_paid("F1-e0") == 1


def test_a_statement_gap_is_refused_or_named_to_the_cent(bank):
    bank.behave("statement-gap")
    bank.send(payment_file(ELSEWHERE_IBAN, ELSEWHERE_IBAN))
    bank.advance(days=1)
    (message,) = [message for message in bank.collect("camt.053") if message.account == "ACME"]

    with pytest.raises(UnreadableFile) as refusal:
        read(message.data)
    file = read(message.data, on_gap="report")

    assert refusal.value.code == "control_sum_mismatch"
    assert [(finding.code, finding.gap_minor) for finding in file.findings] == [("statement_gap", -10_01)]
    assert [detail.end_to_end_id for detail in details(list(file.statements))] == ["F1-e0"]
    assert [bank.times_paid(f"F1-e{n}") for n in (0, 1)] == [1, 1]


def test_an_intraday_report_shows_the_day_so_far(bank):
    bank.send(payment_file(ELSEWHERE_IBAN))
    bank.report()

    (statement,) = our_statements(bank, "camt.052")

    assert (statement.kind, [detail.end_to_end_id for detail in details([statement])]) == ("camt.052", ["F1-e0"])
    assert statement.closing is not None and statement.closing.amount_minor == 990_00


def test_the_bank_keeps_a_truth_of_its_own_about_payments_made_twice():
    with LoopbackBank.start(at="2026-11-20T14:00", allow_duplicates=True) as careless:
        careless.fund("ACME", 1_000_00)
        data = payment_file(ELSEWHERE_IBAN)
        careless.send(data)
        careless.send(data)

        assert careless.times_paid("F1-e0") == 2
        assert careless.paid_minor("F1-e0") == 20_00


def test_a_payee_account_can_be_opened_at_the_bank_to_be_refused(bank):
    bank.open_account("SELLER", "DE89370400440532013000", behaviour="closed-account", closed=True)
    bank.send(payment_file("DE89370400440532013000"))

    assert report(bank).transactions[0].reason_code == "AC04"


def test_all_nine_behaviours_are_the_ones_the_package_has(bank):
    assert sorted(bank._call("GET", "/_mock/behaviours")) == sorted(BEHAVIOURS)
