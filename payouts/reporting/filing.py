"""Freeze a report into files, and say that it was filed: two people, and the database holds both to it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.outbox import tell
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from payouts.reporting import dpi, forms
from payouts.reporting.figures import FIGURES, Figures, figures_of
from payouts.reporting.identity import BLOCKING
from payouts.reporting.models import TaxReport, TaxReportFile, TaxReportLine
from payouts.reporting.preparing import changed_lines, count_reported
from payouts.reporting.rules import rules_of
from payouts.reporting.states import REPORT, LineCode, Regime, ReportKind, ReportState
from payouts.reporting.vault import keep_file
from payouts.sellers.models import Seller

FILE = "tax_report.file"


class ReportNotPrepared(Refusal):
    code = "tax_report_not_prepared"
    sentence = "The report is {state}; only a prepared one is frozen."


class ReportNotFrozen(Refusal):
    code = "tax_report_not_frozen"
    sentence = "The report is {state}; only a frozen one is filed."


class TotalsDisagree(Refusal):
    code = "tax_totals_disagree"
    sentence = "The lines and the ledger differ in {currencies}. Nothing is frozen; call whoever runs this system."


class LedgerMovedOn(Refusal):
    code = "ledger_moved_on"
    sentence = "The ledger has moved since the report was prepared. Prepare it again, look, and freeze it then."


class OperatorDataMissing(Refusal):
    code = "operator_data_missing"
    sentence = "The marketplace's own data is missing: set {names}."


class DataBlocksFiling(Refusal):
    code = "tax_data_blocks_filing"
    sentence = "{count} lines cannot be written without an address or a date of birth. Wait for them, or say why these sellers are left out."


class NothingToCorrect(Refusal):
    code = "nothing_to_correct"
    sentence = "Nothing differs from what was filed; discard this version."


class FilingRefMissing(InputError):
    code = "filing_ref_missing"
    sentence = "Give the reference the authority answered with."


class ReasonMissing(InputError):
    code = "reason_missing"
    sentence = "Give a reason: it is kept with the report."


@composable
def freeze_report(*, report_id: int, actor: Actor, at: datetime, leave_out_reason: str = "") -> TaxReport:
    """Write the files of a prepared report and ask a second person to file it; figures and files never change from here on.

    Lines that cannot be written for want of an address or a date of birth are left out for the reason given, or the freezing is refused. Tells
    `tax_report.frozen`. Refuses: NotFound, ReportNotPrepared, TotalsDisagree, LedgerMovedOn, OperatorDataMissing, DataBlocksFiling,
    NothingToCorrect, MessageInvalid.
    """
    report = _lock(report_id)
    if report.state != ReportState.PREPARED:
        raise ReportNotPrepared(state=report.get_state_display())
    _check_operator(report)
    _check_totals(report)
    _check_ledger(report)
    _leave_out(report, leave_out_reason.strip())
    files = _write_files(report, at)
    report.content_hash = hashlib.sha256("".join(sorted(one.sha256 for one in files)).encode()).hexdigest()
    report.leave_out_reason, report.frozen_by, report.frozen_at = leave_out_reason.strip(), str(actor), at
    report.save()
    transition(REPORT, report, ReportState.FROZEN, actor=actor, at=at, reason=report.leave_out_reason)
    approvals.request_approval(
        action=FILE, subject=report.public_id, content_hash=report.content_hash, maker=actor, at=at, shown=_shown(report, files)
    )
    audit.record(actor, "tax_report.freeze", report.public_id, at, reason=report.leave_out_reason, facts={"files": len(files)})
    tell("tax_report.frozen", subject=report.public_id, payload=_told(report), at=at)
    return report


@composable
def file_report(*, report_id: int, filing_ref: str, actor: Actor, at: datetime, reason: str = "") -> TaxReport:
    """Say that a frozen report was handed to the authority, as another person than who froze it, with the authority's reference.

    Tells `tax_report.filed`. Refuses: NotFound, ReportNotFrozen, FilingRefMissing, and what `approvals.approve` refuses.
    """
    report = _lock(report_id)
    if report.state != ReportState.FROZEN:
        raise ReportNotFrozen(state=report.get_state_display())
    if not filing_ref.strip():
        raise FilingRefMissing()
    given: dict[str, Any] = {"action": FILE, "subject": report.public_id, "content_hash": report.content_hash, "at": at}
    approvals.approve(**given, checker=actor, reason=reason)
    approvals.use_approval(**given)
    report.filing_ref, report.filed_by, report.filed_at = filing_ref.strip()[:80], str(actor), at
    report.save(update_fields=["filing_ref", "filed_by", "filed_at"])
    transition(REPORT, report, ReportState.FILED, actor=actor, at=at, reason=reason)
    audit.record(actor, "tax_report.file", report.public_id, at, reason=reason, facts={"filing_ref": report.filing_ref})
    tell("tax_report.filed", subject=report.public_id, payload=_told(report), at=at)
    return report


@composable
def discard_report(*, report_id: int, reason: str, actor: Actor, at: datetime) -> TaxReport:
    """Put a report that was not filed aside; it is kept, and the next one has the next version. Refuses: NotFound, ReasonMissing, MoveNotAllowed."""
    report = _lock(report_id)
    if not reason.strip():
        raise ReasonMissing()
    was_frozen = report.state == ReportState.FROZEN
    transition(REPORT, report, ReportState.DISCARDED, actor=actor, at=at, reason=reason)
    if was_frozen:
        approvals.refuse(action=FILE, subject=report.public_id, checker=actor, at=at, reason=reason)
    audit.record(actor, "tax_report.discard", report.public_id, at, reason=reason)
    return report


def _lock(report_id: int) -> TaxReport:
    report = TaxReport.objects.select_for_update(of=("self",)).select_related("corrects").filter(pk=report_id).first()
    if report is None:
        raise NotFound(what="tax report", ref=report_id)
    return report


def _check_operator(report: TaxReport) -> None:
    names = ["PLATFORM_ADDRESS", *(["PLATFORM_TIN"] if report.regime == Regime.DAC7 else ["PLATFORM_EIN", "PLATFORM_PHONE"])]
    missing = [name for name in names if not getattr(settings, name)]
    if missing:
        raise OperatorDataMissing(names=", ".join(missing))


def _check_totals(report: TaxReport) -> None:
    wrong = [currency for currency, sums in report.totals.items() if sums["difference_minor"]]
    if wrong:
        raise TotalsDisagree(currencies=", ".join(wrong))


def _check_ledger(report: TaxReport) -> None:
    """Count the year again, line by line: what one seller gained and another lost since would leave every total as it was."""
    fresh = figures_of(report.year, report.zone)
    sellers = Seller.objects.filter(pk__in={key[0] for key in fresh}, country__in=rules_of(report.regime).countries)
    own = set(sellers.values_list("pk", flat=True))
    now = {key: one for key, one in fresh.items() if key[0] in own}
    for line in TaxReportLine.objects.filter(report=report).defer("identity").iterator():
        one = now.pop((line.seller_id, line.currency), Figures(line.seller_id, line.currency))
        if any(getattr(line, name) != getattr(one, name) for name in FIGURES):
            raise LedgerMovedOn()
    if now:
        raise LedgerMovedOn()


def _leave_out(report: TaxReport, reason: str) -> None:
    lines = TaxReportLine.objects.filter(report=report, code="", missing__overlap=list(BLOCKING))
    count = lines.count()
    if count and not reason:
        raise DataBlocksFiling(count=count)
    # what was filed under this name before stays filed: it is neither corrected nor taken back by a line nobody can write
    lines.update(code=LineCode.DATA_MISSING, doc_ref="", corrects_ref="")
    count_reported(report)


def _write_files(report: TaxReport, at: datetime) -> list[TaxReportFile]:
    lines = TaxReportLine.objects.filter(report=report).select_related("seller").order_by("seller_id", "currency")
    new, corrected, deleted = changed_lines(lines)
    if report.kind == ReportKind.CORRECTED and not (new or corrected or deleted):
        raise NothingToCorrect()
    base = f"{report.get_regime_display().replace(' ', '-')}-{report.year}-v{report.version}"
    said = [(one, forms.NEW) for one in new]
    said += [(one, forms.CORRECTED) for one in corrected]
    if report.regime == Regime.US_1099K:
        # a form taken back is corrected to nothing
        said += [(_emptied(one), forms.CORRECTED) for one in deleted]
        return [keep_file(report, name=f"{base}.csv", media_type="text/csv", data=forms.us_csv(report, said), at=at)]
    said += [(one, forms.DELETED) for one in deleted]
    files = [keep_file(report, name=f"{base}.csv", media_type="text/csv", data=forms.dac7_csv(said), at=at)]
    changes = [(one, dpi.CORRECTED) for one in corrected] + [(one, dpi.DELETED) for one in deleted]
    parts = [("corrections", changes)] if changes else []
    if new or not changes:
        parts.append(("new", [(one, dpi.NEW) for one in new]))
    operator = dpi.Operator.of_settings()
    for part, content in parts:
        data = dpi.write_message(report, content, part=part, operator=operator, at=at)
        name = f"{base}.xml" if part == "new" else f"{base}-{part}.xml"
        files.append(keep_file(report, name=name, media_type="application/xml", data=data, at=at))
    return files


def _emptied(line: TaxReportLine) -> TaxReportLine:
    line.gross, line.activities = [0] * 12, [0] * 12
    return line


def _shown(report: TaxReport, files: Sequence[TaxReportFile]) -> dict[str, object]:
    return {
        "report": str(report),
        "sellers": report.reported_count,
        "totals": {currency: sums["reported_minor"] for currency, sums in report.totals.items()},
        "files": {one.name: one.sha256 for one in files},
    }


def _told(report: TaxReport) -> dict[str, object]:
    return {
        "regime": report.regime,
        "year": report.year,
        "version": report.version,
        "kind": report.kind,
        "state": str(report.state),
    }
