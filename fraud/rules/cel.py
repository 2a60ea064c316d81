"""The one module that knows the expression runtime: Google's CEL, with declared and typed variables.

The runtime answers errors as values, and those are truthy: the type of an answer is looked at before anything else, and what is no boolean is
unknown. What an expression may be is bounded before the runtime sees it: its size, its depth, its number of conditions, no loops.
"""

from __future__ import annotations

import difflib
import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cel_expr_python import cel

from backoffice.kit.errors import InputError
from fraud.features.catalogue import Feature, features
from fraud.rules.grammar import GrammarError, names_in, split_conditions, tokens

SIZE_MAX, DEPTH_MAX, CONDITIONS_MAX, TOKENS_MAX = 2_000, 16, 24, 400
HIT, CLEAN, UNKNOWN = "hit", "clean", "unknown"
_TYPES = {"int": cel.Type.INT, "double": cel.Type.DOUBLE, "string": cel.Type.STRING, "bool": cel.Type.BOOL}
_INT64 = 1 << 63
# Loops, reflection and what escapes the types. Rules are conditions over facts; a loop is a budget nobody can see.
_REFUSED = frozenset(
    "all exists exists_one existsOne map filter dyn type has cel bind optional timestamp duration bytes uint transformList transformMap".split()
)


class ExpressionInvalid(InputError):
    """`place` is the character, counted from 1; `remedy` what to do."""

    code = "expression_invalid"
    sentence = "Character {place}: {problem} {remedy}"


@dataclass(frozen=True)
class Condition:
    """One operand of the expression's outermost && or ||."""

    text: str
    program: Any


@dataclass(frozen=True)
class Compiled:
    """A checked expression: its program, its conditions for the trace and what joins them (&&, || or nothing), and the features it names."""

    expression: str
    program: Any
    conditions: tuple[Condition, ...]
    joined: str
    names: frozenset[str]


@functools.cache
def _environment() -> Any:
    return cel.NewEnv(variables={one.name: _TYPES[one.type] for one in features().values()})


@functools.lru_cache(maxsize=2_000)
def compile_expression(expression: str) -> Compiled:
    """Check an expression and return it ready to be asked. Refuses: ExpressionInvalid, with place and remedy."""
    _check_size(expression)
    try:
        names = names_in(expression)
        joined, parts = split_conditions(expression)
    except GrammarError as problem:
        raise ExpressionInvalid(place=problem.place + 1, problem=problem.sentence, remedy=problem.remedy) from None
    _check_names(names)
    if len(parts) > CONDITIONS_MAX:
        raise _problem(0, f"There are {len(parts)} conditions; {CONDITIONS_MAX} are the most.", "Make two rules of it.")
    program = _program(expression)
    if program.return_type() != cel.Type.BOOL:
        found = program.return_type().name().lower()
        raise _problem(0, f"The expression gives {found}, not true or false.", "Compare it with something, such as > 100.")
    # of one condition, the trace is the answer itself
    conditions = (
        tuple(Condition(part, _program(part)) for part in parts) if len(parts) > 1 else (Condition(expression.strip(), program),)
    )
    return Compiled(expression, program, conditions, joined, frozenset(name for name, _ in names))


def _problem(place: int, problem: str, remedy: str) -> ExpressionInvalid:
    return ExpressionInvalid(place=place + 1, problem=problem, remedy=remedy)


def _check_size(expression: str) -> None:
    if not expression.strip():
        raise _problem(0, "There is no expression.", "Write a condition such as event.amount_minor > 50000.")
    if len(expression) > SIZE_MAX:
        raise _problem(SIZE_MAX, f"It has {len(expression)} characters; {SIZE_MAX} are the most.", "Make two rules of it.")
    try:
        found = tokens(expression)
    except GrammarError as problem:
        raise ExpressionInvalid(place=problem.place + 1, problem=problem.sentence, remedy=problem.remedy) from None
    if len(found) > TOKENS_MAX:
        raise _problem(found[TOKENS_MAX].start, f"It has {len(found)} parts; {TOKENS_MAX} are the most.", "Make two rules of it.")
    depth = 0
    for one in found:
        depth += (one.text in "([{") - (one.text in ")]}") if one.kind == "mark" else 0
        if depth > DEPTH_MAX:
            raise _problem(one.start, f"Brackets are nested deeper than {DEPTH_MAX}.", "Write it flatter.")


def _check_names(names: list[tuple[str, int]]) -> None:
    known = features()
    for name, place in names:
        last = name.rpartition(".")[2]
        if last in _REFUSED and name not in known:
            raise _problem(place, f"“{last}” is not allowed in rules.", "Write the conditions out with &&, ||, == and in.")
        if name not in known:
            raise _problem(place, f"There is no feature “{name}”.", _nearest(name, known))


def _nearest(name: str, known: Mapping[str, Feature]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not close:
        close = [one for one in known if one.rpartition(".")[2] == name.rpartition(".")[2]][:1]
    return f"Did you mean “{close[0]}”?" if close else "The catalogue page lists what there is."


_ANSWER = re.compile(r"<input>:1:(\d+): (.*)")
_OVERLOAD = re.compile(r"found no matching overload for '_?([^'_]+)_?' applied to '\(([^)]*)\)'")


def _program(expression: str) -> Any:
    # one line: the runtime then counts characters as we do
    flat = re.sub(r"[\r\n\t]", " ", expression)
    try:
        return _environment().compile(flat)
    except RuntimeError as error:
        said = _ANSWER.search(str(error))
        place = int(said.group(1)) - 1 if said else 0
        raise _problem(place, *_in_words(said.group(2) if said else str(error))) from None


def _in_words(said: str) -> tuple[str, str]:
    overload = _OVERLOAD.search(said)
    if overload is None:
        return f"It cannot be read: {said.split('|')[0].strip()[:200]}.", "Mend it here."
    operator, types = overload.group(1), overload.group(2)
    remedy = "Compare like with like."
    if "int" in types and "double" in types:
        remedy = "Whole numbers and shares do not mix: write double(…) around the whole number, and 2.0 for 2."
    elif "string" in types:
        remedy = "Text stands in quotes and is compared with text, by == or in."
    return f"“{operator}” does not take ({types}).", remedy


def activation(values: Mapping[str, Any]) -> Any:
    """Return the facts of one decision as the runtime takes them; what is missing, not a number or out of range is left out, and so unknown."""
    return _environment().Activation({name: value for name, value in values.items() if _usable(name, value)})


def _usable(name: str, value: Any) -> bool:
    feature = features().get(name)
    if feature is None or value is None:
        return False
    match feature.type:
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool) and -_INT64 <= value < _INT64
        case "double":
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case _:
            return isinstance(value, str)


def ask(program: Any, facts: Any) -> tuple[str, str]:
    """Return (hit, clean or unknown, why unknown). Nothing but a true boolean is a hit, nothing but a false one is clean."""
    try:
        answer = program.eval(facts)
    except Exception as error:  # noqa: BLE001 - whatever the runtime raises is an answer we do not have
        return UNKNOWN, f"{type(error).__name__}"
    if answer.type() != cel.Type.BOOL:
        return UNKNOWN, _why(str(answer.plain_value()))
    said = answer.plain_value()
    if said is True:
        return HIT, ""
    return (CLEAN, "") if said is False else (UNKNOWN, "neither true nor false")


def _why(said: str) -> str:
    missing = re.search(r'No value with name "([^"]+)"', said)
    return f"{missing.group(1)} is missing" if missing else said.rpartition(": ")[2][:120]


def evaluate(
    compiled: Compiled, facts: Any, answers: dict[str, tuple[str, str]] | None = None
) -> tuple[str, str, list[tuple[str, str]]]:
    """Return (answer, why unknown, trace): the trace has each condition with its own answer.

    `answers` remembers what was asked of the same facts: rules share conditions. The whole follows from its conditions as the runtime would
    have it, where one false decides an && and one true an ||, whatever the others are; only for the words of an unknown it is asked itself.
    """
    answers = {} if answers is None else answers
    trace = []
    for one in compiled.conditions:
        answer = answers.get(one.text)
        if answer is None:
            answer = answers[one.text] = ask(one.program, facts)
        trace.append((one.text, answer[0]))
    if len(trace) == 1:
        return *answers[trace[0][0]], trace
    said = {answer for _, answer in trace}
    decisive, other = (HIT, CLEAN) if compiled.joined == "||" else (CLEAN, HIT)
    if decisive in said:
        return decisive, "", trace
    return (*ask(compiled.program, facts), trace) if UNKNOWN in said else (other, "", trace)
