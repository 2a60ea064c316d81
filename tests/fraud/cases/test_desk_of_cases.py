"""The analyst's screens: a case is taken, decided and closed with the mouse; every page, panel and button opens for whom it should."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models
from django.test import Client
from django.urls import reverse

from backoffice.kit import clock
from backoffice.kit.ids import new_id
from fraud.cases.models import Case, CaseDecision, CaseFile, SuspicionReport
from fraud.exposure.models import ExposureSnapshot
from fraud.policies.models import FraudPolicy
from fraud.rules.models import RuleVersion
from payouts.holds.models import Hold
from tests.factories.cases import decide_on_sale, deliver, furnish_cases, make_alert, person
from tests.factories.fraud import make_live
from tests.factories.runs import give_money
from tests.factories.sellers import make_seller, make_staff
from tests.fraud.cases.test_cases import png

pytestmark = pytest.mark.django_db
MINE = (Case, CaseDecision, SuspicionReport, ExposureSnapshot, FraudPolicy)


def client_of(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def press(client: Client, address: str, **asked: Any) -> Any:
    return client.post(address, {"key": new_id("frm"), **asked})


def url(model: type[models.Model], name: str, *args: Any) -> str:
    return reverse(f"admin:fraud_{model._meta.model_name}_{name}", args=args)


def test_every_page_opens_for_those_who_may_see_it_and_looking_changes_nothing() -> None:
    now = clock.now()
    seller, maker, checker = make_seller(), person("compliance"), person("lead")
    case = furnish_cases(seller, maker, checker, at=now)
    make_live("event.amount_minor > 1000", effect="block")
    decide_on_sale(seller, amount_minor=5_000, device="d1", at=now)
    decide_on_sale(make_seller(), amount_minor=5_000, device="d1", at=now)
    deliver(now)
    for role, closed in (("lead", ()), ("compliance", ()), ("risk", (SuspicionReport,)), ("support", MINE)):
        client = client_of(make_staff(role))
        request = client.get("/admin/").wsgi_request
        for model in MINE:
            screen: Any = admin.site._registry[model]
            row = case if model is Case else model._default_manager.latest("pk")
            allowed = model not in closed
            pages = [url(model, "changelist"), url(model, "change", row.pk)]
            pages += [url(model, "panel", row.pk, one.name) for one in screen.all_panels() if one.shown_to(request.user, row)]
            for button in screen.all_buttons():
                if allowed and request.user.has_perm(button.permission):
                    pages.append(url(model, "button", row.pk, button.name))
            for page in pages:
                assert client.get(page).status_code in ((200, 302) if allowed else (403,)), f"{role}: {page}"
    lead = client_of(make_staff("lead"))
    shown = lead.get(url(Case, "change", case.pk)).content.decode()
    assert seller.legal_name in shown and "What stands still" in shown and "Called, nobody answered." in shown
    assert "<svg" in lead.get(url(Case, "panel", case.pk, "linked")).content.decode()
    assert "Largest on" in lead.get(reverse("admin:fraud_exposuresnapshot_overview")).content.decode()
    became = url(RuleVersion, "panel", RuleVersion.objects.latest("pk").pk, "became")
    assert "Loss prevented" in lead.get(became).content.decode()
    assert lead.get(reverse("admin:payouts_seller_panel", args=[seller.pk, "fraud_cases"])).status_code == 200
    assert "Fraud cases" in lead.get("/admin/").content.decode()


def test_an_analyst_takes_decides_and_closes_and_a_lead_approves() -> None:
    now = clock.now()
    until = (now + timedelta(days=30)).date().isoformat()
    user, lead = make_staff("risk"), client_of(make_staff("lead"))
    risk, seller = client_of(user), make_seller()
    give_money(seller, 120_000, at=now)
    make_alert(seller, at=now, priority=3)
    answer = press(risk, url(Case, "list_button", "claim_next"))
    case = Case.objects.get()
    assert answer.status_code == 302 and str(case.pk) in answer["Location"] and case.owner == f"staff:{user.pk}"

    def do(client: Client, name: str, **asked: Any) -> Any:
        return press(client, url(Case, "button", case.pk, name), **asked)

    words = {"seller_text": "We keep this while we look.", "reason": "a look"}
    refused = do(risk, "decide_hold", currency="EUR", amount="5000.00", **words)
    assert refused.status_code == 409 and "1,200.00 EUR available" in refused.content.decode().replace("\xa0", " ")
    assert do(risk, "decide_hold", currency="EUR", amount="900.00", **words).status_code == 302
    assert (
        "Give a share"
        in do(risk, "decide_reserve", currency="EUR", percent="ten", days="30", review_on=until, **words).content.decode()
    )
    assert do(risk, "decide_reserve", currency="EUR", percent="7.5", days="30", review_on=until, **words).status_code == 302
    assert seller.reserve_plans.get().basis_points == 750
    assert do(risk, "note", text="Called back.").status_code == 302
    assert do(risk, "attach", file=SimpleUploadedFile("slip.png", png()), what="Parcel slip").status_code == 302
    paper = risk.get(reverse("admin:fraud_case_paper", args=[case.pk, CaseFile.objects.get().pk]))
    assert paper.content == png() and paper["Content-Type"] == "application/octet-stream"
    hold = Hold.objects.get(seller=seller, kind="manual")
    assert do(risk, "decide_release", target=hold.public_id, reason="papers came").status_code == 302
    waiting = CaseDecision.objects.get(state="waiting")
    assert press(risk, url(CaseDecision, "button", waiting.pk, "approve"), reason="x").status_code == 403
    assert press(lead, url(CaseDecision, "button", waiting.pk, "approve"), reason="seen").status_code == 302
    hold.refresh_from_db()
    assert hold.state == "released"
    assert do(risk, "snooze", on=(now + timedelta(days=2)).date().isoformat(), reason="papers").status_code == 302
    assert do(risk, "claim").status_code == 302
    assert do(risk, "close", label="", reason="x").status_code == 200, "the form asks for what it was"
    assert do(risk, "close", label="justified", reason="Papers came.").status_code == 302
    case.refresh_from_db()
    assert (case.state, case.label) == ("closed", "justified")


def test_figures_are_proposed_as_text_and_a_mistake_is_named() -> None:
    risk, row = client_of(make_staff("risk")), FraudPolicy.objects.get(kind="cases")
    address = url(FraudPolicy, "button", row.pk, "propose")
    assert "&quot;lock_minutes&quot;: 30" in risk.get(address).content.decode()
    said = press(risk, address, text='{"hours": 3}', reason="r").content.decode()
    assert "hours" in said and "give an object" in said
