"""Clean books after every test that matched, and the small words tests are written in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backoffice.kit.invariants import check_books


@pytest.fixture
def clean_books(db: None) -> Iterator[None]:
    """Hold every truth after the test."""
    yield
    broken = [verdict for verdict in check_books() if not verdict.ok]
    assert not broken, broken
