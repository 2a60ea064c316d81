"""A French company on its way to being paid, documents of every sort, and a screening that answers what a test says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from payouts.compliance.sockets import screening
from tests.factories.compliance import ListedNames


@pytest.fixture
def lists() -> Iterator[ListedNames]:
    """Plug in a screening with a list of its own; nobody stands on it at first."""
    names = ListedNames()
    before = (screening.standing_of, screening.screen_now, screening.hits_of)
    screening.plug(standing=names.standing, screen=names.screen)
    yield names
    screening.standing_of, screening.screen_now, screening.hits_of = before


@pytest.fixture(autouse=True)
def own_storage(settings, tmp_path) -> None:
    settings.STORAGES = settings.STORAGES | {
        "documents": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "documents")},
        }
    }
