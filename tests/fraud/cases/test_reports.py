"""Reports of suspicions: facts filled in, held to the structure, sealed, filed by another, and every opening written down."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from backoffice.kit.approvals import ApproverIsBarred, ApproverIsMaker
from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import Event
from backoffice.staff.models import AuditEntry
from fraud.cases import goaml
from fraud.cases import operations as cases
from fraud.cases.goaml import ReportInvalid
from fraud.cases.models import SuspicionReport
from fraud.cases.reporting import NarrativeInvalid, ReporterUnknown, ReportExists
from payouts.dispatch.operations import settle
from tests.factories.cases import REPORTER, decide_on_sale, make_case, name_reporter, person
from tests.factories.dispatch import SUBMIT_AT, make_submitted_run, orders_of, rails_in
from tests.factories.fraud import AT, ROBOT
from tests.factories.sellers import make_seller, make_staff

LATER = AT + timedelta(hours=2)


@pytest.mark.django_db
def test_a_report_is_written_frozen_and_filed_by_another_who_had_no_hand_in_it() -> None:
    writer, freezer, filer, lead = person("compliance"), person("compliance"), person("compliance"), person("lead")
    seller = make_seller(legal_name="Zacharias Canarybird SAS", town="Lyon")
    case = make_case(person("risk"), seller, text="Forty sales in an hour.")
    report = cases.draft_report(case_id=case.pk, actor=writer, at=AT)
    assert "Zacharias Canarybird SAS" in report.narrative and "Forty sales in an hour. – 200.00 EUR" in report.narrative
    with pytest.raises(ReportExists):
        cases.draft_report(case_id=case.pk, actor=freezer, at=AT)
    with pytest.raises(ReporterUnknown):
        cases.freeze_report(report_id=report.pk, actor=writer, at=AT)
    name_reporter(writer, lead)
    with pytest.raises(NarrativeInvalid):
        cases.write_report(report_id=report.pk, narrative="x" * 4_001, indicators=["A"], actor=writer, at=AT)
    cases.write_report(
        report_id=report.pk, narrative=report.narrative + "the pattern of a mule.", indicators=["MULE-1"], actor=writer, at=AT
    )
    frozen = cases.freeze_report(report_id=report.pk, actor=freezer, at=LATER)
    tree = etree.fromstring(frozen.xml.encode())
    assert [tree.findtext(name) for name in ("rentity_id", "report_code", "entity_reference")] == [
        "4711",
        "SAR",
        report.public_id,
    ]
    assert tree.findtext("activity/report_parties/report_party/entity/name") == "Zacharias Canarybird SAS"
    assert "the pattern of a mule." in tree.findtext("reason") and tree.findtext("report_indicators/indicator") == "MULE-1"
    with pytest.raises(ApproverIsMaker):
        cases.file_report(report_id=report.pk, filed_ref="FIU-1", actor=freezer, at=LATER)
    with pytest.raises(ApproverIsBarred):
        cases.file_report(report_id=report.pk, filed_ref="FIU-1", actor=writer, at=LATER)
    filed = cases.file_report(report_id=report.pk, filed_ref="FIU-1", actor=filer, at=LATER)
    assert filed.state == "filed" and filed.sha256 == hashlib.sha256(filed.xml.encode()).hexdigest()
    assert not Event.objects.filter(type__startswith="suspicion").exists(), "nobody outside learns that there is a report"
    with connection.cursor() as cursor:
        cursor.execute("SELECT facts || narrative || xml FROM fraud_suspicionreport")
        assert "Canarybird" not in cursor.fetchone()[0]
    assert [one for one in check_books({16}) if not one.ok] == []


@pytest.mark.django_db
def test_only_those_with_the_permission_see_a_report_and_opening_it_is_written_down() -> None:
    compliance, risk = make_staff("compliance"), make_staff("risk")
    case = make_case(person("risk"), make_seller())
    report = cases.draft_report(case_id=case.pk, actor=person("compliance"), at=AT)
    signed: dict[str, Client] = {}
    for name, user in (("compliance", compliance), ("risk", risk)):
        signed[name] = Client()
        signed[name].force_login(user)
    page = f"/admin/fraud/suspicionreport/{report.pk}/"
    address = f"{page}open/narrative/"
    assert signed["risk"].get(address).status_code == 403 and signed["risk"].get(f"{page}change/").status_code == 403
    shown = signed["risk"].get(f"/admin/fraud/case/{case.pk}/change/").content.decode()
    assert "Reports to the authorities" not in shown and report.public_id not in shown
    assert "Reports to the authorities" in signed["compliance"].get(f"/admin/fraud/case/{case.pk}/change/").content.decode()
    opened: Any = signed["compliance"].get(address)
    assert opened.status_code == 200 and b"What we observed" in opened.content and "attachment" in opened["Content-Disposition"]
    assert signed["compliance"].get(f"{page}do/write/").status_code == 200
    who = AuditEntry.objects.filter(action="suspicion_report.open_narrative", subject=report.public_id).values_list(
        "actor", flat=True
    )
    assert list(who) == [f"staff:{compliance.pk}"] * 2, "the form shows the narrative: that is opening it"
    assert SuspicionReport.objects.get().state == "draft"


def _party(name: str, *, is_entity: bool = False, town: str = "Lyon", country: str = "FR") -> goaml.Party:
    return goaml.Party(is_entity=is_entity, name=name, country=country, town=town, reference="sel_1", reason="subject")


def _built(**over: Any) -> bytes:
    facts: dict[str, Any] = {
        "reporter": REPORTER, "reference": "sar_1", "at": AT, "reason": "Because.", "action": "Held.", "party": _party("Ada Lovelace"),
        "indicators": ["FRAUD"],
    }  # fmt: skip
    return goaml.build(**(facts | over))


def test_what_the_structure_refuses_is_named_with_its_line() -> None:
    goaml.check(_built())
    for wrong, named in (
        ({"indicators": []}, "indicator"), ({"reason": ""}, "reason"), ({"party": _party("A", country="France", is_entity=True)}, "country"),
        ({"reporter": REPORTER | {"rentity_id": 0}}, "rentity_id"), ({"reporter": REPORTER | {"currency_local": "euro"}}, "currency_code_local"),
    ):  # fmt: skip
        with pytest.raises(ReportInvalid, match=rf"line \d+: .*{named}"):
            _built(**wrong)
    with pytest.raises(ReportInvalid, match="no XML"):
        goaml.check(b"<report>")
    with pytest.raises(ReportInvalid):
        goaml.check(b'<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/hostname">]><report>&e;</report>')


def _transfer(sender: str) -> goaml.Transfer:
    account = goaml.Account("Bank", "FR7630006000011234567890189", "EUR", sender or "Holder", "AGRIFRPPXXX", True)
    return goaml.Transfer("pay_1", AT, "1.00", "Payout.", "Transfer", sender, False, "", account=account)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    reason=st.text(min_size=1, max_size=300), name=st.text(min_size=1, max_size=60), is_entity=st.booleans(), moved=st.booleans()
)
def test_whatever_people_write_becomes_a_sound_file_or_a_refusal(reason: str, name: str, is_entity: bool, moved: bool) -> None:
    try:
        data = _built(reason=reason, party=_party(name, is_entity=is_entity), transfers=[_transfer(name)] if moved else [])
    except ReportInvalid:
        return
    goaml.check(data)
    kept = "".join(etree.fromstring(data).findtext("reason").split())
    assert kept == "".join(goaml._FORBIDDEN.sub("", reason).split())


@pytest.mark.django_db
def test_payouts_and_stopped_sales_of_the_case_stand_in_the_file_as_transactions_to_our_client(
    tmp_path: Path,
) -> None:
    writer = person("compliance")
    name_reporter(writer, person("lead"))
    with rails_in(tmp_path):
        order = orders_of(make_submitted_run(sellers=1))[0]
        settle(order_id=order.pk, actor=ROBOT, at=SUBMIT_AT)
    payout = order.payout
    seller = payout.seller
    decision = decide_on_sale(seller, amount_minor=80_000, buyer="cus-771", country="DE", order_ref="o-7")
    case = make_case(
        person("risk"), seller, at=payout.built_at, source="decision", reference=decision.public_id, decision=decision
    )
    report = cases.draft_report(case_id=case.pk, actor=writer, at=AT)
    frozen = cases.freeze_report(report_id=report.pk, actor=writer, at=LATER)
    tree = etree.fromstring(frozen.xml.encode())
    assert tree.findtext("report_code") == "STR" and tree.find("activity") is None
    told = {one.findtext("transactionnumber"): one for one in tree.iter("transaction")}
    paid, sold = told[payout.public_id], told[decision.event.public_id]
    account = payout.payee_account
    assert (paid.findtext("amount_local"), paid.findtext("t_to_my_client/to_account/iban")) == ("100.00", account.number)
    assert (
        paid.findtext("t_from/from_entity/name") and paid.findtext("t_to_my_client/to_account/client_number") == seller.public_id
    )
    assert sold.findtext("amount_local") == "800.00" and sold.findtext("t_from/from_country") == "DE"
    assert (
        sold.findtext("t_from/from_person/comments") == "Buyer cus-771"
        and sold.findtext("date_transaction") == f"{AT:%Y-%m-%dT%H:%M:%S}"
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT facts || narrative || xml FROM fraud_suspicionreport")
        assert account.number not in cursor.fetchone()[0]
