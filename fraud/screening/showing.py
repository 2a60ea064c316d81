"""How parties and versions look on the screens of screening."""

from __future__ import annotations

from typing import Any

from backoffice.kit.admin import display
from fraud.screening.models import Party
from fraud.screening.parties import facts_of


def party_name(party: Party) -> str:
    """Return the first name of a party as it was told."""
    names = facts_of(party).names
    return names[0] if names else "erased"


def party_link(party: Party) -> Any:
    """Return a link to a party by its name."""
    return display.link(party, party_name(party))


def subject_link(party: Party) -> Any:
    """Return a link to whom a party stands for: a seller, or a person behind one."""
    return display.way_to(party.subject)


def versions_text(versions: dict[str, int]) -> str:
    return ", ".join(f"{name} v{number}" for name, number in sorted(versions.items())) or display.EMPTY
