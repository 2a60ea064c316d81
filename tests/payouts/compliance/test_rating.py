"""Risk by documented points: what it sets, what a new scorecard would do, and how two people overrule it for a while."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.core.management import call_command

from backoffice.kit.approvals import ApprovalMissing, ApprovalNotOpen, ApproverIsMaker
from backoffice.kit.outbox import relay
from payouts.compliance.admin import asked_of_a_second_person
from payouts.compliance.models import RiskRating
from payouts.compliance.operations import approve_override, ask_override, rate_sellers, refuse_override
from payouts.compliance.rating import OverrideInvalid
from payouts.compliance.scorecard import FILE, RiskFacts, ScorecardWrong, read, scorecard
from payouts.holds.models import ReservePlan
from payouts.sellers.operations import ReasonMissing
from tests.factories.compliance import AT, REVIEWER, SECOND, SELLER, make_newcomer, row
from tests.factories.sellers import make_seller

MILD = RiskFacts("company", "FR", 0, "vouched", 400, 0, 0)


def rating_of(seller):
    return RiskRating.objects.get(seller=seller, is_current=True)


@pytest.mark.parametrize(
    ("over", "factor", "points"),
    [
        ({}, "country", 0), ({"country": "KP"}, "country", 100), ({"country": "BR"}, "country", 5), ({"entity_type": "individual"}, "entity", 10),
        ({"layers": 9}, "entity", 24), ({"volume": 99_999}, "product", 5), ({"volume": 1_000_000}, "product", 15), ({"channel": "api"}, "channel", 10),
        ({"age_days": 10}, "behaviour", 15), ({"refunds_basis_points": 3_000, "age_days": 10}, "behaviour", 55),
    ],
)  # fmt: skip
def test_each_factor_counts_what_the_scorecard_says(over, factor, points):
    facts = RiskFacts(**{name: getattr(MILD, name) for name in MILD.__slots__} | over)
    assert scorecard().points(facts)[factor] == points


@pytest.mark.parametrize(
    ("old", "new"),
    [("company = 0", ""), ("from = 30", "from = 70"), ("KP = 100", "QQ = 100"), ("steps = [[0, 0]", "steps = [[5, 0]"), ("api = 10", "api = 1.5"),
     ("review_months = 36", "review_months = 0"), ('version = "2026-11-21"', "")],
)  # fmt: skip
def test_a_scorecard_that_is_wrong_is_refused(tmp_path, old, new):
    path = tmp_path / "card.toml"
    path.write_text(FILE.read_text().replace(old, new, 1))
    with pytest.raises(ScorecardWrong):
        read(path)


@pytest.mark.django_db
def test_a_risky_seller_waits_longer_keeps_a_reserve_and_is_reviewed_sooner():
    mild, risky = make_seller(), make_newcomer(country="KP", entity_type="individual")
    rate_sellers(actor=SELLER, at=AT)
    while relay(at=AT):
        pass

    risky.refresh_from_db()
    found = rating_of(risky)
    assert found.level == "high" and risky.tier.code == "new" and found.points["country"] == 100
    assert ReservePlan.objects.get(seller=risky).basis_points == 1_000
    assert found.next_review_on == AT.date() + timedelta(days=360)
    assert rating_of(mild).level == "low" and not ReservePlan.objects.filter(seller=mild).exists()

    before = RiskRating.objects.count()
    assert rate_sellers(actor=SELLER, at=AT)["reviews"] == 0
    assert RiskRating.objects.count() == before, "the same facts make no new rating"
    assert rate_sellers(actor=SELLER, at=AT + timedelta(days=361))["reviews"] == 1
    assert row(risky, "periodic_review").state == "pending_verification"


@pytest.mark.django_db
def test_two_people_overrule_the_scorecard_until_a_day():
    seller = make_seller(tier="trusted")
    rate_sellers(actor=SELLER, at=AT)
    until = AT.date() + timedelta(days=30)
    with pytest.raises(OverrideInvalid):
        ask_override(seller_id=seller.pk, level="high", until=AT.date(), actor=REVIEWER, at=AT, reason="a tip")
    ask_override(seller_id=seller.pk, level="high", until=until, actor=REVIEWER, at=AT, reason="a tip")
    with pytest.raises(ApproverIsMaker):
        approve_override(seller_id=seller.pk, actor=REVIEWER, at=AT)
    approve_override(seller_id=seller.pk, actor=SECOND, at=AT)

    seller.refresh_from_db()
    assert rating_of(seller).level == "high" and seller.tier.code == "new"
    rate_sellers(actor=SELLER, at=AT + timedelta(days=29))
    assert rating_of(seller).level == "high"
    rate_sellers(actor=SELLER, at=AT + timedelta(days=30))
    seller.refresh_from_db()
    assert rating_of(seller).level == "low" and seller.tier.code == "new", "a milder tier is a person's decision"


@pytest.mark.django_db
def test_a_second_person_can_say_no_to_a_risk_level_and_it_stays_what_it_was():
    seller = make_seller()
    rate_sellers(actor=SELLER, at=AT)
    asked = {"seller_id": seller.pk, "level": "high", "until": AT.date() + timedelta(days=30), "reason": "a tip"}
    with pytest.raises(ApprovalMissing):
        refuse_override(seller_id=seller.pk, actor=SECOND, at=AT, reason="no tip known")
    ask_override(**asked, actor=REVIEWER, at=AT)
    with pytest.raises(ReasonMissing):
        refuse_override(seller_id=seller.pk, actor=SECOND, at=AT, reason=" ")
    assert [one.subject for one in asked_of_a_second_person(AT)] == [seller.public_id]

    refuse_override(seller_id=seller.pk, actor=SECOND, at=AT, reason="no tip known")

    assert rating_of(seller).level == "low" and not asked_of_a_second_person(AT).exists()
    with pytest.raises(ApprovalNotOpen):
        approve_override(seller_id=seller.pk, actor=SECOND, at=AT)
    ask_override(**asked, actor=REVIEWER, at=AT)
    approve_override(seller_id=seller.pk, actor=SECOND, at=AT)
    assert rating_of(seller).level == "high"


@pytest.mark.django_db
def test_a_new_scorecard_is_tried_on_everybody_before_it_is_taken(tmp_path):
    make_seller()
    make_newcomer(country="BR", entity_type="individual")
    rate_sellers(actor=SELLER, at=AT)
    before = list(RiskRating.objects.values())
    stricter = tmp_path / "stricter.toml"
    stricter.write_text(FILE.read_text().replace("from = 30", "from = 20"))

    out = io.StringIO()
    call_command("rate_sellers", "--dry-run", "--scorecard", str(stricter), as_json=True, at=AT.isoformat(), stdout=out)
    said = json.loads(out.getvalue())

    assert said["sellers"] == 2 and said["levels"] == {"medium": 2} and said["moves"] == {"low to medium": 1}
    assert list(RiskRating.objects.values()) == before
