"""Clean books after every test that moved money."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backoffice.kit.invariants import check_books


@pytest.fixture
def books(db: None) -> Iterator[None]:
    """Clean books afterwards."""
    yield
    assert_clean()


def assert_clean() -> None:
    broken = [verdict for verdict in check_books() if not verdict.ok]
    assert not broken, broken
