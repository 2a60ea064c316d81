"""The verbs of this room: the door for everybody else."""

from __future__ import annotations

from datetime import date, datetime

from backoffice.kit.actors import Actor, system
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.transactions import composable, durable
from backoffice.staff import audit
from payouts.dispatch import files
from payouts.dispatch.absence import (
    NotUnknown,
    OnlyAPersonDecides,
    ReasonMissing,
    check_person,
    confirm_absence,
    lock_unknown,
    refuse_absence,
    request_absence,
)
from payouts.dispatch.asking import ask_about_sent, close_return_windows
from payouts.dispatch.bank_answers import import_bank_file
from payouts.dispatch.bank_keeping import BankFileResult
from payouts.dispatch.engine import work
from payouts.dispatch.models import BankFileEntry, PaymentOrder
from payouts.dispatch.outcomes import Effect, Outcome, Told, apply_outcomes, record_sent
from payouts.dispatch.states import EntryState
from payouts.dispatch.submitting import SubmitResult, submit_run
from payouts.runs.operations import complete_runs

__all__ = [
    "BankFileResult",
    "NotUnknown",
    "OnlyAPersonDecides",
    "SubmitResult",
    "ask_about_sent",
    "bounce",
    "close_return_windows",
    "confirm_absence",
    "explain_entry",
    "import_bank_file",
    "refuse_absence",
    "reject",
    "request_absence",
    "resolve_unknown",
    "settle",
    "submit_run",
    "sweep",
    "work",
]


class OutcomeContradicts(Refusal):
    code = "outcome_contradicts"
    sentence = "The order is {state}; that it was {told} does not fit. Find out which of the two is wrong."


class EntryNotOpen(Refusal):
    code = "entry_not_open"
    sentence = "This bank line is not waiting for an explanation: it is {state}."


class UnknownOutcome(InputError):
    code = "unknown_outcome"
    sentence = "Say one of: sent, rejected."


class NeedsASecondPerson(Refusal):
    code = "needs_a_second_person"
    sentence = (
        "That an order paid nobody frees its money to leave again: say so with request_absence, and another person confirms it."
    )


@composable
def settle(*, order_id: int, actor: Actor, at: datetime, on: date | None = None, holder: str = "") -> Effect:
    """Book that an order stands on a bank statement: bank.in_transit → bank.cash; its payout is paid, for the time being.

    Answers `already` the second time. Events: payout.paid. Refuses: OutcomeContradicts, NotFound.
    """
    return _apply(Outcome(order_id, Told.SETTLED, on, holder), actor, at)


@composable
def bounce(
    *, order_id: int, code: str, actor: Actor, at: datetime, on: date | None = None, holder: str = "", reason: str = ""
) -> Effect:
    """Book that a payment came back: the money is available again, the payee account marked as the reason code says.

    Events: payout.returned. Refuses: OutcomeContradicts, NotFound.
    """
    return _apply(Outcome(order_id, Told.RETURNED, on, holder, code, code, reason), actor, at)


@composable
def reject(*, order_id: int, code: str, actor: Actor, at: datetime, on: date | None = None, reason: str = "") -> Effect:
    """Book that a payment was refused before it settled: the money is available again, the payee account marked as the code says.

    Events: payout.failed. Refuses: OutcomeContradicts, NotFound.
    """
    return _apply(Outcome(order_id, Told.REJECTED, on, "", code, code, reason), actor, at)


def _apply(outcome: Outcome, actor: Actor, at: datetime) -> Effect:
    effect = apply_outcomes([outcome], actor=actor, at=at).get(outcome.order_id)
    if effect is None:
        raise NotFound(what="payment order", ref=outcome.order_id)
    if effect == Effect.CONFLICT:
        state = PaymentOrder.objects.get(pk=outcome.order_id).get_status_display()
        raise OutcomeContradicts(state=state, told=outcome.told)
    return effect


@composable
def explain_entry(*, entry_id: int, reason: str, actor: Actor, at: datetime) -> BankFileEntry:
    """Close a bank line nobody could place, with a person's explanation. Money in suspense stays there until a correction by two people.

    Refuses: NotFound, EntryNotOpen, ReasonMissing.
    """
    entry = BankFileEntry.objects.select_for_update().filter(pk=entry_id).first()
    if entry is None:
        raise NotFound(what="bank line", ref=entry_id)
    if entry.state != EntryState.UNPLACED:
        raise EntryNotOpen(state=entry.get_state_display())
    if not reason.strip():
        raise ReasonMissing()
    entry.state, entry.outcome, entry.owner = EntryState.EXPLAINED, "explained", str(actor)
    entry.text = f"{entry.text}\n{reason}".strip()
    entry.save(update_fields=["state", "outcome", "owner", "text"])
    audit.record(actor, "explain_bank_entry", entry.public_id, at, reason)
    return entry


@composable
def resolve_unknown(
    *, order_id: int, reason: str, actor: Actor, at: datetime, outcome: str = "sent", provider_ref: str = ""
) -> PaymentOrder:
    """Say, as a person with evidence, that the rail has an order whose outcome is unknown (`provider_ref` theirs).

    That it was refused, or never arrived, frees money to leave again, and takes two people: `request_absence`, `confirm_absence`.
    Refuses: OnlyAPersonDecides, NotUnknown, NeedsASecondPerson, UnknownOutcome, ReasonMissing, NotFound.
    """
    check_person(actor, reason)
    if outcome in ("absent", "rejected"):
        raise NeedsASecondPerson()
    if outcome != "sent":
        raise UnknownOutcome()
    order = lock_unknown(order_id)

    if provider_ref:
        PaymentOrder.objects.filter(pk=order.pk).update(provider_ref=provider_ref[:120])
    record_sent([order], actor=actor, at=at)
    audit.record(actor, "resolve_unknown", order.public_id, at, reason, {"outcome": outcome})
    return PaymentOrder.objects.get(pk=order_id)


@durable
def sweep(*, at: datetime) -> dict[str, int]:
    """Take up whatever was left behind: files not built or not handed over, accepted orders to ask about, runs whose last payout ended.

    Crashed claims and unknown outcomes are taken up by `work`. Returns counts.
    """
    actor = system("sweeper")
    built = sum(len(files.build_files(run_id=run_id, actor=actor, at=at)) for run_id in files.runs_without_files())
    handed = len(files.hand_over_files(actor=actor, at=at))
    asked = ask_about_sent(at=at)
    completed = len(complete_runs(actor=actor, at=at))
    return {"files_built": built, "files_handed_over": handed, "runs_completed": completed, **asked}
