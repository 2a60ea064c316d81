"""Disputes through the doors people and partners use: the API, the desk, its buttons."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from backoffice.kit import clock
from billing.disputes.models import Dispute, DisputeSubmission
from billing.webhooks.models import InboundEvent
from billing.webhooks.operations import take_in, work
from tests.factories.compliance import make_pdf
from tests.factories.notices import AT, make_dispute, provider_in
from tests.factories.partners import make_client
from tests.factories.sellers import PASSWORD, make_seller, make_staff

pytestmark = pytest.mark.django_db


def signed_in(role: str) -> Client:
    client, user = Client(), make_staff(role)
    assert client.login(username=user.username, password=PASSWORD)
    return client


def press(client: Client, row, name: str, **asked: object):
    """Open a button's confirm page and post it with its form key and its hidden fields; return the confirm page."""
    meta = row._meta
    address = reverse(f"admin:{meta.app_label}_{meta.model_name}_button", args=[row.pk, name])
    page = client.get(address)
    assert page.status_code == 200, (name, page.status_code)
    text = page.content.decode()
    inputs = re.findall(r"<input[^>]*>", text)
    hidden = {
        re.search(r'name="([^"]+)"', one)[1]: (re.search(r'value="([^"]*)"', one) or ["", ""])[1]
        for one in inputs
        if 'type="hidden"' in one
    }
    answer = client.post(address, hidden | asked, follow=True)
    assert answer.status_code == 200
    return text, answer.content.decode()


def test_a_partner_reads_writes_sends_and_cannot_send_what_it_has_not_read():
    owner = make_client()
    dispute = make_dispute(make_seller(partner_id=owner.partner.pk))
    shown = owner.get(f"disputes/{dispute.public_id}").json()
    assert shown["amount"] == {"amount_minor": 5_000, "currency": "EUR"} and shown["status"] == "needs_response"
    assert owner.get("disputes?status=lost").json()["data"] == []
    before = owner.get(f"disputes/{dispute.public_id}/evidence").json()["content_hash"]
    pack = owner.post(f"disputes/{dispute.public_id}/evidence", {"shipping_carrier": "DHL"}).json()
    assert pack["texts"] == {"shipping_carrier": "DHL"} and pack["content_hash"] != before
    paper = {"field": "shipping_documentation", "content": base64.b64encode(make_pdf()).decode()}
    held = owner.post(f"disputes/{dispute.public_id}/evidence/files", paper).json()
    assert [one["field"] for one in held["files"]] == ["shipping_documentation"] and held["content_hash"] != pack["content_hash"]
    acts = owner.post(f"disputes/{dispute.public_id}/evidence/files", paper | {"content": base64.b64encode(b"<svg/>").decode()})
    assert (acts.status_code, acts.json()["code"]) == (422, "file_type_not_accepted")
    emptied = owner.post(f"disputes/{dispute.public_id}/evidence/files/remove", {"field": "shipping_documentation"}).json()
    assert emptied["files"] == [] and emptied["content_hash"] == pack["content_hash"]
    # the deadline of the sample lies in February; the provider has moved it on
    Dispute.objects.update(due_by=None)
    old = owner.post(f"disputes/{dispute.public_id}/submit", {"content_hash": before})
    assert (old.status_code, old.json()["code"]) == (409, "evidence_changed")
    sent = owner.post(f"disputes/{dispute.public_id}/submit", {"content_hash": pack["content_hash"]})
    assert (sent.status_code, sent.json()["work_state"]) == (200, "submitted")
    again = owner.post(f"disputes/{dispute.public_id}/accept", {"reason": "Never mind."})
    assert (again.status_code, again.json()["code"]) == (409, "dispute_work_done")
    assert DisputeSubmission.objects.get().state == "asked"


def test_a_key_without_the_scope_reads_but_does_not_write():
    owner = make_client("disputes:read")
    dispute = make_dispute(make_seller(partner_id=owner.partner.pk))
    assert owner.get("disputes").status_code == 200
    assert owner.post(f"disputes/{dispute.public_id}/accept", {"reason": "x"}).status_code == 403


def test_the_desk_works_a_dispute_from_the_queue_to_the_answer():
    dispute = make_dispute(make_seller(legal_name="Fast Phones SAS"))
    Dispute.objects.update(due_by=None)
    finance = signed_in("finance")
    queue = finance.get(reverse("admin:billing_dispute_by_hours_left")).content.decode()
    assert "Fast Phones SAS" in queue
    press(finance, dispute, "take")
    press(finance, dispute, "write", uncategorized_text="Delivered on 3 February.", shipping_carrier="DHL")
    page = finance.get(reverse("admin:billing_dispute_change", args=[dispute.pk])).content.decode()
    assert "Delivered on 3 February." in page and "Accept the dispute" not in page and "Send the evidence" in page
    confirm, _ = press(finance, dispute, "submit")
    assert "only this one submission counts" in confirm
    dispute.refresh_from_db()
    assert (dispute.work_state, dispute.owner[:6]) == ("submitted", "staff:")
    archive = finance.get(reverse("admin:billing_dispute_download", args=[dispute.pk, "pack"]))
    assert b"DHL" in zipfile.ZipFile(io.BytesIO(archive.content)).read("texts.json")


def test_accepting_shows_who_bears_the_loss_and_is_the_leads():
    dispute = make_dispute(make_seller())
    assert signed_in("finance").get(reverse("admin:billing_dispute_button", args=[dispute.pk, "accept"])).status_code == 403
    confirm, _ = press(signed_in("lead"), dispute, "accept", reason="The parcel was lost.")
    assert "the seller, as a chargeback of the sale" in confirm and "50.00" in confirm
    assert DisputeSubmission.objects.get().kind == "acceptance"


@pytest.mark.parametrize("role", ["finance", "lead", "risk", "support", "auditor"])
def test_every_screen_opens_for_whom_it_is_and_shows_a_buyer_to_nobody_else(role):
    with provider_in(make_seller()) as provider:
        provider.open_dispute()
        for notice in provider.events:
            take_in(provider="stripe", notice=notice, at=AT)
        work(at=AT)
    client = signed_in(role)
    for model in ("dispute", "disputesubmission", "disputepolicy", "inboundevent", "refusednotice", "healermark"):
        allowed = role not in ("risk", "support") or model == "dispute" or (role == "risk" and model.startswith("dispute"))
        assert client.get(reverse(f"admin:billing_{model}_changelist")).status_code == (200 if allowed else 403), model
    page = client.get(reverse("admin:billing_dispute_change", args=[Dispute.objects.get().pk]))
    assert page.status_code == 200 and (b"No evidence yet" in page.content) is (role != "support")


def test_a_body_opens_for_a_lead_alone_and_an_event_is_processed_again_with_a_reason():
    with provider_in(make_seller()) as provider:
        provider.open_dispute()
        take_in(provider="stripe", notice=provider.events[0], at=AT)
        work(at=AT)
    event = InboundEvent.objects.get()
    finance, lead = signed_in("finance"), signed_in("lead")
    assert finance.get(reverse("admin:billing_inboundevent_button", args=[event.pk, "open"])).status_code == 403
    _, shown = press(lead, event, "open", reason="The amount looks odd.")
    assert "product_not_received" in shown
    press(finance, event, "replay", reason="After the repair.")
    event.refresh_from_db()
    assert (event.state, event.replays) == ("received", 1)


def test_a_policy_is_proposed_on_the_desk_and_put_in_force_by_another():
    finance, lead = signed_in("finance"), signed_in("lead")
    address = reverse("admin:billing_disputepolicy_list_button", args=["propose"])
    key = re.search(r'name="key" value="([^"]+)"', finance.get(address).content.decode())[1]
    given = {
        "seller_buffer_hours": 48,
        "auto_accept": "on",
        "limits": "EUR 25.00",
        "notice_hours": 24,
        "reason": "Fees.",
        "key": key,
    }
    assert finance.post(address, given, follow=True).status_code == 200
    from billing.disputes.models import DisputePolicy

    proposed = DisputePolicy.objects.get(state="proposed")
    assert proposed.limits == {"EUR": 2_500}
    press(lead, proposed, "adopt", reason="Agreed.")
    proposed.refresh_from_db()
    assert proposed.state == "in_force"


def test_many_dead_events_are_processed_again_with_one_reason():
    with provider_in(make_seller()) as provider:
        refs = [provider.open_dispute(status="warning_closed") for _ in range(3)]
        for ref in refs:
            provider.disputes[ref]["amount"] = "much"
        for notice in provider.events:
            take_in(provider="stripe", notice=notice, at=AT)
        for minutes in (0, 5, 60):
            work(at=AT + timedelta(minutes=minutes))
        dead = list(InboundEvent.objects.filter(state="dead").values_list("pk", flat=True))
        assert len(dead) == 3

        finance = signed_in("finance")
        chosen = {"action": "replay", "_selected_action": dead, "index": 0}
        preview = finance.post(reverse("admin:billing_inboundevent_changelist"), chosen)
        form = {"ids": dead, "key": preview.context["key"], "reason": "They mended the shape."}
        done = finance.post(reverse("admin:billing_inboundevent_bulk", args=["replay"]), form)
        assert (done.context["done"], done.context["refused"]) == (3, [])
        for ref in refs:
            provider.disputes[ref]["amount"] = 5_000
        work(at=clock.now())
    assert set(InboundEvent.objects.values_list("state", "replays")) == {("processed", 1)}
    assert Dispute.objects.count() == 3
