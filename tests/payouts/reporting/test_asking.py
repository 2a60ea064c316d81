"""Missing tax data: asked once, reminded twice, payouts stop after sixty days and not a day before the second reminder, and giving it lifts it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from backoffice.kit.outbox import Event, relay
from payouts.compliance.deriving import disagreeing
from payouts.compliance.models import Requirement, SellerCapabilities
from payouts.compliance.operations import answer_requirement, keep_deadlines
from payouts.compliance.tax_answers import TaxAnswerInvalid, check_tax_answer
from payouts.holds.operations import mature_earnings
from payouts.reporting.admin_seller import tax_data_missing
from payouts.reporting.asking import ExclusionNotInRegime, ReasonMissing
from payouts.reporting.invariants import tax_stops_were_announced
from payouts.reporting.models import TaxFile
from payouts.reporting.operations import keep_tax_data, prepare_report, set_tax_exclusion
from payouts.runs.operations import plan_run
from payouts.sellers.operations import set_seller_status
from tests.factories.reporting import MAKER, NOW, ROBOT, give_tax_data, make_reportable, sell
from tests.factories.sellers import make_seller

pytestmark = pytest.mark.django_db


def look(days: int) -> dict[str, int]:
    """Do what the timetable does on that day: look at tax data, then at deadlines."""
    counts = keep_tax_data(actor=ROBOT, at=NOW + timedelta(days=days))
    keep_deadlines(actor=ROBOT, at=NOW + timedelta(days=days))
    return {name: count for name, count in counts.items() if count}


def said(seller, days: int) -> str:
    at = NOW + timedelta(days=days)
    plan = plan_run(on=at.date(), at=at)
    return next(row.code for row in (*plan.payouts, *plan.skipped) if row.seller_id == seller.pk)


def test_two_reminders_then_sixty_days_then_payouts_stop_and_giving_the_data_lifts_it():
    seller = make_reportable()
    before = said(seller, 0)

    assert look(0) == {"asked": 1}
    file = TaxFile.objects.get(seller=seller)
    assert file.missing == ["tin", "address", "registration"]  # the account is known
    assert look(0) == look(19) == {}
    assert look(20) == {"reminded": 1}
    assert look(39) == {} and look(40) == {"reminded_again": 1}
    assert look(59) == {} and said(seller, 59) == before
    assert said(seller, 60) == "tax_data_missing"  # the deadline counts when it passes, not when the job runs
    assert look(60) == {"withheld": 1}
    assert SellerCapabilities.objects.get(seller=seller).pay_out_code == "tax_data_missing"
    assert said(seller, 61) == "tax_data_missing" and disagreeing() == [] and tax_stops_were_announced() == []
    told = Event.objects.filter(type="seller.tax_data_requested").order_by("id")
    assert [one.payload["reminder"] for one in told] == [0, 1, 2]
    assert told[2].payload["stops_at"] and told[0].payload["missing"] == ["tin", "address", "registration"]

    answers = {"tax_identification": "732829320", "tax_address": "5 quai Perrache, 69002 Lyon", "tax_registration": "LYON1"}
    for code, value in answers.items():
        assert said(seller, 61) == "tax_data_missing"
        row = Requirement.objects.get(seller=seller, code=code)
        answer_requirement(requirement_id=row.pk, value=value, actor=ROBOT, at=NOW + timedelta(days=61))
    assert said(seller, 61) == before and disagreeing() == []
    relay(at=NOW + timedelta(days=61))
    file.refresh_from_db()
    assert (file.state, file.missing) == ("complete", [])
    assert Event.objects.filter(type="seller.tax_data_complete").count() == 1


def test_nobody_is_stopped_before_the_second_reminder_however_late_it_comes():
    seller = make_reportable()
    look(0)

    assert look(90) == {"reminded": 1} and look(91) == {}
    assert said(seller, 91) != "tax_data_missing"
    assert look(110) == {"reminded_again": 1}
    assert TaxFile.objects.get(seller=seller).stops_at == NOW + timedelta(days=130)
    assert look(129) == {} and look(130) == {"withheld": 1}
    with pytest.raises(IntegrityError), transaction.atomic():
        TaxFile.objects.filter(seller=seller).update(reminded_again_at=None)


def test_a_person_without_a_tax_number_gives_the_place_of_birth_instead():
    seller = make_reportable(entity_type="individual", country="DE")
    look(0)
    assert TaxFile.objects.get(seller=seller).missing == ["tin", "birth_place", "birth_on", "address"]
    assert Requirement.objects.get(seller=seller, code="tax_identification").evidence == "number:de_tax"

    give_tax_data(seller, "birth_place", "birth_on", "address", at=NOW)
    relay(at=NOW)

    assert TaxFile.objects.get(seller=seller).state == "complete"
    assert Requirement.objects.filter(seller=seller, state="currently_due").count() == 0


def test_who_is_below_the_threshold_closed_abroad_or_left_out_by_law_is_not_asked():
    make_reportable(5)
    make_seller()
    listed, japanese = make_reportable(), make_reportable(country="JP")
    set_tax_exclusion(seller_id=listed.pk, exclusion="listed", reason="On the Euronext list", actor=MAKER, at=NOW)

    assert look(0) == {}
    assert not Requirement.objects.filter(catalogue="tax").exists() and not TaxFile.objects.filter(seller=japanese).exists()
    with pytest.raises(ReasonMissing):
        set_tax_exclusion(seller_id=listed.pk, exclusion="", reason=" ", actor=MAKER, at=NOW)
    set_tax_exclusion(seller_id=listed.pk, exclusion="", reason="Delisted", actor=MAKER, at=NOW)
    assert look(1) == {"asked": 1}
    set_tax_exclusion(seller_id=listed.pk, exclusion="governmental", reason="A town", actor=MAKER, at=NOW + timedelta(days=2))
    assert TaxFile.objects.get(seller=listed).state == "complete"
    assert set(Requirement.objects.filter(seller=listed, catalogue="tax").values_list("state", flat=True)) == {"withdrawn"}


def test_form_1099_k_leaves_nobody_out_for_what_it_is():
    american = make_reportable(201, country="US", currency="USD")
    with pytest.raises(ExclusionNotInRegime):
        set_tax_exclusion(seller_id=american.pk, exclusion="governmental", reason="A town", actor=MAKER, at=NOW)
    assert look(0) == {"asked": 1}
    TaxFile.objects.filter(seller=american).update(exclusion="governmental")  # as said while it lived in the Union
    assert prepare_report(regime="1099k", year=2026, actor=MAKER, at=NOW).reported_count == 1


def test_a_closed_seller_is_asked_no_more_and_stands_in_no_queue():
    seller = make_reportable()
    mature_earnings(actor=ROBOT, at=NOW)
    sell(seller, ("2026-05-01T10:00:00Z", "3000.00", "300.00"), kind="refund", order_ref="all-back")
    look(0)
    assert tax_data_missing(NOW).count() == 1
    set_seller_status(seller_id=seller.pk, to="closed", actor=MAKER, at=NOW, reason="gave up")
    assert not tax_data_missing(NOW).exists()
    assert look(20) == {}


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("birth_on", "17/05/1980"), ("birth_on", "2025-01-01"), ("birth_place", "Lyon"), ("birth_place", "Lyon, XX"), ("address", "Lyon"),
        ("us_address", "12 Main Street, Springfield"), ("us_address", "12 Main Street, Springfield, il 62701"),
    ],
)  # fmt: skip
def test_answers_of_another_shape_are_refused_when_they_are_given(what, value):
    with pytest.raises(TaxAnswerInvalid):
        check_tax_answer(what, value, NOW)


def test_answers_are_kept_in_one_shape():
    assert check_tax_answer("birth_place", "Lyon ,  fr", NOW) == "Lyon, FR"
    assert check_tax_answer("us_address", "12 Main Street,  Springfield, IL 62701-1234", NOW).endswith("IL 62701-1234")
