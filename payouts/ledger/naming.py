"""What accounts are called on screens. The ledger knows no seller: the room that does says their names here."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from payouts.ledger.chart import CHART
from payouts.ledger.models import Account

Namer = Callable[[set[int]], dict[int, str]]
_namers: dict[tuple[str, ...], Namer] = {}


def name_holders_by(namer: Namer, *, codes: tuple[str, ...] = ()) -> None:
    """Take in who can say the names of holders: from their row ids to names, in one query. Without `codes`: of every account nobody else names."""
    _namers[codes] = namer


def holder_names(accounts: Iterable[Account]) -> dict[int, str]:
    """Return the names of these accounts' holders by the accounts' ids: a seller and a customer may have the same row id."""
    own = {code: codes for codes in _namers for code in codes}
    wanted: dict[tuple[str, ...], dict[int, int]] = {}
    for account in accounts:
        if account.holder_id:
            wanted.setdefault(own.get(account.code, ()), {})[account.pk] = account.holder_id
    names: dict[int, str] = {}
    for codes, holders in wanted.items():
        found = _namers[codes](set(holders.values())) if codes in _namers else {}
        names |= {pk: found[holder_id] for pk, holder_id in holders.items() if holder_id in found}
    return names


def holder_name(account: Account, names: dict[int, str]) -> str:
    if account.holder_id:
        return names.get(account.pk, f"holder no. {account.holder_id}")
    return account.holder or "platform"


def kind_name(account: Account) -> str:
    return CHART[account.code].label if account.code in CHART else account.code


def account_name(account: Account, names: dict[int, str]) -> str:
    """Return an account's name in words: its kind, and whose it is."""
    return f"{kind_name(account)}, {holder_name(account, names)}"
