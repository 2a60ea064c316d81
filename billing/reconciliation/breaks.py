"""What people do with breaks: take them, explain them, and close them by a correction that another person approves.

A correction is one of three: `force` says that lines belong together and what they differ by; `write_off` books the difference away; `void` says
that a line is no fact about our money. Each is bound to the amounts it was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Sum

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.idempotency import fingerprint
from backoffice.kit.outbox import tell
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from billing.reconciliation.judging import EXPENSE_OF, add_up, lift_placeholders
from billing.reconciliation.matching import open_group
from billing.reconciliation.models import Break, BreakKind, DifferenceKind, DifferenceLine, MatchGroup, StagedLine
from billing.reconciliation.payouts import off_by_leg
from billing.reconciliation.rulebook import rulebook_in_force
from billing.reconciliation.states import ACCOUNT_OF_LEG, BREAK, GROUP, LINE, BreakState, GroupState, Leg, LineState, Side
from payouts.ledger.operations import Draft, post
from payouts.ledger.templates import Leg as Entry
from payouts.ledger.templates import platform

ACTION = "break_correction"
KINDS = ("force", "write_off", "void")
DIFFERENCES = (DifferenceKind.FEE, DifferenceKind.FX, DifferenceKind.ROUNDING)
LINES_MAX = 100


class BreakNotOpen(Refusal):
    code = "break_not_open"
    sentence = "The break {ref} is {state}; only an open one can be worked on."


class ReasonMissing(InputError):
    code = "reason_missing"
    sentence = "Say what this difference is and how you know: auditors read it."


class LineNotLoose(Refusal):
    code = "line_not_loose"
    sentence = (
        "Line {line} cannot be added: it is unknown, in a group already, void, or of another account or currency than the break."
    )


class DifferenceUnnamed(Refusal):
    code = "difference_unnamed"
    sentence = "The lines still differ by {off} {currency} (minor units): say whether that is a fee, exchange or rounding, or write it off."


class NothingToCorrect(Refusal):
    code = "nothing_to_correct"
    sentence = "{detail}"


def _locked(break_id: int, *states: BreakState) -> Break:
    found = Break.objects.select_for_update().filter(pk=break_id).first()
    if found is None:
        raise NotFound(what="break", ref=break_id)
    if found.state not in states:
        raise BreakNotOpen(ref=found.public_id, state=found.get_state_display())
    return found


@composable
def take_break(*, break_id: int, actor: Actor, at: datetime, owner: str = "") -> Break:
    """Make a person (the actor, unless `owner` names another) the owner of a break. Refuses: NotFound, BreakNotOpen."""
    found = _locked(break_id, BreakState.OPEN, BreakState.REQUESTED)
    found.owner = owner or str(actor)
    found.save(update_fields=["owner"])
    audit.record(actor, "break.take", found.public_id, at, facts={"owner": found.owner})
    return found


@composable
def explain_break(*, break_id: int, reason: str, actor: Actor, at: datetime) -> Break:
    """Write down what a break is; it stays open until facts or a correction close it. Refuses: NotFound, BreakNotOpen, ReasonMissing."""
    if not reason.strip():
        raise ReasonMissing()
    found = _locked(break_id, BreakState.OPEN, BreakState.REQUESTED)
    found.explanation = reason.strip()
    found.save(update_fields=["explanation"])
    audit.record(actor, "break.explain", found.public_id, at, reason=reason)
    return found


@composable
def request_break_correction(
    *,
    break_id: int,
    kind: str,
    reason: str,
    actor: Actor,
    at: datetime,
    line_ids: Sequence[int] = (),
    difference: str = "",
) -> Break:
    """Ask for a correction (`force`, `write_off` or `void`); nothing is booked until another person approves exactly this.

    `line_ids` are loose lines of the same account and currency that belong to it; `difference` says what a forced match differs by.
    Refuses: NotFound, BreakNotOpen, ReasonMissing, LineNotLoose, DifferenceUnnamed, NothingToCorrect.
    """
    if not reason.strip():
        raise ReasonMissing()
    if kind not in KINDS or (difference and difference not in DIFFERENCES):
        raise InputError(detail=f"A correction is one of {', '.join(KINDS)}; a difference is a fee, fx or rounding.")
    found = _locked(break_id, BreakState.OPEN)
    wanted = {
        "kind": kind, "lines": sorted(set(line_ids)), "difference": difference if kind == "force" else "", "reason": reason.strip(),
    }  # fmt: skip
    content = content_of(found, wanted)
    _check(found, content)
    found.wanted, found.corrected_by = wanted, str(actor)
    found.save(update_fields=["wanted", "corrected_by"])
    transition(BREAK, found, BreakState.REQUESTED, actor=actor, at=at, reason=reason, code=kind)
    approvals.request_approval(
        action=ACTION, subject=found.public_id, content_hash=fingerprint(content), shown=content, maker=actor, at=at
    )
    audit.record(actor, "break.request", found.public_id, at, reason=reason, facts={"kind": kind})
    return found


def members_of(found: Break, extra: Sequence[int]) -> list[StagedLine]:
    """Return the lines a correction is about: the break's own and those added. Refuses: LineNotLoose."""
    own = found.group.lines.all() if found.group else StagedLine.objects.filter(pk=found.line_id or 0)
    lines = list(own.order_by("pk")[:LINES_MAX])
    for line_id in extra:
        line = StagedLine.objects.filter(pk=line_id).first()
        fits = line is not None and (line.leg, line.currency, line.group_id) == (found.leg, found.currency, None)
        if line is None or not fits or line.state == LineState.VOID or line.pk == found.line_id:
            raise LineNotLoose(line=line_id)
        lines.append(line)
    return lines


def content_of(found: Break, wanted: dict[str, Any]) -> dict[str, Any]:
    """Return what a second person agrees to: the correction, its lines with their amounts, and what is booked."""
    lines = members_of(found, wanted["lines"])
    explained = found.group.differences.aggregate(total=Sum("amount_minor"))["total"] if found.group else 0
    signed = [line.amount_minor if line.side == Side.THEIRS else -line.amount_minor for line in lines]
    off = found.amount_minor if found.group else sum(signed)
    if found.group:
        off = sum(signed) - (explained or 0) if len(lines) < LINES_MAX else found.amount_minor
    return {
        "break": found.public_id,
        "kind": wanted["kind"],
        "leg": found.leg,
        "currency": found.currency,
        "off_minor": off,
        "difference": wanted["difference"],
        "lines": [[line.pk, line.side, line.amount_minor] for line in lines],
        "reason": wanted["reason"],
    }


def _check(found: Break, content: dict[str, Any]) -> None:
    kind, off = content["kind"], content["off_minor"]
    if found.group and len(off_by_leg(found.group.pk)) > 1:
        raise NothingToCorrect(detail="Several accounts differ in this payout: match or void its lines one by one first.")
    if kind == "force" and off and not content["difference"]:
        raise DifferenceUnnamed(off=off, currency=found.currency)
    if kind == "force" and len(content["lines"]) < 2:
        raise NothingToCorrect(detail="A match has two lines at least: name the ones that belong to this one.")
    if kind == "write_off" and not off:
        raise NothingToCorrect(detail="These lines add up: there is nothing to write off.")
    told_again = found.kind == BreakKind.DATA
    if (
        kind == "void"
        and not told_again
        and (found.leg != Leg.CLEARING or any(side != Side.THEIRS for _, side, _ in content["lines"]))
    ):
        raise NothingToCorrect(
            detail="Only what a provider told can be void: the bank moved money, and our own postings are corrected."
        )


@composable
def approve_break_correction(*, break_id: int, actor: Actor, at: datetime, reason: str = "") -> Break:
    """Approve a correction as another person, and book it. Tells `break.corrected`.

    Refuses: NotFound, BreakNotOpen, and what approvals and the ledger refuse; facts that changed since it was asked for: ContentChanged.
    """
    found = _locked(break_id, BreakState.REQUESTED)
    content = content_of(found, found.wanted)
    exact: Any = {"action": ACTION, "subject": found.public_id, "content_hash": fingerprint(content), "at": at}
    approvals.approve(checker=actor, reason=reason, **exact)
    approval = approvals.use_approval(**exact)
    if content["kind"] == "void":
        _void(found, actor, at)
    else:
        _close_group(found, content, approval.public_id, actor, at)
    found.approved_by, found.closed_at = str(actor), at
    found.save(update_fields=["approved_by", "closed_at"])
    transition(BREAK, found, BreakState.CORRECTED, actor=actor, at=at, reason=content["reason"], code=content["kind"])
    _clear_others(content, found, actor, at)
    audit.record(actor, "break.correct", found.public_id, at, reason=reason, facts={"kind": content["kind"]})
    tell("break.corrected", subject=found.public_id, payload={"kind": content["kind"], "leg": found.leg}, at=at)
    return found


@composable
def refuse_break_correction(*, break_id: int, actor: Actor, at: datetime, reason: str) -> Break:
    """Refuse (or, as its maker, withdraw) a correction; the break is open again. Refuses: NotFound, BreakNotOpen."""
    found = _locked(break_id, BreakState.REQUESTED)
    approvals.refuse(action=ACTION, subject=found.public_id, checker=actor, at=at, reason=reason)
    found.wanted, found.corrected_by = {}, ""
    found.save(update_fields=["wanted", "corrected_by"])
    transition(BREAK, found, BreakState.OPEN, actor=actor, at=at, reason=reason, code="refused")
    audit.record(actor, "break.refuse", found.public_id, at, reason=reason)
    return found


def _void(found: Break, actor: Actor, at: datetime) -> None:
    if found.kind == BreakKind.DATA:
        return  # the first telling stands, whatever was told again
    lines = members_of(found, found.wanted["lines"])
    if found.group:
        transition(GROUP, found.group, GroupState.VOID, actor=actor, at=at, code="void")
    for line in lines:
        transition(LINE, line, LineState.VOID, actor=actor, at=at, code="void")


def _close_group(found: Break, content: dict[str, Any], approval: str, actor: Actor, at: datetime) -> None:
    """Put the lines together, book what they differ by in both names, and call the group matched."""
    group = found.group or MatchGroup.objects.get(
        pk=open_group(
            content["kind"], rulebook_in_force(), found.leg, found.holder, found.currency, found.public_id, found.since_on, at=at
        )
    )
    StagedLine.objects.filter(pk__in=[pk for pk, _, _ in content["lines"]], group__isnull=True).update(group=group)
    lift_placeholders([group.pk], at=at, forced=True)
    if content["off_minor"]:
        _book(found, group, content, approval, actor, at)
    add_up([group.pk])
    MatchGroup.objects.filter(pk=group.pk).update(forced=True, decided_by=str(actor), decided_at=at)
    transition(GROUP, group, GroupState.POSTED, actor=actor, at=at, reason=content["reason"], code=content["kind"])
    for line in group.lines.exclude(state=LineState.MATCHED).order_by("pk"):
        transition(LINE, line, LineState.MATCHED, actor=actor, at=at, code=content["kind"])


def _book(found: Break, group: MatchGroup, content: dict[str, Any], approval: str, actor: Actor, at: datetime) -> None:
    off, currency = content["off_minor"], found.currency
    leg = Leg(next(iter(off_by_leg(group.pk)), found.leg))
    ours = platform(ACCOUNT_OF_LEG[leg], currency, off, found.holder)
    forced = content["kind"] == "force"
    against = EXPENSE_OF[DifferenceKind(content["difference"])] if forced else "suspense"
    drafts = [_draft("break_corrected", found, [ours, platform(against, currency, -off)])]
    if not forced:
        legs = [platform("suspense", currency, off), platform("expense.write_off", currency, -off)]
        drafts.append(_draft("write_off", found, legs))
    maker = Actor.parse(found.corrected_by)
    posted = post(drafts=drafts, actor=maker, approver=actor, at=at, reason=content["reason"])
    DifferenceLine.objects.create(
        group=group,
        leg=leg,
        kind=content["difference"] if forced else DifferenceKind.WRITE_OFF,
        amount_minor=off,
        currency=currency,
        posting_id=posted[-1].posting_id,
        approval=approval,
        created_at=at,
    )


def _draft(template: str, found: Break, legs: list[Entry]) -> Draft:
    return Draft(template, f"break:{found.public_id}", legs, "break", found.pk)


def _clear_others(content: dict[str, Any], found: Break, actor: Actor, at: datetime) -> None:
    """Close the breaks of the lines that were added: they are matched now."""
    rest = Break.objects.select_for_update().filter(
        line__in=[pk for pk, _, _ in content["lines"]], state__in=[BreakState.OPEN, BreakState.REQUESTED]
    )
    for one in rest.exclude(pk=found.pk).order_by("pk"):
        one.closed_at = at
        one.save(update_fields=["closed_at"])
        transition(BREAK, one, BreakState.CLEARED, actor=actor, at=at, reason=f"Matched with {found.public_id}.")
