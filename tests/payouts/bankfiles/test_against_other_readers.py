"""Real and independent files: our reading against full dumps made by another reader (genkgo/camt), and statements of several banks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from payouts.bankfiles import BankFile, StatementEntry, detect, read

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not (DATA / "bank").is_dir(), reason="../shared/data/bank is not here"),
]


def money(value: dict[str, Any]) -> tuple[int, str]:
    return int(value["getAmount"]), value["getCurrency"]["getCode"]


def day(value: dict[str, Any] | None) -> str | None:
    return value["0"][:10] if value else None


@pytest.mark.parametrize("name", ["camt052.v8", "camt053.v2.all-balance-types", "camt053.v8", "camt054.v8"])
def test_our_reading_agrees_with_an_independent_one(name):
    ours = read((DATA / "bank/camt" / f"{name}.xml").read_bytes(), on_gap="report")
    theirs = json.loads((DATA / "bank/camt/expected" / f"{name}.json").read_text())

    assert ours.message_id == theirs["getGroupHeader"]["getMessageId"]
    (statement,) = ours.statements
    # The dump nests each record inside its entries (and writes a marker where it would repeat itself).
    record = theirs["getEntries"][0]["getRecord"]
    assert statement.statement_id == record["getId"]
    assert statement.account_iban == record["getAccount"]["getIdentification"]
    assert statement.sequence in (record.get("getLegalSequenceNumber"), record["getElectronicSequenceNumber"])
    assert statement.from_on is None or str(statement.from_on) == day(record["getFromDate"])
    # The other reader names balances in words of its own; amounts, signs, days and order are what is compared.
    assert [(b.amount_minor, b.currency, str(b.on)) for b in statement.balances] == [
        (*money(b["getAmount"]), day(b["getDate"])) for b in record.get("getBalances", [])
    ]
    assert len(statement.entries) == len(theirs["getEntries"])
    for entry, other in zip(statement.entries, theirs["getEntries"], strict=True):
        compare_entry(entry, other)


def compare_entry(entry: StatementEntry, other: dict[str, Any]) -> None:
    assert (entry.signed_minor, entry.amount.currency) == money(other["getAmount"])
    assert (entry.direction, entry.status, entry.reversal) == (
        other["getCreditDebitIndicator"],
        other["getStatus"],
        bool(other["getReversalIndicator"]),
    )
    assert (str(entry.booked_on), str(entry.value_on)) == (day(other["getBookingDate"]), day(other["getValueDate"]))
    assert entry.account_servicer_ref == (other["getAccountServicerReference"] or None)
    assert entry.batch_payment_info_id == other["getBatchPaymentId"]
    assert len(entry.details) == len(other["getTransactionDetails"])
    # The first one stands in full under its own name, where the list only marks the repetition.
    transactions = [other["getTransactionDetail"], *other["getTransactionDetails"][1:]] if entry.details else []
    for detail, transaction in zip(entry.details, transactions, strict=True):
        reference, remittance = transaction["getReference"], transaction["getRemittanceInformation"]
        assert detail.end_to_end_id == reference["getEndToEndId"]
        assert detail.instruction_id == reference["getInstructionId"]
        assert detail.payment_info_id == reference["getPaymentInformationId"]
        if transaction["getAmount"]:
            assert detail.amount is not None
            minor, currency = money(transaction["getAmount"])
            assert (detail.amount.amount_minor, detail.amount.currency) == (abs(minor), currency)
        assert (remittance["getMessage"] or "").split("\n")[0] in detail.remittance
        assert detail.counterparty_iban in {party["getAccount"]["getIdentification"] for party in parties(transaction)}
        assert detail.counterparty_name in {party["getRelatedPartyType"]["getName"] for party in parties(transaction)}


def parties(transaction: dict[str, Any]) -> list[dict[str, Any]]:
    listed = [party for party in transaction["getRelatedParties"] if isinstance(party, dict)]
    alone = transaction["getRelatedParty"]
    return [party for party in [*listed, alone] if isinstance(party, dict) and isinstance(party.get("getAccount"), dict)]


def test_contradicting_totals_of_a_sample_are_reported_and_not_lost():
    file = read((DATA / "bank/camt/camt053.v2.all-balance-types.xml").read_bytes(), on_gap="report")

    assert [finding.gap_minor for finding in file.findings] == [404 - 101 - 885]


@pytest.mark.parametrize(
    ("name", "statements", "entries", "balances"),
    [
        ("generic.sta", 2, 2, [(10000, 9000), (9000, 8000)]),
        ("mbank.sta", 1, 3, [(40, 43)]),
        ("sberbank.sta", 1, 3, [(62731130, 61787430)]),
        ("sepa_snippet.sta", 2, 11, [(76665649, 112525040), (-197043187, -447204909)]),
    ],
)
def test_mt940_of_several_banks_keeps_every_statement_and_its_balances(name, statements, entries, balances):
    file: BankFile = read((DATA / "bank/mt940" / name).read_bytes(), on_gap="report")

    assert len(file.statements) == statements
    assert sum(len(statement.entries) for statement in file.statements) == entries
    assert [(s.opening.amount_minor, s.closing.amount_minor) for s in file.statements if s.opening and s.closing] == balances


def test_every_kind_of_file_in_the_data_folder_is_recognised_by_content():
    found = {
        path.relative_to(DATA).as_posix(): detect(path.read_bytes()).name
        for path in [
            *(DATA / "bank/camt").glob("*.xml"),
            *(DATA / "bank/mt940").glob("*.sta"),
            DATA / "bank/bai2/sample1.txt",
            DATA / "ach/return-WEB.ach",
            DATA / "orders/earnings_2017h1.csv",
            DATA / "sepa/samples/pain.001.001.03.xml",
        ]
    }

    assert {name.rsplit("/", 1)[0]: kind for name, kind in found.items() if "camt" not in name} == {
        "bank/mt940": "mt940",
        "bank/bai2": "bai2",
        "ach": "nacha",
        "orders": "csv",
        "sepa/samples": "pain.001",
    }
    assert {name.rsplit("/", 1)[1][:7]: kind for name, kind in found.items() if "camt" in name} == {
        "camt052": "camt.052",
        "camt053": "camt.053",
        "camt054": "camt.054",
    }
