"""Capabilities always equal their derivation, told again in Python, whatever is done to the rows in whatever order."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backoffice.kit.errors import Refusal
from payouts.compliance import operations
from payouts.compliance.deriving import disagreeing
from payouts.compliance.models import Document, Requirement, SellerCapabilities
from payouts.compliance.operations import TaxItem
from payouts.compliance.states import TAX_CATALOGUE, Capability
from payouts.sellers.models import Seller
from tests.factories.compliance import AT, FR_VAT, REVIEWER, SECOND, SELLER, SIREN, make_newcomer, name_person, upload

pytestmark = pytest.mark.django_db
VALUES = {
    "registration_number": SIREN, "vat_number": FR_VAT, "tax_identification": SIREN, "tax_address": "5 quai Perrache, 69002 Lyon",
}  # fmt: skip
TAX_ITEMS = [
    TaxItem(code=f"tax_{name}", title=name, text=f"Give {name}.", why="Reported.", source="A law", evidence=evidence)
    for name, evidence in (("identification", "number:any"), ("address", "tax:address"), ("registration", "number:any"))
]


def derived(seller, capability):
    """The rule in plain words: asked nothing is not assessed; overdue, then tax data overdue, then due, then pending, of gating rows; else on."""
    asked = [row for row in Requirement.objects.filter(seller=seller) if row.state != "withdrawn"]
    guards = [row for row in asked if capability in row.capabilities]
    if not asked:
        return "not_assessed"
    overdue = {row.catalogue == TAX_CATALOGUE for row in guards if row.state == "past_due"}
    if overdue:
        return "requirements_past_due" if False in overdue else "tax_data_missing"
    if any(row.gating and row.state == "currently_due" for row in guards):
        return "requirements_due"
    if any(row.gating and row.state == "pending_verification" for row in guards):
        return "requirements_pending"
    return ""


def act(seller, name, number, at):
    row = list(Requirement.objects.filter(seller=seller).order_by("pk"))[
        number % Requirement.objects.filter(seller=seller).count()
    ]
    paper = Document.objects.filter(seller=seller).order_by("-pk").first()
    facts = {"requirement_id": row.pk, "at": at}
    verbs = {
        "answer": lambda: operations.answer_requirement(**facts, value=VALUES.get(row.code, "Some words"), actor=SELLER),
        "accept": lambda: operations.accept_requirement(**facts, actor=REVIEWER, reason="seen"),
        "refuse": lambda: operations.refuse_requirement(**facts, actor=REVIEWER, reason="no", seller_text="Again."),
        "reopen": lambda: operations.reopen_requirement(**facts, actor=REVIEWER, reason="old", seller_text="Again.", at_once=number % 2 == 0),
        "ask_waiver": lambda: operations.ask_waiver(**facts, actor=REVIEWER, reason="why not"),
        "waive": lambda: operations.approve_waiver(**facts, actor=SECOND),
        "upload": lambda: upload(row, at=at),
        "validate": lambda: paper and operations.validate_document(document_id=paper.pk, actor=REVIEWER, at=at, expires_on=(at + timedelta(days=40)).date()),
        "refuse_paper": lambda: paper and operations.refuse_document(document_id=paper.pk, refusal="document_missing", actor=REVIEWER, at=at),
        "person": lambda: name_person(seller, f"Person {number}", ("owner", "director", "representative")[number % 3], at=at),
        "volume": lambda: operations.settle_file(seller_id=seller.pk, actor=SELLER, at=at, volume=(number * 40, number * 10**6)),
        "review": lambda: operations.start_review(seller_id=seller.pk, actor=REVIEWER, at=at, reason="look", stop_payouts=number % 2 == 0),
        "tax": lambda: operations.ask_tax_data(wanted={seller.pk: TAX_ITEMS[: number % 4]}, actor=SELLER, at=at),
        "tax_deadline": lambda: operations.set_tax_deadline(deadlines={seller.pk: at + timedelta(days=number)}, actor=SELLER, at=at),
        "deadlines": lambda: operations.keep_deadlines(actor=SELLER, at=at),
    }  # fmt: skip
    try:
        verbs[name]()
    except Refusal:
        return False
    return True


ACTS = [
    "answer",
    "accept",
    "refuse",
    "reopen",
    "ask_waiver",
    "waive",
    "upload",
    "validate",
    "refuse_paper",
    "person",
    "volume",
    "review",
    "deadlines",
    "tax",
    "tax_deadline",
]


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 40), st.integers(0, 25)), min_size=8, max_size=30))
def test_capabilities_always_equal_their_derivation(steps):
    seller, at = make_newcomer(), AT
    for name, number, days in steps:
        at += timedelta(days=days)
        act(seller, name, number, at)
        stored = SellerCapabilities.objects.get(seller=seller)
        for one in Capability.values:
            assert getattr(stored, f"{one}_code") == derived(seller, one), (name, one)
    assert disagreeing() == []
    if Seller.objects.get(pk=seller.pk).status == "created":
        assert SellerCapabilities.objects.get(seller=seller).pay_out_code
