"""What every test may rely on: the rows that migrations write, and people who sign in quickly."""

from collections.abc import Iterator

import pytest
from django.test import override_settings

from tests.factories.migrated import write_what_is_missing


@pytest.fixture(scope="session", autouse=True)
def quick_password_hashes() -> Iterator[None]:
    """Hash passwords in one round; nothing here is guessed by force."""
    with override_settings(PASSWORD_HASHERS=["tests.factories.passwords.QuickHasher"]):
        yield


@pytest.fixture(autouse=True)
def rows_of_the_migrations(request: pytest.FixtureRequest) -> None:
    """Write roles, tiers and minimums again when a test that flushed took them from the tests behind it."""
    marker = request.node.get_closest_marker("django_db")
    if marker is None and not {"db", "transactional_db"} & set(request.fixturenames):
        return
    request.getfixturevalue("db")
    # some tests bring transactions of their own, and have not opened the database yet
    with request.getfixturevalue("django_db_blocker").unblock():
        write_what_is_missing()
