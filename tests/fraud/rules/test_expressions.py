"""Expressions: what is refused when saved, three truth values, and columns against the runtime."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud.rules.cel import ExpressionInvalid, activation, ask, compile_expression, evaluate
from fraud.rules.columns import column, evaluate_all
from fraud.rules.grammar import split_conditions

SAID = {
    "event.amount_minr > 5": ("Character 1:", "“event.amount_minor”"),
    "amount_minor > 5 && buyer.count_25h > 3": ("Character 21:", "“buyer.count_2"),
    "amount_minor > 5.0": ("Character 14:", "double("),
    "amount_minor": ("not true or false", "Compare it"),
    "amount_minor > 'a'": ("(int, string)", "quotes"),
    "amount_minor > ": ("cannot be read", ""),
    "amount_minor > 5 # 2": ("Character 18:", "begins nothing"),
    "[1, 2].exists(x, x > amount_minor)": ("not allowed in rules", "Write the conditions out"),
    "dyn(amount_minor) == 'a'": ("“dyn” is not allowed", ""),
    "('" + "a" * 2000 + "' == currency)": ("2000 are the most", "two rules"),
    "(" * 20 + "true" + ")" * 20: ("nested deeper than 16", "flatter"),
    "amount_minor.__class__ == 1": ("Character 1:", ""),
    "": ("There is no expression", ""),
    "true" + " && true" * 30: ("24 are the most", "two rules"),
}


@pytest.mark.parametrize("expression", SAID, ids=lambda text: text[:30])
def test_what_cannot_be_a_rule_is_refused_with_place_and_remedy(expression):
    with pytest.raises(ExpressionInvalid) as refused:
        compile_expression(expression)
    for part in SAID[expression]:
        assert part in str(refused.value)


def test_an_error_or_a_missing_value_is_unknown_never_a_hit_never_clean():
    broken = compile_expression("amount_minor / (buyer.count_1h - 1) > 0")
    assert ask(broken.program, activation({"amount_minor": 5, "buyer.count_1h": 1}))[0] == "unknown"
    assert ask(broken.program, activation({"amount_minor": 5})) == ("unknown", "buyer.count_1h is missing")
    for wrong in ({"amount_minor": "x"}, {"amount_minor": 1 << 70}, {"amount_minor": True}, {"amount_minor": None}):
        assert ask(compile_expression("amount_minor != 3").program, activation(wrong))[0] == "unknown"
    rate = compile_expression("!(buyer.fraud_rate_7d > 0.5)")
    assert ask(rate.program, activation({"buyer.fraud_rate_7d": float("nan")}))[0] == "unknown"


def test_each_outermost_condition_has_its_own_answer():
    compiled = compile_expression("(amount_minor > 5 && (currency == 'EUR' || currency == 'A && B') && buyer.count_1h > 3)")
    said, _, trace = evaluate(compiled, activation({"amount_minor": 9, "currency": "USD"}))
    assert said == "clean"
    assert [answer for _, answer in trace] == ["hit", "clean", "unknown"]
    assert split_conditions("a && b || c") == ("||", ["a && b", "c"]) and split_conditions("a ? b : c") == ("", ["a ? b : c"])


_INTS, _FLOATS = ("amount_minor", "buyer.count_1h"), ("buyer.fraud_rate_7d",)
_int = st.recursive(
    st.sampled_from([*_INTS, "0", "3", "-7", "4611686018427387903"]),
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*/%"), inner),
    max_leaves=4,
)
_float = st.one_of(st.sampled_from([*_FLOATS, "0.5", "2.0"]), st.builds("double({})".format, _int))
_same = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
_compare = st.one_of(
    st.builds("{} {} {}".format, _int, _same, _int),
    st.builds("{} {} {}".format, _float, _same, _float),
    st.builds("{} {} {}".format, st.just("currency"), st.sampled_from(["==", "!=", "<"]), st.sampled_from(["'EUR'", "'x'"])),
    st.builds("{} in {}".format, st.just("currency"), st.sampled_from(["['EUR', 'USD']", "[]", "['a']"])),
    st.sampled_from(["payee.is_first", "true", "false"]),
)
_bool = st.recursive(
    _compare,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["&&", "||"]), inner),
        st.builds("!({})".format, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
    ),
    max_leaves=5,
)
_values = st.fixed_dictionaries(
    {},
    optional={
        "amount_minor": st.sampled_from([0, 3, -7, 12_000, (1 << 62) - 1, -(1 << 63)]),
        "buyer.count_1h": st.sampled_from([0, 1, 3]),
        "buyer.fraud_rate_7d": st.sampled_from([0.0, 0.5, 1.0, float("nan"), float("inf")]),
        "currency": st.sampled_from(["EUR", "x", ""]),
        "payee.is_first": st.booleans(),
    },
)


@settings(max_examples=150, deadline=None)
@given(_bool, st.lists(_values, min_size=1, max_size=5))
def test_no_expression_crashes_no_error_is_a_hit_and_columns_say_what_the_runtime_says(expression, rows):
    compiled = compile_expression(expression)
    columns = {name: column(name, [row.get(name) for row in rows]) for name in compiled.names}
    hit, unknown = evaluate_all(compiled, columns, len(rows))
    for place, row in enumerate(rows):
        said, why = ask(compiled.program, activation(row))
        assert (said == "hit", said == "unknown") == (bool(hit[place]), bool(unknown[place])), (row, why)
        # put together from its conditions, the answer is the runtime's own to the whole
        answers: dict[str, tuple[str, str]] = {}
        assert evaluate(compiled, activation(row), answers)[:2] == (said, why) == evaluate(compiled, activation(row), answers)[:2]


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="abeit.'\"()[]&|!<>=+-*/%0123456789 _\\\n", max_size=60))
def test_whatever_is_typed_is_read_or_refused_in_words(text):
    try:
        compile_expression(text)
    except ExpressionInvalid as refused:
        assert refused.facts["place"] >= 1
