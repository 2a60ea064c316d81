"""How parties and versions look on the screens of screening."""

from __future__ import annotations

from typing import Any

from backoffice.kit.admin import display
from fraud.screening.models import Party


def party_link(party: Party) -> Any:
    return display.link(party, party.subject)


def versions_text(versions: dict[str, int]) -> str:
    return ", ".join(f"{name} v{number}" for name, number in sorted(versions.items())) or display.EMPTY
