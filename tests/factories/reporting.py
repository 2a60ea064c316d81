"""Sellers whom tax authorities hear of: sales through the ordinary verbs, tax data through the ordinary door."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.test import override_settings

from backoffice.kit.actors import staff, system
from payouts.compliance.models import Requirement
from payouts.compliance.operations import answer_requirement, ask_tax_data
from payouts.reporting.identity import items_of
from payouts.reporting.models import TaxReport
from payouts.reporting.operations import file_report, freeze_report, prepare_report
from payouts.reporting.rules import all_rules
from payouts.sellers.models import Seller
from tests.factories.earnings import make_line, record
from tests.factories.sellers import make_payee, make_seller

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
MAKER, CHECKER, ROBOT = staff(910_001), staff(910_002), system("reporting-test")
ANSWERS = {
    "tax_identification": "732829320",
    "tax_birth_place": "Lyon, FR",
    "tax_birth_on": "1980-05-17",
    "tax_address": "5 quai Perrache, 69002 Lyon",
    "tax_registration": "LYON123456",
}


OPERATOR = {
    "PLATFORM_NAME": "Marketplace SAS", "PLATFORM_COUNTRY": "FR", "PLATFORM_TIN": "732829320", "PLATFORM_VAT_NUMBER": "FR44732829320",
    "PLATFORM_ADDRESS": "1 rue de la Paix, 75002 Paris", "PLATFORM_DAC7_ID": "FRDAC70001", "PLATFORM_EIN": "12-3456789",
    "PLATFORM_PHONE": "+1 212 555 0100",
}  # fmt: skip


def sell(seller: Seller, *sales: tuple[str, str, str], kind: str = "sale", at: datetime = NOW, **over: Any) -> None:
    """Book sales of a seller: (instant, gross, fee) each."""
    lines = [
        make_line(seller, occurred_at=when, gross=gross, fee=fee, kind=kind, currency=seller.currency, **over)
        for when, gross, fee in sales
    ]
    assert {one.outcome for one in record(*lines, at=at)} == {"accepted"}


def make_reportable(count: int = 30, **over: Any) -> Seller:
    """Return a seller with enough sales to be reported: `count` of 100.00 with a fee of 10.00, the first of March and on."""
    seller = make_seller(**over)
    make_payee(seller)
    sell(seller, *[(f"2026-03-{1 + number % 28:02}T12:00:00Z", "100.00", "10.00") for number in range(count)])
    return seller


def give_tax_data(seller: Seller, *names: str, at: datetime = NOW, **answers: str) -> None:
    """Ask a seller for its regime's data and answer: all of it, or only the named items."""
    rules = next(one for one in all_rules().values() if seller.country in one.countries)
    wanted = [item.name for item in rules.items if item.name != "account" and (not names or item.name in names)]
    items = items_of(wanted, rules, seller)
    ask_tax_data(wanted={seller.pk: items}, actor=ROBOT, at=at)
    for item in items:
        row = Requirement.objects.get(seller=seller, code=item.code)
        value = answers.get(item.code, ANSWERS[item.code])
        answer_requirement(requirement_id=row.pk, value=value, actor=system("the-seller"), at=at)


def file_everything(year: int, at: datetime) -> TaxReport:
    """Return the filed DAC7 report of a year: prepared, frozen by one and filed by another; who lacks data is left out."""
    return file_report(report_id=freeze_everything(year, at).pk, filing_ref="DGFIP-1", actor=CHECKER, at=at)


def freeze_everything(year: int, at: datetime) -> TaxReport:
    """Return the frozen DAC7 report of a year; who lacks data is left out."""
    with override_settings(**OPERATOR):
        report = prepare_report(regime="dac7", year=year, actor=MAKER, at=at)
        return freeze_report(report_id=report.pk, actor=MAKER, at=at, leave_out_reason="asked three times")
