"""The life of a rule: draft, shadow, approved by another, live, and back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from backoffice.kit.approvals import ApproverIsBarred, ApproverIsMaker
from backoffice.kit.states import MoveNotAllowed
from fraud.decisions.invariants import live_rules_have_two_people, the_set_is_what_is_live
from fraud.rules.models import RuleSet, RuleVersion
from fraud.rules.operations import (
    HitsTooMuch,
    NoPrevious,
    RuleInvalid,
    RuleNotDraft,
    ShadowTooShort,
    approve_rule,
    ask_for_approval,
    change_draft,
    go_live,
    refuse_rule,
    retire_rule,
    return_to_previous,
)
from tests.factories.fraud import AT, CHECKER, MAKER, ask, make_draft, make_live, make_shadow, wording

pytestmark = pytest.mark.django_db


def test_a_rule_goes_live_only_after_its_shadow_and_by_another_person():
    version = make_shadow(effect="hold")
    early = AT - timedelta(days=2) + timedelta(hours=23)
    with pytest.raises(ShadowTooShort):
        ask_for_approval(version_id=version.pk, tried={}, actor=MAKER, at=early)
    with pytest.raises(MoveNotAllowed):
        go_live(version_id=version.pk, actor=CHECKER, at=AT)
    ask_for_approval(version_id=version.pk, tried={"asked": 100, "hits": 3}, actor=CHECKER, at=AT)
    with pytest.raises(ApproverIsMaker):
        approve_rule(version_id=version.pk, actor=MAKER, at=AT)
    with pytest.raises(ApproverIsBarred):
        approve_rule(version_id=version.pk, actor=CHECKER, at=AT)
    refuse_rule(version_id=version.pk, actor=CHECKER, at=AT, reason="look again")
    ask_for_approval(version_id=version.pk, tried={}, actor=MAKER, at=AT)
    approve_rule(version_id=version.pk, actor=CHECKER, at=AT)
    assert ask(amount_minor=200_000).outcome == "allow"
    go_live(version_id=version.pk, actor=CHECKER, at=AT)
    assert ask(amount_minor=200_000).outcome == "hold"


def test_a_rule_that_hit_more_than_it_promised_is_not_put_to_approval():
    version = make_shadow(expected_basis_points=100)
    with pytest.raises(HitsTooMuch):
        ask_for_approval(version_id=version.pk, tried={"asked": 100, "hits": 2}, actor=MAKER, at=AT)


def test_what_a_version_says_is_fixed_once_it_left_the_draft():
    version = make_draft()
    change_draft(version_id=version.pk, wording=wording("event.amount_minor > 5"), actor=MAKER, at=AT)
    shadow = make_shadow()
    with pytest.raises(RuleNotDraft):
        change_draft(version_id=shadow.pk, wording=wording(), actor=MAKER, at=AT)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE fraud_ruleversion SET expression = 'true' WHERE id = %s", [shadow.pk])
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE fraud_ruleversion SET state = 'live', approved_by = 'staff:902' WHERE id = %s", [shadow.pk])


def test_one_returns_to_the_previous_version_at_once():
    first = make_live("event.amount_minor > 1000", name="amounts")
    with pytest.raises(NoPrevious):
        return_to_previous(version_id=first.pk, actor=MAKER, at=AT, reason="r")
    second = make_live("event.amount_minor > 0", name="amounts", effect="block")
    assert ask().outcome == "block" and RuleVersion.objects.get(pk=first.pk).state == "replaced"
    return_to_previous(version_id=second.pk, actor=MAKER, at=AT, reason="too much")
    assert ask().outcome == "hold" and RuleVersion.objects.get(pk=second.pk).state == "retired"
    assert the_set_is_what_is_live() == [] and live_rules_have_two_people() == []
    retire_rule(version_id=first.pk, actor=MAKER, at=AT, reason="over")
    assert ask().outcome == "allow" and RuleSet.objects.order_by("-pk").first().members == []


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"score": 2000}, "score lies"),
        ({"effect": "score"}, "score above 0"),
        ({"code": "X"}, "reason code"),
        ({"seller_text": " "}, "the seller reads"),
        ({"expected_basis_points": 0}, "expected share"),
        ({"shadow_hours": 1}, "The shadow lasts"),
    ],
)
def test_what_cannot_be_a_rule_is_refused_in_words(over, words):
    with pytest.raises(RuleInvalid, match=words):
        make_draft(**over)
    with pytest.raises(RuleInvalid, match="name"):
        make_draft(name="A b")


def test_truths_find_what_was_planted():
    version = make_live()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE fraud_ruleversion DISABLE TRIGGER USER")
        cursor.execute("UPDATE fraud_ruleversion SET approved_by = 'staff:7', content_hash = 'x' WHERE id = %s", [version.pk])
        assert len(live_rules_have_two_people()) == 1
        cursor.execute("UPDATE fraud_ruleversion SET state = 'shadow' WHERE id = %s", [version.pk])
    assert len(the_set_is_what_is_live()) == 1
