"""The embedded services, as a test session finds them."""

import os

import pytest
from django.db import connection


@pytest.mark.django_db
def test_tests_work_as_the_owner_on_a_real_postgresql():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_setting('fsync'), current_setting('synchronous_commit')")
        user, fsync, synchronous_commit = cursor.fetchone()
    assert connection.vendor == "postgresql"
    assert (fsync, synchronous_commit) == ("on", "on")
    if "host=" in os.environ["DATABASE_URL"]:
        assert user == "backoffice_owner"
