"""The contract between rules and facts: every feature by name, with type, unit, window, source and meaning.

A rule may name nothing else, and a feature a live rule uses is not taken out: the start-up check refuses. The velocity features are made from
their parts, so that they are named regularly: `<subject>.<what>_<window>`.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from datetime import timedelta

WINDOWS: dict[str, timedelta] = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
SUBJECTS = ("buyer", "seller", "payee", "device", "country")
# What else is told apart per subject.
DISTINCT: dict[str, tuple[str, ...]] = {
    "buyer": ("seller", "device", "country"),
    "seller": ("buyer", "device", "country"),
    "payee": ("seller",),
    "device": ("buyer", "seller"),
    "country": ("buyer",),
}
INT, FLOAT, TEXT, BOOL = "int", "double", "string", "bool"
OWNER = "risk"


@dataclass(frozen=True, slots=True)
class Feature:
    """One fact a rule may name. Money is an integer of minor units of `event.currency`; `window` is '' where none applies."""

    name: str
    type: str
    unit: str
    window: str
    source: str
    meaning: str
    sample: str
    owner: str = OWNER

    @property
    def subject(self) -> str:
        return self.name.partition(".")[0]

    @property
    def aggregate(self) -> str:
        """What is counted, for velocity features: `count`, `mean_amount`, `distinct_devices` …"""
        return self.name.partition(".")[2].removesuffix(f"_{self.window}")


def plural(name: str) -> str:
    return {"country": "countries"}.get(name, name + "s")


def _velocity() -> list[Feature]:
    made = []
    for subject in SUBJECTS:
        for window in WINDOWS:
            within = f"of this {subject} in the last {window}, this one included"
            for what, kind, unit, meaning, sample in (
                ("count", INT, "sales", f"Sales {within}.", "3"),
                ("sum_amount", INT, "minor units", f"What the sales {within} add up to, in the currency of this event.", "12900"),
                ("mean_amount", INT, "minor units", f"The mean sale {within}, in the currency of this event, rounded down; missing without any.", "4300"),
                ("max_amount", INT, "minor units", f"The largest sale {within}, in the currency of this event.", "9900"),
                ("labels", INT, "labels", f"What became known, good or bad, about sales of this {subject} in the last {window}.", "20"),
                ("fraud_rate", FLOAT, "share", f"The share of fraud in what became known about sales of this {subject} in the last {window}; 0 without any.", "0.05"),
            ):  # fmt: skip
                made.append(Feature(f"{subject}.{what}_{window}", kind, unit, window, "events", meaning, sample))
            for other in DISTINCT[subject]:
                name = f"{subject}.distinct_{plural(other)}_{window}"
                made.append(
                    Feature(
                        name, INT, plural(other), window, "events", f"Different {plural(other)} among the sales {within}.", "2"
                    )
                )
    return made


def _f(name: str, kind: str, unit: str, source: str, meaning: str, sample: str) -> Feature:
    return Feature(name, kind, unit, "", source, meaning, sample)


_EVENT = [
    _f("event.kind", TEXT, "", "event", "The decision point: sale, refund, charge, payout, payee_change, onboarding.", "'sale'"),
    _f("event.amount_minor", INT, "minor units", "event", "The amount, in minor units of event.currency.", "12900"),
    _f("event.currency", TEXT, "ISO 4217", "event", "The currency of every amount in this decision.", "'EUR'"),
    _f("event.country", TEXT, "ISO 3166", "event", "The country the buyer acts from.", "'DE'"),
    _f("event.hour", INT, "hour", "event", "The hour of the day in UTC, 0 to 23.", "14"),
    _f("event.weekday", INT, "day", "event", "The ISO day of the week in UTC; Monday is 1.", "5"),
    _f("amount_minor", INT, "minor units", "event", "The same as event.amount_minor.", "12900"),
    _f("currency", TEXT, "ISO 4217", "event", "The same as event.currency.", "'EUR'"),
]
_HISTORY = [
    _f("seller.age_days", INT, "days", "history", "Days since the seller was made.", "12"),
    _f("seller.country", TEXT, "ISO 3166", "history", "Where the seller is.", "'DE'"),
    _f("seller.entity_type", TEXT, "", "history", "individual or company.", "'company'"),
    _f("seller.status", TEXT, "", "history", "The seller's status.", "'active'"),
    _f("seller.tier", TEXT, "", "history", "The seller's tier.", "'standard'"),
    _f("seller.payouts_paid", INT, "payouts", "history", "Payouts that were paid.", "4"),
    _f("seller.payouts_returned", INT, "payouts", "history", "Payouts that came back or were rejected.", "0"),
    _f("seller.sales_90d", INT, "sales", "history", "Sales of the last 90 days as booked.", "120"),
    _f("seller.refund_rate_90d", FLOAT, "share", "history", "Refunds per sale in the last 90 days; 0 without sales.", "0.04"),
    _f(
        "seller.chargeback_rate_90d",
        FLOAT,
        "share",
        "history",
        "Chargebacks per sale in the last 90 days; 0 without sales.",
        "0.01",
    ),
    _f("payee.age_hours", INT, "hours", "history", "Hours since the payee account in question was added.", "30"),
    _f(
        "payee.changes_30d",
        INT,
        "changes",
        "history",
        "Times the seller's account for this currency was added or changed in 30 days.",
        "1",
    ),
    _f("payee.is_first", BOOL, "", "history", "Whether this is the seller's first account for the currency.", "true"),
    _f("payee.name_check", TEXT, "", "history", "What the bank said of the account holder's name.", "'match'"),
    _f("payee.country", TEXT, "ISO 3166", "history", "Where the account is.", "'DE'"),
]
_LINKS = [
    _f("link.sellers_on_bank_account", INT, "sellers", "links", "Other sellers ever paid to an account of this seller.", "0"),
    _f("link.sellers_with_person", INT, "sellers", "links", "Other sellers with a person of the same name behind them.", "0"),
    _f("link.sellers_with_phone", INT, "sellers", "links", "Other sellers with a person of the same phone number.", "0"),
    _f("link.sellers_at_address", INT, "sellers", "links", "Other sellers with a person at the same address.", "0"),
    _f("link.sellers_on_device", INT, "sellers", "links", "Other sellers seen on the device of this event in 30 days.", "0"),
    _f("link.blocked_sellers", INT, "sellers", "links", "Blocked sellers that share a bank account with this one.", "0"),
]
_LISTS = [
    _f(f"list.{kind}", TEXT, "", "lists", f"'allowed', 'blocked', 'watched' or '' for the {kind} of this event.", "''")
    for kind in ("seller", "buyer", "device", "country", "iban", "email", "phone", "person")
]
_SCREENING = [
    _f("seller.screening", TEXT, "", "screening", "clean, hits, not_screenable, failed, due or never_screened.", "'clean'"),
]
_MODEL = [_f("model.score", INT, "of 1000", "model", "What the live model says of a sale; missing without one.", "120")]
_EXPOSURE = [
    _f("exposure.unsettled_minor", INT, "minor units", "exposure", "What the seller has to get: pending, available, in payouts.", "84000"),
    _f("exposure.disputed_minor", INT, "minor units", "exposure", "What is in open disputes about the seller's sales.", "12900"),
    _f("exposure.debt_minor", INT, "minor units", "exposure", "What the seller owes: below zero, or put aside as a debt.", "0"),
    _f("exposure.advances_minor", INT, "minor units", "exposure", "What of advances is still to be repaid.", "0"),
    _f("exposure.reserved_minor", INT, "minor units", "exposure", "What is held and reserved.", "9000"),
    _f("exposure.total_minor", INT, "minor units", "exposure", "Unsettled + disputed + debt + advances − reserved.", "87900"),
]  # fmt: skip


@functools.cache
def features() -> dict[str, Feature]:
    """Return every feature by name."""
    return {one.name: one for one in [*_EVENT, *_velocity(), *_HISTORY, *_LINKS, *_LISTS, *_SCREENING, *_EXPOSURE, *_MODEL]}


@functools.cache
def catalogue_version() -> str:
    """Return the version of the catalogue: a hash of what it says."""
    said = "\n".join(
        f"{one.name}|{one.type}|{one.unit}|{one.window}|{one.source}" for one in sorted(features().values(), key=lambda f: f.name)
    )
    return hashlib.sha256(said.encode()).hexdigest()[:12]


@functools.lru_cache(maxsize=2_000)
def of_source(names: frozenset[str], source: str) -> tuple[Feature, ...]:
    """Return the features among `names` that come from one source, in a steady order."""
    known = features()
    return tuple(known[name] for name in sorted(names) if name in known and known[name].source == source)
