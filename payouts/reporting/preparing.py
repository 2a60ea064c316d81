"""Prepare a report: figures from the ledger, who is reportable, what is missing. Repeatable until it is frozen; a filed one is corrected by the next version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.invariants import rows_of
from backoffice.kit.outbox import tell
from backoffice.kit.states import born
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from payouts.reporting.figures import Figures, figures_of, ledger_of, totals_of
from payouts.reporting.identity import Identity, identities_of, missing_of
from payouts.reporting.judging import codes_of
from payouts.reporting.models import TaxFile, TaxReport, TaxReportLine
from payouts.reporting.rules import Rules, rules_of
from payouts.reporting.states import REPORT, LineCode, ReportKind, ReportState
from payouts.sellers.models import Seller

FIRST_YEAR = 2023
_CHUNK = 2_000
Key = tuple[int, str]


class YearNotReportable(InputError):
    code = "year_not_reportable"
    sentence = "A report is made for a year from {first} to {last}."


class ReportIsFrozen(Refusal):
    code = "tax_report_is_frozen"
    sentence = "{report} is frozen and waits to be filed. Discard it first if it is to be made again."


@composable
def prepare_report(*, regime: str, year: int, actor: Actor, at: datetime) -> TaxReport:
    """Compute (again) the open report of a regime and year; after a filed one the next version, which corrects it.

    Tells `tax_report.prepared`. Refuses: UnknownRegime, YearNotReportable, NoThresholdForYear, OperatorOutsideUnion, ReportIsFrozen.
    """
    rules = rules_of(regime)
    last = at.astimezone(ZoneInfo(rules.zone)).year
    if not FIRST_YEAR <= year <= last:
        raise YearNotReportable(first=FIRST_YEAR, last=last)
    with connection.cursor() as cursor:  # two people who press at once get one report
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"tax_report:{regime}:{year}"])
    report = _open_report(rules, year, actor, at)

    report.lines.all().delete()  # type: ignore[attr-defined]
    figures = figures_of(year, rules.zone)
    countries = dict(Seller.objects.filter(pk__in={key[0] for key in figures}).values_list("pk", "country"))
    own = {key: one for key, one in figures.items() if countries[key[0]] in rules.countries}
    elsewhere = [one for key, one in figures.items() if key not in own]
    _write_lines(report, rules, own)
    report.totals = totals_of(list(own.values()), elsewhere, ledger_of(year, rules.zone, list(rules.countries)))
    count_reported(report)
    report.rules, report.zone, report.prepared_by, report.prepared_at = rules.version, rules.zone, str(actor), at
    report.save()
    audit.record(
        actor, "tax_report.prepare", report.public_id, at, facts={"regime": regime, "year": year, "version": report.version}
    )
    told = {"regime": regime, "year": year, "version": report.version, "reported": report.reported_count}
    tell("tax_report.prepared", subject=report.public_id, payload=told, at=at)
    return report


def _open_report(rules: Rules, year: int, actor: Actor, at: datetime) -> TaxReport:
    """Return the open report, locked, or the next version of the last filed one."""
    of_year = TaxReport.objects.filter(regime=rules.regime, year=year)
    found = of_year.select_for_update().filter(state__in=[ReportState.PREPARED, ReportState.FROZEN]).first()
    if found is not None:
        if found.state == ReportState.FROZEN:
            raise ReportIsFrozen(report=str(found))
        return found
    filed = of_year.filter(state=ReportState.FILED).order_by("-version").first()
    newest = of_year.order_by("-version").first()
    report = TaxReport.objects.create(
        regime=rules.regime, year=year, version=newest.version + 1 if newest else 1, corrects=filed, prepared_at=at,
        kind=ReportKind.CORRECTED if filed else ReportKind.INITIAL, rules=rules.version, zone=rules.zone, prepared_by=str(actor),
    )  # fmt: skip
    born(REPORT, report, actor=actor, at=at)
    return report


def _write_lines(report: TaxReport, rules: Rules, own: dict[Key, Figures]) -> None:
    earlier = _filed_before(report)
    excluded = dict(TaxFile.objects.exclude(exclusion="").values_list("seller_id", "exclusion"))
    codes = codes_of(own.values(), rules, report.year, excluded)
    keys = sorted(own)
    for start in range(0, len(keys), _CHUNK):
        chunk = keys[start : start + _CHUNK]
        sellers = Seller.objects.in_bulk({key[0] for key in chunk})
        identities = identities_of(list(sellers.values()), rules)
        lines = [
            _line(report, rules, own[key], sellers[key[0]], identities[key[0]], codes[key], earlier.get(key)) for key in chunk
        ]
        TaxReportLine.objects.bulk_create(lines, batch_size=1_000)
    gone = [one for key, one in earlier.items() if key not in own]
    TaxReportLine.objects.bulk_create([_line_of_gone(report, one) for one in gone], batch_size=1_000)


def _filed_before(report: TaxReport) -> dict[Key, TaxReportLine]:
    """Return what the authority has by now: the lines of every filed version, the newest of each, without those taken back."""
    chain: list[TaxReport] = []
    one = report.corrects
    while one is not None:
        chain.append(one)
        one = one.corrects
    found: dict[Key, TaxReportLine] = {}
    for filed in reversed(chain):
        for line in TaxReportLine.objects.filter(report=filed).exclude(doc_ref=""):
            found.pop((line.seller_id, line.currency), None)
            if not line.code:
                found[line.seller_id, line.currency] = line
    return found


def _line(
    report: TaxReport, rules: Rules, one: Figures, seller: Seller, identity: Identity, code: str, earlier: TaxReportLine | None
) -> TaxReportLine:
    line = TaxReportLine(
        report=report, seller=seller, currency=one.currency, code=code, activities=one.activities, consideration=one.consideration,
        fees=one.fees, taxes=one.taxes, gross=one.gross, missing=missing_of(identity, rules, seller.entity_type) if not code else [],
    )  # fmt: skip
    line.identity = identity.sealed_text()
    line.fingerprint = _fingerprint(one, identity)
    _name(line, report, earlier)
    return line


def _name(line: TaxReportLine, report: TaxReport, earlier: TaxReportLine | None) -> None:
    """Give a line its name in the file: its own, or the one it was filed under when nothing in it has changed."""
    if earlier is not None and not line.code and earlier.fingerprint == line.fingerprint:
        line.doc_ref = earlier.doc_ref
        return
    line.corrects_ref = earlier.doc_ref if earlier is not None else ""
    if not line.code or earlier is not None:
        line.doc_ref = f"{settings.PLATFORM_COUNTRY}{report.year}{settings.PLATFORM_COUNTRY}-{line.public_id}"


def _line_of_gone(report: TaxReport, earlier: TaxReportLine) -> TaxReportLine:
    """Return the line that takes back one the report before had and the ledger no longer has for this regime."""
    zeros = [0] * 12
    line = TaxReportLine(
        report=report, seller_id=earlier.seller_id, currency=earlier.currency, code=LineCode.NOTHING_TO_REPORT, activities=zeros,
        consideration=zeros, fees=zeros, taxes=zeros, gross=zeros, fingerprint=earlier.fingerprint,
    )  # fmt: skip
    line.identity = earlier.identity
    _name(line, report, earlier)
    return line


def _fingerprint(one: Figures, identity: Identity) -> str:
    content = [asdict(identity), one.activities, one.consideration, one.fees, one.taxes, one.gross]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


_REPORTED = """
    SELECT n.currency, sum((SELECT sum(one) FROM unnest(n.consideration) AS one))::bigint AS amount FROM payouts_taxreportline n
     WHERE n.report_id = %(report)s AND n.code = '' GROUP BY 1"""


def count_reported(report: TaxReport) -> None:
    """Set on a report (not saved) how many of its lines' sellers are reported, lack data, and what of the totals is theirs."""
    reported = {row["currency"]: row["amount"] for row in rows_of(_REPORTED, {"report": report.pk})}
    for currency, sums in report.totals.items():
        sums["reported_minor"] = reported.get(currency, 0)
    lines = report.lines  # type: ignore[attr-defined]
    report.sellers_count = lines.values("seller_id").distinct().count()
    report.reported_count = lines.filter(code="").values("seller_id").distinct().count()
    report.missing_count = lines.filter(code="").exclude(missing=[]).values("seller_id").distinct().count()


def find_report(regime: str, year: int) -> TaxReport:
    """Return the newest report of a regime and year that was not discarded. Refuses: NotFound."""
    found = TaxReport.objects.filter(regime=regime, year=year).exclude(state=ReportState.DISCARDED).order_by("-version").first()
    if found is None:
        raise NotFound(what="tax report", ref=f"{regime} {year}")
    return found


def changed_lines(
    lines: Iterable[TaxReportLine],
) -> tuple[Sequence[TaxReportLine], Sequence[TaxReportLine], Sequence[TaxReportLine]]:
    """Part the lines of a report into (new, corrected, taken back); lines already filed as they stand are in none."""
    new, corrected, deleted = [], [], []
    for line in lines:
        if not line.doc_ref.endswith(line.public_id):
            continue
        if line.code:
            deleted.append(line)
        elif line.corrects_ref:
            corrected.append(line)
        else:
            new.append(line)
    return new, corrected, deleted
