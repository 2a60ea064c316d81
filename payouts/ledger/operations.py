"""Verbs of the ledger: post, reverse, fold checkpoints, open and close periods. Nothing else writes its tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
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
    postings = [_check(draft, actor, approver) for draft in drafts]
    template, version, key, source_kind, source_id = zip(*postings, strict=True)
    accounts: dict[tuple[str, int, str, str], int] = {}
    first: list[int] = []
    posting: list[int] = []
    account: list[int] = []
    amount: list[int] = []
    for number, draft in enumerate(drafts, 1):
        first.append(len(amount) + 1)
        for code, holder_id, holder, currency, amount_minor in draft.legs:
            posting.append(number)
            account.append(accounts.setdefault((code, holder_id, holder, currency), len(accounts) + 1))
            amount.append(amount_minor)
    codes, holder_ids, holders, currencies = zip(*accounts, strict=True)
    now = at.isoformat()
    parameters = [
        _texts(template),
        _numbers(version),
        _texts(key),
        _texts([""] * len(drafts)),
        _texts(source_kind),
        _numbers(source_id),
        _texts([draft.effective_at.isoformat() if draft.effective_at else now for draft in drafts]),
        _numbers(["NULL" if draft.reverses is None else draft.reverses for draft in drafts]),
        _numbers(first),
        str(actor),
        str(approver) if approver else "",
        reason,
        at,
        _texts(codes),
        _numbers(holder_ids),
        _texts(holders),
        _texts(currencies),
        _numbers(posting),
        _numbers(account),
        _numbers(amount),
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


def _check(draft: Draft, actor: Actor, approver: Actor | None) -> tuple[str, int, str, str, int]:
    """Return the columns of a posting after checking the draft against its template."""
    template = TEMPLATES.get(draft.template)
    if template is None:
        raise UnknownTemplate(template=draft.template)
    if template.four_eyes and (approver is None or approver == actor or not approver.is_person):
        raise FourEyesRequired(template=draft.template)
    legs = draft.legs
    if len(legs) < 2:
        raise PostingDoesNotBalance(key=draft.key, currency="any currency: it has fewer than two sides")
    allowed = template.codes
    totals: dict[str, int] = {}
    for code, _, _, currency, amount in legs:
        if code not in allowed and draft.reverses is None:
            strangers = {leg[0] for leg in legs} - allowed
            raise CodeNotInTemplate(template=draft.template, account=", ".join(sorted(strangers)))
        totals[currency] = totals.get(currency, 0) + amount
    for currency, total in totals.items():
        if total:
            raise PostingDoesNotBalance(key=draft.key, currency=currency)
    return draft.template, template.version, draft.key, draft.source_kind, draft.source_id


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
