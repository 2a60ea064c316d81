"""The parts of an expression: its tokens, the names in it, its outermost conditions. Pure; the runtime decides what it means."""

from __future__ import annotations

import re
from dataclasses import dataclass


class GrammarError(Exception):
    """The text cannot be taken apart: `place` counts characters from 0."""

    def __init__(self, place: int, sentence: str, remedy: str) -> None:
        super().__init__(sentence)
        self.place, self.sentence, self.remedy = place, sentence, remedy


@dataclass(frozen=True, slots=True)
class Token:
    kind: str  # number, text, name, mark
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|0[xX][0-9a-fA-F]+|\d+)
      | (?P<text>"(?:[^"\\\r\n]|\\.)*"|'(?:[^'\\\r\n]|\\.)*')
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
      | (?P<mark>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:,()\[\]{}.])""",
    re.VERBOSE,
)
KEYWORDS = frozenset({"true", "false", "null", "in"})
FUNCTIONS = frozenset({"double", "int", "string", "size"})
METHODS = frozenset({"startsWith", "endsWith", "contains", "matches", "size"})


def tokens(text: str) -> list[Token]:
    """Return the tokens of an expression. Raises GrammarError at the first character that begins none."""
    found, place = [], 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            remedy = (
                "Close the quotes."
                if text[place] in "\"'"
                else "Use names, numbers, 'text', && || ! == != < <= > >= + - * / % in ?: and brackets."
            )
            raise GrammarError(place, f"“{text[place]}” begins nothing a rule knows.", remedy)
        if match.lastgroup != "space":
            found.append(Token(match.lastgroup or "", match.group(), place))
        place = match.end()
    return found


def names_in(text: str) -> list[tuple[str, int]]:
    """Return (name, place) of everything that must be a feature: no keyword, no known function or method."""
    found = []
    all_tokens = tokens(text)
    for number, one in enumerate(all_tokens):
        if one.kind != "name" or one.text in KEYWORDS:
            continue
        called = number + 1 < len(all_tokens) and all_tokens[number + 1].text == "("
        after_dot = number > 0 and all_tokens[number - 1].text == "."
        head, _, last = one.text.rpartition(".")
        if called and not after_dot and one.text in FUNCTIONS:
            continue
        if called and last in METHODS and (head or after_dot):
            if head and not after_dot:
                found.append((head, one.start))
            continue
        found.append((one.text, one.start))
    return found


def split_conditions(text: str) -> tuple[str, list[str]]:
    """Return || and its outermost operands, or else && and its; '' and the whole text where there is neither."""
    all_tokens = tokens(text)
    if not _balanced(all_tokens):
        return "", [text.strip()]
    while len(all_tokens) > 1 and all_tokens[0].text == "(" and _closes(all_tokens) == len(all_tokens) - 1:
        all_tokens = all_tokens[1:-1]
    if not all_tokens:
        return "", [text.strip()]
    if any(one.text == "?" for one in _outermost(all_tokens)):
        return "", [text.strip()]
    start, end = all_tokens[0].start, all_tokens[-1].end
    for operator in ("||", "&&"):
        cuts = [one for one in _outermost(all_tokens) if one.kind == "mark" and one.text == operator]
        if cuts:
            edges = [start, *(cut.end for cut in cuts)], [*(cut.start for cut in cuts), end]
            return operator, [text[a:b].strip() for a, b in zip(*edges, strict=True)]
    return "", [text[start:end].strip()]


def _balanced(found: list[Token]) -> bool:
    depth = 0
    for one in found:
        if one.kind == "mark":
            depth += (one.text in "([{") - (one.text in ")]}")
        if depth < 0:
            return False
    return depth == 0


def _closes(found: list[Token]) -> int:
    """Return where the bracket that opens the tokens is closed."""
    depth = 0
    for number, one in enumerate(found):
        if one.kind == "mark":
            depth += (one.text in "([{") - (one.text in ")]}")
        if depth == 0:
            return number
    return len(found)


def _outermost(found: list[Token]) -> list[Token]:
    depth, outer = 0, []
    for one in found:
        if one.kind == "mark" and one.text in "([{":
            depth += 1
        elif one.kind == "mark" and one.text in ")]}":
            depth -= 1
        elif depth == 0:
            outer.append(one)
    return outer
