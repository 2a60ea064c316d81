"""Rails of this test's own, and clean books after every test that moved money."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backoffice.kit.invariants import check_books
from tests.factories.dispatch import rails_in


@pytest.fixture
def rails(tmp_path: Path, db: None) -> Iterator[Path]:
    """Rails that live in a folder of this test; afterwards the books must be clean."""
    with rails_in(tmp_path) as folder:
        yield folder
    broken = [verdict for verdict in check_books() if not verdict.ok]
    assert not broken, broken
