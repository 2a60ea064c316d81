"""A reviewer's day through the screens: who is next, what they gave, decisions, a second person, and two reviewers who do not collide."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from backoffice.kit import clock
from backoffice.kit.actors import staff
from backoffice.kit.ids import new_id
from backoffice.kit.outbox import Event
from backoffice.staff.models import AuditEntry
from payouts.compliance.claiming import ClaimedByColleague, QueueEmpty, claim, claim_next, release_claim
from payouts.compliance.models import Claim, Document, Requirement, ReviewMessage
from payouts.compliance.operations import keep_deadlines
from payouts.compliance.queries import review_queue
from payouts.sellers.models import Seller
from tests.factories.compliance import AT, REVIEWER, SECOND, SELLER, answer, make_newcomer, make_pdf, onboard, row, upload
from tests.factories.runs import give_money
from tests.factories.sellers import make_cooling_payee, make_payee, make_seller, make_staff

pytestmark = pytest.mark.django_db


class Reviewer:
    """Somebody of compliance at the desk."""

    def __init__(self, role: str = "compliance") -> None:
        self.user, self.client = make_staff(role), Client()
        self.client.force_login(self.user)
        self.actor = staff(self.user.pk)

    def press(self, thing, button: str, **asked):
        kind = thing._meta.model_name
        address = reverse(f"admin:payouts_{kind}_button", args=[thing.pk, button])
        assert self.client.get(address).status_code == 200
        return self.client.post(address, {"key": new_id("frm"), **asked})

    def page(self, thing) -> str:
        answered = self.client.get(reverse(f"admin:payouts_{thing._meta.model_name}_change", args=[thing.pk]))
        assert answered.status_code == 200
        return answered.content.decode()


def test_a_company_is_reviewed_through_the_screens():
    reviewer, colleague = Reviewer(), Reviewer()
    seller = make_newcomer()
    answer(seller, "legal_entity", "1 rue de la Paix, 75002 Paris")
    paper = upload(row(seller, "registration_document"))

    queue = reviewer.client.get(reverse("admin:payouts_requirement_review_queue")).content.decode()
    assert seller.legal_name in queue
    taken = reviewer.client.post(reverse("admin:payouts_requirement_list_button", args=["claim_next"]), {"key": new_id("frm")})
    assert taken.headers["Location"] == reverse("admin:payouts_seller_change", args=[seller.pk])
    shown = reviewer.page(seller)
    assert "Proof of registration" in shown and "1 rue de la Paix" in shown and "what was given is being verified" not in shown

    assert reviewer.press(paper, "refuse", refusal="document_incomplete", text="Page two is missing.").status_code == 302
    assert "Page two is missing." in reviewer.page(row(seller, "registration_document"))
    brought = SimpleUploadedFile("kbis.pdf", make_pdf(2), content_type="text/html")
    assert reviewer.press(row(seller, "registration_document"), "upload", file=brought).status_code == 302
    better = Document.objects.get(seller=seller, state="validation_asked")
    assert b"another person" in reviewer.press(better, "validate", expires_on="", reason="").content
    assert colleague.press(better, "validate", expires_on="2031-01-31", reason="").status_code == 302
    assert reviewer.press(row(seller, "legal_entity"), "accept", reason="as in the register").status_code == 302
    assert row(seller, "legal_entity").decided_by == str(reviewer.actor)

    assert reviewer.press(seller, "ask_more", text="Which other shops are yours?").status_code == 302
    assert ReviewMessage.objects.get(seller=seller).text == "Which other shops are yours?"
    assert Event.objects.get(type="review.message").payload["text"] == "Which other shops are yours?"
    assert reviewer.press(row(seller, "screened"), "ask_waiver", reason="lists are down", until="").status_code == 302
    assert reviewer.press(row(seller, "screened"), "approve_waiver", reason="").status_code == 409
    assert colleague.press(row(seller, "screened"), "approve_waiver", reason="").status_code == 302
    assert row(seller, "screened").state == "waived"
    for name in ("risk", "persons", "ownership", "hits", "links", "messages", "review"):
        panel = reviewer.client.get(reverse("admin:payouts_seller_panel", args=[seller.pk, name]))
        assert panel.status_code == 200, name
    assert AuditEntry.objects.filter(actor=str(reviewer.actor)).count() >= 5


def test_a_bad_upload_at_the_desk_says_why_and_keeps_nothing():
    reviewer, seller = Reviewer(), make_newcomer()
    file = SimpleUploadedFile("kbis.pdf", b'<svg xmlns="http://www.w3.org/2000/svg"/>', content_type="application/pdf")
    answered = reviewer.press(row(seller, "registration_document"), "upload", file=file)
    assert answered.status_code == 409 and b"whatever its name says" in answered.content
    assert not Document.objects.exists()


def test_rejecting_at_the_desk_takes_a_second_person():
    reviewer, colleague, seller = Reviewer(), Reviewer(), make_newcomer()
    reviewer.press(seller, "ask_rejection", reason="forged papers")
    assert reviewer.press(seller, "approve_rejection", reason="").status_code == 409
    assert colleague.press(seller, "approve_rejection", reason="").status_code == 302
    assert Seller.objects.get(pk=seller.pk).status == "blocked"


def test_the_queue_goes_by_deadline_then_who_is_stopped_then_money():
    poor, rich, late = make_newcomer(), make_newcomer(), onboard(make_newcomer())
    for seller in (poor, rich):
        answer(seller, "legal_entity", f"{seller.pk} rue de Lyon")
    give_money(rich, 50_000, at=AT)
    paper = row(late, "registration_document")
    Requirement.objects.filter(pk=paper.pk).update(expires_at=AT + timedelta(days=10))
    keep_deadlines(actor=SELLER, at=AT)
    upload(row(late, "registration_document"))

    assert [one["id"] for one in review_queue(at=AT)] == [late.pk, rich.pk, poor.pk]
    assert review_queue(at=AT)[1]["waiting_minor"] == 50_000


def test_a_changed_payee_account_comes_to_the_reviewers_with_its_name_check_until_its_cool_off_ends():
    address, reviewer = reverse("admin:payouts_requirement_review_queue"), Reviewer()
    changed, settled = make_seller(legal_name="Boutique Neuve SAS"), make_seller(legal_name="Boutique Sage SAS")
    make_cooling_payee(changed, until=clock.now() + timedelta(hours=5), name_check="no_match")
    make_payee(settled, cool_off_until=clock.now() - timedelta(minutes=1))

    page = reviewer.client.get(address).content.decode()

    assert "Payee accounts that changed" in page and "no match" in page.partition("Payee accounts that changed")[2].lower()
    assert changed.legal_name in page and settled.legal_name not in page


def test_two_reviewers_get_two_sellers_and_a_claim_ends_by_itself():
    one, two = make_newcomer(), make_newcomer()
    for seller in (one, two):
        answer(seller, "legal_entity", f"{seller.pk} rue de Lyon")
    first, second = claim_next(actor=REVIEWER, at=AT), claim_next(actor=SECOND, at=AT)
    assert {first, second} == {one, two}
    with pytest.raises(QueueEmpty):
        claim_next(actor=staff(900_003), at=AT)
    with pytest.raises(ClaimedByColleague):
        claim(seller_id=first.pk, actor=SECOND, at=AT)
    with pytest.raises(ClaimedByColleague):
        release_claim(seller_id=first.pk, actor=SECOND, at=AT)
    assert claim(seller_id=first.pk, actor=SECOND, at=AT + timedelta(hours=1)) == first
    release_claim(seller_id=first.pk, actor=SECOND, at=AT + timedelta(hours=1))
    assert not Claim.objects.filter(seller=first).exists() and clock.now()
