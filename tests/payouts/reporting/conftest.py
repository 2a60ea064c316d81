"""A marketplace that may report: who it is stands in the settings."""

import pytest

from tests.factories.reporting import OPERATOR


@pytest.fixture(autouse=True)
def operator(settings) -> None:
    for name, value in OPERATOR.items():
        setattr(settings, name, value)
