"""A report is frozen by one and filed by another, its files stay what they were, and what changes later is a correction of it."""

from __future__ import annotations

import csv
import io

import pytest
from django.db import IntegrityError, connection, transaction
from lxml import etree

from backoffice.kit.approvals import ApproverIsMaker
from payouts.reporting import dpi
from payouts.reporting.copy_b import NoCopyB, copy_b
from payouts.reporting.filing import (
    DataBlocksFiling,
    FilingRefMissing,
    LedgerMovedOn,
    NothingToCorrect,
    OperatorDataMissing,
    ReportNotFrozen,
    ReportNotPrepared,
)
from payouts.reporting.invariants import tax_files_intact, tax_reports_filed_by_two, tax_reports_reconcile
from payouts.reporting.models import TaxReport, TaxReportFile, TaxReportLine
from payouts.reporting.operations import discard_report, file_report, freeze_report, prepare_report, read_file, set_tax_exclusion
from payouts.reporting.preparing import ReportIsFrozen, YearNotReportable
from payouts.reporting.states import REPORT
from payouts.reporting.vault import TaxReportFileAltered
from tests.factories.reporting import CHECKER, MAKER, NOW, give_tax_data, make_reportable, sell

pytestmark = pytest.mark.django_db
NS = {"d": dpi.DPI, "s": dpi.STF}


def prepared(regime: str = "dac7", year: int = 2026) -> TaxReport:
    return prepare_report(regime=regime, year=year, actor=MAKER, at=NOW)


def frozen(regime: str = "dac7", **over: str) -> TaxReport:
    return freeze_report(report_id=prepared(regime).pk, actor=MAKER, at=NOW, **over)


def filed(regime: str = "dac7") -> TaxReport:
    return file_report(report_id=frozen(regime).pk, filing_ref="DGFIP-1", actor=CHECKER, at=NOW)


def files(report: TaxReport) -> dict[str, bytes]:
    return {one.name: read_file(one) for one in report.files.all()}


def xml(report: TaxReport, part: str = ".xml"):
    return etree.fromstring(next(data for name, data in files(report).items() if name.endswith(part)))


def texts(root, path: str) -> list[str]:
    return [one.text for one in root.iterfind(path, NS)]


def rows(report: TaxReport) -> list[dict[str, str]]:
    (data,) = [data for name, data in files(report).items() if name.endswith(".csv")]
    return list(csv.DictReader(io.StringIO(data.decode())))


def test_one_freezes_another_files_and_the_database_holds_both_to_it():
    seller = make_reportable()
    give_tax_data(seller)
    report = frozen()

    with pytest.raises(ApproverIsMaker):
        file_report(report_id=report.pk, filing_ref="X", actor=MAKER, at=NOW)
    with pytest.raises(FilingRefMissing):
        file_report(report_id=report.pk, filing_ref=" ", actor=CHECKER, at=NOW)
    for change in (
        "UPDATE payouts_taxreport SET state = 'filed'", "UPDATE payouts_taxreport SET totals = '{}'", "DELETE FROM payouts_taxreport",
        "UPDATE payouts_taxreportline SET consideration[1] = 1", "DELETE FROM payouts_taxreportline",
        "UPDATE payouts_taxreportfile SET sha256 = 'x'", "DELETE FROM payouts_taxreportfile",
        "INSERT INTO payouts_taxreport SELECT * FROM payouts_taxreport",
    ):  # fmt: skip
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(change)
    report = file_report(report_id=report.pk, filing_ref="DGFIP-2026-1", actor=CHECKER, at=NOW, reason="seen")
    assert (report.state, report.filed_by, report.filing_ref) == ("filed", str(CHECKER), "DGFIP-2026-1")
    assert tax_reports_reconcile() == tax_files_intact() == tax_reports_filed_by_two() == []
    with pytest.raises(ReportNotFrozen):
        file_report(report_id=report.pk, filing_ref="X", actor=CHECKER, at=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        TaxReport.objects.filter(pk=report.pk).update(filing_ref="other")


def test_the_moves_of_the_trigger_are_those_of_the_table():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef('tax_report_guard'::regproc)")
        text = cursor.fetchone()[0]
    moves = {f"'{a}>{b}'" for a, bs in REPORT.moves.items() if a for b in bs}
    assert moves == {f"'{one}'" for one in text.split("NOT IN")[1].split(")")[0].replace("'", " ").split() if ">" in one}


def test_the_message_says_who_where_and_how_much_in_whole_units():
    company, person = (
        make_reportable(legal_name="Refurb Lyon SARL"),
        make_reportable(entity_type="sole_trader", legal_name="Ada Maria Martin"),
    )
    give_tax_data(company)
    give_tax_data(person, "tin", "birth_on", "address")
    sell(company, ("2026-07-01T10:00:00Z", "10.55", "0.05"), ("2026-10-01T10:00:00Z", "3.00", "0"))
    sell(company, ("2026-10-02T10:00:00Z", "8.49", "0.00"), kind="refund", order_ref="r-1")
    report = frozen()
    root = xml(report)

    assert root.tag == f"{{{dpi.DPI}}}DPI_OECD" and texts(root, ".//d:MessageTypeIndic") == ["DPI401"]
    assert texts(root, ".//d:ReportingPeriod") == ["2026-12-31"] and texts(root, ".//d:SendingEntityIN") == ["FRDAC70001"]
    ours = next(one for one in root.iterfind(".//d:ReportableSeller", NS) if one.find(".//d:EntSellerID", NS) is not None)
    assert texts(ours, ".//d:Name") == ["Refurb Lyon SARL"] and texts(ours, ".//d:EntSellerID/d:TIN") == ["732829320"]
    assert [texts(ours, f".//d:ConsQ{n}") for n in (1, 2, 3, 4)] == [["2700"], ["0"], ["11"], ["-5"]]
    assert [texts(ours, f".//d:NumbQ{n}") for n in (1, 2, 3, 4)] == [["30"], ["0"], ["1"], ["1"]]
    theirs = next(one for one in root.iterfind(".//d:ReportableSeller", NS) if one.find(".//d:IndSellerID", NS) is not None)
    assert (texts(theirs, ".//d:FirstName"), texts(theirs, ".//d:LastName")) == (["Ada Maria"], ["Martin"])
    assert texts(theirs, ".//d:BirthDate") == ["1980-05-17"]
    # nothing outside a live system is taken for a report
    assert set(texts(root, ".//s:DocTypeIndic")) == {"OECD11"}
    exact = {row["name"]: row for row in rows(report)}["Refurb Lyon SARL"]
    assert [exact[f"consideration_q{n}"] for n in (1, 2, 3, 4)] == ["2700.00", "0.00", "10.50", "-5.49"]
    assert exact["fees_q1"] == "300.00"


def test_what_a_line_cannot_be_written_without_is_waited_for_or_left_out_with_a_reason():
    person, company = make_reportable(entity_type="individual"), make_reportable()
    give_tax_data(company, "address")
    report = prepared()
    with pytest.raises(DataBlocksFiling):
        freeze_report(report_id=report.pk, actor=MAKER, at=NOW)

    report = freeze_report(report_id=report.pk, actor=MAKER, at=NOW, leave_out_reason="Asked three times; payouts are stopped.")

    assert TaxReportLine.objects.get(seller=person).code == "data_missing"
    # who is left out is no longer said to be reported, and the money neither
    assert (report.reported_count, report.sellers_count, report.missing_count) == (1, 2, 1)
    assert report.totals["EUR"]["consideration_minor"] == 2 * report.totals["EUR"]["reported_minor"] == 2 * 30 * 90_00
    assert tax_reports_reconcile() == []
    root = xml(report)
    assert [(one.text, one.get("unknown")) for one in root.iterfind(".//d:EntSellerID/d:TIN", NS)] == [("NOTIN", "true")]
    assert texts(root, ".//d:IndSellerID") == []


def test_a_filed_report_is_corrected_and_an_unchanged_one_is_not():
    changed, same, gone, late = (make_reportable() for _ in range(4))
    late_sales = TaxReportLine.objects.none()
    for seller in (changed, same, gone):
        give_tax_data(seller)
    set_tax_exclusion(seller_id=late.pk, exclusion="listed", reason="they said so", actor=MAKER, at=NOW)
    first = filed()
    refs = {line.seller_id: line.doc_ref for line in first.lines.filter(code="")}
    assert set(refs) == {changed.pk, same.pk, gone.pk} and not late_sales.exists()
    with pytest.raises(NothingToCorrect):
        frozen()

    sell(changed, ("2026-06-01T10:00:00Z", "50.00", "0"))
    set_tax_exclusion(seller_id=gone.pk, exclusion="governmental", reason="a town", actor=MAKER, at=NOW)
    set_tax_exclusion(seller_id=late.pk, exclusion="", reason="they are not", actor=MAKER, at=NOW)
    give_tax_data(late)
    second = filed()

    assert (second.kind, second.corrects_id, second.version) == ("corrected", first.pk, 2)
    corrections, additions = xml(second, "-corrections.xml"), xml(second, "v2.xml")
    assert texts(corrections, ".//d:MessageTypeIndic") == ["DPI402"] and texts(additions, ".//d:MessageTypeIndic") == ["DPI401"]
    told = {one.find("s:CorrDocRefId", NS).text: one.find("s:DocTypeIndic", NS).text
            for one in corrections.iterfind(".//d:ReportableSeller/d:DocSpec", NS)}  # fmt: skip
    assert told == {refs[changed.pk]: "OECD12", refs[gone.pk]: "OECD13"}
    assert texts(corrections, ".//d:PlatformOperator/d:DocSpec/s:DocTypeIndic") == ["OECD10"]
    first_operator = texts(xml(first), ".//d:PlatformOperator/d:DocSpec/s:DocRefId")
    assert texts(corrections, ".//d:PlatformOperator/d:DocSpec/s:DocRefId") == first_operator
    assert len(list(additions.iterfind(".//d:ReportableSeller", NS))) == 1
    # the third refers to the second where that corrected, to the first where it did not
    sell(same, ("2026-06-02T10:00:00Z", "50.00", "0"))
    sell(changed, ("2026-06-02T10:00:00Z", "50.00", "0"))
    third = frozen()
    second_ref = second.lines.get(seller=changed).doc_ref
    assert set(texts(xml(third, "-corrections.xml"), ".//d:ReportableSeller/d:DocSpec/s:CorrDocRefId")) == {
        second_ref,
        refs[same.pk],
    }


def test_freezing_looks_at_the_ledger_again_and_at_who_reports(settings):
    seller = make_reportable()
    give_tax_data(seller)
    report = prepared()
    sell(seller, ("2026-08-01T10:00:00Z", "1.00", "0"))
    with pytest.raises(LedgerMovedOn):
        freeze_report(report_id=report.pk, actor=MAKER, at=NOW)
    other = make_reportable()
    give_tax_data(other)
    report = prepared()
    # what one gains and another loses leaves the totals as they were, and the lines wrong
    sell(seller, ("2026-08-02T10:00:00Z", "5.00", "0"))
    sell(other, ("2026-08-02T10:00:00Z", "5.00", "0"), kind="refund", order_ref="o-x")
    with pytest.raises(LedgerMovedOn):
        freeze_report(report_id=report.pk, actor=MAKER, at=NOW)
    prepared()
    settings.PLATFORM_TIN = ""
    with pytest.raises(OperatorDataMissing, match="PLATFORM_TIN"):
        freeze_report(report_id=report.pk, actor=MAKER, at=NOW)
    settings.PLATFORM_TIN = "732829320"
    freeze_report(report_id=report.pk, actor=MAKER, at=NOW)
    with pytest.raises(ReportNotPrepared):
        freeze_report(report_id=report.pk, actor=MAKER, at=NOW)
    with pytest.raises(ReportIsFrozen):
        prepared()
    discard_report(report_id=report.pk, reason="another look", actor=MAKER, at=NOW)
    again = prepared()
    assert (again.version, again.kind, TaxReport.objects.get(pk=report.pk).state) == (2, "initial", "discarded")
    with pytest.raises(YearNotReportable):
        prepared(year=2027)


def test_the_form_has_its_boxes_and_its_copy_b():
    seller = make_reportable(201, country="US", currency="USD", legal_name="=cmd Refurb Inc.")
    give_tax_data(seller, tax_identification="91-1144442", tax_address="12 Main Street, Springfield, IL 62701")
    with pytest.raises(NoCopyB):
        copy_b(prepared("1099k").lines.get())
    report = frozen("1099k")

    (row,) = rows(report)
    assert (row["box_1a_gross_amount"], row["box_3_number_of_payment_transactions"]) == ("20100.00", "201")
    assert (row["box_5c_march"], row["box_5d_april"], row["box_4_federal_income_tax_withheld"]) == ("20100.00", "0.00", "0.00")
    assert (row["payee_city"], row["payee_state"], row["payee_zip"]) == ("Springfield", "IL", "62701")
    assert row["payee_name"].startswith("'=")  # no spreadsheet runs it
    line = report.lines.get()
    pdf = copy_b(line)
    assert pdf.startswith(b"%PDF-") and pdf == copy_b(line) and b"1144442" not in pdf


def test_no_seller_is_a_message_that_says_so_and_a_planted_change_is_found():
    report = frozen()
    assert texts(xml(report), ".//d:MessageTypeIndic") == ["DPI403"]

    file = TaxReportFile.objects.filter(report=report).first()
    file.sealed = bytes(file.sealed)[:-1] + bytes([bytes(file.sealed)[-1] ^ 1])
    with pytest.raises(TaxReportFileAltered):
        read_file(file)
