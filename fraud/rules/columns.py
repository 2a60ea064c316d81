"""A checked part of the expressions, over whole columns at once; the runtime stays the judge of what this part does not cover.

Comparisons, && || !, + - *, in […], double(…) and brackets. Values carry a mask of what is known, as the three truth values ask; a row where
whole numbers might not fit into 64 bits is doubtful, and asked of the runtime. A property test holds both against each other.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fraud.features.catalogue import features
from fraud.rules.cel import HIT, UNKNOWN, Compiled, activation, ask
from fraud.rules.grammar import Token, tokens

Array = Any
_SAFE = float(1 << 62)
_BINDING = {"||": 1, "&&": 2, "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "in": 3, "+": 4, "-": 4, "*": 5}
_COMPARE: dict[str, Callable[[Array, Array], Array]] = {
    "==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip
_COUNT: dict[str, Callable[[Array, Array], Array]] = {"+": np.add, "-": np.subtract, "*": np.multiply}


class NotColumnar(Exception):
    """The expression uses something only the runtime does."""


@dataclass(slots=True)
class Column:
    """Values of one type over all rows, which of them are known, and which only the runtime can tell."""

    type: str
    values: Array
    known: Array
    doubtful: Array


Node = Callable[[Mapping[str, Column], int], Column]


class _Reader:
    """Reads the tokens into functions over columns, by binding strength."""

    def __init__(self, text: str) -> None:
        self.tokens = tokens(text)
        self.place = 0

    def peek(self) -> str:
        return self.tokens[self.place].text if self.place < len(self.tokens) else ""

    def take(self, wanted: str = "") -> Token:
        if self.place >= len(self.tokens) or (wanted and self.peek() != wanted):
            raise NotColumnar(wanted)
        self.place += 1
        return self.tokens[self.place - 1]

    def whole(self) -> Node:
        node = self.expression(0)
        if self.place != len(self.tokens):
            raise NotColumnar(self.peek())
        return node

    def expression(self, binding: int) -> Node:
        left = self.operand()
        while (strength := _BINDING.get(self.peek(), 0)) > binding:
            operator = self.take().text
            left = _among(left, self.literals()) if operator == "in" else _combine(operator, left, self.expression(strength))
        return left

    def operand(self) -> Node:
        one = self.take()
        if one.text == "(":
            node = self.expression(0)
            self.take(")")
            return node
        if one.text == "!":
            return _not(self.operand())
        if one.text == "double":
            self.take("(")
            node = self.expression(0)
            self.take(")")
            return _as_double(node)
        if one.kind == "name" and one.text in features() and self.peek() not in ("(", ".", "["):
            return _feature(one.text)
        return _constant(*self.literal(one))

    def literal(self, one: Token) -> tuple[str, Any]:
        negative = one.text == "-"
        one = self.take() if negative else one
        if one.kind == "number" and not one.text.lower().startswith("0x"):
            value: Any = float(one.text) if any(letter in one.text for letter in ".eE") else int(one.text)
            if isinstance(value, int) and value >= 1 << 62:
                raise NotColumnar(one.text)
            return ("double" if isinstance(value, float) else "int"), (-value if negative else value)
        if negative:
            raise NotColumnar("-")
        if one.kind == "text" and "\\" not in one.text:
            return "string", ast.literal_eval(one.text)
        if one.text in ("true", "false"):
            return "bool", one.text == "true"
        raise NotColumnar(one.text)

    def literals(self) -> list[tuple[str, Any]]:
        self.take("[")
        found = []
        while self.peek() != "]":
            found.append(self.literal(self.take()))
            if self.peek() != "]":
                self.take(",")
        self.take("]")
        return found


def _feature(name: str) -> Node:
    return lambda columns, rows: columns[name]


def _constant(kind: str, value: Any) -> Node:
    def node(columns: Mapping[str, Column], rows: int) -> Column:
        return Column(kind, np.asarray(value, dtype=object) if kind == "string" else np.asarray(value), np.True_, np.False_)

    return node


def _not(inner: Node) -> Node:
    def node(columns: Mapping[str, Column], rows: int) -> Column:
        one = _of_type(inner(columns, rows), "bool")
        return Column("bool", ~one.values, one.known, one.doubtful)

    return node


def _as_double(inner: Node) -> Node:
    def node(columns: Mapping[str, Column], rows: int) -> Column:
        one = inner(columns, rows)
        if one.type not in ("int", "double"):
            raise NotColumnar("double")
        return Column("double", one.values.astype(np.float64), one.known, one.doubtful)

    return node


def _of_type(column: Column, kind: str) -> Column:
    if column.type != kind:
        raise NotColumnar(column.type)
    return column


def _among(inner: Node, wanted: list[tuple[str, Any]]) -> Node:
    def node(columns: Mapping[str, Column], rows: int) -> Column:
        one = inner(columns, rows)
        if any(kind != one.type for kind, _ in wanted):
            raise NotColumnar("in")
        found = np.zeros(np.shape(one.values), dtype=bool)
        for _, value in wanted:
            found = found | (one.values == value)
        return Column("bool", found, one.known, one.doubtful)

    return node


def _combine(operator: str, left: Node, right: Node) -> Node:
    def node(columns: Mapping[str, Column], rows: int) -> Column:
        a, b = left(columns, rows), right(columns, rows)
        if operator in ("&&", "||"):
            return _logic(operator, _of_type(a, "bool"), _of_type(b, "bool"))
        if a.type != b.type:
            raise NotColumnar(operator)
        known, doubtful = a.known & b.known, a.doubtful | b.doubtful
        if operator in _COMPARE:
            if a.type in ("string", "bool") and operator not in ("==", "!="):
                raise NotColumnar(operator)
            return Column("bool", np.asarray(_COMPARE[operator](a.values, b.values), dtype=bool), known, doubtful)
        if a.type not in ("int", "double"):
            raise NotColumnar(operator)
        with np.errstate(all="ignore"):
            values = _COUNT[operator](a.values, b.values)
            if a.type == "int":
                roughly = _COUNT[operator](a.values.astype(np.float64), b.values.astype(np.float64))
                doubtful = doubtful | (np.abs(roughly) >= _SAFE)
        return Column(a.type, values, known, doubtful)

    return node


def _logic(operator: str, a: Column, b: Column) -> Column:
    """One side that decides is enough, whatever the other: false for &&, true for ||."""
    deciding = operator == "||"
    a_decides, b_decides = a.known & (a.values == deciding), b.known & (b.values == deciding)
    values = a.values | b.values if deciding else a.values & b.values
    # where one side decides, the value of the unknown other one must not
    values = np.where(a_decides | b_decides, deciding, values)
    return Column("bool", values, (a.known & b.known) | a_decides | b_decides, a.doubtful | b.doubtful)


def column(name: str, values: list[Any]) -> Column:
    """Return a feature's values as a column; None is missing."""
    kind = features()[name].type
    known = np.fromiter((value is not None for value in values), dtype=bool, count=len(values))
    if kind == "string":
        filled: Array = np.array(["" if value is None else value for value in values], dtype=object)
    else:
        dtype = {"int": np.int64, "double": np.float64, "bool": np.bool_}[kind]
        filled = np.array([0 if value is None else value for value in values], dtype=dtype)
    if kind == "double":
        known &= np.isfinite(filled)
    return Column(kind, filled, known, np.zeros(len(values), dtype=bool))


def evaluate_all(compiled: Compiled, columns: Mapping[str, Column], rows: int) -> tuple[Array, Array]:
    """Return (hit, unknown) for every row, as the runtime would say."""
    try:
        node = _Reader(compiled.expression).whole()
        answer = _of_type(node(columns, rows), "bool")
    except NotColumnar:
        return _by_runtime(compiled, columns, np.arange(rows), np.zeros(rows, dtype=bool), np.zeros(rows, dtype=bool))
    values, known, doubtful = (np.broadcast_to(one, (rows,)) for one in (answer.values, answer.known, answer.doubtful))
    return _by_runtime(compiled, columns, np.flatnonzero(doubtful), known & values, ~known)


def _by_runtime(
    compiled: Compiled, columns: Mapping[str, Column], places: Array, hit: Array, unknown: Array
) -> tuple[Array, Array]:
    hit, unknown = hit.copy(), unknown.copy()
    for place in places:
        values = {name: columns[name].values[place] for name in compiled.names if columns[name].known[place]}
        said, _ = ask(compiled.program, activation({name: _plain(value) for name, value in values.items()}))
        hit[place], unknown[place] = said == HIT, said == UNKNOWN
    return hit, unknown


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


__all__ = ["Column", "NotColumnar", "column", "evaluate_all"]
