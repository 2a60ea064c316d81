"""A reviewer's day, clicked through: the queue, a paper refused and a better one accepted, a hit cleared by two, a request a colleague declines."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from backoffice.kit import clock
from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import relay
from payouts.compliance.models import Requirement, RiskRating
from payouts.compliance.operations import accept_requirement, declare_ownership, move_out, rate_sellers
from payouts.sellers.models import Seller
from tests.browser.readable import problems_of
from tests.factories.compliance import (
    FR_VAT,
    REVIEWER,
    SELLER,
    SIREN,
    answer,
    make_image,
    make_newcomer,
    name_person,
    prove,
    row,
    upload,
)
from tests.factories.screening import ROWS, load
from tests.factories.sellers import make_payee, make_staff

pytestmark = pytest.mark.django_db(transaction=True)
LISTED = "Zoltan Krabbenhoft Vasquelle"  # as an invented list names him


def hear_everything() -> None:
    while relay(at=clock.now()):
        pass


def make_file(folder: Path) -> Seller:
    """Return a French company with one owner who resembles a listed man; a paper and its address wait for a reviewer, the rest is decided."""
    at = clock.now()
    load(folder, {"a1": ROWS["a1"]}, at=at)
    seller = make_newcomer(legal_name="Atelier Lyonnais SAS")
    for code, value in (("terms_accepted", "2026-01"), ("registration_number", SIREN), ("vat_number", FR_VAT)):
        answer(seller, code, value, at)
    answer(seller, "legal_entity", "1 rue de la Paix, 75002 Paris", at)
    owner = name_person(seller, LISTED, "owner", "representative", at=at, birth_on=date(1961, 4, 17))
    declare_ownership(seller_id=seller.pk, stakes=[(owner.public_id, None, 10_000)], actor=SELLER, at=at)
    accept_requirement(requirement_id=row(seller, "beneficial_owners").pk, actor=REVIEWER, at=at, reason="adds up")
    for code in ("owner_identity", "representative_identity"):
        prove(row(seller, code, owner), at, expires_on=at.date() + timedelta(days=900))
    make_payee(seller, at=at)
    upload(row(seller, "registration_document"), make_image("PNG", (300, 200)), at=at)
    rate_sellers(actor=SELLER, at=at)
    hear_everything()
    move_out(at=at)
    return seller


def ask(page: Page, button: str, *, reason: str = "") -> None:
    """Press a button of the page, say why, and confirm."""
    page.get_by_role("link", name=button, exact=True).first.click()
    if reason:
        page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name=button, exact=True).click()


def test_a_day_of_a_reviewer(page: Page, quiet_server: str, sign_in: Any, complaints: list[str], tmp_path: Path) -> None:
    seller = make_file(tmp_path)
    reviewer = make_staff("compliance", first_name="Rosa", last_name="Reviewer")
    colleague = make_staff("compliance", first_name="Cleo", last_name="Colleague")
    seller_page = f"{quiet_server}/go/{seller.public_id}"

    # the desk leads to the next seller, taken from the queue
    sign_in(reviewer)
    page.get_by_role("link", name=re.compile("Sellers to review")).first.click()
    expect(page.get_by_role("link", name="Atelier Lyonnais SAS").first).to_be_visible()
    page.goto(f"{quiet_server}/admin/payouts/requirement/")
    ask(page, "Next in the queue")
    expect(page.get_by_role("heading", level=2, name=re.compile("Atelier Lyonnais SAS"))).to_be_visible()
    waiting = page.get_by_role("region", name="Papers to decide", exact=True)
    expect(waiting).to_contain_text("Proof of registration")

    # the paper beside what it has to show: refused, with the sentence the seller reads
    waiting.get_by_role("link").first.click()
    expect(page.locator("img.paper")).to_be_visible()
    expect(page.get_by_role("region", name="The paper beside its data", exact=True)).to_contain_text("Atelier Lyonnais SAS")
    page.get_by_role("link", name="Refuse", exact=True).click()
    page.get_by_label("Why").select_option("document_unreadable")
    page.get_by_label("To the seller").fill("The photo is blurred.")
    page.get_by_role("button", name="Refuse", exact=True).click()
    expect(page.get_by_text("The document is refused and the seller is asked again.")).to_be_visible()
    expect(page.get_by_role("region", name="Requirements and documents", exact=True)).to_contain_text("The photo is blurred.")

    # a better one comes and is accepted, and so is what stands in the register
    upload(row(seller, "registration_document"), make_image("PNG", (600, 400)), at=clock.now())
    page.goto(seller_page)
    page.get_by_role("region", name="Papers to decide", exact=True).get_by_role("link").first.click()
    ask(page, "Accept")
    expect(page.get_by_text("The document is accepted.")).to_be_visible()
    page.goto(f"{quiet_server}/go/{row(seller, 'legal_entity').public_id}")
    ask(page, "Accept", reason="As it stands in the register of commerce.")
    expect(page.get_by_text(re.compile("accepted"))).to_be_visible()

    # the owner resembles somebody: both sides beside each other, somebody else, and a colleague has to agree
    page.goto(seller_page)
    hits = page.get_by_role("region", name="Screening hits", exact=True)
    page.get_by_role("heading", name="Screening hits").scroll_into_view_if_needed()
    hits.get_by_role("link", name=LISTED).click()
    expect(page.get_by_role("region", name="Both sides", exact=True)).to_contain_text("7712")
    ask(page, "Somebody else", reason="Another passport and another mother by the papers of May.")
    expect(page.get_by_text("It waits for a second person.")).to_be_visible()
    page.goto(seller_page)
    ask_for_a_high_risk(page)

    sign_in(colleague)
    page.get_by_role("link", name=re.compile("Clearances to approve")).first.click()
    page.locator("#result_list a, main table a").filter(has_text=re.compile("Krabbenhoft", re.I)).first.click()
    expect(page.get_by_text("Another passport and another mother by the papers of May.").first).to_be_visible()
    ask(page, "Agree: somebody else")
    expect(page.get_by_text("The hit is cleared.")).to_be_visible()
    hear_everything()

    # what Rosa asked for waits on the desk; Cleo says no, and nothing has changed
    page.goto(f"{quiet_server}/admin/")
    page.get_by_role("link", name=re.compile("Reviewers' requests to approve")).first.click()
    page.locator("main table a").first.click()
    page.get_by_role("link", name="Look at it and decide on its own page.").click()
    ask(page, "Leave the risk level", reason="The press wrote of another company.")
    expect(page.get_by_text("Refused; the risk level stays as it was.")).to_be_visible()
    assert RiskRating.objects.get(seller=seller, is_current=True).level != "high"

    # everything is met: the seller may be paid, and the page says so, readable for everybody
    capabilities = page.get_by_role("region", name="What this seller may do", exact=True)
    expect(capabilities.get_by_role("row", name=re.compile("be paid out"))).to_contain_text("yes")
    assert Seller.objects.get(pk=seller.pk).status == "active"
    assert not Requirement.objects.filter(seller=seller, state="pending_verification").exists()
    assert problems_of(page) == [] and complaints == []
    assert not [verdict for verdict in check_books() if not verdict.ok]


def ask_for_a_high_risk(page: Page) -> None:
    page.get_by_role("link", name="Ask to set the risk level", exact=True).first.click()
    page.get_by_label("Level").select_option("high")
    page.get_by_label("Until").fill((clock.now().date() + timedelta(days=30)).isoformat())
    page.get_by_label("Reason").fill("A rumour in the press.")
    page.get_by_role("button", name="Ask to set the risk level").click()
    expect(page.get_by_text("A second person has to approve it.").first).to_be_visible()
