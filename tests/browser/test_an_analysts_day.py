"""An analyst's day, clicked through: a rule with a misspelt field, the back-test, the shadow, another's approval, the first decision, the case."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from backoffice.kit import clock
from backoffice.kit.actors import system
from backoffice.kit.invariants import check_books
from fraud.cases.models import Case
from fraud.decisions.testing import run_backtests
from fraud.features.models import FraudLabel
from fraud.rules.models import RuleVersion
from tests.browser.readable import problems_of
from tests.factories.cases import decide_on_sale, deliver
from tests.factories.runs import give_money
from tests.factories.sellers import make_payee, make_seller, make_staff

pytestmark = pytest.mark.django_db(transaction=True)


def test_from_a_misspelt_rule_to_a_closed_case(page: Page, quiet_server: str, sign_in: Any, complaints: list[str]) -> None:
    now = clock.now()
    seller = make_seller(legal_name="Atelier Bleu SAS")
    twin = make_seller(legal_name="Boutique Verte SARL")
    make_payee(seller)
    give_money(seller, 150_000, at=now)
    for _ in range(3):
        decide_on_sale(twin, amount_minor=70_000, device="d-1", at=now - timedelta(days=2))
    analyst = make_staff("risk", first_name="Ada", last_name="Analyst")
    lead = make_staff("lead", first_name="Lena", last_name="Lead")

    # a rule is written, and its misspelt field named with the right one
    sign_in(analyst)
    page.goto(f"{quiet_server}/admin/fraud/ruleversion/do/write/")
    page.locator("#id_name").fill("large-sales")
    page.locator("#id_expression").fill("event.amount_minr > 60000")
    page.locator("#id_effect").select_option("hold")
    page.locator("#id_code").fill("large_sale")
    page.locator("#id_operator_text").fill("A large sale.")
    page.locator("#id_seller_text").fill("We look at this sale.")
    page.locator("#id_expected_basis_points").fill("10000")
    page.locator("#id_daily_ceiling").fill("1000")
    page.get_by_role("button", name="Write a rule").click()
    expect(page.get_by_text("Did you mean “event.amount_minor”?")).to_be_visible()
    page.locator("#id_expression").fill("event.amount_minor > 60000")
    page.get_by_role("button", name="Write a rule").click()
    expect(page.get_by_text("Kept as a draft.")).to_be_visible()
    rule_page = page.url

    # tried on the past, then in the shadow, then put to somebody else
    page.get_by_role("link", name="Try on the past", exact=True).click()
    page.locator("#id_days").fill("30")
    page.get_by_role("button", name="Try on the past").click()
    expect(page.get_by_text("Queued.").first).to_be_visible()
    run_backtests(actor=system("test"), at=clock.now())
    page.goto(rule_page)
    page.get_by_role("link", name="Try in the shadow", exact=True).click()
    page.get_by_role("button", name="Try in the shadow").click()
    expect(page.get_by_text("In the shadow.").first).to_be_visible()
    version = RuleVersion.objects.get()
    assert version.backtests.get().answer["hits"] == 3
    RuleVersion.objects.filter(pk=version.pk).update(shadow_at=now - timedelta(days=2))
    page.goto(rule_page)
    page.get_by_role("link", name="Put to approval", exact=True).click()
    page.locator("#id_reason").fill("It caught what we saw by hand.")
    page.get_by_role("button", name="Put to approval").click()
    # the page came back: signing somebody else in before would cut it off
    expect(page.get_by_text("Waits for a second person.").first).to_be_visible()
    sign_in(lead)
    page.goto(rule_page)
    for name in ("Approve", "Put live"):
        page.get_by_role("link", name=name, exact=True).click()
        page.locator("#id_reason").fill("Seen.")
        page.get_by_role("button", name=name).click()
        expect(page.locator("#id_reason")).to_have_count(0)
    expect(page.get_by_text("Live.").first).to_be_visible()

    # the first decision becomes a case, which the analyst takes from the desk
    decide_on_sale(seller, amount_minor=90_000, device="d-1", at=clock.now())
    deliver(clock.now())
    sign_in(analyst)
    page.get_by_role("link", name=re.compile(r"Fraud cases(?! past)")).first.click()
    page.get_by_role("link", name="Take the next case").click()
    page.get_by_role("button", name="Take the next case").click()
    expect(page.get_by_text("Ada Analyst works on it.")).to_be_visible()
    fired = page.get_by_role("region", name="Table: Everything that fired")
    expect(fired).to_contain_text("large-sales")
    page.get_by_role("heading", name="Linked sellers").scroll_into_view_if_needed()
    expect(page.get_by_text("Boutique Verte SARL")).to_be_visible()
    assert problems_of(page) == []

    # money is held in words the seller reads; the case is closed with what it was
    page.get_by_role("link", name="Hold money", exact=True).click()
    page.locator("#id_amount").fill("900.00")
    page.locator("#id_seller_text").fill("We keep 900.00 EUR while we look at a sale.")
    page.locator("#id_reason").fill("Stolen card suspected.")
    page.get_by_role("button", name="Hold money").click()
    expect(page.get_by_role("region", name="Table: Decided in this case")).to_contain_text("900.00")
    page.get_by_role("link", name="Close with a label", exact=True).click()
    page.locator("#id_label").select_option("fraud")
    page.locator("#id_reason").fill("The card was stolen.")
    page.get_by_role("button", name="Close with a label").click()
    expect(page.get_by_text("Closed.").first).to_be_visible()
    assert Case.objects.get(subject=seller.public_id).label == "fraud"
    assert FraudLabel.objects.filter(source="analyst", is_fraud=True).count() == 1
    page.goto(rule_page)
    page.get_by_role("heading", name="What became of its alerts").scroll_into_view_if_needed()
    became = page.get_by_role("region", name="Table: What became of its alerts")
    expect(became).to_contain_text("100%")
    assert complaints == []
    assert [one for one in check_books() if not one.ok] == []
