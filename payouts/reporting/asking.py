"""Ask reportable sellers for the data their report lacks, remind them twice, and let payouts stop; giving the data lifts it.

Who is asked follows from the year's figures so far: the law wants the data known by the end of the year, not after it. Days come from the rules
(annex V, section IV, A(2) of the directive): two reminders, and no stop before both went out and sixty days have passed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, Refusal
from backoffice.kit.outbox import Event, tell
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable, durable
from backoffice.staff import audit
from payouts.compliance.models import Requirement
from payouts.compliance.operations import ask_tax_data, set_tax_deadline
from payouts.compliance.states import TAX_CATALOGUE
from payouts.reporting.figures import figures_of
from payouts.reporting.identity import identities_of, items_of, missing_of
from payouts.reporting.judging import codes_of
from payouts.reporting.models import TaxFile
from payouts.reporting.rules import OperatorOutsideUnion, Rules, all_rules
from payouts.reporting.states import TAX_FILE, WAITING, Exclusion, TaxFileState
from payouts.sellers.models import PayeeAccount, Seller
from payouts.sellers.queries import lock_seller, lock_sellers
from payouts.sellers.states import SellerStatus

_CHUNK = 500
_NOBODY = {"asked": 0, "reminded": 0, "reminded_again": 0, "withheld": 0, "complete": 0}


class ReasonMissing(InputError):
    code = "reason_missing"
    sentence = "Give a reason: it is kept with the seller's tax data."


class ExclusionNotInRegime(Refusal):
    code = "exclusion_not_in_regime"
    sentence = "The rules of {regime} leave no seller out for what it is; it is reported like everybody."


@durable
def keep_tax_data(*, actor: Actor, at: datetime) -> dict[str, int]:
    """Ask who is reportable for what is missing, remind, and mark whose payouts stop; some sellers at a time. Answers the counts.

    Tells `seller.tax_data_requested` (with which reminder it is), `seller.tax_data_complete`.
    """
    counts = dict(_NOBODY)
    for rules in all_rules().values():
        try:
            reportable = _reportable(rules, at)
        except OperatorOutsideUnion:
            continue  # nobody here reports under these rules
        waiting = set(TaxFile.objects.filter(regime=rules.regime, state__in=WAITING).values_list("seller_id", flat=True))
        ids = sorted(reportable | waiting)
        for start in range(0, len(ids), _CHUNK):
            for name, count in _keep_chunk(ids[start : start + _CHUNK], rules, reportable, actor, at).items():
                counts[name] += count
    return counts


def _reportable(rules: Rules, at: datetime) -> set[int]:
    """Return the sellers a report of this year or of the last one names: what the last one lacks is still owed, and reported as a correction."""
    this_year = at.astimezone(ZoneInfo(rules.zone)).year
    found: set[int] = set()
    for year in (this_year - 1, this_year):
        figures = figures_of(year, rules.zone)
        own = set(
            Seller.objects.filter(pk__in={key[0] for key in figures}, country__in=rules.countries).values_list("pk", flat=True)
        )
        excluded = dict(TaxFile.objects.exclude(exclusion="").values_list("seller_id", "exclusion"))
        codes = codes_of([one for one in figures.values() if one.seller_id in own], rules, year, excluded)
        found |= {seller_id for (seller_id, _), code in codes.items() if not code}
    return found


@composable
def _keep_chunk(
    seller_ids: Sequence[int], rules: Rules, reportable: Collection[int], actor: Actor, at: datetime
) -> dict[str, int]:
    sellers = [one for one in lock_sellers(seller_ids) if one.status != SellerStatus.CLOSED and one.country in rules.countries]
    missing = {seller_id: names if seller_id in reportable else [] for seller_id, names in _missing(sellers, rules).items()}
    return _settle(sellers, missing, rules, actor, at)


def _missing(sellers: Sequence[Seller], rules: Rules) -> dict[int, list[str]]:
    identities = identities_of(sellers, rules)
    return {one.pk: missing_of(identities[one.pk], rules, one.entity_type) for one in sellers}


def _settle(
    sellers: Sequence[Seller], missing: Mapping[int, list[str]], rules: Rules, actor: Actor, at: datetime
) -> dict[str, int]:
    """Bring files and requirement rows of locked sellers in line with what is missing, and move each file as far as its time has come."""
    counts = dict(_NOBODY)
    files = {one.seller_id: one for one in TaxFile.objects.select_for_update().filter(seller__in=sellers)}
    asked = {one.pk: one for one in sellers if missing[one.pk] or one.pk in files}
    wanted = {pk: items_of(missing[pk], rules, seller) for pk, seller in asked.items()}
    ask_tax_data(wanted=wanted, actor=actor, at=at)
    deadlines: dict[int, datetime] = {}
    for pk, seller in asked.items():
        file = files.get(pk) or _opened(seller, rules, missing[pk], actor, at, counts)
        moved = _move(file, seller, rules, missing[pk], actor, at)
        if moved:
            counts[moved] += 1
        if moved == TaxFileState.REMINDED_AGAIN and file.stops_at is not None:
            deadlines[pk] = file.stops_at
    set_tax_deadline(deadlines=deadlines, actor=actor, at=at)
    return counts


def _opened(seller: Seller, rules: Rules, missing: list[str], actor: Actor, at: datetime, counts: dict[str, int]) -> TaxFile:
    file = TaxFile.objects.create(
        seller=seller, regime=rules.regime, state=TaxFileState.ASKED, missing=missing, asked_at=at, created_at=at
    )
    born(TAX_FILE, file, actor=actor, at=at)
    _tell_request(file, seller, 0, at)
    counts[TaxFileState.ASKED] += 1
    return file


def _move(file: TaxFile, seller: Seller, rules: Rules, missing: list[str], actor: Actor, at: datetime) -> str:
    """Move a file one step if its time has come; return the state it came to, '' when it stays."""
    if file.missing != missing:
        file.missing = missing
        file.save(update_fields=["missing"])
    to = _next_state(file, rules, at)
    if not to:
        return ""
    if to == TaxFileState.ASKED:
        file.asked_at, file.reminded_at, file.reminded_again_at, file.stops_at, file.regime = at, None, None, None, rules.regime
    elif to == TaxFileState.REMINDED:
        file.reminded_at = at
    elif to == TaxFileState.REMINDED_AGAIN and file.asked_at is not None:
        file.reminded_again_at = at
        spare = timedelta(days=rules.stop_days - rules.second_days)
        file.stops_at = max(file.asked_at + timedelta(days=rules.stop_days), at + spare)
    file.save(update_fields=["asked_at", "reminded_at", "reminded_again_at", "stops_at", "regime"])
    transition(TAX_FILE, file, to, actor=actor, at=at, code="" if missing else "nothing_missing")
    reminders = {TaxFileState.ASKED: 0, TaxFileState.REMINDED: 1, TaxFileState.REMINDED_AGAIN: 2}
    if to in reminders:
        _tell_request(file, seller, reminders[TaxFileState(to)], at)
    elif to == TaxFileState.COMPLETE:
        told = {"seller": seller.public_id, "regime": file.regime}
        tell("seller.tax_data_complete", subject=file.public_id, payload=told, at=at, partner_id=seller.partner_id)
    return to


def _next_state(file: TaxFile, rules: Rules, at: datetime) -> str:
    F = TaxFileState
    if not file.missing:
        return F.COMPLETE if file.state in WAITING else ""
    if file.state == F.COMPLETE:
        return F.ASKED
    due: dict[str, tuple[str, datetime | None]] = {
        F.ASKED: (F.REMINDED, file.asked_at and file.asked_at + timedelta(days=rules.first_days)),
        # counted from the first reminder: one that went out late is not followed by the second at its heels
        F.REMINDED: (
            F.REMINDED_AGAIN,
            file.reminded_at and file.reminded_at + timedelta(days=rules.second_days - rules.first_days),
        ),
        F.REMINDED_AGAIN: (F.WITHHELD, file.stops_at),
    }
    to, when = due.get(file.state, ("", None))
    return to if when is not None and when <= at else ""


def _tell_request(file: TaxFile, seller: Seller, reminder: int, at: datetime) -> None:
    told: dict[str, Any] = {"seller": seller.public_id, "regime": file.regime, "missing": file.missing, "reminder": reminder}
    told["stops_at"] = file.stops_at.isoformat() if file.stops_at else None
    tell("seller.tax_data_requested", subject=file.public_id, payload=told, at=at, partner_id=seller.partner_id)


@composable
def set_tax_exclusion(*, seller_id: int, exclusion: str, reason: str, actor: Actor, at: datetime) -> TaxFile:
    """Say that the law leaves a seller out of DAC7 (a governmental or listed entity), or that it no longer does ('').

    What the seller was asked for is asked no longer; a seller who is no longer left out is asked by the next look. Refuses: NotFound,
    ReasonMissing, ExclusionNotInRegime.
    """
    seller = lock_seller(seller_id)
    if not reason.strip():
        raise ReasonMissing()
    if exclusion not in Exclusion.values:
        raise InputError(detail=f"An exclusion is one of {', '.join(value for value in Exclusion.values if value)}, or empty.")
    rules = next((one for one in all_rules().values() if seller.country in one.countries), all_rules()["dac7"])
    if exclusion and exclusion not in rules.exclusions:
        raise ExclusionNotInRegime(regime=rules.title)
    file = TaxFile.objects.select_for_update().filter(seller=seller).first()
    if file is None:
        file = TaxFile.objects.create(seller=seller, regime=rules.regime, state=TaxFileState.COMPLETE, created_at=at)
        born(TAX_FILE, file, actor=actor, at=at)
    file.exclusion, file.exclusion_reason, file.excluded_by = exclusion, reason.strip(), str(actor)
    file.save(update_fields=["exclusion", "exclusion_reason", "excluded_by"])
    if exclusion:
        _settle([seller], {seller.pk: []}, rules, actor, at)
        file.refresh_from_db()
    audit.record(actor, "tax_exclusion.set", seller.public_id, at, reason=reason, facts={"exclusion": exclusion})
    return file


def data_given(event: Event) -> None:
    """Consume `requirement.satisfied` and `payee_account.changed`: look again at what a waiting seller still owes, at once."""
    if event.type == "payee_account.changed":
        found = PayeeAccount.objects.filter(public_id=event.subject).values_list("seller_id", flat=True).first()
    else:
        found = Requirement.objects.filter(public_id=event.subject).values_list("seller_id", flat=True).first()
    file = TaxFile.objects.filter(seller_id=found, state__in=WAITING).first() if found else None
    if file is None:
        return
    seller = lock_seller(file.seller_id)
    rules = all_rules()[file.regime]
    if seller.country not in rules.countries:
        return
    # what is still open of what was asked, never more: new questions are the timetable's
    file.refresh_from_db()
    still = [name for name in _missing([seller], rules)[seller.pk] if name in file.missing]
    _settle([seller], {seller.pk: still}, rules, Actor("system", "tax-data"), event.occurred_at)


def tax_rows(seller_id: int) -> list[Requirement]:
    """Return what the tax reports ask of a seller, open or answered."""
    return list(Requirement.objects.filter(seller_id=seller_id, catalogue=TAX_CATALOGUE).order_by("pk"))
