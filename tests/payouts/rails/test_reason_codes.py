"""Reason codes: what each one does, and that each one exists."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from payouts.rails.reason_codes import REASON_RULES, UNKNOWN, Action, rule_for

CODE_LISTS = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "sepa" / "external_codes_2Q2026_v3.json"


@pytest.mark.parametrize(
    ("codes", "permanent", "payee_state", "action"),
    [
        ("AC01 AC03", True, "invalid", Action.REVERSE),
        ("AC04", True, "closed", Action.REVERSE),
        ("AC06", True, "blocked", Action.COMPLIANCE_CASE),
        ("AG01 AG02", True, "ineligible", Action.REVERSE),
        ("AM05 DUPL", True, None, Action.INCIDENT),
        ("AM04", False, None, Action.HOLD_RUN),
        ("BE04 RR02 RR03", False, "needs_data", Action.FIX_DATA),
        ("RR01 RR04", True, None, Action.COMPLIANCE_CASE),
        ("RC01 CNOR", True, "needs_data", Action.FIX_DATA),
        ("MD07", True, "blocked", Action.FREEZE_SELLER),
        ("MS02 MS03", False, None, Action.RETRY_ONCE_MANUALLY),
        ("FF01 ED05", False, None, Action.ENGINEERING),
    ],
)
def test_each_code_has_the_consequence_of_the_scheme(codes, permanent, payee_state, action):
    for code in codes.split():
        rule = rule_for(code)
        assert (rule.code, rule.permanent, rule.payee_state, rule.action) == (code, permanent, payee_state, action)


@pytest.mark.parametrize("code", [None, "", "ZZ99", "X9", "DK905", "NARR"])
def test_an_unknown_reason_is_given_to_a_person_and_never_retried(code):
    rule = rule_for(code)

    assert rule is UNKNOWN
    assert rule.action is Action.ASK
    assert rule.permanent
    assert rule.payee_state is None


def test_a_code_is_found_however_the_bank_writes_it():
    assert rule_for(" ac04 ") is REASON_RULES["AC04"]


def test_every_rule_speaks_to_seller_and_operator():
    for rule in [*REASON_RULES.values(), UNKNOWN]:
        assert rule.seller_text.endswith(".") and rule.operator_text.endswith("."), rule.code
        assert rule.code not in rule.seller_text


@pytest.mark.real_data
@pytest.mark.skipif(not CODE_LISTS.exists(), reason="../shared/data/sepa is not here")
def test_every_code_stands_in_the_iso_external_code_lists():
    lists = json.loads(CODE_LISTS.read_text())["definitions"]
    wanted = [name for name in lists if "Reason" in name]
    known = {code for name in wanted for code in lists[name].get("enum", [])}

    assert not set(REASON_RULES) - known
