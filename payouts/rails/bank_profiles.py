"""What each bank wants of a payment file, as data; a new bank is a new row here, not new code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time
from typing import Literal, Protocol, TypeVar
from zoneinfo import ZoneInfo

from backoffice.kit.errors import InputError
from payouts.rails.calendars import CalendarName


class UnknownBankProfile(InputError):
    code = "unknown_bank_profile"
    sentence = "There is no bank profile {name}; known are {known}."


class AmountExceedsProfile(InputError):
    code = "amount_exceeds_profile"
    sentence = "The payment {end_to_end_id} alone is more than {bank} takes in one file."


@dataclass(frozen=True, slots=True)
class BankProfile:
    """One bank's habits. Amounts in minor units of EUR; `cut_off` is wall-clock time and zone; `file_name` is a format string."""

    name: str
    schema: Literal["pain.001.001.09"] = "pain.001.001.09"
    many_payment_infos: bool = True
    batch_booking: bool = False
    bic_required: bool = False
    max_transactions: int = 100_000
    max_amount_minor: int = 99_999_999_999_999
    charset: Literal["sepa-latin"] = "sepa-latin"
    cut_off: str = "15:00 Europe/Paris"
    calendar: CalendarName = "TARGET"
    file_name: str = "{message_id}.xml"
    supports_instant: bool = True
    # Business days after settlement in which a transfer may still come back: see calendars.py for their origin.
    return_window_days: int = 5
    # Hours after which a file without a pain.002 is a question to the bank.
    silent_after_hours: int = 24

    @property
    def cut_off_time(self) -> time:
        return time.fromisoformat(self.cut_off.split(" ")[0])

    @property
    def cut_off_zone(self) -> ZoneInfo:
        return ZoneInfo(self.cut_off.split(" ")[1])

    def file_name_for(self, *, message_id: str, created_at: datetime) -> str:
        return self.file_name.format(message_id=message_id, created_at=created_at.astimezone(self.cut_off_zone))


PROFILES: dict[str, BankProfile] = {
    profile.name: profile
    for profile in (
        BankProfile(name="generic-sepa"),
        # The narrowest combination real banks ask for: one payment group a file, booked as one line, BIC of every payee, small files.
        BankProfile(
            name="strict-sepa",
            many_payment_infos=False,
            batch_booking=True,
            bic_required=True,
            max_transactions=5_000,
            max_amount_minor=500_000_000_00,
            cut_off="11:30 Europe/Paris",
            file_name="SCT_{created_at:%Y%m%d}_{message_id}.xml",
            supports_instant=False,
            silent_after_hours=4,
        ),
    )
}


def profile_named(name: str) -> BankProfile:
    """Return a profile; raises UnknownBankProfile."""
    try:
        return PROFILES[name]
    except KeyError:
        raise UnknownBankProfile(name=name, known=", ".join(sorted(PROFILES))) from None


class _Transfer(Protocol):
    @property
    def end_to_end_id(self) -> str: ...
    @property
    def amount_minor(self) -> int: ...


T = TypeVar("T", bound=_Transfer)


def split_into_files(transfers: Iterable[T], profile: BankProfile) -> Iterator[list[T]]:
    """Yield lists of transfers, in their order, each small enough for one file of this bank; raises AmountExceedsProfile.

    Where a bank takes one payment group a file, call it once per (execution date, service level).
    """
    batch: list[T] = []
    total = 0
    for transfer in transfers:
        if transfer.amount_minor > profile.max_amount_minor:
            raise AmountExceedsProfile(end_to_end_id=transfer.end_to_end_id, bank=profile.name)
        if batch and (len(batch) >= profile.max_transactions or total + transfer.amount_minor > profile.max_amount_minor):
            yield batch
            batch, total = [], 0
        batch.append(transfer)
        total += transfer.amount_minor
    if batch:
        yield batch
