"""The port: who is asked whether a party is on a list. The index in this process, or a yente server by setting; a failure is never an answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from fraud.screening.matching.matcher import Factor, Query


@dataclass(frozen=True, slots=True)
class Found:
    """One entry the party may be. `listed` is what the desk shows of it; `entry_id` our row, None where the list is kept elsewhere."""

    list_name: str
    source_id: str
    entry_id: int | None
    fingerprint: str
    listed: dict[str, Any]
    listed_name: str
    score: float
    factors: tuple[Factor, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider said. `failed` is '' or the code of why there is no answer; then `found` means nothing."""

    found: list[Found] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    failed: str = ""


class Provider(Protocol):
    name: str
    remote: bool

    def edition(self) -> tuple[str, str]:
        """Return what the lists elsewhere are at, as a digest, and '' or the code of why that is not known. Only for a remote one."""

    def ask(self, query: Query, threshold: float) -> Answer:
        """Return the entries that reach the threshold. Never raises for what can go wrong outside: that is `failed`."""


FAILURES = {
    "no_lists": "No list is loaded, so nothing could be compared. Load one with manage.py load_list.",
    "list_too_large": "A list is larger than this process holds. Set SCREENING_PROVIDER to yente.",
    "provider_unreachable": "The screening server did not answer in time.",
    "provider_refused": "The screening server refused the question.",
    "provider_unreadable": "The screening server's answer could not be read.",
    "edition_unknown": "The screening server does not say what its lists are at.",
    "asked_later": "The answer comes from the worker: a server is never asked inside a transaction.",
}


def provider() -> Provider:
    """Return the provider the settings name."""
    from fraud.screening.local_index import LocalIndex
    from fraud.screening.yente import Yente

    known: dict[str, type[Provider]] = {"index": LocalIndex, "yente": Yente}
    if settings.SCREENING_PROVIDER not in known:
        raise ImproperlyConfigured(f"SCREENING_PROVIDER is one of {', '.join(known)}.")
    return known[settings.SCREENING_PROVIDER]()
