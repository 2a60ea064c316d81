"""What every rail answers, in our words. A rail knows no seller and no payout: it is given instructions and says what became of them.

Two kinds: *call* rails take one instruction at a time over a network, *file* rails write many into a file that is handed over whole. Whatever a
rail does not expressly accept or refuse is Unknown: a time-out is not a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, Protocol, runtime_checkable

from backoffice.kit.errors import Refusal


class UnknownRail(Refusal):
    code = "unknown_rail"
    sentence = "There is no rail called {name}."


class NoTimeLeft(Exception):
    """Raised by a guard right before the bytes leave: the lease is nearly over and somebody else may own the order by now."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a rail can do. Empty `currencies` means any; seconds are real time, days are days of `calendar`."""

    name: str
    mode: Literal["call", "file"]
    currencies: frozenset[str]
    payee_kinds: frozenset[str]
    instant: bool
    look_up: bool
    cut_off: str
    calendar: Literal["TARGET", "FED"]
    return_window_days: int
    # How long an accepted instruction may stay invisible to a look-up; "absent" proves nothing before.
    visibility_lag_seconds: float = 0.0
    # Connect and answer together; kept below half a lease.
    timeout_seconds: float = 20.0

    def pays(self, currency: str, payee_kind: str) -> bool:
        return (not self.currencies or currency in self.currencies) and payee_kind in self.payee_kinds


@dataclass(frozen=True, slots=True)
class Instruction:
    """One payment to make: the key is derived from ids and stored before any call. Account data never shows in a repr or a log."""

    order_id: str
    end_to_end_id: str
    key: str
    amount_minor: int
    currency: str
    payee_kind: str
    payee_number: str = field(repr=False)
    payee_holder: str = field(repr=False)
    payee_bic: str
    remittance: str
    created_at: datetime
    payee_routing_number: str = field(default="", repr=False)
    payee_country: str = ""
    payee_town: str = field(default="", repr=False)
    instant: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """The rail has it, under its own reference."""

    provider_ref: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The rail refused it for good, by a documented refusal: `code` ours (ISO reason), `raw_code` theirs."""

    code: str
    raw_code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows yet; only evidence ends it."""

    reason: str


Answer = Accepted | Refused | Unknown


@dataclass(frozen=True, slots=True)
class Present:
    """The rail has it: `status` is accepted, settled, refused or returned, or unknown where theirs is not in the mapping table."""

    provider_ref: str
    status: Literal["accepted", "settled", "refused", "returned", "unknown"]
    code: str = ""
    raw_code: str = ""
    reason: str = ""
    amount_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """The rail says it has never seen it. Proof only once older than the rail's visibility lag."""


LookUp = Present | Absent | Unknown


@dataclass(frozen=True, slots=True)
class FileDraft:
    """One file to be, sealed as soon as it is stored."""

    file_name: str
    message_id: str
    data: bytes
    sha256: str
    order_ids: tuple[str, ...]
    control_sum_minor: int
    currency: str
    execute_on: date
    profile: str


@dataclass(frozen=True, slots=True)
class Inexpressible:
    """An instruction the rail cannot carry, and why; it leaves the file and goes back to a person."""

    order_id: str
    code: str
    reason: str


@runtime_checkable
class CallRail(Protocol):
    @property
    def capabilities(self) -> Capabilities: ...

    def send(self, instruction: Instruction, *, still_mine: Callable[[], None] = lambda: None) -> Answer:
        """Send once. `still_mine` is called when everything is ready and the next thing is the bytes leaving; it raises NoTimeLeft."""

    def look_up(self, key: str) -> LookUp:
        """Say what the rail knows under our key. Has no effect at the rail."""


@runtime_checkable
class FileRail(Protocol):
    @property
    def capabilities(self) -> Capabilities: ...

    def build_files(
        self, instructions: Sequence[Instruction], *, batch_id: str, first_number: int, at: datetime
    ) -> tuple[list[FileDraft], list[Inexpressible]]:
        """Write the files of a batch; ids and bytes follow from the arguments alone."""

    def validate(self, data: bytes) -> None:
        """Hold the bytes against the format's rules; raises a Refusal naming the place."""

    def hand_over(self, *, file_name: str, data: bytes) -> None:
        """Put the file where the bank takes it from. The same bytes under the same name again change nothing."""


Rail = CallRail | FileRail
