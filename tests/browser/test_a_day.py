"""A day at the desk, clicked through: dry run, build, refusal, approval, submission, the bank's answers, the bounce."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from backoffice.kit import clock
from backoffice.kit.actors import staff
from backoffice.kit.invariants import check_books
from payouts.dispatch.models import PaymentOrder
from payouts.dispatch.operations import bounce, settle
from payouts.runs.models import Payout
from tests.browser.readable import problems_of
from tests.factories.runs import give_money, make_payable_seller
from tests.factories.sellers import make_seller, make_staff

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_run_from_the_dry_run_to_the_bounce(page: Page, quiet_server: str, sign_in: Any, complaints: list[str]) -> None:
    good, bad = (
        make_payable_seller(12_345, legal_name="Atelier Bleu SAS"),
        make_payable_seller(20_000, legal_name="Boutique Verte SARL"),
    )
    give_money(make_seller(legal_name="Sans Compte SAS"), 5_000)
    maker, checker = (
        make_staff("lead", first_name="Mara", last_name="Maker"),
        make_staff("lead", first_name="Cleo", last_name="Checker"),
    )

    # the desk, then the dry run: who is paid, who is not and why
    sign_in(maker)
    expect(page.get_by_role("heading", name="What waits for somebody")).to_be_visible()
    page.get_by_role("link", name="Plan a run").click()
    page.get_by_role("button", name="Dry run").click()
    expect(page.get_by_role("heading", name=re.compile("2 payouts on"))).to_be_visible()
    paid = page.get_by_role("region", name="Would be paid", exact=True)
    expect(paid).to_contain_text("Atelier Bleu SAS")
    expect(paid).to_contain_text("123.45 EUR")
    skipped = page.get_by_role("region", name="Would be skipped", exact=True)
    expect(skipped).to_contain_text("Sans Compte SAS")
    expect(skipped).to_contain_text("no payee account")
    assert Payout.objects.count() == 0

    # build, and be refused approving one's own
    page.get_by_role("link", name="Build this run").click()
    expect(page.get_by_text("Nothing leaves before another person approves.")).to_be_visible()
    page.get_by_role("button", name="Build a run").click()
    expect(page.get_by_text("The run is built: 2 payouts, 1 sellers skipped.")).to_be_visible()
    run_page = page.url
    page.get_by_role("link", name="Approve", exact=True).click()
    expect(page.get_by_text("323.45 EUR")).to_be_visible()
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("alert")).to_contain_text("another person must approve it")
    assert set(Payout.objects.values_list("status", flat=True)) == {"needs_approval"}

    # another person approves from the queue on the desk
    sign_in(checker)
    page.get_by_role("link", name=re.compile("Runs to approve")).click()
    page.get_by_role("link", name=re.compile(str(clock.now().year))).first.click()
    expect(page.get_by_text("Mara Maker").first).to_be_visible()
    page.get_by_role("link", name="Approve", exact=True).click()
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Approved. It can be submitted now.")).to_be_visible()

    # submit; the file stands there as stored
    page.get_by_role("link", name="Submit", exact=True).click()
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text(re.compile("2 payouts are on their way, 1 file handed over"))).to_be_visible()
    expect(page.get_by_text("on its way").first).to_be_visible()

    # the bank answers while the page is open: it follows by itself
    orders = {order.payout.seller_id: order for order in PaymentOrder.objects.select_related("payout")}
    at = clock.now()
    settle(order_id=orders[good.pk].pk, actor=staff(checker.pk), at=at, holder="bank")
    settle(order_id=orders[bad.pk].pk, actor=staff(checker.pk), at=at, holder="bank")
    bounce(
        order_id=orders[bad.pk].pk,
        code="AC04",
        actor=staff(checker.pk),
        at=at + timedelta(seconds=1),
        holder="bank",
        reason="Account closed.",
    )
    assert page.url.startswith(run_page)
    expect(page.locator("#object-page")).to_contain_text("came back")

    # the bounced payout, from the desk
    page.goto(f"{quiet_server}/admin/")
    page.get_by_role("link", name=re.compile("Payouts that bounced")).click()
    page.get_by_role("row", name=re.compile("Boutique Verte")).get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=2, name=re.compile("Payout to Boutique Verte SARL"))).to_be_visible()
    expect(page.get_by_text("the money is available to the seller again").first).to_be_visible()
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Statement, PDF").click()
    assert download.value.path().read_bytes().startswith(b"%PDF")

    assert complaints == []
    broken = [verdict for verdict in check_books() if not verdict.ok]
    assert not broken, broken


def test_the_keyboard_alone_is_enough(page: Page, quiet_server: str, sign_in: Any, complaints: list[str]) -> None:
    seller = make_payable_seller(9_900, legal_name="Clavier SAS")
    sign_in(make_staff("lead"))

    # the first stop of the tab key leads past the navigation
    page.keyboard.press("Tab")
    expect(page.locator(".skip-link")).to_be_focused()

    # one box finds a pasted id; two keys go there
    page.keyboard.press("Escape")
    page.locator("body").click(position={"x": 700, "y": 40})
    page.keyboard.press("Control+k")
    box = page.get_by_label("Find by id, reference, IBAN or name")
    expect(box).to_be_focused()
    box.fill(seller.public_id)
    expect(page.locator("#command-results-list")).to_contain_text("Clavier SAS")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=2, name=re.compile("Clavier SAS"))).to_be_visible()

    # the copy button works by key and says so
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=quiet_server)
    copy = page.get_by_role("button", name=f"Copy {seller.public_id}")
    copy.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#desk-announce")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == seller.public_id

    # the sheet of keys, and going somewhere by letters
    page.locator("h2").first.click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("p")
    page.wait_for_url("**/payouts/payout/")
    assert complaints == []


def test_lazy_panels_load_when_they_come_into_view_and_page_on(
    page: Page, quiet_server: str, sign_in: Any, complaints: list[str]
) -> None:
    seller = make_payable_seller(9_900, legal_name="Longue Liste SAS")
    sign_in(make_staff("finance"))
    page.goto(f"{quiet_server}/go/{seller.public_id}")
    page.get_by_role("heading", name="Payee accounts").scroll_into_view_if_needed()
    expect(page.get_by_role("region", name="Payee accounts", exact=True)).to_contain_text("FR ••••")
    assert complaints == []


@pytest.mark.parametrize("width", [1440, 1024, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_reads_and_runs_no_failing_script(
    page: Page, quiet_server: str, sign_in: Any, complaints: list[str], width: int, scheme: Any
) -> None:
    seller = make_payable_seller(12_345)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    sign_in(make_staff("lead"))
    for address in (
        "/admin/",
        "/admin/payouts/payout/",
        f"/go/{seller.public_id}",
        "/admin/payouts/payoutrun/plan/",
        "/admin/payouts/account/trial-balance/",
        f"/admin/payouts/seller/{seller.pk}/do/place_hold/",
    ):
        page.goto(quiet_server + address)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth + 1"), (
            f"{address} at {width}"
        )
        assert problems_of(page) == [], f"{address} at {width}, {scheme}"
    assert complaints == []
