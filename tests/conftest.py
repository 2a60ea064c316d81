"""What every test may rely on: people who sign in quickly."""

from collections.abc import Iterator

import pytest
from django.test import override_settings


@pytest.fixture(scope="session", autouse=True)
def quick_password_hashes() -> Iterator[None]:
    """Hash passwords in one round; nothing here is guessed by force."""
    with override_settings(PASSWORD_HASHERS=["tests.factories.passwords.QuickHasher"]):
        yield
