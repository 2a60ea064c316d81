"""Which bank accounts are ours, however a bank names them: only their statements move our cash, each on an account of its own in the books."""

from __future__ import annotations

from django.conf import settings

# Fewer characters would let a stranger's account pass for ours by chance.
NATIONAL_MIN = 8


def plain(account: str) -> str:
    """Return an account as it is compared: letters and digits, capitals."""
    return "".join(char for char in account.upper() if char.isalnum())


def own_accounts() -> list[str]:
    """Return our accounts as the settings name them: the one payouts leave from first."""
    return list(dict.fromkeys(plain(one) for one in [settings.PLATFORM_IBAN, *settings.PLATFORM_ACCOUNTS] if plain(one)))


def own_account(named: str) -> str | None:
    """Return our account that a bank means, as the settings name it, or None when it is not ours.

    MT940 often names an account by bank code and number, with or without the currency; that is the end of its IBAN.
    """
    text = plain(named)
    for account in own_accounts():
        if text == account:
            return account
    looks_like_iban = text[:2].isalpha() and text[2:4].isdigit()
    if looks_like_iban:
        return None
    for account in own_accounts():
        for number in (text, text[:-3] if text[-3:].isalpha() else text):
            if len(number) >= NATIONAL_MIN and account[4:].endswith(number):
                return account
    return None
