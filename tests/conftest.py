"""What every test may rely on: the rows that migrations write."""

import importlib

import pytest


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


def write_what_is_missing() -> None:
    from django.apps import apps
    from django.contrib.auth.models import Group

    from fraud.screening.models import ScreeningPolicy
    from payouts.sellers.models import MinimumPayout

    if not Group.objects.exists():
        from backoffice.staff.roles import write_roles

        write_roles()
    if not MinimumPayout.objects.exists():
        importlib.import_module("payouts.migrations.0003_tiers_and_minimums").write(apps, None)
    if not ScreeningPolicy.objects.exists():
        importlib.import_module("fraud.migrations.0002_screening_rules").write(apps, None)
