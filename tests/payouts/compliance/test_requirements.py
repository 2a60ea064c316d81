"""Rows say what a seller has to show; what it may do follows from them and is never anything else."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta

import pytest

from backoffice.kit.approvals import ApproverIsMaker
from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import Event, relay, tell
from payouts.compliance.answering import RequirementNotOpen
from payouts.compliance.catalogue import CatalogueWrong, catalogues, load
from payouts.compliance.deriving import disagreeing
from payouts.compliance.models import Requirement, SellerCapabilities
from payouts.compliance.numbers import InvalidNumber
from payouts.compliance.operations import (
    REACTIVATE,
    REJECT,
    apply_catalogues,
    approve_decision,
    approve_waiver,
    ask_decision,
    ask_waiver,
    assess_volumes,
    declare_ownership,
    keep_deadlines,
    refuse_decision,
    reopen_requirement,
    settle_file,
    start_review,
)
from payouts.runs.queries import eligibility
from payouts.sellers.models import Seller
from payouts.sellers.operations import StatusChangeRefused, change_payee_account, set_seller_status, update_seller
from tests.factories.compliance import (
    AT,
    FR_VAT,
    REVIEWER,
    SECOND,
    SELLER,
    SIREN,
    answer,
    make_newcomer,
    name_person,
    onboard,
    row,
    states,
)
from tests.factories.runs import give_money
from tests.factories.sellers import make_iban, make_payee, make_seller

pytestmark = pytest.mark.django_db


def code_of(seller, at=AT):
    return eligibility(seller.pk, at.date(), at)[0].code


def pay_out(seller):
    return SellerCapabilities.objects.get(seller=seller).pay_out_code


def test_every_rule_of_the_catalogue_has_a_source_and_the_nine_countries_are_there():
    found = catalogues()
    assert {"FR", "DE", "ES", "IT", "BE", "NL", "GB", "US", "JP", "*"} == set(found)
    assert all(rule.source and rule.why for one in found.values() for rule in one.rules)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('evidence = "terms"', 'evidence = "number:fr_sirene"', "nothing checks"),
        ('evidence = "terms"', 'evidense = "terms"', "unknown"),
        ('capabilities = ["pay_out"]', 'capabilities = ["payout"]', "capabilities"),
        ('code = "legal_entity"', 'code = "terms_accepted"', "twice"),
        ("gating = true", "gating = false", "nothing keeps"),
        ("threshold_basis_points = 2500", "threshold_basis_points = 25000", "basis points"),
        ('country = "*"', 'country = "QQ"', "no country"),
    ],
)
def test_a_catalogue_that_is_wrong_is_refused_with_the_place(tmp_path, old, new, says):
    from payouts.compliance.catalogue import FOLDER

    text = (FOLDER / "elsewhere.toml").read_text()
    (tmp_path / "elsewhere.toml").write_text(text.replace(old, new))
    with pytest.raises(CatalogueWrong, match=f"elsewhere.toml.*{says}"):
        load(tmp_path)


def test_a_new_seller_is_asked_everything_and_paid_nothing():
    seller = make_newcomer()
    give_money(seller)

    assert states(seller)["registration_number"] == "currently_due" and states(seller)["bank_proof"] == "eventually_due"
    assert row(seller, "registration_number").catalogue == catalogues()["FR"].name
    assert code_of(seller) == "requirements_due"
    assert disagreeing() == []


def test_a_seller_brought_in_as_verified_is_payable_in_the_name_of_who_said_so():
    seller = make_seller()
    give_money(seller)
    make_payee(seller)

    vouched = Requirement.objects.get(seller=seller)
    assert (vouched.code, vouched.state, vouched.decided_by) == ("verified_elsewhere", "waived", "system:test")
    assert code_of(seller) == ""


def test_numbers_are_checked_by_their_own_digits_and_never_repeated():
    seller = make_newcomer()
    with pytest.raises(InvalidNumber) as refusal:
        answer(seller, "registration_number", "732829321")
    assert "732829321" not in str(refusal.value)
    answer(seller, "registration_number", " 732 829 320 ")

    met = row(seller, "registration_number")
    assert (met.state, met.value) == ("satisfied", SIREN)
    with pytest.raises(RequirementNotOpen):
        answer(seller, "registration_number", SIREN)
    assert SIREN not in str(list(Event.objects.values_list("payload", flat=True)))


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("lei", "213800KUD8LAJWSQ9D15", "213800KUD8LAJWSQ9D16"), ("fr_siret", "73282932000074", "73282932000075"),
        ("fr_vat", FR_VAT, "FR45732829320"), ("de_vat", "DE136695976", "DE136695975"), ("es_nif", "B58378431", "B58378432"),
        ("it_vat", "00743110157", "00743110158"), ("be_enterprise", "BE403019261", "BE431150351"), ("nl_kvk", "12345678", "1234567"),
        ("nl_vat", "NL004495445B01", "NL123456789B90"), ("gb_company", "SC123456", "S1234567"), ("us_ein", "91-1144442", "07-1144442"),
        ("jp_corporate", "5835678256246", "2835678256246"), ("jp_kobutsu", "301020304050", "30102030405"),
    ],
)  # fmt: skip
def test_each_kind_of_number_knows_right_from_wrong(kind, right, wrong):
    from payouts.compliance.numbers import check_number

    assert check_number(kind, right)
    with pytest.raises(InvalidNumber):
        check_number(kind, wrong)


def test_a_company_that_gave_everything_is_active_once_the_lists_know_nobody_of_it(lists):
    seller = onboard(make_newcomer())
    give_money(seller)
    assert seller.status == "review" and code_of(seller) == "requirements_pending"

    for subject in (seller.public_id, *seller.persons.values_list("public_id", flat=True)):
        lists.screen(subject=subject, names=[])
    settle_file(seller_id=seller.pk, actor=SELLER, at=AT)

    seller.refresh_from_db()
    assert seller.status == "active" and code_of(seller) == ""
    assert disagreeing() == []
    assert not [one for one in check_books({9}) if not one.ok]


def test_without_a_screening_nobody_new_is_paid_and_a_crash_in_it_is_not_clean(lists):
    seller = onboard(make_newcomer())
    lists.standing = lambda subject: 1 / 0
    from payouts.compliance.sockets import screening

    screening.standing_of = lists.standing
    settle_file(seller_id=seller.pk, actor=SELLER, at=AT)
    assert states(seller)["screened"] == "pending_verification"
    # an error of the database in there leaves the caller's transaction whole
    screening.standing_of = lambda subject: Seller.objects.raw("SELECT no_such_column FROM payouts_seller")[0].pk
    settle_file(seller_id=seller.pk, actor=SELLER, at=AT)
    assert states(seller)["screened"] == "pending_verification"
    screening.unplug()
    settle_file(seller_id=seller.pk, actor=SELLER, at=AT)
    assert pay_out(seller) == "requirements_pending"


def test_somebody_verified_elsewhere_who_turns_up_on_a_list_is_stopped_until_reviewed(lists):
    seller = make_seller(legal_name="Evil Corp")
    while relay(at=AT):
        pass
    assert pay_out(seller) == "" and lists.seen[seller.public_id] == "clean"
    lists.listed.add("Evil Corp")
    lists.screen(subject=seller.public_id, names=["Evil Corp"])
    tell("screening.changed", subject=seller.public_id, payload={"subject": seller.public_id}, at=AT)
    while relay(at=AT):
        pass
    assert pay_out(seller) == "requirements_pending" and states(seller)["periodic_review"] == "pending_verification"


def test_nobody_activates_by_hand_what_the_requirements_do_not():
    seller = make_newcomer()
    with pytest.raises(StatusChangeRefused, match="SIREN"):
        set_seller_status(seller_id=seller.pk, to="active", actor=REVIEWER, at=AT, reason="known to me")


def test_a_review_stops_payouts_until_somebody_has_reviewed():
    seller = make_seller()
    give_money(seller)
    make_payee(seller)
    set_seller_status(seller_id=seller.pk, to="review", actor=REVIEWER, at=AT, reason="odd sales")
    settle_file(seller_id=seller.pk, actor=SELLER, at=AT)
    assert code_of(seller) == "requirements_pending"

    set_seller_status(seller_id=seller.pk, to="active", actor=REVIEWER, at=AT, reason="all explained")
    assert code_of(seller) == "" and disagreeing() == []


def test_a_waiver_takes_two_people_and_ends_on_its_day():
    seller = onboard(make_newcomer())
    screened = row(seller, "screened")
    asked = {"requirement_id": screened.pk, "at": AT}
    ask_waiver(**asked, actor=REVIEWER, reason="lists are down", until=date(2026, 2, 1))
    with pytest.raises(ApproverIsMaker):
        approve_waiver(**asked, actor=REVIEWER)
    approve_waiver(**asked, actor=SECOND)
    assert Seller.objects.get(pk=seller.pk).status == "active" and pay_out(seller) == ""

    keep_deadlines(actor=SELLER, at=AT + timedelta(days=28))
    assert states(seller)["screened"] == "currently_due" and pay_out(seller) == ""
    keep_deadlines(actor=SELLER, at=AT + timedelta(days=60))
    assert pay_out(seller) == "requirements_past_due" and disagreeing() == []


def test_rejecting_and_reactivating_take_two_people():
    seller = make_seller()
    with pytest.raises(ApproverIsMaker):
        ask_decision(seller_id=seller.pk, action=REJECT, actor=REVIEWER, at=AT, reason="forged papers")
        approve_decision(seller_id=seller.pk, action=REJECT, actor=REVIEWER, at=AT)
    approve_decision(seller_id=seller.pk, action=REJECT, actor=SECOND, at=AT)
    assert Seller.objects.get(pk=seller.pk).status == "blocked"

    for to in ("active", "review"):
        with pytest.raises(Exception, match="approved"):
            set_seller_status(seller_id=seller.pk, to=to, actor=REVIEWER, at=AT, reason="a mistake")
    ask_decision(seller_id=seller.pk, action=REACTIVATE, actor=REVIEWER, at=AT, reason="a mistake")
    refuse_decision(seller_id=seller.pk, action=REACTIVATE, actor=SECOND, at=AT, reason="it was none")
    ask_decision(seller_id=seller.pk, action=REACTIVATE, actor=REVIEWER, at=AT, reason="it was, see the letter")
    approve_decision(seller_id=seller.pk, action=REACTIVATE, actor=SECOND, at=AT)
    assert Seller.objects.get(pk=seller.pk).status == "active"


def test_what_was_verified_elsewhere_can_be_asked_for_with_days_of_grace_or_at_once():
    for at_once, before, after in ((False, "", "requirements_past_due"), (True, "requirements_due", "requirements_past_due")):
        seller = make_seller()
        vouched = row(seller, "verified_elsewhere")
        reopen_requirement(
            requirement_id=vouched.pk, actor=REVIEWER, at=AT, reason="five years old", seller_text="Send it all.", at_once=at_once
        )
        assert pay_out(seller) == before
        keep_deadlines(actor=SELLER, at=AT + timedelta(days=31))
        assert pay_out(seller) == after and disagreeing() == []


def test_a_deadline_that_passes_before_the_job_ran_stops_the_plan_all_the_same():
    seller = make_seller()
    give_money(seller)
    make_payee(seller)
    reopen_requirement(
        requirement_id=row(seller, "verified_elsewhere").pk, actor=REVIEWER, at=AT, reason="r", seller_text="All of it."
    )
    assert code_of(seller) == ""
    assert code_of(seller, AT + timedelta(days=30)) == "requirements_past_due"


def test_a_new_version_of_the_catalogue_asks_known_sellers_with_grace(monkeypatch):
    newcomer, vouched = make_newcomer(), make_seller()
    working = onboard(make_newcomer())
    ask_waiver(requirement_id=row(working, "screened").pk, actor=REVIEWER, at=AT, reason="lists are down")
    approve_waiver(requirement_id=row(working, "screened").pk, actor=SECOND, at=AT)
    assert apply_catalogues(actor=SELLER, at=AT) == 0
    old = catalogues()["FR"]
    rule = dataclasses.replace(old.rules[1], code="climate_pledge", gating=True, grace_days=10)
    newer = dataclasses.replace(old, version="2027-01-01", rules=(*old.rules, rule))
    for module in ("settling", "opening", "deciding", "deadlines"):
        monkeypatch.setattr(f"payouts.compliance.{module}.catalogue_of", lambda country: newer, raising=False)
        monkeypatch.setattr(f"payouts.compliance.{module}.catalogues", lambda: {"FR": newer}, raising=False)

    assert apply_catalogues(actor=SELLER, at=AT) == 2 and apply_catalogues(actor=SELLER, at=AT) == 0
    assert row(newcomer, "climate_pledge").gating and row(newcomer, "climate_pledge").catalogue == "FR 2027-01-01"
    asked = row(working, "climate_pledge")
    assert (asked.gating, asked.deadline_at, pay_out(working)) == (False, AT + timedelta(days=10), "")
    assert "climate_pledge" not in states(vouched)


def test_a_volume_makes_due_what_waited_for_it():
    seller = make_newcomer(country="US", currency="USD", entity_type="individual")
    assert states(seller)["high_volume_contact"] == "eventually_due"
    settle_file(seller_id=seller.pk, actor=SELLER, at=AT, volume=(199, 900_000))
    assert states(seller)["high_volume_contact"] == "eventually_due"
    settle_file(seller_id=seller.pk, actor=SELLER, at=AT, volume=(200, 500_000))
    due = row(seller, "high_volume_contact")
    assert due.state == "currently_due" and due.deadline_at == AT + timedelta(days=10)
    assert assess_volumes(actor=SELLER, at=AT) == 1


def test_another_country_or_form_asks_other_things():
    seller = make_newcomer()
    answer(seller, "registration_number", SIREN)
    update_seller(seller_id=seller.pk, changes={"entity_type": "individual"}, actor=REVIEWER, at=AT)
    found = states(seller)
    assert found["registration_number"] == "withdrawn" and found["identity"] == "currently_due"
    update_seller(seller_id=seller.pk, changes={"entity_type": "company"}, actor=REVIEWER, at=AT)
    assert states(seller)["registration_number"] == "currently_due" and disagreeing() == []


def test_the_account_changes_by_api_only_once_somebody_acting_for_the_seller_is_known():
    seller = make_newcomer()
    facts = {"seller_id": seller.pk, "currency": "EUR", "kind": "iban", "account_holder": "Seller", "actor": SELLER, "at": AT}
    change_payee_account(**facts, number=make_iban(), key="first")
    assert states(seller)["bank_account"] == "satisfied"
    name_person(seller, "Ada Martin", "representative")
    from payouts.sellers.operations import PayeeChangeBlocked

    with pytest.raises(PayeeChangeBlocked, match="not met"):
        change_payee_account(**facts, number=make_iban(), key="second")


def test_a_seller_being_paid_is_not_stopped_by_a_question_that_is_new(lists):
    seller = make_seller()
    reopen_requirement(
        requirement_id=row(seller, "verified_elsewhere").pk, actor=REVIEWER, at=AT, reason="r", seller_text="All of it."
    )
    ada = name_person(seller, "Ada Martin", "owner", "representative")
    declare_ownership(seller_id=seller.pk, stakes=[(ada.public_id, None, 10_000)], actor=SELLER, at=AT)
    asked = row(seller, "owner_identity", ada)
    assert (asked.gating, asked.deadline_at) == (False, AT + timedelta(days=30)) and pay_out(seller) == ""


def test_names_stand_sealed_and_nowhere_else():
    from tests.backoffice.test_personal_data import tables_with

    seller = make_newcomer()
    person = name_person(seller, "Zenobia Canarybird", "owner", address="9 Canary Row", phone="+33 1 99 88 77 66")
    answer(seller, "legal_entity", "9 Canary Row, Lyon")
    declare_ownership(seller_id=seller.pk, stakes=[(person.public_id, None, 10_000)], actor=SELLER, at=AT)
    assert person.name == "Zenobia Canarybird" and person.birth_on == "1980-05-17"
    assert tables_with("Zenobia", "Canary Row", "99 88 77", "1980-05-17") == set()


def test_a_periodic_review_is_kept_without_stopping_anything():
    seller = make_seller()
    start_review(seller_id=seller.pk, actor=REVIEWER, at=AT, reason="a year is over")
    assert states(seller)["periodic_review"] == "pending_verification" and pay_out(seller) == ""
