"""Find the one subset of some amounts that makes a sum; pure. Where several make it, none is the answer."""

from __future__ import annotations

from collections.abc import Sequence

# Enough for 6 of 20 (some 60,000 subsets) with room; a search that needs more has too many candidates to mean anything.
STEPS_MAX = 250_000


def only_subset(amounts: Sequence[int], total: int, *, members_max: int) -> tuple[int, ...] | None:
    """Return the places of the only subset of 2 to `members_max` amounts that adds up to `total`, or None: there is none, several, or too many.

    Amounts are of one sign, the total's. The answer does not depend on the order of the amounts but for the places it names.
    """
    order = sorted(range(len(amounts)), key=lambda place: -abs(amounts[place]))
    sizes = [abs(amounts[place]) for place in order]
    rest = [sum(sizes[place:]) for place in range(len(sizes) + 1)]
    found: list[tuple[int, ...]] = []
    steps = 0

    def search(place: int, missing: int, chosen: tuple[int, ...]) -> bool:
        """Walk on; False ends the whole search: two answers, or too long."""
        nonlocal steps
        steps += 1
        if steps > STEPS_MAX:
            found.clear()
            return False
        if missing == 0:
            if len(chosen) >= 2:
                found.append(chosen)
            return len(found) < 2
        if missing < 0 or place == len(sizes) or len(chosen) == members_max or rest[place] < missing:
            return True
        return search(place + 1, missing - sizes[place], (*chosen, place)) and search(place + 1, missing, chosen)

    whole = search(0, abs(total), ())
    return tuple(sorted(order[place] for place in found[0])) if whole and len(found) == 1 else None
