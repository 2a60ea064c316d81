"""What accounts are called on screens. The ledger knows no seller: the room that does says their names here."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from payouts.ledger.chart import CHART
from payouts.ledger.models import Account

Namer = Callable[[set[int]], dict[int, str]]
_namers: list[Namer] = []


def name_holders_by(namer: Namer) -> None:
    """Take in who can say the names of holders: from their row ids to names, in one query."""
    _namers.append(namer)


def holder_names(accounts: Iterable[Account]) -> dict[int, str]:
    """Return the names of these accounts' holders by row id."""
    wanted = {account.holder_id for account in accounts if account.holder_id}
    names: dict[int, str] = {}
    for namer in _namers:
        names |= namer(wanted) if wanted else {}
    return names


def holder_name(account: Account, names: dict[int, str]) -> str:
    if account.holder_id:
        return names.get(account.holder_id, f"seller no. {account.holder_id}")
    return account.holder or "platform"


def kind_name(account: Account) -> str:
    return CHART[account.code].label if account.code in CHART else account.code


def account_name(account: Account, names: dict[int, str]) -> str:
    """Return an account's name in words: its kind, and whose it is."""
    return f"{kind_name(account)}, {holder_name(account, names)}"
