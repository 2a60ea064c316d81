"""Keys, scopes and budgets of the API."""

import json
from datetime import timedelta

import pytest
from django.core.management import call_command

from backoffice.kit import clock
from backoffice.kit.outbox import tell
from backoffice.partners import limits, operations
from backoffice.partners.keys import SCOPES
from backoffice.partners.models import ApiKey, Partner
from backoffice.staff.models import AuditEntry
from tests.factories.partners import ACTOR, ApiClient, make_client, make_partner
from tests.factories.sellers import make_seller

pytestmark = pytest.mark.django_db


def assert_problem(response, status, code):
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["code"] == code
    assert body["status"] == status
    assert set(body) == {"type", "title", "status", "detail", "code", "errors", "request_id"}
    assert body["request_id"] == response["X-Request-Id"]
    return body


def test_key_is_shown_once_and_stored_as_a_hash_only():
    client = make_client()
    row = ApiKey.objects.values().get(pk=client.key.pk)
    assert client.secret.startswith("sk_test_") and len(client.secret) == 8 + 43
    assert client.secret not in str(row)
    assert row["hash"] != client.secret and row["prefix"] == client.secret[:14]


def test_live_partner_gets_live_keys():
    assert make_client(partner=make_partner(livemode=True)).secret.startswith("sk_live_")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer nonsense", "Basic abc", "Bearer a b", "Bearer sk_test_ä"])
def test_request_without_a_living_key_is_refused(header):
    response = ApiClient("").get("sellers", **({"Authorization": header} if header else {}))
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert response["Content-Type"] == "application/problem+json"


def test_expired_key_is_refused():
    at = clock.now() - timedelta(days=2)
    client = make_client(at=at, expires_at=at + timedelta(days=1))
    assert_problem(client.get("sellers"), 401, "invalid_key")


def test_revoked_key_is_dead_at_the_next_request():
    client = make_client()
    assert client.get("sellers").status_code == 200
    operations.revoke_key(key_id=client.key.pk, actor=ACTOR, at=clock.now(), reason="lost laptop")
    assert_problem(client.get("sellers"), 401, "invalid_key")
    with pytest.raises(operations.KeyAlreadyRevoked):
        operations.revoke_key(key_id=client.key.pk, actor=ACTOR, at=clock.now(), reason="again")


def test_closed_partner_is_out_at_once_and_back_when_reopened():
    client = make_client()
    operations.close_partner(partner_id=client.partner.pk, actor=ACTOR, at=clock.now(), reason="contract ended")
    assert_problem(client.get("sellers"), 401, "invalid_key")
    operations.reopen_partner(partner_id=client.partner.pk, actor=ACTOR, at=clock.now(), reason="new contract")
    assert client.get("sellers").status_code == 200


@pytest.mark.parametrize("scope", sorted(SCOPES))
def test_scope_opens_nothing_but_its_own(scope):
    client = make_client(scope)
    doors = {"sellers:read": "sellers", "earnings:read": "earnings", "payouts:read": "payouts", "events:read": "events"}
    for needed, path in doors.items():
        response = client.get(path)
        if needed == scope:
            assert response.status_code == 200
        else:
            assert needed in assert_problem(response, 403, "insufficient_scope")["detail"]


def test_key_without_scopes_opens_nothing():
    client = make_client(partner=make_partner())
    ApiKey.objects.filter(pk=client.key.pk).update(scopes=[])
    assert_problem(client.get("sellers"), 403, "insufficient_scope")


def test_last_use_is_written_once_a_minute():
    client = make_client("sellers:read")
    client.get("sellers")
    first = ApiKey.objects.get(pk=client.key.pk).last_used_at
    client.get("sellers")
    assert first is not None and ApiKey.objects.get(pk=client.key.pk).last_used_at == first
    ApiKey.objects.filter(pk=client.key.pk).update(last_used_at=first - timedelta(minutes=2))
    client.get("sellers")
    assert ApiKey.objects.get(pk=client.key.pk).last_used_at > first


def test_giving_out_and_revoking_keys_is_audited_without_the_key():
    client = make_client("sellers:read")
    operations.revoke_key(key_id=client.key.pk, actor=ACTOR, at=clock.now(), reason="rotation")
    rows = AuditEntry.objects.filter(subject=client.key.public_id).order_by("id")
    assert [row.action for row in rows] == ["api_key.issued", "api_key.revoked"]
    assert client.secret not in str(list(rows.values()))


def test_unknown_scope_and_past_expiry_are_refused():
    partner = make_partner()
    with pytest.raises(operations.UnknownScope):
        operations.issue_key(partner_id=partner.pk, label="", scopes=["payouts:all"], actor=ACTOR, at=clock.now())
    with pytest.raises(operations.ExpiryInThePast):
        at = clock.now()
        operations.issue_key(partner_id=partner.pk, label="", scopes=[], actor=ACTOR, at=at, expires_at=at)


def test_create_partner_prints_the_key_once(capsys):
    call_command("create_partner", "Phone Shop", "--scopes", "sellers:read,payouts:read")
    printed = capsys.readouterr().out
    secret = next(word for word in printed.split() if word.startswith("sk_test_"))
    assert ApiClient(secret).get("sellers").status_code == 200
    assert_problem(ApiClient(secret).get("earnings"), 403, "insufficient_scope")


def test_create_partner_takes_existing_sellers_and_never_another_partners(capsys):
    first, second = make_seller(), make_seller()
    call_command("create_partner", "Phone Shop", "--sellers", first.external_id, "--json")
    answer = json.loads(capsys.readouterr().out)
    assert answer["sellers"] == 1
    assert [one["id"] for one in ApiClient(answer["secret"]).get("sellers").json()["data"]] == [first.public_id]
    with pytest.raises(SystemExit) as refused:
        call_command("create_partner", "Other", "--sellers", f"{second.external_id},{first.external_id}")
    assert refused.value.code == 1
    assert Partner.objects.filter(name="Other").count() == 0
    call_command("create_partner", "Rest", "--sellers", "unassigned", "--json")
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["sellers"] == 1


# --- budgets


def test_every_answer_says_what_is_left_and_too_many_are_refused(settings):
    settings.API_READS_PER_MINUTE = 3
    client = make_client()
    answers = [client.get("sellers") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0]["RateLimit-Policy"] == '"reads";q=3;w=60'
    assert answers[0]["RateLimit"].startswith('"reads";r=2;t=')
    assert_problem(answers[3], 429, "too_many_requests")
    assert 1 <= int(answers[3]["Retry-After"]) <= 20


def test_reads_do_not_use_up_the_budget_of_writes(settings):
    settings.API_READS_PER_MINUTE = 1
    client = make_client()
    client.get("sellers")
    assert client.get("sellers").status_code == 429
    assert client.post("sellers", {}).status_code == 422


def test_limiter_that_does_not_answer_leaves_reads_open_and_writes_closed(settings):
    settings.BROKER_URL = "redis://127.0.0.1:1/0"
    client = make_client()
    assert client.get("sellers").status_code == 200
    response = client.post("sellers", {})
    assert_problem(response, 503, "limiter_unavailable")
    assert response["Retry-After"]


def test_process_limiter_refills_with_time(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(limits.time, "monotonic", lambda: now[0])
    limiter = limits.ProcessLimiter()
    assert [limiter.take("k", 2).allowed for _ in range(3)] == [True, True, False]
    now[0] += 30
    assert [limiter.take("k", 2).allowed for _ in range(2)] == [True, False]
    assert limiter.take("other", 2).allowed


# --- events


def test_partner_reads_its_own_events_only():
    mine, other = make_client("events:read"), make_client("events:read")
    for number in range(3):
        tell("payout.paid", subject=f"pay_{number}", payload={"n": number}, at=clock.now(), partner_id=mine.partner.pk)
    tell("payout.paid", subject="pay_x", payload={}, at=clock.now(), partner_id=other.partner.pk)
    tell("payout.paid", subject="pay_y", payload={}, at=clock.now())
    listed = mine.get("events").json()
    assert [event["subject"] for event in listed["data"]] == ["pay_2", "pay_1", "pay_0"]
    one = listed["data"][0]
    assert mine.get(f"events/{one['id']}").json() == one
    assert_problem(other.get(f"events/{one['id']}"), 404, "not_found")
    assert mine.get("events?type=payout.failed").json()["data"] == []
