"""Who owns a seller in the end: effective shares through the layers in exact fractions, cycles, and what does not add up to 100 %."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

WHOLE = 10_000


class Edge(NamedTuple):
    """A holder's share of a company (None: the seller), in basis points."""

    holder: int
    company: int | None
    basis_points: int


class Problem(NamedTuple):
    """Something that keeps a structure from being understood: `code` for machines, `node` where (None: the seller), `text` for the seller."""

    code: str
    node: int | None
    text: str


@dataclass
class Structure:
    """Effective share of every holder, and what is wrong."""

    shares: dict[int, Fraction] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def owners(self, people: Iterable[int], threshold_basis_points: int, *, inclusive: bool) -> set[int]:
        """Return the natural persons whose effective share passes the threshold."""
        limit = Fraction(threshold_basis_points, WHOLE)
        return {one for one in people if (share := self.shares.get(one, Fraction(0))) > limit or (inclusive and share == limit)}


def understand(edges: Iterable[Edge], companies: Mapping[int, bool]) -> Structure:
    """Compute effective shares. `companies` says of each party whether it is a company, which then has to have holders itself.

    A party held through several ways has the sum of them. A stake that closes a circle is flagged and left out. Linear in the stakes.
    """
    held: dict[int | None, list[Edge]] = {}
    for edge in edges:
        held.setdefault(edge.company, []).append(edge)
    found = Structure()
    if not held.get(None):
        found.problems.append(Problem("owners_missing", None, "Nobody is named as an owner yet."))
        return found

    order, circles = _downwards(held)
    shares: dict[int | None, Fraction] = {None: Fraction(1)}
    for node in order:
        for edge in held.get(node, []):
            if edge not in circles:
                shares[edge.holder] = shares.get(edge.holder, Fraction(0)) + shares[node] * Fraction(edge.basis_points, WHOLE)
    found.shares = {node: share for node, share in shares.items() if node is not None}
    for edge in sorted(circles, key=lambda one: (one.holder, one.company or 0)):
        found.problems.append(Problem("ownership_cycle", edge.holder, "The companies own each other in a circle."))

    for node in order:
        if node is None or companies.get(node) or node in held:
            _check_sum(node, held.get(node, []), found)
    for node in sorted(one for one in held if one is not None and one not in shares):
        found.problems.append(Problem("company_not_an_owner", node, "This company has owners but owns nothing of the seller."))
    return found


def _downwards(held: Mapping[int | None, list[Edge]]) -> tuple[list[int | None], set[Edge]]:
    """Return the parties from the seller outwards, each behind everything it has a stake in, and the stakes that close a circle."""
    circles: set[Edge] = set()
    under_way: set[int | None] = {None}
    done: list[int | None] = []
    finished: set[int | None] = set()
    stack: list[tuple[int | None, Iterator[Edge]]] = [(None, iter(held.get(None, [])))]
    while stack:
        node, left = stack[-1]
        edge = next(left, None)
        if edge is None:
            stack.pop()
            under_way.discard(node)
            finished.add(node)
            done.append(node)
        elif edge.holder in under_way:
            circles.add(edge)
        elif edge.holder not in finished:
            under_way.add(edge.holder)
            stack.append((edge.holder, iter(held.get(edge.holder, []))))
    return done[::-1], circles


def _check_sum(node: int | None, edges: list[Edge], found: Structure) -> None:
    total = sum(edge.basis_points for edge in edges)
    if total < WHOLE:
        missing = f"{(WHOLE - total) / 100:g} % of the shares are not accounted for."
        found.problems.append(Problem("ownership_gap", node, missing))
    elif total > WHOLE:
        found.problems.append(Problem("ownership_excess", node, f"The shares add up to {total / 100:g} %."))
