"""The sidebar: daily work on top, rooms folded until somebody opens them, and every page found by its name."""

from __future__ import annotations

import re
from typing import Any

import pytest

from backoffice.desk.layout import NAVIGATION, OPEN_COOKIE, SET_UP, WORK

pytestmark = pytest.mark.django_db
GROUP = re.compile(r'<details class="nav-group" data-group="([a-z-]+)"[^>]*?( open)?>')


def groups_of(page: str) -> dict[str, bool]:
    """Return {group: is it open} of a page."""
    return {slug: bool(is_open) for slug, is_open in GROUP.findall(page)}


def test_work_stands_open_on_top_and_only_the_room_one_is_in_is_unfolded(sign_in: Any) -> None:
    client = sign_in("lead")
    desk = client.get("/admin/").content.decode()
    assert set(groups_of(desk).values()) == {False} and len(groups_of(desk)) > 10
    top = desk.split('aria-label="Work"')[1].split("</ol>")[0]
    assert [name in top for name in ("Desk", "Plan a run", "Approvals", "Screening hits", "Breaks")] == [True] * 5
    payouts = client.get("/admin/payouts/payout/").content.decode()
    assert [slug for slug, is_open in groups_of(payouts).items() if is_open] == ["payouts"]
    assert payouts.count('aria-current="page"') == 1


def test_what_somebody_opened_comes_open_again_and_a_forged_memory_changes_nothing(sign_in: Any) -> None:
    client = sign_in("lead")
    client.cookies[OPEN_COOKIE] = "ledger.set-up.no-such-group.<b>"
    page = client.get("/admin/").content.decode()
    assert [slug for slug, is_open in groups_of(page).items() if is_open] == ["ledger", "set-up"]
    assert "no-such-group" not in page


def test_every_page_stands_in_the_sidebar_once_and_nobody_sees_what_is_not_theirs(sign_in: Any) -> None:
    known = [url for _, items in NAVIGATION for _, _, url, _ in items]
    assert len(known) == len(set(known)) and set(WORK) | set(SET_UP) <= set(known) and not set(WORK) & set(SET_UP)
    support = sign_in("support").get("/admin/").content.decode()
    assert "/admin/auth/user/" not in support and "staff" not in groups_of(support)


def test_the_search_box_leads_to_pages_by_their_name_or_their_room(sign_in: Any) -> None:
    client = sign_in("lead")
    for text, wanted in (
        ("trial", "/admin/payouts/account/trial-balance/"),
        ("screening cov", "/admin/fraud/party/coverage/"),
        ("set", "/admin/billing/cardsetup/"),
    ):
        assert wanted in client.post("/admin/find/", {"s": text}).content.decode(), text
    assert "/admin/auth/user/" not in sign_in("support").post("/admin/find/", {"s": "staff"}).content.decode()
