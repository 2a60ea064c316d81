"""The door: what is signed by a live secret at about this time is kept once; all else is counted and forgotten."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client

from billing.webhooks import bodies, door
from billing.webhooks.models import InboundEvent, RefusedNotice
from billing.webhooks.operations import forget_bodies
from tests.factories.notices import SECRET, again, provider_in, signed

pytestmark = pytest.mark.django_db
PREVIOUS = "whsec_test_previous"


@pytest.fixture(autouse=True)
def endpoint(settings):
    settings.STRIPE_WEBHOOK_SECRETS = [SECRET, PREVIOUS]


@pytest.fixture
def notice():
    with provider_in() as provider:
        provider.open_dispute()
        yield provider.events[0]


def now():
    return datetime.now(UTC)


def deliver(body, header, **headers):
    return Client().post(door.PATH, body, content_type="application/json", headers={"Stripe-Signature": header, **headers})


@pytest.mark.parametrize("secret", [SECRET, PREVIOUS])
def test_an_event_signed_with_any_live_secret_is_kept_byte_for_byte_and_sealed(notice, secret):
    body, header = signed(notice, now(), secret)
    assert deliver(body, header).status_code == 200
    event = InboundEvent.objects.get()
    assert bodies.unpack(event.raw) == body
    assert (event.type, event.kind, event.state) == ("charge.dispute.created", "dispute", "received")
    with connection.cursor() as cursor:
        cursor.execute("SELECT raw FROM billing_inboundevent")
        kept = cursor.fetchone()[0]
    assert b"product_not_received" in body and "product_not_received" not in kept and len(kept) < 2_000


def test_the_same_event_again_is_answered_200_and_kept_once(notice):
    for _ in range(3):
        assert deliver(*signed(notice, now())).status_code == 200
    assert deliver(*signed(again(notice), now())).status_code == 200
    assert InboundEvent.objects.count() == 2


def test_the_door_asks_no_session_and_no_more_than_one_statement(notice, django_assert_num_queries):
    with django_assert_num_queries(1):
        answer = deliver(*signed(notice, now()))
    assert answer.status_code == 200 and not answer.cookies


@pytest.mark.parametrize(
    ("shift", "code"), [(timedelta(minutes=-6), "too_old"), (timedelta(minutes=6), "too_new"), (timedelta(minutes=4), None)]
)
def test_a_signature_holds_for_five_minutes_in_both_directions(notice, shift, code):
    answer = deliver(*signed(notice, now() + shift))
    assert answer.status_code == (400 if code else 200)
    assert InboundEvent.objects.exists() is (code is None)
    assert list(RefusedNotice.objects.values_list("code", "count")) == ([(code, 1)] if code else [])


def test_what_nobody_signed_is_refused_counted_and_not_kept(notice):
    body, header = signed(notice, now())
    stamp = header.partition(",")[0]
    wrong = [
        "",
        "t=,v1=",
        f"{stamp},v1=é",
        f"{stamp},v0=00",
        header.replace("v1=", "v1=0"),
        signed(notice, now(), "whsec_other")[1],
    ]
    wrong += [f"{stamp}," + ",".join(["v1=00"] * 20), "t=" + "9" * 40 + ",v1=00", "t=١٢,v1=00"]
    for one in wrong:
        assert deliver(body, one.encode().decode("latin-1")).status_code == 400
    assert deliver(body + b" ", header).status_code == 400
    assert not InboundEvent.objects.exists()
    assert RefusedNotice.objects.get(code="bad_signature").count == len(wrong) + 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"livemode": True}, "other_mode"),
        ({"livemode": "no"}, "other_mode"),
        ({"account": "acct_other"}, "other_account"),
        ({"id": 7}, "unreadable"),
        ({"id": "x" * 200}, "unreadable"),
        ({"created": 1e300}, "unreadable"),
        ({"data": {"object": []}}, "unreadable"),
        ({"type": "a\u0000b"}, "unreadable"),
    ],
)
def test_a_signed_body_of_another_mode_account_or_shape_is_refused(notice, settings, change, code):
    settings.STRIPE_ACCOUNT = "acct_ours"
    body = json.dumps(json.loads(notice.raw) | change).encode()
    assert deliver(body, bodies.sign(body, SECRET, int(time.time()))).status_code == 400
    assert RefusedNotice.objects.get().code == code
    assert not InboundEvent.objects.exists()


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff\xfe{}", b"[" * 100_000, b"{"])
def test_signed_nonsense_is_refused_without_a_trace(body):
    answer = deliver(body, bodies.sign(body, SECRET, int(time.time())))
    assert answer.status_code == 400 and b"Traceback" not in answer.content


def test_too_large_a_body_and_other_methods_are_refused_before_anything_is_read(notice, settings):
    body = b"x" * (bodies.BODY_MAX + 1)
    assert deliver(body, bodies.sign(body, SECRET, int(time.time()))).status_code == 413
    assert Client().get(door.PATH).status_code == 405
    settings.STRIPE_WEBHOOK_SECRETS = []
    assert deliver(*signed(notice, now())).status_code == 404
    assert not InboundEvent.objects.exists() and not RefusedNotice.objects.exists()


def test_without_its_database_it_asks_to_be_sent_again(notice, monkeypatch):
    def gone(*args, **kwargs):
        raise OperationalError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(connection, "ensure_connection", gone)
        assert deliver(*signed(notice, now())).status_code == 503
    assert deliver(*signed(notice, now())).status_code == 200


def test_a_dead_broker_changes_nothing_at_the_door(notice, settings):
    settings.BROKER_URL = "redis://127.0.0.1:1/0"
    assert deliver(*signed(notice, now())).status_code == 200


def test_bodies_are_forgotten_once_done_and_old_but_never_while_they_wait(notice):
    deliver(*signed(notice, now()))
    deliver(*signed(again(notice), now()))
    first, second = InboundEvent.objects.order_by("id")
    InboundEvent.objects.filter(pk=first.pk).update(state="processed")
    assert forget_bodies(at=now() + timedelta(days=89)) == 0
    assert forget_bodies(at=now() + timedelta(days=91)) == 1
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.raw == "" and bodies.unpack(second.raw)
