"""Cases: one a subject, urgent things first, in one person's hands at a time; joined, parted, decided by two above a limit, and closed with a label."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from PIL import Image

from backoffice.kit.approvals import ApproverIsMaker
from backoffice.kit.errors import Refusal
from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import Event
from backoffice.staff.models import AuditEntry
from fraud.cases import operations as cases
from fraud.cases.closing import LabelMissing
from fraud.cases.deciding import AmountMovedOn, DecisionWaits, SellerTextMissing
from fraud.cases.effects import CaseHasNoSeller, TargetInvalid
from fraud.cases.joining import CaseHasWaitingDecision
from fraud.cases.models import Alert, Case, CaseDecision, CaseJoin
from fraud.cases.noting import PaperKnown
from fraud.cases.queries import linked_subjects, rule_figures
from fraud.cases.working import CaseIsEscalated, CaseIsTaken, CaseNotYours, NothingToTake, PriorityOnlyRises
from fraud.decisions.allowing import AllowingRefused
from fraud.decisions.models import DecisionReview
from fraud.decisions.operations import allow_reviewed
from fraud.features.models import FraudLabel
from fraud.policies.models import FraudPolicy
from fraud.policies.operations import (
    FraudPolicyInvalid,
    approve_fraud_policy,
    in_force,
    parse,
    propose_fraud_policy,
)
from payouts.holds.operations import place_hold
from payouts.ledger.queries import seller_buckets
from tests.factories.cases import decide, decide_on_sale, deliver, make_alert, make_case, person
from tests.factories.fraud import AT, make_live
from tests.factories.runs import give_money
from tests.factories.sellers import make_iban, make_payee, make_seller

pytestmark = pytest.mark.django_db
LATER = AT + timedelta(hours=1)
RESERVE = {"basis_points": 1_000, "days": 30, "review_on": (AT + timedelta(days=30)).date().isoformat()}


def png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (20, 20), "white").save(stream, "PNG")
    return stream.getvalue()


def sound() -> None:
    assert [one for one in check_books({15, 16}) if not one.ok] == []


def test_later_alerts_about_a_subject_lie_in_its_open_case_and_make_it_more_urgent() -> None:
    seller = make_seller()
    first = make_alert(seller, about="pay_1", amount_minor=20_000)
    case = first.case
    assert (case.priority, case.due_at) == (2, AT + timedelta(hours=48))
    again = make_alert(seller, reference=first.reference)
    assert again.pk == first.pk, "the same alert twice is one"
    make_alert(seller, about="pay_1", amount_minor=25_000, at=LATER)
    make_alert(seller, about="pay_2", amount_minor=1_500_000, at=LATER)
    case.refresh_from_db()
    assert (case.alerts_count, case.at_stake) == (3, {"EUR": 1_525_000}), "each thing counts once, with its largest amount"
    assert (case.priority, case.due_at) == (4, LATER + timedelta(hours=4)), "by its amount it is critical"
    assert Case.objects.count() == 1
    sound()


def test_priority_only_rises_also_for_whoever_writes_past_the_verbs() -> None:
    lead = person("lead")
    case = make_case(priority=3)
    with pytest.raises(PriorityOnlyRises):
        cases.raise_priority(case_id=case.pk, to=2, actor=lead, at=AT, reason="calm down")
    assert cases.raise_priority(case_id=case.pk, to=4, actor=lead, at=AT, reason="press calls").priority == 4
    with pytest.raises(DatabaseError, match="only rises"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE fraud_case SET priority = 1")


def test_the_most_urgent_case_is_taken_next_and_held_until_nobody_touches_it() -> None:
    first, second = person("risk"), person("risk")
    with pytest.raises(NothingToTake):
        cases.claim_next(actor=first, at=AT)
    calm, urgent = make_case(), make_case(priority=4)
    assert cases.claim_next(actor=first, at=AT).pk == urgent.pk
    assert cases.claim_next(actor=second, at=AT).pk == calm.pk
    with pytest.raises(CaseIsTaken):
        cases.claim_case(case_id=urgent.pk, actor=second, at=AT)
    with pytest.raises(CaseNotYours):
        cases.put_back(case_id=urgent.pk, actor=second, at=AT)
    assert cases.look_after(actor=first, at=LATER) == {"woken": 0, "freed": 2}
    assert cases.claim_case(case_id=urgent.pk, actor=second, at=LATER).owner == str(second)


def test_a_case_put_off_comes_back_by_itself_or_when_it_becomes_urgent() -> None:
    analyst, seller = person("risk"), make_seller()
    case = make_case(analyst, seller)
    cases.snooze_case(case_id=case.pk, until=AT + timedelta(days=2), actor=analyst, at=AT, reason="awaiting papers")
    make_alert(seller, at=LATER)
    case.refresh_from_db()
    assert case.state == "snoozed", "more of the same does not wake it"
    make_alert(seller, priority=3, at=LATER)
    case.refresh_from_db()
    assert (case.state, case.priority) == ("open", 3)
    cases.claim_case(case_id=case.pk, actor=analyst, at=LATER)
    cases.snooze_case(case_id=case.pk, until=AT + timedelta(days=2), actor=analyst, at=LATER, reason="awaiting papers")
    assert cases.look_after(actor=analyst, at=AT + timedelta(days=2))["woken"] == 1


def test_an_escalated_case_is_for_those_who_approve() -> None:
    analyst, lead = person("risk"), person("lead")
    case = make_case(analyst)
    cases.escalate_case(case_id=case.pk, actor=analyst, at=AT, reason="larger than it looks")
    with pytest.raises(CaseIsEscalated):
        cases.claim_case(case_id=case.pk, actor=analyst, at=AT)
    with pytest.raises(NothingToTake):
        cases.claim_next(actor=analyst, at=AT)
    assert cases.claim_next(actor=lead, at=AT).pk == case.pk
    with pytest.raises(Refusal, match="may not work"):
        cases.assign_case(case_id=case.pk, to=analyst, actor=lead, at=AT, reason="yours")


def test_cases_are_merged_and_split_with_their_history() -> None:
    analyst, one, two = person("risk"), make_seller(), make_seller()
    kept, given = make_case(analyst, one), make_case(analyst, two, priority=3)
    extra = make_alert(two, currency="USD", amount_minor=700)
    into = cases.merge_cases(case_id=given.pk, into_id=kept.pk, actor=analyst, at=AT, reason="one person behind both")
    given.refresh_from_db()
    assert (given.state, given.merged_into_id, given.alerts_count) == ("merged", kept.pk, 0)
    assert (into.alerts_count, into.priority, into.at_stake) == (3, 3, {"EUR": 40_000, "USD": 700})
    other = cases.split_case(
        case_id=kept.pk, alert_ids=[extra.pk], subject=two.public_id, actor=analyst, at=AT, reason="that one is another's"
    )
    assert other.pk not in (kept.pk, given.pk) and other.seller == two and other.alerts_count == 1
    assert list(CaseJoin.objects.order_by("pk").values_list("kind", flat=True)) == ["merge", "split"]
    sound()


def test_notes_and_papers_are_sealed_and_opening_a_paper_is_written_down() -> None:
    analyst = person("risk")
    case = make_case(analyst)
    note = cases.write_note(case_id=case.pk, text="Zacharias called back.", actor=analyst, at=AT)
    paper = cases.attach_paper(case_id=case.pk, data=png(), what="A parcel slip", actor=analyst, at=AT)
    with connection.cursor() as cursor:
        cursor.execute("SELECT text FROM fraud_casenote UNION ALL SELECT encode(sealed, 'escape') FROM fraud_casefile")
        stored = " ".join(text for (text,) in cursor.fetchall())
    assert "Zacharias" not in stored and "PNG" not in stored
    note.refresh_from_db()
    assert note.text == "Zacharias called back."
    assert cases.open_paper(paper_id=paper.pk, actor=analyst, at=AT)[1] == png()
    assert AuditEntry.objects.filter(action="case.open_paper", subject=case.public_id).count() == 1
    with pytest.raises(PaperKnown):
        cases.attach_paper(case_id=case.pk, data=png(), what="again", actor=analyst, at=AT)


def test_money_is_held_reserved_and_paused_by_one_person_in_the_sellers_words() -> None:
    analyst, seller = person("risk"), make_seller()
    give_money(seller, 90_000, at=AT)
    case = make_case(analyst, seller)
    with pytest.raises(SellerTextMissing):
        decide(case, "hold", analyst, amount_minor=60_000, currency="EUR")
    held = decide(case, "hold", analyst, amount_minor=60_000, currency="EUR", seller_text="We keep this while we look.")
    assert held.state == "done" and held.made.startswith("hld_")
    assert seller_buckets([seller.pk])[(seller.pk, "EUR")]["reserved"] == 60_000
    plan = decide(case, "reserve", analyst, seller_text="A tenth for 30 days.", terms=RESERVE)
    pause = decide(case, "pause", analyst, seller_text="Payouts stand still.")
    assert plan.made.startswith("rrs_") and pause.made.startswith("hld_")
    told = Event.objects.filter(type="case.decided").order_by("pk").first()
    assert told.payload["text"] == "We keep this while we look." and told.payload["seller"] == seller.public_id
    with pytest.raises(TargetInvalid):
        decide(case, "reserve", analyst, seller_text="x", terms=RESERVE | {"basis_points": 0})
    with pytest.raises(TargetInvalid, match="on which day"):
        decide(case, "reserve", analyst, seller_text="x", terms={"basis_points": 100, "days": 30})
    with pytest.raises(CaseHasNoSeller):
        decide(make_case(analyst, subject="p1:buyer-7"), "pause", analyst, seller_text="x")
    sound()


def test_a_release_above_the_limit_takes_a_second_person_about_exactly_what_was_asked() -> None:
    analyst, lead, seller = person("risk"), person("lead"), make_seller()
    give_money(seller, 200_000, at=AT)
    case = make_case(analyst, seller)
    small, large = (
        place_hold(
            seller_id=seller.pk, currency="EUR", amount_minor=amount, code="x", reason="x", seller_text="x", owner="risk", actor=analyst, key=f"h{amount}", at=AT
        )
        for amount in (50_000, 50_001)
    )  # fmt: skip
    assert decide(case, "release", analyst, target=small.public_id).state == "done"
    asked = decide(case, "release", analyst, target=large.public_id)
    assert (asked.state, asked.amount_minor) == ("waiting", 50_001)
    with pytest.raises(DecisionWaits):
        decide(case, "release", analyst, target=large.public_id)
    with pytest.raises(CaseHasWaitingDecision):
        cases.close_case(case_id=case.pk, label="fraud", reason="r", actor=analyst, at=AT)
    with pytest.raises(ApproverIsMaker):
        cases.approve_case_decision(decision_id=asked.pk, actor=analyst, at=AT)
    with pytest.raises(DatabaseError, match="two people"), transaction.atomic():
        CaseDecision.objects.filter(pk=asked.pk).update(state="done", approved_by=str(lead))
    cases.approve_case_decision(decision_id=asked.pk, actor=lead, at=AT)
    large.refresh_from_db()
    assert large.state == "released" and seller_buckets([seller.pk])[(seller.pk, "EUR")]["reserved"] == 0
    sound()


def test_an_approval_dies_when_the_amount_behind_it_moves_on() -> None:
    make_live("payee.changes_30d >= 1", point="payee_change", code="account_changed", effect="hold")
    analyst, lead, seller = person("risk"), person("lead"), make_seller()
    give_money(seller, 80_000, at=AT)
    account = make_payee(seller, number=make_iban(), at=AT)
    deliver(AT)
    case = cases.claim_case(case_id=Case.objects.get(subject=seller.public_id).pk, actor=analyst, at=AT)
    asked = decide(case, "release", analyst, target=account.public_id)
    assert (asked.state, asked.amount_minor) == ("waiting", 80_000), "what could leave to the account counts"
    with pytest.raises(AllowingRefused, match=r"800\.00 EUR takes two"):
        allow_reviewed(review_id=DecisionReview.objects.get(subject=account.public_id).pk, reason="fine", actor=analyst, at=AT)
    give_money(seller, 10_000, at=AT)
    with pytest.raises(AmountMovedOn):
        cases.approve_case_decision(decision_id=asked.pk, actor=lead, at=AT)
    cases.refuse_case_decision(decision_id=asked.pk, actor=lead, at=AT, reason="more came in")
    anew = decide(case, "release", analyst, target=account.public_id)
    cases.approve_case_decision(decision_id=anew.pk, actor=lead, at=AT)
    account.refresh_from_db()
    assert account.status == "active"
    sound()


def test_a_case_is_closed_with_a_label_that_teaches_the_rule_that_fired() -> None:
    version = make_live("event.amount_minor > 1000", point="sale", code="large")
    analyst, seller = person("risk"), make_seller()
    decision = decide_on_sale(seller, amount_minor=9_000)
    decision_two = decide_on_sale(seller, amount_minor=4_000)
    deliver(AT)
    case = cases.claim_case(case_id=Case.objects.get().pk, actor=analyst, at=AT)
    assert (case.alerts_count, case.priority) == (2, 3)
    with pytest.raises(LabelMissing, match="false alarm"):
        cases.close_case(case_id=case.pk, label="", reason="done", actor=analyst, at=AT)
    cases.close_case(case_id=case.pk, label="fraud", reason="stolen cards", actor=analyst, at=AT)
    assert {review.state for review in DecisionReview.objects.all()} == {"upheld"}
    assert FraudLabel.objects.filter(source="analyst", is_fraud=True, event__in=[decision.event, decision_two.event]).count() == 2
    found = rule_figures(version.pk, since=AT - timedelta(days=1))
    assert (found["alerts"], found["precision"], found["prevented"]) == (2, 1.0, {"EUR": 13_000})
    sound()
    late = make_alert(seller, at=LATER)
    assert late.case_id != case.pk and not late.is_repeat, "a new case; what was fraud is no repeated false alarm"


def test_repeated_alerts_after_a_false_alarm_are_counted() -> None:
    analyst, seller = person("risk"), make_seller()
    case = make_case(analyst, seller)
    cases.close_case(case_id=case.pk, label="false_alarm", reason="a birthday sale", actor=analyst, at=AT)
    assert make_alert(seller, at=LATER).is_repeat
    assert Alert.objects.filter(is_repeat=True).count() == 1


def test_linked_sellers_are_those_who_share_an_account_or_a_device() -> None:
    number = make_iban()
    one, two, three = make_seller(), make_seller(), make_seller()
    for seller in (one, two):
        make_payee(seller, number=number)
    for seller in (one, three):
        decide_on_sale(seller, device="d-1")
    case = make_case(seller=one)
    make_case(seller=three)
    found = {link.seller.pk: (link.what, link.has_case) for link in linked_subjects(case, AT)}
    assert found[three.pk] == ("device", True)
    assert two.pk in found and not found[two.pk][1]


def test_figures_are_changed_by_two_people_and_a_wrong_one_is_named_with_its_place() -> None:
    analyst, lead = person("risk"), person("lead")
    content = in_force("cases").content
    with pytest.raises(FraudPolicyInvalid, match=r"hours\.high"):
        propose_fraud_policy(
            kind="cases", content=content | {"hours": content["hours"] | {"high": "soon"}}, reason="r", actor=analyst, at=AT
        )
    with pytest.raises(FraudPolicyInvalid, match=r"alone_minor\.XQQ"):
        propose_fraud_policy(kind="cases", content=content | {"alone_minor": {"XQQ": 1}}, reason="r", actor=analyst, at=AT)
    with pytest.raises(FraudPolicyInvalid, match="line 1"):
        parse("{")
    asked = propose_fraud_policy(
        kind="cases", content=content | {"alone_minor": {"EUR": 0}}, reason="a bad month", actor=analyst, at=AT
    )
    with pytest.raises(ApproverIsMaker):
        approve_fraud_policy(policy_id=asked.pk, actor=analyst, at=AT)
    approve_fraud_policy(policy_id=asked.pk, actor=lead, at=AT)
    assert in_force("cases").number == 2 and FraudPolicy.objects.get(kind="cases", number=1).state == "replaced"
    sound()
