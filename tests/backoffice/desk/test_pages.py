"""Every page opens for every role that may see it, says 403 to the others, and changes nothing."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import models
from django.urls import reverse

from backoffice.desk.operations import check_books_now
from backoffice.kit.admin import OperatorAdmin
from backoffice.kit.ids import new_id
from backoffice.kit.outbox import Event
from backoffice.kit.states import StateChange
from backoffice.staff.models import AuditEntry
from payouts.holds.models import ReservePlan
from payouts.ledger.models import Account, Posting
from payouts.runs.models import Payout
from payouts.sellers.models import MinimumPayout
from tests.backoffice.desk.conftest import AT, ROLES, Market

pytestmark = pytest.mark.django_db


def url(model: type[models.Model], name: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def ours() -> list[tuple[type[models.Model], OperatorAdmin]]:
    return [(model, screen) for model, screen in admin.site._registry.items() if isinstance(screen, OperatorAdmin)]


@pytest.fixture(scope="module")
def _checked(_market: Market, django_db_blocker: Any) -> None:
    """Add a verdict of the books, so that every list has a row; once, like the marketplace itself."""
    with django_db_blocker.unblock():
        check_books_now(actor=_market.maker, at=AT)


@pytest.fixture
def furnished(_checked: None, market: Market) -> Market:
    return market


@pytest.mark.parametrize("role", ROLES)
def test_every_page_opens_for_those_who_may_see_it(furnished: Market, sign_in: Any, role: str) -> None:
    client = sign_in(role)
    opened = 0
    desk = client.get("/admin/")
    assert desk.status_code == 200
    for model, screen in ours():
        row = model._default_manager.order_by("-pk").first()
        assert row is not None, f"{model.__name__} has no row to look at"
        allowed = screen.has_view_permission(desk.wsgi_request)
        pages = [url(model, "changelist"), url(model, "change", row.pk)]
        pages += [url(model, "panel", row.pk, panel.name) for panel in screen.all_panels() if panel.shown_to(client.user, row)]
        pages += [url(model, "download", row.pk, one.name) for one in screen.all_downloads() if one.shown_to(client.user, row)]
        for page in pages:
            answer = client.get(page)
            assert answer.status_code == (200 if allowed else 403), f"{role}: {page} answered {answer.status_code}"
            opened += allowed
    assert opened > 0


@pytest.mark.parametrize("role", ROLES)
def test_a_button_is_open_to_those_permitted_and_closed_to_all_others(furnished: Market, sign_in: Any, role: str) -> None:
    client = sign_in(role)
    before = (StateChange.objects.count(), AuditEntry.objects.count(), Posting.objects.count(), Event.objects.count())
    for model, screen in ours():
        # three rows in as many states for whom most buttons are open, one for the others
        rows = list(model._default_manager.order_by("-pk")[: 3 if role == "lead" else 1])
        for button in screen.all_buttons():
            # Whether it is legal depends on the row; whether one is permitted does not.
            for row in rows if client.user.has_perm(button.permission) else rows[:1]:
                answer = client.get(url(model, "button", row.pk, button.name))
                may = client.user.has_perm(button.permission) and screen.has_view_permission(answer.wsgi_request)
                wanted = (200, 302) if may else (403,)
                assert answer.status_code in wanted, f"{role}: {button.name} on {row} answered {answer.status_code}"
                if not may:
                    posted = client.post(url(model, "button", row.pk, button.name), {"key": new_id("frm")})
                    assert posted.status_code == 403
        for button in screen.list_buttons:
            answer = client.get(url(model, "list_button", button.name))
            may = client.user.has_perm(button.permission) and screen.has_view_permission(answer.wsgi_request)
            assert answer.status_code == (200 if may else 403)
    after = (StateChange.objects.count(), AuditEntry.objects.count(), Posting.objects.count(), Event.objects.count())
    assert before == after, "looking at a button changed something"


def test_an_auditor_sees_everything_and_no_button(furnished: Market, sign_in: Any) -> None:
    client = sign_in("auditor")
    for model, _screen in ours():
        for row in model._default_manager.order_by("pk")[:2]:  # the newest is opened above
            page = client.get(url(model, "change", row.pk))
            assert page.status_code == 200
            assert page.context["buttons"] == []
        assert client.get(url(model, "changelist")).context["list_buttons"] == []


def test_nothing_is_added_edited_or_deleted_by_hand(furnished: Market, sign_in: Any) -> None:
    client = sign_in("lead")
    for model, _screen in ours():
        row = model._default_manager.first()
        assert client.get(url(model, "add")).status_code == 403
        assert client.get(url(model, "delete", row.pk)).status_code == 403
        assert client.post(url(model, "change", row.pk), {"amount_minor": 1}).status_code in (200, 405)


def test_every_model_of_the_corridor_has_a_screen() -> None:
    # shown on their account's, file's or document's page
    inner = {"Balance", "Checkpoint", "DocumentBytes", "DocumentPreview", "FloorChange", "Horizon", "BankStatement"}
    missing = {model.__name__ for model in apps.get_app_config("payouts").get_models() if model not in admin.site._registry}
    assert missing <= inner


def test_pages_show_words_and_never_raw_states_or_minor_units(furnished: Market, sign_in: Any) -> None:
    client = sign_in("finance")
    payout = Payout.objects.filter(status="needs_approval").get()
    page = client.get(url(Payout, "change", payout.pk)).content.decode()
    assert "needs_approval" not in page
    assert "waiting for approval" in page
    assert str(payout.amount_minor) not in page.replace(payout.public_id, "")
    shown = client.get(url(Payout, "changelist")).content.decode()
    assert "needs_approval" not in shown.replace('value="needs_approval"', "")


def test_names_stand_where_the_books_keep_actors(furnished: Market, sign_in: Any) -> None:
    client = sign_in("auditor")
    page = client.get(url(ReservePlan, "change", ReservePlan.objects.get().pk)).content.decode()
    assert "staff:" not in page
    assert "finance-" in page


def test_account_numbers_never_reach_a_screen(furnished: Market, sign_in: Any) -> None:
    client = sign_in("lead")
    payee = furnished.paid.payee_accounts.get()
    seller_page = client.get(url(type(furnished.paid), "change", furnished.paid.pk)).content.decode()
    panel = client.get(url(type(furnished.paid), "panel", furnished.paid.pk, "payees")).content.decode()
    payee_page = client.get(url(type(payee), "change", payee.pk)).content.decode()
    for page in (seller_page, panel, payee_page):
        assert payee.number not in page
    assert payee.masked in panel


def test_what_is_not_there_answers_404_in_words(furnished: Market, sign_in: Any) -> None:
    client = sign_in("finance")
    for page in (
        url(Payout, "change", 999_999_999),
        url(Payout, "change", "pay_nonsense"),
        "/admin/payouts/payout/1;drop/change/",
    ):
        answer = client.get(page)
        assert answer.status_code == 404
        assert b"Traceback" not in answer.content


def test_a_page_is_found_by_its_public_id_too(furnished: Market, sign_in: Any) -> None:
    client = sign_in("finance")
    payout = Payout.objects.first()
    assert payout is not None
    assert client.get(url(Payout, "change", payout.public_id)).url == url(Payout, "change", payout.pk)


def test_accounts_and_audits_speak_of_sellers_and_money_in_words(furnished: Market, sign_in: Any) -> None:
    client = sign_in("lead")
    account = Account.objects.get(code="seller.available", holder_id=furnished.paid.pk, currency="EUR")
    for page in (url(Account, "change", account.pk), url(Account, "changelist") + f"?holder_id={furnished.paid.pk}"):
        assert furnished.paid.legal_name in client.get(page).content.decode()
    built = AuditEntry.objects.filter(subject=furnished.sent.public_id, facts__has_key="totals").first()
    assert built is not None
    told = client.get(url(AuditEntry, "change", built.pk)).content.decode()
    assert "{&#x27;" not in told
    assert "600.00" in told


def test_the_head_of_a_page_says_where_one_is_in_the_words_of_the_sidebar(furnished: Market, sign_in: Any) -> None:
    client = sign_in("finance")
    payout = Payout.objects.filter(seller=furnished.paid).get()
    head = client.get(url(Payout, "change", payout.pk)).content.decode().split('<h1 class="trail">')[1].split("</h1>")[0]
    assert f'href="{url(Payout, "changelist")}"' in head
    assert f"Payout to {furnished.paid.legal_name}" in unescape(head)
    assert payout.public_id not in head


def test_a_minimum_is_asked_and_shown_in_units_of_its_currency(furnished: Market, sign_in: Any) -> None:
    client = sign_in("lead")
    row = MinimumPayout.objects.get(currency="EUR", country="")
    page = url(MinimumPayout, "change", row.pk)
    assert 'value="1.00"' in client.get(page).content.decode()
    told = client.post(page, {"currency": "EUR", "country": "", "amount_minor": "25.505"}).content.decode()
    assert "decimal places" in told
    assert client.post(page, {"currency": "EUR", "country": "", "amount_minor": "25.50"}).status_code == 302
    row.refresh_from_db()
    assert row.amount_minor == 2_550
    assert AuditEntry.objects.filter(action="minimumpayout.change").latest("pk").facts["after"] == {"amount_minor": "2550"}
