"""Buttons: a page before the act, one act per form however often it is sent, refusals in words, and never by GET."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from backoffice.kit.admin import Button, UnknownPermission
from backoffice.kit.idempotency import IdempotencyRecord
from backoffice.kit.ids import new_id
from backoffice.kit.invariants import check_books
from backoffice.partners.models import ApiKey, Partner
from payouts.earnings.models import EarningImport, RejectedLine
from payouts.holds.models import Hold
from payouts.ledger.queries import seller_buckets
from payouts.runs.models import Payout, PayoutRun
from payouts.sellers.models import Seller
from tests.backoffice.desk.conftest import Market

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def books_stay_clean(db: None) -> Iterator[None]:
    yield
    broken = [verdict for verdict in check_books() if not verdict.ok]
    assert not broken, broken


def button(row: Any, name: str) -> str:
    return reverse(f"admin:payouts_{row._meta.model_name}_button", args=[row.pk, name])


def press(client: Any, address: str, **asked: Any) -> Any:
    """Open the confirm page, then send its form as it stands with what is asked."""
    page = client.get(address)
    assert page.status_code == 200, f"{address} answered {page.status_code}"
    form = page.context["form"]
    given = {name: form[name].value() or "" for name in form.fields if form.fields[name].widget.is_hidden}
    return client.post(address, {"key": page.context["key"], "back": page.context["back"], **given, **asked})


def said(answer: Any) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def test_looking_at_a_button_does_nothing_and_pressing_needs_the_form(market: Market, sign_in: Any) -> None:
    client = sign_in("lead")
    address = button(market.waiting, "approve")
    page = client.get(address)
    assert page.status_code == 200
    assert "csrfmiddlewaretoken" in page.content.decode()
    market.waiting.refresh_from_db()
    assert market.waiting.status == "needs_approval"
    for method in (client.put, client.delete, client.patch):
        assert method(address).status_code == 405
    assert client.post(address, {"content_hash": market.waiting.content_hash}).status_code == 409
    market.waiting.refresh_from_db()
    assert market.waiting.status == "needs_approval"


def test_a_post_without_the_sites_token_is_refused(market: Market, sign_in: Any) -> None:
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(sign_in("lead").user)
    assert client.post(button(market.waiting, "approve"), {"key": new_id("frm")}).status_code == 403


def test_another_person_approves_and_the_maker_is_refused_in_words(market: Market, sign_in: Any) -> None:
    maker = sign_in("", market.maker)
    assert maker.get(button(market.waiting, "approve")).status_code == 403  # finance may not approve at all
    both = sign_in("", market.checker)
    market.waiting.refresh_from_db()
    answer = press(both, button(market.waiting, "approve"))
    assert answer.status_code == 302
    assert "Approved" in said(answer)
    market.waiting.refresh_from_db()
    assert market.waiting.status == "approved"


def test_who_holds_both_roles_still_cannot_approve_their_own_run(market: Market, sign_in: Any) -> None:
    from django.contrib.auth.models import Group

    client = sign_in("", market.maker)
    client.user.groups.add(Group.objects.get(name="lead"))
    answer = press(client, button(market.waiting, "approve"))
    assert answer.status_code == 409
    assert "another person must approve" in answer.content.decode()
    market.waiting.refresh_from_db()
    assert market.waiting.status == "needs_approval"


def test_approval_is_for_what_was_shown_not_for_what_it_became(market: Market, sign_in: Any) -> None:
    client = sign_in("lead")
    page = client.get(button(market.waiting, "approve"))
    PayoutRun.objects.filter(pk=market.waiting.pk).update(content_hash="f" * 64)
    answer = client.post(
        button(market.waiting, "approve"), {"key": page.context["key"], "content_hash": market.waiting.content_hash, "reason": ""}
    )
    assert answer.status_code == 409
    PayoutRun.objects.filter(pk=market.waiting.pk).update(content_hash=market.waiting.content_hash)


def test_a_form_sent_twice_acts_once_and_says_the_same(market: Market, sign_in: Any) -> None:
    client = sign_in("lead")
    address = reverse("admin:payouts_seller_button", args=[market.held.pk, "place_hold"])
    page = client.get(address)
    form = {
        "key": page.context["key"], "currency": "EUR", "amount": "12.34", "code": "review", "reason": "Twice", "seller_text": "We look.",
    }  # fmt: skip
    first, second = client.post(address, form), client.post(address, form)
    assert first.status_code == second.status_code == 302
    assert Hold.objects.filter(reason="Twice").count() == 1
    assert "The hold is placed." in said(second)


def test_the_same_form_with_other_content_is_refused(market: Market, sign_in: Any) -> None:
    client = sign_in("lead")
    address = reverse("admin:payouts_seller_button", args=[market.held.pk, "place_hold"])
    form = {"key": new_id("frm"), "currency": "EUR", "amount": "1.00", "code": "c", "reason": "One", "seller_text": "We look."}
    assert client.post(address, form).status_code == 302
    assert client.post(address, form | {"amount": "2.00"}).status_code == 409
    assert Hold.objects.filter(reason="One").count() == 1


def test_a_hold_that_does_not_fit_is_refused_and_nothing_moves(market: Market, sign_in: Any) -> None:
    client = sign_in("lead")
    before = seller_buckets([market.held.pk])
    answer = press(
        client, reverse("admin:payouts_seller_button", args=[market.held.pk, "place_hold"]),
        currency="EUR", amount="99999999.00", code="c", reason="Too much", seller_text="We look.",
    )  # fmt: skip
    assert answer.status_code == 409
    assert "does not fit" in answer.content.decode()
    assert seller_buckets([market.held.pk]) == before


@pytest.mark.parametrize("amount", ["abc", "1.234", "-5", "1e9", "NaN", "", "١٢"])
def test_amounts_that_are_none_are_refused_with_a_sentence(market: Market, sign_in: Any, amount: str) -> None:
    client = sign_in("lead")
    answer = press(
        client, reverse("admin:payouts_seller_button", args=[market.held.pk, "place_hold"]),
        currency="EUR", amount=amount, code="c", reason="Bad amount", seller_text="We look.",
    )  # fmt: skip
    assert answer.status_code in (200, 409)
    assert not Hold.objects.filter(reason="Bad amount").exists()


def test_only_legal_buttons_show_and_a_stale_one_is_explained(market: Market, sign_in: Any) -> None:
    client = sign_in("lead")
    page = client.get(reverse("admin:payouts_payoutrun_change", args=[market.sent.pk]))
    names = {one.name for one, _ in page.context["buttons"]}
    assert not names & {"approve", "deny", "cancel"}
    answer = client.get(button(market.sent, "approve"))
    assert answer.status_code == 302
    assert "not possible: this payout run is submitted" in said(answer)
    posted = client.post(button(market.sent, "approve"), {"key": new_id("frm"), "content_hash": "x", "reason": ""})
    assert posted.status_code == 409


def test_a_button_with_a_permission_nobody_declares_fails_when_it_is_made() -> None:
    with pytest.raises(UnknownPermission):
        Button(name="x", label="X", verb=print, permission="payouts.aprove_run", arguments=lambda row, asked: {})


def test_many_rows_are_previewed_then_done_one_by_one(market: Market, sign_in: Any) -> None:
    client = sign_in("lead")
    payouts = list(Payout.objects.filter(run__in=[market.sent, market.approved, market.waiting]))
    preview = client.post(
        reverse("admin:payouts_payout_changelist"),
        {"action": "cancel", "_selected_action": [row.pk for row in payouts], "index": 0},
    )
    assert preview.status_code == 200
    assert {row.status for row, *_ in preview.context["rows"]} == {"approved", "needs_approval"}
    assert len(preview.context["blocked"]) == 3
    assert "400.00" in preview.content.decode()
    assert "500.00" in preview.content.decode()
    assert "900.00" not in preview.content.decode()  # dollars and francs do not add up
    assert not Payout.objects.filter(status="canceled").exists()

    form = {"ids": [row.pk for row in payouts], "key": preview.context["key"], "reason": "All of them"}
    address = reverse("admin:payouts_payout_bulk", args=["cancel"])
    assert client.get(address).status_code == 405
    done = client.post(address, form)
    assert done.context["done"] == 2
    assert len(done.context["refused"]) == 3
    assert Payout.objects.filter(status="canceled").count() == 2
    again = client.post(address, form)
    assert again.context["done"] == 2  # the same form: the same answer, nothing done twice


def test_bulk_is_closed_to_those_not_permitted(market: Market, sign_in: Any) -> None:
    client = sign_in("support")
    address = reverse("admin:payouts_payout_bulk", args=["cancel"])
    assert client.post(address, {"ids": [1], "key": new_id("frm"), "reason": "x"}).status_code == 403


def test_a_file_of_earnings_is_uploaded_and_its_rejects_are_dealt_with(market: Market, sign_in: Any) -> None:
    client = sign_in("finance")
    lines = (
        "external_id,seller,kind,order_ref,occurred_at,delivered_at,currency,gross,fee\n"
        f"u1,{market.paid.external_id},sale,o1,2026-01-06T10:00:00Z,,EUR,120.00,12.00\n"
        "u2,=cmd|calc,sale,o2,2026-01-06T10:00:00Z,,EUR,1.00,0.10\n"
    )
    address = reverse("admin:payouts_earningimport_list_button", args=["upload"])
    page = client.get(address)
    assert 'enctype="multipart/form-data"' in page.content.decode()
    file = SimpleUploadedFile("../../day one.csv", lines.encode())
    answer = client.post(address, {"key": page.context["key"], "file": file, "source": "upload"}, follow=True)
    assert "2 lines read: 1 accepted, 0 duplicate, 1 rejected." in answer.content.decode()
    job = EarningImport.objects.get(source="upload")
    assert job.file_name.endswith("day_one.csv")
    line = RejectedLine.objects.get(batch=job)
    refused = press(client, button(line, "retry"))
    assert refused.status_code == 409
    dismissed = press(client, button(line, "dismiss"), reason="A test line")
    assert dismissed.status_code == 302
    line.refresh_from_db()
    assert (line.state, line.closed_reason) == ("dismissed", "A test line")


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"a,b\n1,2\n", "ä".encode("utf-16")])
def test_an_upload_that_is_no_earnings_is_refused_in_words(market: Market, sign_in: Any, content: bytes) -> None:
    client = sign_in("finance")
    address = reverse("admin:payouts_earningimport_list_button", args=["upload"])
    answer = press(client, address, file=SimpleUploadedFile("bad.csv", content), source="upload")
    assert answer.status_code in (200, 409)
    assert "Traceback" not in answer.content.decode()
    assert not EarningImport.objects.filter(source="upload").exists()


@pytest.mark.parametrize("content", [b"not a bank file", b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", b""])
def test_an_unreadable_bank_file_is_refused_in_words(market: Market, sign_in: Any, content: bytes) -> None:
    client = sign_in("finance")
    address = reverse("admin:payouts_bankfile_list_button", args=["upload"])
    answer = press(client, address, file=SimpleUploadedFile("bank.xml", content), account_iban="")
    assert answer.status_code in (200, 409)
    assert "Traceback" not in answer.content.decode()


def test_a_key_is_shown_once_and_kept_nowhere(market: Market, sign_in: Any) -> None:
    client = sign_in("lead")
    partner = Partner.objects.get(name="Partner")
    address = reverse("admin:backoffice_partner_button", args=[partner.pk, "issue_key"])
    page = client.get(address)
    form = {"key": page.context["key"], "label": "new shop", "scopes": ["events:read"], "expires_at": ""}
    answer = client.post(address, form)
    secret = answer.context["secret"]
    assert secret.startswith("sk_")
    assert secret in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert secret not in json.dumps(list(IdempotencyRecord.objects.values_list("outcome", flat=True)), default=str)
    again = client.post(address, form, follow=True)
    assert secret not in again.content.decode()
    assert ApiKey.objects.filter(label="new shop").count() == 1


def test_a_correction_takes_two_people(market: Market, sign_in: Any) -> None:
    finance, lead = sign_in("finance"), sign_in("lead")
    seller: Seller = market.paid
    answer = press(
        finance, reverse("admin:payouts_posting_list_button", args=["request_correction"]),
        template="adjustment", debit="suspense", credit="seller.available", holder_id=seller.pk, currency="EUR", amount="5.00", reason="Lost parcel",
    )  # fmt: skip
    assert answer.status_code == 302
    before = seller_buckets([seller.pk])[seller.pk, "EUR"]["available"]
    approval = answer.url
    assert finance.get(approval.replace("/change/", "/do/approve_correction/")).status_code == 403
    booked = press(lead, approval.replace("/change/", "/do/approve_correction/"))
    assert booked.status_code == 302
    assert seller_buckets([seller.pk])[seller.pk, "EUR"]["available"] == before + 500


def test_a_hold_is_released_from_its_page_and_the_money_is_free(market: Market, sign_in: Any) -> None:
    client = sign_in("lead")
    hold = Hold.objects.get(seller=market.held, code="review")
    answer = press(client, button(hold, "release"), release_reason="condition_met", reason="Parcels arrived")
    assert answer.status_code == 302
    hold.refresh_from_db()
    assert (hold.state, hold.remaining_minor) == ("released", 0)


def test_one_goes_back_to_where_one_came_from_and_never_elsewhere(market: Market, sign_in: Any) -> None:
    client = sign_in("lead")
    address = button(market.waiting, "deny")
    listed = reverse("admin:payouts_payoutrun_changelist")
    page = client.get(address, headers={"Referer": f"http://testserver{listed}?status=needs_approval"})
    answer = client.post(address, {"key": page.context["key"], "back": page.context["back"], "reason": "No"})
    assert answer.url.endswith(f"{listed}?status=needs_approval")
    away = client.get(button(market.approved, "cancel"), headers={"Referer": "https://evil.example/"})
    assert "evil" not in away.context["back"]


def test_the_books_may_be_checked_from_the_desk(market: Market, sign_in: Any) -> None:
    client = sign_in("finance")
    answer = press(client, reverse("admin:backoffice_bookscheck_list_button", args=["check"]))
    assert answer.status_code == 302
    assert "clean" in client.get(answer.url).content.decode()
