"""Webhooks to partners: signed after the standard, tried by the schedule, stopped when they are refused, and never sent into our own network."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from backoffice.kit import clock, failpoints
from backoffice.kit.ids import new_id
from backoffice.kit.outbox import Event
from backoffice.kit.states import timeline
from backoffice.partners.models import Partner
from backoffice.partners.outgoing import endpoints, signing
from backoffice.partners.outgoing.admin import failed_deliveries, failing_endpoints
from backoffice.partners.outgoing.delivering import (
    AT_ONCE,
    DEGRADED_AFTER,
    LEASE,
    PAUSES,
    claim_due,
    pause_after,
    record,
    work,
)
from backoffice.partners.outgoing.models import DeliveryAttempt, WebhookDelivery, WebhookEndpoint
from backoffice.partners.outgoing.operations import (
    create_endpoint,
    disable_endpoint,
    enable_endpoint,
    forget_answers,
    ping_endpoint,
    replay_delivery,
    resend_missed,
    rotate_secret,
)
from backoffice.partners.outgoing.replaying import DeliveryUnderWay
from backoffice.partners.outgoing.sending import Answered, is_public, post
from backoffice.partners.outgoing.states import DELIVERY, DISABLED, ENDED
from backoffice.staff.models import AuditEntry
from tests.factories.partners import ACTOR, make_client, make_partner
from tests.factories.receiver import Receiver, happen, make_endpoint, receiver_on_loopback
from tests.factories.sellers import make_staff

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)
REFUSED = Answered(500, "refused", 12, "no")
TAKEN = Answered(204, "delivered", 7)


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.WEBHOOKS_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    with receiver_on_loopback() as opened:
        yield opened


@pytest.fixture
def partner() -> Partner:
    return make_partner("Boutique")


def only(endpoint: WebhookEndpoint) -> WebhookDelivery:
    return WebhookDelivery.objects.get(endpoint=endpoint)


def answer(delivery: WebhookDelivery, answered: Answered, at: datetime) -> str:
    """Claim and record one attempt of one delivery, whatever else is due."""
    WebhookDelivery.objects.exclude(pk=delivery.pk).filter(status="pending").update(next_attempt_at=at + timedelta(days=99))
    claimed = claim_due(at=at, limit=1)
    assert [one.delivery_id for one in claimed] == [delivery.pk]
    return record(delivery.pk, claimed[0].claim, answered, at=at)


def due_at(delivery: WebhookDelivery) -> datetime:
    delivery.refresh_from_db()
    paused = WebhookEndpoint.objects.get(pk=delivery.endpoint_id).paused_until
    return max(filter(None, [delivery.next_attempt_at, paused]))


# --- the message


def test_the_signature_is_that_of_the_standard():
    # the vector of the reference libraries
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'  # pragma: allowlist secret
    made = signing.sign(secret, message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=body)
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_event_arrives_signed_with_its_number_and_is_kept_as_delivered(receiver: Receiver, partner: Partner):
    endpoint = make_endpoint(receiver.url, at=AT, partner=partner)
    happen(partner, at=AT, event_type="payout.sent")
    event = happen(partner, at=AT, amount_minor=9504, currency="EUR")

    assert work(at=AT) == {"swept": 0, "succeeded": 2}

    got = next(one for one in receiver.got if one.headers["webhook-id"] == event.public_id)
    signed = f"{event.public_id}.{got.headers['webhook-timestamp']}.".encode() + got.body
    key = base64.b64decode(endpoint.secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(got.headers["webhook-timestamp"]) - AT.timestamp()) < 30
    told = json.loads(got.body)
    assert (told["type"], told["sequence"], told["data"]) == ("payout.paid", 2, {"amount_minor": 9504, "currency": "EUR"})
    row = WebhookDelivery.objects.get(event=event)
    assert [one.to_state for one in timeline(DELIVERY, row.pk)] == ["pending", "sending", "succeeded"]
    assert work(at=AT + DAY) == {"swept": 0}
    assert len(receiver.got) == 2


def test_only_events_an_endpoint_wants_come_to_it_and_a_ping_to_it_alone(partner: Partner):
    wanting = make_endpoint(at=AT, partner=partner, event_types=["payout.*", "seller.created"])
    other = make_endpoint(at=AT, partner=partner, event_types=["seller.*"])
    stranger = make_endpoint(at=AT)
    for event_type in ("payout.paid", "seller.created", "seller.updated", "hold.placed"):
        happen(partner, at=AT, event_type=event_type)
    ping_endpoint(endpoint_id=wanting.pk, actor=ACTOR, at=AT)
    happen(partner, at=AT, event_type="payoutx.paid")

    def types(endpoint: WebhookEndpoint) -> list[str]:
        return list(endpoint.deliveries.order_by("id").values_list("event__type", flat=True))

    assert types(wanting) == ["payout.paid", "seller.created", endpoints.PING]
    assert types(other) == ["seller.created", "seller.updated"]
    assert types(stranger) == []


def test_during_a_rotation_both_secrets_sign_and_afterwards_the_new_one(receiver: Receiver, partner: Partner):
    endpoint = make_endpoint(receiver.url, at=AT, partner=partner)
    old = endpoint.secret
    new = rotate_secret(endpoint_id=endpoint.pk, actor=ACTOR, at=AT, overlap_hours=2).secret
    happen(partner, at=AT)
    work(at=AT + timedelta(hours=1))
    happen(partner, at=AT)
    work(at=AT + timedelta(hours=3))

    def signatures(secrets: list[str], number: int) -> str:
        one = receiver.got[number]
        facts = {"message_id": one.headers["webhook-id"], "timestamp": int(one.headers["webhook-timestamp"]), "body": one.body}
        return " ".join(signing.sign(secret, **facts) for secret in secrets)

    assert old != new
    assert receiver.got[0].headers["webhook-signature"] == signatures([new, old], 0)
    assert receiver.got[1].headers["webhook-signature"] == signatures([new], 1)
    stored = WebhookEndpoint.objects.filter(pk=endpoint.pk).extra(select={"raw": "secret"}).values_list("raw", flat=True)[0]
    assert new not in stored
    assert new.removeprefix("whsec_") not in stored


# --- when it fails


def test_a_refused_delivery_is_tried_by_the_schedule_and_given_up_after_the_last(partner: Partner):
    endpoint = make_endpoint(at=AT, partner=partner)
    happen(partner, at=AT)
    row, now = only(endpoint), AT
    for number, planned in enumerate(PAUSES, start=1):
        assert answer(row, REFUSED, now) == "pending"
        row.refresh_from_db()
        assert planned <= (row.next_attempt_at - now).total_seconds() <= planned * 1.2, number
        assert claim_due(at=row.next_attempt_at - timedelta(seconds=1), limit=9) == []
        now = due_at(row)
    assert answer(row, REFUSED, now) == "failed"
    assert row.attempts.count() == len(PAUSES) + 1 == 10
    assert list(failed_deliveries(now)) == [row]


@given(
    st.lists(
        st.sampled_from([REFUSED, TAKEN, Answered(None, "timed_out", 15_000), Answered(410, "gone", 3)]), min_size=1, max_size=12
    )
)
@hypothesis_settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_a_server_answers_a_delivery_ends_once_and_the_endpoint_says_how_it_is(answers: list[Answered]):
    endpoint = make_endpoint(at=AT)
    happen(endpoint.partner, at=AT, subject=new_id("pay"))
    row, now, made = only(endpoint), AT, 0
    for answered in answers:
        if row.status in ENDED:
            break
        answer(row, answered, now)
        made, now = made + 1, due_at(row)
    endpoint.refresh_from_db()
    used = answers[:made]
    assert row.attempts.count() == made <= 10
    assert (row.status == "succeeded") == (used[-1] is TAKEN)
    assert (endpoint.status == "disabled_gone") == (used[-1].http_status == 410)
    assert endpoint.failures_in_row == (0 if used[-1] is TAKEN else made)
    assert (endpoint.status == "degraded") == (used[-1] is not TAKEN and made >= DEGRADED_AFTER and used[-1].http_status != 410)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("", (1_800, 2_160)), ("60", (1_800, 2_160)), ("3000", (3_000, 3_000)), ("999999999", (3_600, 3_600)), ("-5", (1_800, 2_160)),
     ("Mon, 02 Mar 2026 09:50:00 GMT", (3_000, 3_000)), ("soon", (1_800, 2_160)), ("²", (1_800, 2_160))],
)  # fmt: skip
def test_retry_after_is_heard_between_one_and_two_pauses(asked: str, seconds: tuple[int, int]):
    row = WebhookDelivery(public_id=new_id("del"), tries=3)
    assert seconds[0] <= pause_after(row, asked, AT).total_seconds() <= seconds[1]


def test_an_endpoint_that_is_gone_is_disabled_at_once_and_what_waits_is_skipped(receiver: Receiver, partner: Partner):
    receiver.status = 410
    endpoint = make_endpoint(receiver.url, at=AT, partner=partner)
    happen(partner, at=AT)
    waiting = happen(partner, at=AT + timedelta(hours=1))
    WebhookDelivery.objects.filter(event=waiting).update(next_attempt_at=AT + timedelta(hours=2))

    assert work(at=AT) == {"swept": 0, "failed": 1}

    endpoint.refresh_from_db()
    assert endpoint.status == "disabled_gone"
    assert sorted(endpoint.deliveries.values_list("status", flat=True)) == ["failed", "skipped"]
    happen(partner, at=AT + DAY)
    assert endpoint.deliveries.count() == 2
    assert Event.objects.filter(type="webhook_endpoint.disabled", partner_id=partner.pk, subject=endpoint.public_id).exists()


def test_after_a_day_of_failures_the_partner_is_told_and_after_five_the_endpoint_is_disabled(partner: Partner):
    endpoint = make_endpoint(at=AT, partner=partner)
    for hours in range(0, 121, 6):
        now = AT + timedelta(hours=hours)
        event = happen(partner, at=now, subject=f"pay_{hours}")
        answer(WebhookDelivery.objects.get(event=event), REFUSED, now)
        endpoint.refresh_from_db()
        told = Event.objects.filter(type="webhook_endpoint.failing", subject=endpoint.public_id).count()
        assert told == (1 if hours >= 24 else 0)
        assert (endpoint.status in DISABLED) == (hours >= 120), hours
    assert endpoint.status == "disabled_auto"
    assert list(failing_endpoints(now)) == [endpoint]
    assert not endpoint.deliveries.filter(status="pending").exists()

    enable_endpoint(endpoint_id=endpoint.pk, actor=ACTOR, at=now, reason="They mended it.")
    endpoint.refresh_from_db()
    assert (endpoint.status, endpoint.failing_since, list(failing_endpoints(now))) == ("enabled", None, [])


def test_one_endpoint_takes_few_places_and_a_degraded_one_a_single_one_after_its_pause(partner: Partner):
    slow = make_endpoint(at=AT, partner=partner)
    for number in range(9):
        happen(partner, at=AT, subject=f"pay_{number}")
    other = make_partner()
    make_endpoint(at=AT, partner=other)
    happen(other, at=AT + timedelta(minutes=1))

    first = claim_due(at=AT + timedelta(minutes=2), limit=16)
    assert len(first) == AT_ONCE + 1
    assert claim_due(at=AT + timedelta(minutes=2), limit=16) == []
    of_slow = [one for one in first if WebhookDelivery.objects.get(pk=one.delivery_id).endpoint_id == slow.pk]
    for one in of_slow:
        record(one.delivery_id, one.claim, REFUSED, at=AT + timedelta(minutes=2))
    fifth = claim_due(at=AT + timedelta(minutes=2), limit=1)[0]
    record(fifth.delivery_id, fifth.claim, REFUSED, at=AT + timedelta(minutes=2))

    slow.refresh_from_db()
    assert slow.status == "degraded"
    assert claim_due(at=AT + timedelta(minutes=2, seconds=59), limit=16) == []
    probe = claim_due(at=AT + timedelta(minutes=3), limit=16)
    assert len(probe) == 1
    record(probe[0].delivery_id, probe[0].claim, TAKEN, at=AT + timedelta(minutes=3))
    slow.refresh_from_db()
    assert (slow.status, slow.failures_in_row, slow.last_success_at) == ("enabled", 0, AT + timedelta(minutes=3))


def test_a_sender_that_dies_after_sending_sends_again_under_the_same_id(receiver: Receiver, partner: Partner):
    endpoint = make_endpoint(receiver.url, at=AT, partner=partner)
    event = happen(partner, at=AT)

    def die() -> None:
        raise KeyboardInterrupt

    failpoints.hook("delivery_sent", die)
    try:
        with pytest.raises(KeyboardInterrupt):
            work(at=AT)
    finally:
        failpoints.hook("delivery_sent", None)
    assert only(endpoint).status == "sending"
    assert work(at=AT + timedelta(seconds=30)) == {"swept": 0}

    assert work(at=AT + LEASE + timedelta(minutes=1)) == {"swept": 1, "succeeded": 1}
    assert [one.headers["webhook-id"] for one in receiver.got] == [event.public_id] * 2
    assert receiver.got[0].body == receiver.got[1].body


def test_an_answer_that_comes_after_the_lease_changes_nothing(partner: Partner):
    endpoint = make_endpoint(at=AT, partner=partner)
    happen(partner, at=AT)
    late = claim_due(at=AT, limit=1)[0]
    assert work(at=AT + LEASE, seconds=0) == {"swept": 1}
    assert record(late.delivery_id, late.claim, TAKEN, at=AT + LEASE) == "taken_over"
    assert (only(endpoint).status, DeliveryAttempt.objects.count()) == ("pending", 0)


# --- where it may go


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2606:4700:4700::1111", True), ("127.0.0.1", False), ("10.1.2.3", False), ("172.16.0.9", False),
        ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.1", False), ("224.0.0.1", False),
        ("255.255.255.255", False), ("::1", False), ("::", False), ("fe80::1", False), ("fd12::1", False), ("::ffff:10.0.0.1", False),
        ("::ffff:8.8.8.8", True), ("2002:0a00:0001::", False), ("64:ff9b::a00:1", False), ("ff02::1", False),
    ],
)  # fmt: skip
def test_only_public_addresses_are_reached(address: str, public: bool):
    assert is_public(ipaddress.ip_address(address)) is public


def test_a_name_that_leads_into_our_network_is_not_connected_to(receiver: Receiver, settings: Any):
    settings.WEBHOOKS_PRIVATE_NETWORKS = []
    for name in ("localhost", "127.0.0.1", "0x7f.1", "2130706433"):
        assert post(f"https://{name}:{receiver.port}/", b"{}", {}).code in {"address_blocked", "name_not_found"}, name
    assert post(f"http://localhost:{receiver.port}/", b"{}", {}).code == "address_blocked"
    assert receiver.got == []


@pytest.mark.parametrize(
    "url",
    ["http://partner.example/", "https://127.0.0.1/", "https://[::1]/x", "https://u:p@partner.example/", "https://partner.example/#x", "ftp://x/",
     "https:///x", "https://partner.example:99999/", "https://partner.example/a b", "https://é.example/", "https://[::1", "https://10.0.0.1\\@x/",
     "https://x.example/" + "a" * 500, "javascript:alert(1)", ""],
)  # fmt: skip
def test_addresses_that_could_never_do_are_refused_when_they_are_given(partner: Partner, url: str):
    with pytest.raises(endpoints.EndpointAddressUnusable):
        create_endpoint(partner_id=partner.pk, url=url, event_types=[], description="", actor=ACTOR, at=AT)
    assert not WebhookEndpoint.objects.exists()


def test_redirects_are_not_followed_and_the_answer_is_kept_short(receiver: Receiver):
    receiver.status, receiver.answer_headers, receiver.answer = (
        302,
        {"Location": receiver.url + "/elsewhere"},
        b"\x00x\xff" * 2_000,
    )
    answered = post(receiver.url, b"{}", {})
    assert (answered.http_status, answered.code) == (302, "redirected")
    assert len(receiver.got) == 1
    assert len(answered.answer) <= 2_048
    assert "\x00" not in answered.answer


@pytest.mark.parametrize("where", ["before a word", "in the head", "in the body"])
def test_a_server_that_drips_is_cut_off_at_the_limit(receiver: Receiver, where: str):
    def drip(handler: Any) -> None:
        pieces = {"before a word": b"", "in the head": b"HTTP/1.1 200 OK\r\nX: ", "in the body": b"HTTP/1.1 200 OK\r\n\r\n"}
        try:
            handler.wfile.write(pieces[where])
            for _ in range(60):
                time.sleep(0.05)
                if where != "before a word":
                    handler.wfile.write(b"x")
        except OSError:
            return

    receiver.stall = drip
    started = time.monotonic()
    answered = post(receiver.url, b"{}", {}, limit_seconds=0.4)
    assert time.monotonic() - started < 2
    assert answered.code == "timed_out"


# --- sending again


def test_a_delivery_is_sent_again_on_a_persons_word_and_not_while_it_is_under_way(
    receiver: Receiver, partner: Partner, client: Any
):
    endpoint = make_endpoint(receiver.url, at=AT, partner=partner)
    event = happen(partner, at=AT)
    with pytest.raises(DeliveryUnderWay):
        replay_delivery(delivery_id=only(endpoint).pk, actor=ACTOR, at=AT)
    work(at=AT)

    client.force_login(make_staff("finance"))
    address = reverse("admin:backoffice_webhookdelivery_button", args=[only(endpoint).pk, "replay"])
    assert client.post(address, {"key": new_id("frm"), "reason": "They lost it."}).status_code == 302
    work(at=clock.now())

    assert [one.headers["webhook-id"] for one in receiver.got] == [event.public_id] * 2
    assert only(endpoint).replays == 1
    assert AuditEntry.objects.filter(action="webhook_delivery.replay", reason="They lost it.").exists()


def test_what_an_endpoint_missed_is_sent_whether_given_up_skipped_or_never_opened(partner: Partner):
    before = happen(partner, at=AT - DAY, subject="pay_0")
    endpoint = make_endpoint(at=AT, partner=partner, event_types=["payout.paid"])
    skipped = happen(partner, at=AT, subject="pay_1")
    disable_endpoint(endpoint_id=endpoint.pk, actor=ACTOR, at=AT, reason="moving")
    during = happen(partner, at=AT + DAY, subject="pay_2")
    happen(partner, at=AT + DAY, event_type="hold.placed")
    with pytest.raises(endpoints.EndpointIsDisabled):
        resend_missed(endpoint_id=endpoint.pk, since=AT, actor=ACTOR, at=AT + DAY)
    enable_endpoint(endpoint_id=endpoint.pk, actor=ACTOR, at=AT + 2 * DAY, reason="moved")

    given = {"endpoint_id": endpoint.pk, "actor": ACTOR, "at": AT + 2 * DAY}
    assert resend_missed(since=AT, **given) == 2
    assert resend_missed(since=AT, **given) == 0
    assert resend_missed(since=AT - 2 * DAY, until=AT, **given) == 1
    assert set(endpoint.deliveries.filter(status="pending").values_list("event_id", flat=True)) == {
        before.pk,
        skipped.pk,
        during.pk,
    }


def test_answers_are_forgotten_after_thirty_days(partner: Partner):
    endpoint = make_endpoint(at=AT, partner=partner)
    happen(partner, at=AT)
    answer(only(endpoint), REFUSED, AT)
    assert forget_answers(at=AT + 29 * DAY) == 0
    assert forget_answers(at=AT + 31 * DAY) == 1
    assert DeliveryAttempt.objects.values_list("answer", "http_status").get() == ("", 500)


# --- the doors


def test_a_partner_opens_tries_and_mends_its_endpoint_by_api(receiver: Receiver):
    api = make_client("webhooks:read", "webhooks:write")
    made = api.post("webhook_endpoints", {"url": receiver.url, "event_types": ["payout.*"]})
    assert made.status_code == 201
    assert "secret" not in made.json()
    where = f"webhook_endpoints/{made.json()['id']}"
    secret = api.get(f"{where}/secret").json()["secrets"]
    assert len(secret) == 1
    assert secret[0].startswith("whsec_")

    receiver.status = 500
    assert api.post(f"{where}/ping", {}).status_code == 202
    happen(api.partner, at=clock.now())
    assert work(at=clock.now())["pending"] == 2
    listed = api.get("deliveries?status=pending").json()["data"]
    assert {one["event_type"] for one in listed} == {"payout.paid", endpoints.PING}
    whole = api.get(f"deliveries/{listed[0]['id']}").json()
    assert [(one["number"], one["http_status"], one["code"]) for one in whole["attempts"]] == [(1, 500, "refused")]
    assert api.post(f"deliveries/{listed[0]['id']}/replay", {}).json()["code"] == "delivery_under_way"

    assert api.patch(where, {"event_types": ["Payout"]}).json()["code"] == "event_type_unusable"
    assert api.patch(where, {"url": "https://10.0.0.1/"}).json()["code"] == "endpoint_address_unusable"
    assert api.post(f"{where}/rotate_secret", {}).json()["old_secret_until"] is not None
    assert api.get(f"{where}/secret").json()["secrets"][1] == secret[0]
    assert api.post(f"{where}/disable", {"reason": "moving"}).json()["status"] == "disabled_by_user"
    assert api.post(f"{where}/ping", {}).json()["code"] == "endpoint_disabled"
    assert api.post(f"{where}/enable", {"reason": "moved"}).json()["status"] == "enabled"
    assert api.post(f"{where}/resend_missed", {"since": (clock.now() - DAY).isoformat()}).json()["count"] == 2
    assert make_client("webhooks:read").get(where).status_code == 404


def test_a_lead_opens_an_endpoint_and_sees_its_secret_once(partner: Partner, client: Any):
    client.force_login(make_staff("lead"))
    address = reverse("admin:backoffice_partner_button", args=[partner.pk, "open_endpoint"])
    given = {
        "key": new_id("frm"),
        "url": "https://partner.example/x",
        "description": "books",
        "event_types": "payout.*\nseller.created",
    }
    shown = client.post(address, given)
    endpoint = WebhookEndpoint.objects.get(partner=partner)
    assert endpoint.event_types == ["payout.*", "seller.created"]
    assert endpoint.secret in shown.content.decode()
    page = client.get(reverse("admin:backoffice_webhookendpoint_change", args=[endpoint.pk]))
    assert page.status_code == 200
    assert endpoint.secret not in page.content.decode()
    client.force_login(make_staff("support"))
    assert client.post(address, given | {"key": new_id("frm")}).status_code == 403
