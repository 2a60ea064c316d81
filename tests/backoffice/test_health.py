"""Health: alive, ready, and the figures for monitoring."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client

from backoffice import health
from backoffice.desk.models import BooksCheck
from backoffice.kit import clock
from backoffice.kit.outbox import tell
from backoffice.kit.ticks import JobRun

pytestmark = pytest.mark.django_db


@pytest.fixture
def web():
    health._migrated.clear()
    return Client()


def test_alive_asks_nothing_of_the_database(web, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert web.get("/healthz").json() == {"status": "alive"}


def test_ready_when_database_migrations_and_broker_answer(web):
    response = web.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "ready", "checks": {"database": "ok", "migrations": "ok", "broker": "ok"}}


def test_broker_that_is_down_is_named_without_its_address(web, settings):
    settings.BROKER_URL = "redis://:secret@127.0.0.1:1/0"
    response = web.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"] == {"database": "ok", "migrations": "ok", "broker": "does not answer"}
    assert b"secret" not in response.content


def test_missing_migration_is_not_ready(web):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'payouts'")
    response = web.get("/readyz")
    assert response.status_code == 503 and "not applied" in response.json()["checks"]["migrations"]


def test_metrics_count_what_waits_and_since_when(web):
    tell("payout.paid", subject="pay_1", payload={"name": "Refurb Lyon"}, at=clock.now())
    body = web.get("/metrics").content.decode()
    assert "backoffice_database_up 1" in body
    assert 'backoffice_queue_depth{queue="events_undelivered"} 1' in body
    assert 'backoffice_queue_age_seconds{queue="runs_to_approve"} 0.000' in body
    assert "Refurb" not in body and "pay_1" not in body
    assert len([line for line in body.splitlines() if line.startswith("backoffice_queue_depth{")]) == len(health.QUEUES)


def test_metrics_carry_the_latest_verdict_of_the_books_and_the_age_of_each_job(web):
    at = clock.now()
    verdicts = [{"number": 1, "name": "postings_balance", "ok": True}, {"number": 5, "name": "in_payout", "ok": False}]
    BooksCheck.objects.create(
        checked_at=at - timedelta(minutes=5), checked_by="system:test", is_clean=False, broken=1, verdicts=verdicts
    )
    JobRun.objects.create(job="mature", scheduled_for=at, started_at=at, finished_at=at - timedelta(seconds=90), ok=True)
    lines = web.get("/metrics").content.decode().splitlines()
    assert "backoffice_books_clean 0" in lines
    assert 'backoffice_truth_ok{number="5",truth="in_payout"} 0' in lines
    assert "backoffice_books_check_age_seconds 300" in lines
    assert 'backoffice_job_success_age_seconds{job="mature"} 90' in lines


def test_metrics_want_their_token_when_one_is_set(web, settings):
    settings.METRICS_TOKEN = "m-token"
    assert web.get("/metrics").status_code == 401
    assert web.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert web.get("/metrics", headers={"Authorization": "Bearer m-token"}).status_code == 200


def test_health_pages_only_answer_reading(web):
    for path in ("/healthz", "/readyz", "/metrics"):
        assert web.post(path).status_code in (403, 405)
