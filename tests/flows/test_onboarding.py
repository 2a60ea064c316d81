"""A French company with two owners comes by API, an owner's name is cleared by two people against the list of the UN, it is paid, loses its right

to be paid when a paper expires, and gets it back.
"""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path

import pytest

from backoffice.kit import clock
from backoffice.kit.approvals import ApproverIsMaker
from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import relay
from fraud.screening.models import Hit
from fraud.screening.operations import approve_clearance, clear_hit, load_list
from payouts.compliance.models import Document, Person, Requirement
from payouts.compliance.operations import accept_requirement, keep_deadlines, refuse_document, validate_document
from payouts.dispatch.operations import settle
from payouts.runs.queries import eligibility
from payouts.sellers.models import Seller
from tests.factories.compliance import FR_VAT, REVIEWER, SECOND, SIREN, make_image, make_pdf
from tests.factories.dispatch import BANK, orders_of, rails_in, submit
from tests.factories.partners import ApiClient, make_client
from tests.factories.runs import give_money, make_approved_run
from tests.factories.sellers import ACTOR, make_iban, make_tier

pytestmark = pytest.mark.django_db
ANSWERS = {
    "terms_accepted": "2026-01", "legal_entity": "1 rue de la Paix, 75002 Paris", "registration_number": SIREN, "vat_number": FR_VAT,
    "trader_commitment": "I offer only what the law of the European Union allows.",
}  # fmt: skip


# A list as the Security Council publishes it; whom it names is invented.
UN_LIST = """<?xml version="1.0" encoding="UTF-8"?>
<CONSOLIDATED_LIST dateGenerated="2026-01-02T00:00:00Z"><INDIVIDUALS><INDIVIDUAL>
  <DATAID>990001</DATAID><FIRST_NAME>BEN</FIRST_NAME><SECOND_NAME>DURAND</SECOND_NAME><UN_LIST_TYPE>Test</UN_LIST_TYPE>
  <REFERENCE_NUMBER>TEi.001</REFERENCE_NUMBER><NATIONALITY><VALUE>France</VALUE></NATIONALITY>
  <INDIVIDUAL_DATE_OF_BIRTH><TYPE_OF_DATE>EXACT</TYPE_OF_DATE><DATE>1980-05-17</DATE></INDIVIDUAL_DATE_OF_BIRTH>
</INDIVIDUAL></INDIVIDUALS><ENTITIES/></CONSOLIDATED_LIST>
"""


def due(client: ApiClient, seller: str) -> dict[str, list[dict]]:
    """Return what the API says is the seller's turn, by code."""
    found: dict[str, list[dict]] = {}
    for one in client.get(f"sellers/{seller}/requirements?limit=100").json()["data"]:
        if one["awaiting"] == "seller" and one["state"] != "eventually_due":
            found.setdefault(one["code"], []).append(one)
    return found


def send(client: ApiClient, seller: str, requirement: str, data: bytes):
    return client.post(f"sellers/{seller}/documents", {"requirement": requirement, "content": base64.b64encode(data).decode()})


def code(client: ApiClient, seller: str) -> str | None:
    return client.get(f"payout_eligibility?seller={seller}").json()["data"][0]["code"]


def validate_all(seller: Seller, at, years: int = 3) -> None:
    for paper in Document.objects.filter(seller=seller, state="validation_asked"):
        validate_document(document_id=paper.pk, actor=REVIEWER, at=at, expires_on=(at + timedelta(days=365 * years)).date())


def onboard(client: ApiClient) -> str:
    """Do by API what the API asks for, until nothing is the seller's turn any more."""
    body = {"external_id": "refurb-lyon", "legal_name": "Refurb Lyon SAS", "entity_type": "company", "country": "FR", "currency": "EUR",
            "schedule": "daily"}  # fmt: skip
    seller = client.post("sellers", body).json()["id"]
    for name, value in ANSWERS.items():
        answered = client.post(f"sellers/{seller}/requirements/{due(client, seller)[name][0]['id']}/answer", {"value": value})
        assert answered.status_code == 200, answered.content
    owners = [
        client.post(
            f"sellers/{seller}/persons",
            {"kind": "person", "name": name, "roles": roles, "country": "FR", "birth_on": "1980-05-17"},
        ).json()["id"]
        for name, roles in (("Ada Martin", ["owner", "representative"]), ("Ben Durand", ["owner"]))
    ]
    half = client.send("PUT", f"sellers/{seller}/ownership", {"stakes": [{"holder": owners[0], "basis_points": 5_000}]}).json()
    assert half["problems"] == ["50 % of the shares are not accounted for."]
    stakes = [{"holder": one, "basis_points": 5_000} for one in owners]
    whole = client.send("PUT", f"sellers/{seller}/ownership", {"stakes": stakes}).json()
    assert whole["problems"] == [] and all(one["beneficial_owner"] for one in whole["owners"])
    account = {"currency": "EUR", "kind": "iban", "account_holder": "Refurb Lyon SAS", "number": make_iban()}
    assert client.post(f"sellers/{seller}/payee_accounts", account).status_code == 201
    return seller


def test_a_company_with_two_owners_is_onboarded_paid_paused_and_resumed(tmp_path: Path):
    make_tier("new")
    client = make_client()
    (tmp_path / "un.xml").write_text(UN_LIST)
    load_list(path=tmp_path / "un.xml", list_format="un-xml", name="un", actor=REVIEWER, at=clock.now())
    public_id = onboard(client)
    at = clock.now()  # behind the verbs of the API, which read the clock
    seller = Seller.objects.get(public_id=public_id)
    give_money(seller, 25_000, at=at)
    assert code(client, public_id) == "requirements_due"

    papers = [
        (one["id"], name)
        for name, found in due(client, public_id).items()
        for one in found
        if one["evidence"].startswith("document:")
    ]
    assert sorted(name for _, name in papers) == [
        "owner_identity",
        "owner_identity",
        "registration_document",
        "representative_identity",
    ]
    refused = send(client, public_id, papers[0][0], b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>')
    assert refused.status_code == 422 and refused.json()["code"] == "file_type_not_accepted"
    for requirement, _ in papers:
        assert send(client, public_id, requirement, make_pdf()).status_code == 201
    # a reviewer cannot read one of them: the seller learns why, and sends a better one
    blurred = Document.objects.filter(seller=seller, requirement__code="registration_document").get()
    refuse_document(document_id=blurred.pk, refusal="document_unreadable", actor=REVIEWER, at=at, text="The photo is blurred.")
    again = due(client, public_id)["registration_document"][0]
    assert again["error"] == {"code": "document_unreadable", "detail": "The photo is blurred."}
    assert send(client, public_id, again["id"], make_image("JPEG", (300, 200))).status_code == 201
    validate_all(seller, at)
    for row in Requirement.objects.filter(seller=seller, state="pending_verification", by_person=True):
        accept_requirement(requirement_id=row.pk, actor=REVIEWER, at=at, reason="as in the register")

    # one owner's name and birthday stand on a list: nobody is paid until two people have said that it is somebody else
    tell_everybody(at)
    assert code(client, public_id) == "requirements_pending"
    hit = Hit.objects.select_related("party").get()
    assert hit.strong and hit.list_name == "un"
    assert Person.objects.get(public_id=hit.party.subject).name == "Ben Durand"
    reason = "Born in Lyon by his passport; the listed man has another passport and another mother."
    clear_hit(hit_id=hit.pk, reason=reason, actor=REVIEWER, at=at)
    with pytest.raises(ApproverIsMaker):
        approve_clearance(hit_id=hit.pk, actor=REVIEWER, at=at)
    tell_everybody(at)
    assert code(client, public_id) == "requirements_pending"
    approve_clearance(hit_id=hit.pk, actor=SECOND, at=at)
    tell_everybody(at)
    seller.refresh_from_db()
    assert seller.status == "active" and code(client, public_id) is None

    with rails_in(tmp_path):
        pay(at, tmp_path)
    assert client.get("payouts").json()["data"][0]["status"] == "paid"

    a_year_later_a_paper_expires(client, seller, at)
    assert not [verdict.name for verdict in check_books() if not verdict.ok]


def tell_everybody(at) -> None:
    while relay(at=at):
        pass


def pay(at, folder: Path) -> None:
    run = make_approved_run(at=at, on=at.date())
    submit(run, at=at + timedelta(minutes=10))
    for order in orders_of(run):
        settle(order_id=order.pk, actor=BANK, at=at + timedelta(days=1))


def a_year_later_a_paper_expires(client: ApiClient, seller: Seller, at) -> None:
    identity = Requirement.objects.filter(seller=seller, code="owner_identity").first()
    Requirement.objects.filter(pk=identity.pk).update(expires_at=at + timedelta(days=365))
    give_money(seller, 10_000, at=at + timedelta(days=300))

    def said(days: int) -> str:
        moment = at + timedelta(days=days)
        keep_deadlines(actor=ACTOR, at=moment)
        return eligibility(seller.pk, moment.date(), moment)[0].code

    assert said(300) == ""
    assert said(340) == "" and due(client, seller.public_id)["owner_identity"][0]["error"]["code"] == "expires_soon"
    assert said(366) == "requirements_past_due"
    overdue = due(client, seller.public_id)["owner_identity"][0]
    assert overdue["state"] == "past_due" and Document.objects.filter(seller=seller, state="out_of_date").count() == 1

    assert send(client, seller.public_id, overdue["id"], make_pdf(2)).status_code == 201
    assert said(366) == "requirements_pending"
    validate_all(seller, at + timedelta(days=367), years=5)
    assert said(367) == ""
