"""Invented sellers of the demo: names, countries, payee accounts with valid check digits."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from schwifty import IBAN
from schwifty.exceptions import SchwiftyException

_FIRST = (
    "Atelier Comptoir Maison Studio Forum Nordlicht Phoenix Second Orbit Lumen Cobalt Verde Azul Mistral Tramontana Kite Harbor "
    "Cedar Juniper Falcon Delta Sigma Pixel Relay Circuit Volt Quartz Amber Ivory Onyx Saffron Indigo Coral Birch Maple Summit"
).split()
_SECOND = (
    "Reparatur Recycle Mobile Phones Tablets Audio Photo Laptops Devices Electronics Tech Renew Revive Refurb Supply Trading Outlet "
    "Market Digital Systems Works Lab Garage Station Depot House Partners"
).split()
# country → (currency, legal forms, share of sellers, bank codes that schwifty knows)
_COUNTRIES: dict[str, tuple[str, list[str], int, list[str]]] = {
    "FR": ("EUR", ["SAS", "SARL", "EURL"], 92, ["30006", "30004", "10107"]),
    "DE": ("EUR", ["GmbH", "UG"], 70, ["37040044", "10010010", "50010517"]),
    "ES": ("EUR", ["SL", "SA"], 48, ["2100", "0049", "0182"]),
    "IT": ("EUR", ["Srl", "SpA"], 24, ["03069", "02008"]),
    "US": ("USD", ["LLC", "Inc."], 44, []),
    "JP": ("JPY", ["KK", "GK"], 22, []),
}
_ROUTING = ["021000021", "026009593", "121000248"]


@dataclass(frozen=True)
class DemoSeller:
    external_id: str
    legal_name: str
    country: str
    currency: str
    tier: str
    schedule: str
    volume: float  # sales a day; a weight for drawing, never an amount
    iban: str = ""
    us_routing: str = ""
    us_account: str = ""
    behaviour: str = ""  # what the sandbox provider is asked to do with this payee, by its name


def make_sellers(count: int, chooser: random.Random) -> list[DemoSeller]:
    """Return `count` sellers spread over the countries, the first of each country in a fixed order."""
    names = [f"{a} {b}" for a in _FIRST for b in _SECOND]
    chooser.shuffle(names)
    total = sum(share for _, _, share, _ in _COUNTRIES.values())
    sellers: list[DemoSeller] = []
    for country, (currency, forms, share, banks) in _COUNTRIES.items():
        for _ in range(max(2, count * share // total)):
            if len(sellers) < count:
                sellers.append(_one(len(sellers), names, country, currency, forms, banks, chooser))
    american = [number for number, seller in enumerate(sellers) if seller.country == "US"]
    for number, behaviour in zip(american, (" SANDBOX SILENT", " SANDBOX RETURN"), strict=False):
        sellers[number] = replace(sellers[number], behaviour=behaviour, volume=1.5, tier="trusted", schedule="weekly")
    while len(sellers) < count:
        sellers.append(_one(len(sellers), names, "FR", "EUR", ["SAS"], _COUNTRIES["FR"][3], chooser))
    return sellers


def _one(
    number: int, names: list[str], country: str, currency: str, forms: list[str], banks: list[str], chooser: random.Random
) -> DemoSeller:
    iban = iban_of(country, chooser.choice(banks), chooser) if banks else ""
    return DemoSeller(
        external_id=f"shop-{number + 1:04d}",
        legal_name=f"{names[number % len(names)]} {chooser.choice(forms)}",
        country=country,
        currency=currency,
        tier=chooser.choices(["new", "standard", "trusted"], [15, 65, 20])[0],
        schedule=chooser.choices(["weekly", "daily", "monthly"], [80, 12, 8])[0],
        volume=chooser.choice([0.15, 0.3, 0.5, 0.8, 1.5]),
        iban=iban,
        us_routing=chooser.choice(_ROUTING) if country == "US" else "",
        us_account=str(chooser.randrange(10**8, 10**10)) if country == "US" else "",
    )


def iban_of(country: str, bank: str, chooser: random.Random) -> str:
    """Draw account numbers until one satisfies the country's own check digits as well."""
    length = {"FR": 11, "DE": 10, "ES": 10, "IT": 12}[country]
    branch = {"FR": "00001", "ES": "0418", "IT": "09606"}.get(country, "")
    for _ in range(5_000):
        account = "".join(chooser.choice("0123456789") for _ in range(length))
        iban = IBAN.generate(country, bank_code=bank, branch_code=branch, account_code=account)
        try:
            return str(IBAN(str(iban), validate_bban=True))
        except SchwiftyException:
            continue
    raise RuntimeError(f"No valid account number found for {country} {bank}.")
