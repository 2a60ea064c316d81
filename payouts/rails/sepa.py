"""The SEPA rail: credit transfers as pain.001 files, handed to the bank through a folder.

The folder's contract (transport port): a file appears in `bank-outbox/` whole or not at all; whoever takes it moves it to
`bank-outbox/taken/`. So "was it handed over?" can be answered for ever, and the same file is never offered twice.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

from backoffice.kit.errors import Refusal
from payouts.rails import bank_profiles, calendars, sepa_file
from payouts.rails.bank_profiles import BankProfile
from payouts.rails.port import Capabilities, FileDraft, Inexpressible, Instruction
from payouts.rails.sepa_file import CreditTransfer, Debtor, PaymentGroup, PaymentNotExpressible
from payouts.rails.sepa_text import fit_name, fit_remittance, to_reference


class HandOverBusy(Refusal):
    code = "hand_over_busy"
    sentence = "Another process is handing files to the bank; this one is tried again in a moment."


class OutboxNameTaken(Refusal):
    code = "outbox_name_taken"
    sentence = "The bank's folder already holds another file called {name}. Nothing was overwritten; find out whose it is."


def payment_info_id(message_id: str) -> str:
    """Return the id of a file's one payment group: banks that book in one line name it on the statement."""
    return f"{message_id}P"


class SepaRail:
    """Euro to IBANs, by file; one payment group a file, so that every bank's batch line is one of our files."""

    def __init__(self, *, debtor: Debtor, profile: BankProfile, outbox: Path) -> None:
        self.debtor, self.profile, self.outbox = debtor, profile, outbox

    @classmethod
    def from_settings(cls) -> SepaRail:
        from django.conf import settings

        debtor = Debtor(
            name=settings.PLATFORM_NAME,
            iban=settings.PLATFORM_IBAN,
            bic=settings.PLATFORM_BIC or None,
            country=settings.PLATFORM_COUNTRY or None,
            town=settings.PLATFORM_TOWN or None,
        )
        return cls(
            debtor=debtor,
            profile=bank_profiles.profile_named(settings.BANK_PROFILE),
            outbox=Path(settings.DATA_DIR) / "bank-outbox",
        )

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            name="sepa",
            mode="file",
            currencies=frozenset({"EUR"}),
            payee_kinds=frozenset({"iban"}),
            instant=self.profile.supports_instant,
            look_up=False,
            cut_off=self.profile.cut_off,
            calendar="TARGET",
            return_window_days=self.profile.return_window_days,
        )

    # --- writing ---

    def execute_on(self, *, at: datetime) -> date:
        return calendars.execution_date(at=at, profile=self.profile)

    def build_files(
        self, instructions: Sequence[Instruction], *, batch_id: str, first_number: int, at: datetime
    ) -> tuple[list[FileDraft], list[Inexpressible]]:
        """Write the files of a batch: one per service level and as many as the bank's limits ask for.

        `message_id` is the batch's id with a running number from `first_number` (≤ 35 characters up to 999 files). Instructions the SEPA
        format cannot carry are answered beside the files, not in them.
        """
        try:
            return self._drafts(instructions, batch_id, first_number, at), []
        except PaymentNotExpressible:
            # The rare case: look at every instruction by itself, and write the files without those that do not fit.
            bad = {one.order_id: one for one in self._inexpressible(instructions)}
            good = [one for one in instructions if one.order_id not in bad]
            return self._drafts(good, batch_id, first_number, at), list(bad.values())

    def _drafts(self, instructions: Sequence[Instruction], batch_id: str, first_number: int, at: datetime) -> list[FileDraft]:
        drafts: list[FileDraft] = []
        for instant in (False, True):
            chosen = [i for i in instructions if self._goes_instant(i) == instant]
            execute_on = at.astimezone(self.profile.cut_off_zone).date() if instant else self.execute_on(at=at)
            pairs = [(i, self._transfer(i)) for i in chosen]
            ids = {transfer.end_to_end_id: i.order_id for i, transfer in pairs}
            for transfers in self._split([transfer for _, transfer in pairs]):
                message_id = f"{to_reference(batch_id)}-{first_number + len(drafts):02d}"
                drafts.append(self._draft(message_id, transfers, ids, instant, execute_on, at))
        return drafts

    def _split(self, transfers: list[CreditTransfer]) -> Iterator[list[CreditTransfer]]:
        for transfer in transfers:
            if transfer.amount_minor > self.profile.max_amount_minor:
                raise PaymentNotExpressible(
                    transfer.end_to_end_id, "amount_minor", "it alone is more than the bank takes in a file."
                )
        yield from bank_profiles.split_into_files(transfers, self.profile)

    def _draft(
        self, message_id: str, transfers: list[CreditTransfer], ids: dict[str, str], instant: bool, execute_on: date, at: datetime
    ) -> FileDraft:
        group = PaymentGroup(payment_info_id(message_id), execute_on, instant, transfers)
        built = sepa_file.build_pain001(
            message_id=message_id, created_at=at, debtor=self.debtor, profile=self.profile, groups=[group]
        )
        return FileDraft(
            file_name=self.profile.file_name_for(message_id=message_id, created_at=at),
            message_id=message_id,
            data=built.data,
            sha256=built.sha256,
            order_ids=tuple(ids[transfer.end_to_end_id] for transfer in transfers),
            control_sum_minor=built.control_sum_minor,
            currency="EUR",
            execute_on=execute_on,
            profile=self.profile.name,
        )

    def _goes_instant(self, instruction: Instruction) -> bool:
        return instruction.instant and self.profile.supports_instant

    def _transfer(self, instruction: Instruction) -> CreditTransfer:
        return CreditTransfer(
            end_to_end_id=instruction.end_to_end_id,
            instruction_id=instruction.end_to_end_id,
            amount_minor=instruction.amount_minor,
            creditor_name=fit_name(instruction.payee_holder),
            creditor_iban=instruction.payee_number if instruction.payee_kind == "iban" else "",
            creditor_bic=instruction.payee_bic or None,
            remittance=fit_remittance(instruction.remittance),
            creditor_country=instruction.payee_country or None,
            creditor_town=fit_name(instruction.payee_town)[:35] or None,
            currency=instruction.currency,
        )

    def _inexpressible(self, instructions: Sequence[Instruction]) -> Iterator[Inexpressible]:
        for instruction in instructions:
            try:
                if instruction.payee_kind != "iban":
                    raise PaymentNotExpressible(instruction.end_to_end_id, "creditor_iban", "SEPA pays IBANs only.")
                transfer = self._transfer(instruction)
                sepa_file.check_transfer(transfer, self.profile)
                if transfer.amount_minor > self.profile.max_amount_minor:
                    raise PaymentNotExpressible(
                        transfer.end_to_end_id, "amount_minor", "it alone is more than the bank takes in a file."
                    )
            except PaymentNotExpressible as refusal:
                yield Inexpressible(instruction.order_id, "not_expressible", str(refusal))

    def validate(self, data: bytes) -> None:
        sepa_file.validate_pain001(data)

    # --- the bank's folder ---

    def hand_over(self, *, file_name: str, data: bytes) -> None:
        """Make the file appear in the outbox, once. Refuses: OutboxNameTaken, HandOverBusy."""
        with self._alone():
            existing = self._existing(file_name)
            if existing is not None:
                if hashlib.sha256(existing.read_bytes()).digest() != hashlib.sha256(data).digest():
                    raise OutboxNameTaken(name=file_name)
                return
            whole = self.outbox / ".incoming" / f"{file_name}.{os.getpid()}"
            whole.parent.mkdir(exist_ok=True)
            with whole.open("wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            whole.rename(self.outbox / file_name)
            _sync_folder(self.outbox)

    def was_handed_over(self, file_name: str) -> bool:
        return self._existing(file_name) is not None

    def _existing(self, file_name: str) -> Path | None:
        # The outbox first: a file moves from there to `taken`, never back, so it cannot slip through between the two looks.
        for folder in (self.outbox, self.outbox / "taken"):
            if (folder / file_name).exists():
                return folder / file_name
        return None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One hand-over at a time on this folder. A frozen process keeps the lock: others refuse rather than hand over beside it."""
        self.outbox.mkdir(parents=True, exist_ok=True)
        with (self.outbox / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise HandOverBusy() from None
            yield


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
