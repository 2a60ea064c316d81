"""What every rail promises, whichever it is: one suite, all rails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from payouts.rails import registry
from payouts.rails.bank_profiles import PROFILES
from payouts.rails.port import (
    Absent,
    Accepted,
    CallRail,
    FileRail,
    Instruction,
    NoTimeLeft,
    Present,
    Refused,
    Unknown,
    UnknownRail,
)
from payouts.rails.sandbox import InProcess, OverHttp, SandboxRail
from payouts.rails.sandbox_provider import SandboxProvider
from payouts.rails.sepa import OutboxNameTaken, SepaRail
from payouts.rails.sepa_file import Debtor, FileNotValid
from tests.factories.bank import DEBTOR_BIC, DEBTOR_IBAN, DEBTOR_NAME
from tests.factories.provider import UnkindProvider

AT = datetime(2026, 1, 21, 9, tzinfo=UTC)
DEBTOR = Debtor(name=DEBTOR_NAME, iban=DEBTOR_IBAN, bic=DEBTOR_BIC, country="NL", town="Amsterdam")


def instruction(number: int = 1, holder: str = "Ana Souza", **over: object) -> Instruction:
    made = Instruction(
        order_id=f"ord_{number:026d}",
        end_to_end_id=f"ord-{number:026d}",
        key=f"payout-pay_{number:026d}-1",
        amount_minor=1_000 + number,
        currency="EUR",
        payee_kind="iban",
        payee_number="DE89370400440532013000",
        payee_holder=holder,
        payee_bic="COBADEFFXXX",
        remittance="Marketplace PAYOUT 1",
        created_at=AT,
    )
    return replace(made, **over)  # type: ignore[arg-type]


@pytest.fixture(params=["sandbox in process", "sandbox over http"])
def call_rail(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CallRail]:
    if request.param == "sandbox in process":
        yield SandboxRail(InProcess(SandboxProvider(tmp_path / "provider.sqlite3")))
        return
    with UnkindProvider.start(tmp_path, key_life=3600) as provider:
        yield SandboxRail(OverHttp(provider.url, 2.0))


@pytest.fixture(params=sorted(PROFILES))
def file_rail(request: pytest.FixtureRequest, tmp_path: Path) -> FileRail:
    return SepaRail(debtor=DEBTOR, profile=PROFILES[request.param], outbox=tmp_path / "bank-outbox")


# --- all rails ---


@pytest.mark.parametrize("name", registry.rail_names())
def test_a_rail_says_what_it_can_do(name: str):
    rail = registry.rail_named(name)
    can = rail.capabilities

    assert can.name == name
    assert can.mode in ("call", "file")
    assert isinstance(rail, CallRail if can.mode == "call" else FileRail)
    assert can.payee_kinds
    assert can.return_window_days > 0


def test_a_rail_nobody_registered_is_refused():
    with pytest.raises(UnknownRail):
        registry.rail_named("pigeon")


def test_account_data_never_shows_in_a_repr():
    shown = repr(instruction())

    assert "DE8937" not in shown
    assert "Souza" not in shown


# --- call rails ---


def test_an_accepted_instruction_has_their_reference_and_is_found_under_our_key(call_rail: CallRail):
    answer = call_rail.send(instruction())

    assert isinstance(answer, Accepted)
    assert answer.provider_ref
    found = call_rail.look_up(instruction().key)
    assert isinstance(found, Present)
    assert (found.provider_ref, found.amount_minor) == (answer.provider_ref, 1_001)


def test_the_same_key_again_pays_once(call_rail: CallRail):
    first, second = call_rail.send(instruction()), call_rail.send(instruction())

    assert first == second


def test_the_same_key_with_other_content_is_no_acceptance(call_rail: CallRail):
    call_rail.send(instruction())

    assert isinstance(call_rail.send(instruction(amount_minor=999)), Unknown)


def test_a_documented_refusal_carries_our_code_and_theirs(call_rail: CallRail):
    answer = call_rail.send(instruction(holder="SANDBOX REFUSE"))

    assert isinstance(answer, Refused)
    assert (answer.code, answer.raw_code) == ("AC04", "account_closed")
    assert answer.reason


@pytest.mark.parametrize("word", ["TIMEOUT BEFORE", "TIMEOUT AFTER", "ERROR BEFORE", "ERROR AFTER", "SILENT"])
def test_whatever_is_not_an_answer_is_unknown(call_rail: CallRail, word: str):
    assert isinstance(call_rail.send(instruction(holder=f"SANDBOX {word}")), Unknown)


def test_what_never_arrived_is_absent(call_rail: CallRail):
    call_rail.send(instruction(holder="SANDBOX TIMEOUT BEFORE"))

    assert call_rail.look_up(instruction().key) == Absent()


def test_asking_changes_nothing_that_was_not_sent(call_rail: CallRail):
    assert call_rail.look_up("payout-pay_x-1") == Absent()
    assert call_rail.look_up("payout-pay_x-1") == Absent()


def test_the_guard_is_asked_before_anything_leaves(call_rail: CallRail):
    def too_late() -> None:
        raise NoTimeLeft()

    with pytest.raises(NoTimeLeft):
        call_rail.send(instruction(), still_mine=too_late)
    assert call_rail.look_up(instruction().key) == Absent()


def test_a_provider_that_is_gone_is_unknown():
    rail = SandboxRail(OverHttp("http://127.0.0.1:9", 0.5))

    assert isinstance(rail.send(instruction()), Unknown)
    assert isinstance(rail.look_up("x"), Unknown)


# --- file rails ---


def build(rail: FileRail, *instructions: Instruction, number: int = 1) -> list[bytes]:
    drafts, _ = rail.build_files(list(instructions), batch_id="run_01jd0000000000000000000000", first_number=number, at=AT)
    return [draft.data for draft in drafts]


def test_the_same_batch_gives_the_same_bytes(file_rail: FileRail):
    wanted = [instruction(number) for number in range(1, 6)]

    assert build(file_rail, *wanted) == build(file_rail, *wanted)


def test_files_are_valid_and_their_ids_fit(file_rail: FileRail):
    drafts, bad = file_rail.build_files(
        [instruction(number) for number in range(1, 4)], batch_id="run_01jd0000000000000000000000", first_number=99, at=AT
    )

    assert not bad
    for draft in drafts:
        file_rail.validate(draft.data)
        assert len(draft.message_id) <= 35
    assert sum(draft.control_sum_minor for draft in drafts) == 1_001 + 1_002 + 1_003


@pytest.mark.parametrize(
    "over", [{"currency": "USD"}, {"payee_kind": "us_account"}, {"payee_number": "DE00123"}, {"amount_minor": 0}]
)
def test_what_a_file_cannot_carry_is_named_and_left_out(file_rail: FileRail, over: dict[str, object]):
    drafts, bad = file_rail.build_files(
        [instruction(1), instruction(2, **over)], batch_id="run_01jd0000000000000000000000", first_number=1, at=AT
    )

    assert [one.order_id for one in bad] == [instruction(2).order_id]
    assert [draft.order_ids for draft in drafts] == [(instruction(1).order_id,)]
    assert "DE00123" not in bad[0].reason


def test_damaged_bytes_are_not_valid(file_rail: FileRail):
    (data,) = build(file_rail, instruction())

    with pytest.raises(FileNotValid):
        file_rail.validate(data.replace(b"<NbOfTxs>", b"<NbOfTx>", 1))


def test_handing_over_twice_is_once_also_after_the_bank_took_it(file_rail: FileRail, tmp_path: Path):
    (data,) = build(file_rail, instruction())
    outbox = tmp_path / "bank-outbox"
    file_rail.hand_over(file_name="a.xml", data=data)
    file_rail.hand_over(file_name="a.xml", data=data)
    (outbox / "taken").mkdir()
    (outbox / "a.xml").rename(outbox / "taken" / "a.xml")

    file_rail.hand_over(file_name="a.xml", data=data)

    assert not (outbox / "a.xml").exists()


def test_another_file_under_a_name_in_use_is_refused(file_rail: FileRail):
    (data,) = build(file_rail, instruction())
    file_rail.hand_over(file_name="a.xml", data=data)

    with pytest.raises(OutboxNameTaken):
        file_rail.hand_over(file_name="a.xml", data=data + b" ")
