"""Verbs of the ledger: post, reverse, fold checkpoints, open and close periods. Nothing else writes its tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, chain, repeat
from typing import Any, NamedTuple

from django.db import IntegrityError, connection

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.transactions import composable
from payouts.ledger.models import Account, Posting
from payouts.ledger.templates import TEMPLATES, Leg


class UnknownTemplate(Refusal):
    code = "unknown_template"
    sentence = "There is no posting template called {template}."


class CodeNotInTemplate(Refusal):
    code = "code_not_in_template"
    sentence = "The template {template} may not touch {account}."


class PostingDoesNotBalance(Refusal):
    code = "posting_does_not_balance"
    sentence = "The posting {key} does not sum to zero in {currency}."


class FourEyesRequired(Refusal):
    code = "four_eyes_required"
    sentence = "A posting of the kind {template} needs two different people."


class BalanceTooLow(Refusal):
    code = "balance_too_low"
    sentence = "An account would fall below its floor; nothing was booked."


class KeyPostedDifferently(Refusal):
    code = "key_posted_differently"
    sentence = "This was booked before with other content; nothing was booked now."


class PeriodIsClosed(Refusal):
    code = "period_closed"
    sentence = "The accounting period is closed: {detail}. Book it today, with its effective date."


class AlreadyReversed(Refusal):
    code = "already_reversed"
    sentence = "The posting {posting_id} is already reversed."


@dataclass(slots=True)
class Draft:
    """A posting to be: a template, a key unique per template, and legs that sum to zero per currency."""

    template: str
    key: str
    legs: Sequence[Leg]
    source_kind: str = ""
    source_id: int = 0
    effective_at: datetime | None = None
    reverses: int | None = None


class Posted(NamedTuple):
    posting_id: int
    replayed: bool


_KINDS = (
    *("text[]", "smallint[]", "text[]", "text[]", "text[]", "bigint[]", "timestamptz[]", "bigint[]", "int[]"),
    *("text", "text", "text", "timestamptz"),
    *("text[]", "bigint[]", "text[]", "text[]"),
    *("int[]", "int[]", "bigint[]"),
)
_CALL = f"SELECT posting_ids, replayed FROM ledger_post({', '.join(f'%s::{kind}' for kind in _KINDS)})"  # noqa: S608 - of constants


@composable
def post(
    *,
    drafts: Sequence[Draft],
    actor: Actor,
    at: datetime,
    approver: Actor | None = None,
    reason: str = "",
) -> list[Posted]:
    """Book one posting or ten thousand, in one statement: all or nothing.

    A repeated key with the same content answers the first posting. Refuses: UnknownTemplate, CodeNotInTemplate, FourEyesRequired,
    PostingDoesNotBalance, BalanceTooLow, KeyPostedDifferently, PeriodIsClosed.
    """
    if not drafts:
        return []
    versions = [_version(draft, actor, approver) for draft in drafts]
    sizes = [len(draft.legs) for draft in drafts]
    sides = list(chain.from_iterable(draft.legs for draft in drafts))
    _check_sides(drafts, sizes, sides)
    whose = [side[:4] for side in sides]
    accounts = {account: number for number, account in enumerate(dict.fromkeys(whose), 1)}
    codes, holder_ids, holders, currencies = zip(*accounts, strict=True)
    now = at.isoformat()
    parameters = [
        _texts([draft.template for draft in drafts]),
        _numbers(versions),
        _texts([draft.key for draft in drafts]),
        _texts([""] * len(drafts)),
        _texts([draft.source_kind for draft in drafts]),
        _numbers([draft.source_id for draft in drafts]),
        _texts([draft.effective_at.isoformat() if draft.effective_at else now for draft in drafts]),
        _numbers(["NULL" if draft.reverses is None else draft.reverses for draft in drafts]),
        _numbers(accumulate(sizes[:-1], initial=1)),
        str(actor),
        str(approver) if approver else "",
        reason,
        at,
        _texts(codes),
        _numbers(holder_ids),
        _texts(holders),
        _texts(currencies),
        _numbers(chain.from_iterable(map(repeat, range(1, len(drafts) + 1), sizes))),
        _numbers(map(accounts.__getitem__, whose)),
        _numbers([side[4] for side in sides]),
    ]
    posting_ids, replayed = _run(parameters)
    return [Posted(*one) for one in zip(posting_ids, replayed or repeat(False), strict=False)]


def _numbers(values: Iterable[int | str]) -> str:
    """Return a PostgreSQL array literal; psycopg's own list adaptation costs three times as long on ten thousand elements."""
    return "{" + ",".join(map(str, values)) + "}"


def _texts(values: Sequence[str]) -> str:
    joined = '","'.join(values)
    if "\\" in joined or joined.count('"') != 2 * (len(values) - 1):
        joined = '","'.join([value.replace("\\", "\\\\").replace('"', '\\"') for value in values])
    return '{"' + joined + '"}'


def _run(parameters: list[Any]) -> tuple[list[int], list[bool] | None]:
    try:
        with connection.cursor() as cursor:
            cursor.execute(_CALL, parameters)
            return cursor.fetchone()
    except IntegrityError as error:
        raise refusal_of(error) from error


def refusal_of(error: IntegrityError) -> Exception:
    """Translate the database's refusal into ours; anything unforeseen stays an IntegrityError."""
    text = str(error).splitlines()[0]
    if "balance_not_below_floor" in text:
        return BalanceTooLow()
    if "other content" in text:
        return KeyPostedDifferently()
    if text.startswith("the period"):
        return PeriodIsClosed(detail=text)
    if "payouts_posting_reverses_id" in text:
        return AlreadyReversed(posting_id="")
    return error


def _version(draft: Draft, actor: Actor, approver: Actor | None) -> int:
    """Return the version of a draft's template, if the draft may be booked by these people and has two sides."""
    template = TEMPLATES.get(draft.template)
    if template is None:
        raise UnknownTemplate(template=draft.template)
    if template.four_eyes and (approver is None or approver == actor or not approver.is_person):
        raise FourEyesRequired(template=draft.template)
    if len(draft.legs) < 2:
        raise PostingDoesNotBalance(key=draft.key, currency="any currency: it has fewer than two sides")
    return template.version


def _check_sides(drafts: Sequence[Draft], sizes: list[int], sides: list[Leg]) -> None:
    """Refuse accounts a template does not name and postings that do not sum to zero.

    The whole call is looked at first: with one template and one currency, as in every import, a running total that is zero wherever a posting
    ends says it for all of them. Else each posting is looked at.
    """
    templates = {draft.template for draft in drafts}
    if len(templates) == 1 and len({side[3] for side in sides}) == 1:
        known = {side[0] for side in sides} <= TEMPLATES[drafts[0].template].codes
        totals = list(accumulate([side[4] for side in sides], initial=0))
        if known and not any(totals[end] for end in accumulate(sizes)):
            return
    for draft in drafts:
        _check_draft(draft)


def _check_draft(draft: Draft) -> None:
    strangers = {side[0] for side in draft.legs} - TEMPLATES[draft.template].codes
    if strangers and draft.reverses is None:
        raise CodeNotInTemplate(template=draft.template, account=", ".join(sorted(strangers)))
    totals: dict[str, int] = {}
    for _, _, _, currency, amount in draft.legs:
        totals[currency] = totals.get(currency, 0) + amount
    for currency, total in totals.items():
        if total:
            raise PostingDoesNotBalance(key=draft.key, currency=currency)


@composable
def reverse(*, posting_id: int, actor: Actor, at: datetime, reason: str, approver: Actor | None = None) -> Posted:
    """Book the opposite of a posting, once, linked to it. Refuses: AlreadyReversed, BalanceTooLow, PeriodIsClosed, FourEyesRequired."""
    original = Posting.objects.get(pk=posting_id)
    if Posting.objects.filter(reverses_id=posting_id).exists():
        raise AlreadyReversed(posting_id=posting_id)
    first = original
    while first.reverses_id:  # a reversal of a reversal books the first one again
        first = Posting.objects.get(pk=first.reverses_id)
    if TEMPLATES[first.template].four_eyes and (approver is None or approver == actor or not approver.is_person):
        raise FourEyesRequired(template=original.template)
    legs = [
        Leg(e.account.code, e.account.holder_id, e.account.holder, e.currency, -e.amount_minor)
        for e in original.entries.select_related("account").order_by("position")
    ]
    draft = Draft(
        template="reversal",
        key=f"reversal:{posting_id}",
        legs=legs,
        source_kind=original.source_kind,
        source_id=original.source_id,
        reverses=posting_id,
    )
    return post(drafts=[draft], actor=actor, at=at, approver=approver, reason=reason)[0]


@composable
def set_floors(*, floors: Sequence[tuple[str, int, str, int]], actor: Actor, at: datetime, reason: str) -> None:
    """Decide the floors of guarded accounts, opened where missing: (code, holder_id, currency, floor_minor on the normal side).

    The floor becomes min(wanted, balance now): a balance already below may fall no further, and the floor follows it up, booking by booking,
    until it is where it was wanted. Each decision is recorded by the database with actor and reason; one that changes nothing is none.
    """
    if not floors:
        return
    codes, holders, currencies, amounts = (list(column) for column in zip(*sorted(set(floors)), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ledger_set_floors(%s::text[], %s::bigint[], %s::text[], %s::bigint[], %s, %s, %s)",
            [codes, holders, currencies, amounts, str(actor), reason[:200], at],
        )


@composable
def lock_accounts(*, holder_ids: Sequence[int], codes: Sequence[str], currencies: Sequence[str] | None = None) -> None:
    """Lock the balance rows of some holders' guarded accounts, in account order, until the transaction ends."""
    wanted = list(currencies) if currencies else None
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT 1 FROM payouts_balance b JOIN payouts_account a ON a.id = b.account_id
                WHERE a.holder_id = ANY(%s) AND a.code = ANY(%s) AND (%s::text[] IS NULL OR a.currency = ANY(%s))
                ORDER BY b.account_id FOR UPDATE OF b""",
            [list(holder_ids), list(codes), wanted, wanted],
        )


def account_of(code: str, holder_id: int, currency: str, holder: str = "") -> Account | None:
    """Return an account or None; accounts are made on first use."""
    return Account.objects.filter(code=code, holder_id=holder_id, holder=holder, currency=currency).first()
