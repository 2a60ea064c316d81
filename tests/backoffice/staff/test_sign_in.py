"""How staff get in: links that work once, passwords, the lock-out."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import aauthenticate, authenticate, get_user_model
from django.core.management import call_command

from backoffice.kit.actors import system
from backoffice.staff import backends, demo, operations
from backoffice.staff.models import AuditEntry, LoginAttempt
from tests.factories.sellers import AT, PASSWORD, make_staff

pytestmark = pytest.mark.django_db
ACTOR = system("test")


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        at = datetime.now(UTC)

        def now(self):
            return self.at

    clock = Clock()
    monkeypatch.setattr(backends, "clock", clock)
    return clock


def sign_in(user, password=PASSWORD):
    return authenticate(None, username=user if isinstance(user, str) else user.username, password=password)


def test_ten_failures_lock_an_account_for_half_an_hour_even_with_the_right_password(clock):
    user = make_staff()
    for _ in range(10):
        assert sign_in(user, "wrong") is None
    assert sign_in(user) is None
    clock.at += timedelta(minutes=29)
    assert sign_in(user) is None
    clock.at += timedelta(minutes=2)
    assert sign_in(user) == user


def test_a_success_and_a_rest_forget_the_failures(clock):
    user = make_staff()
    for _ in range(3):
        for _ in range(9):
            assert sign_in(user, "wrong") is None
        assert sign_in(user.username.upper()) == user
    for _ in range(3):
        for _ in range(9):
            sign_in(user, "wrong")
        clock.at += timedelta(minutes=31)
    assert sign_in(user) == user


def test_unknown_accounts_are_counted_alike_and_never_stored_by_name(clock):
    for _ in range(11):
        sign_in("nobody@example.com", "x")
    attempt = LoginAttempt.objects.get()
    assert attempt.locked_until is not None
    assert "nobody" not in attempt.account
    clock.at += timedelta(days=2)
    sign_in("somebody@example.com", "x")
    assert LoginAttempt.objects.count() == 1


def test_the_asynchronous_way_in_counts_too(clock):
    user = make_staff()
    for _ in range(10):
        sign_in(user, "wrong")
    assert async_to_sync(aauthenticate)(None, username=user.username, password=PASSWORD) is None


def test_inactive_staff_do_not_get_in(clock):
    assert sign_in(make_staff(is_active=False)) is None


def test_create_staff_prints_a_link_that_sets_a_password_once(client, capsys):
    call_command("create_staff", "New@Example.com", "--role", "lead", "--json")
    answer = json.loads(capsys.readouterr().out)
    path = answer["sign_in_link"].removeprefix("http://127.0.0.1:8000")
    assert answer["email"] == "new@example.com"
    assert client.get(path).status_code == 200
    assert client.get(path).status_code == 200  # looking spends nothing
    weak = client.post(path, {"password": "short", "again": "short"})
    assert weak.status_code == 200 and b"12 characters" in weak.content
    unlike = client.post(path, {"password": PASSWORD, "again": "something else entirely"})
    assert b"not the same" in unlike.content
    done = client.post(path, {"password": PASSWORD, "again": PASSWORD})
    assert (done.status_code, done.headers["Location"]) == (302, "/admin/")
    user = get_user_model().objects.get(username="new@example.com")
    assert client.session["_auth_user_id"] == str(user.pk)
    assert list(user.groups.values_list("name", flat=True)) == ["lead"]
    assert client.get(path).status_code == 410
    assert client.post(path, {"password": PASSWORD, "again": PASSWORD}).status_code == 410
    assert list(AuditEntry.objects.order_by("id").values_list("action", flat=True)) == [
        "staff.create", "staff.sign_in_link", "staff.sign_in_link_used",
    ]  # fmt: skip


def test_links_expire_are_replaced_and_cannot_be_made_up(client):
    user = make_staff()
    old = operations.make_sign_in_link(user_id=user.pk, actor=ACTOR, at=AT)
    new = operations.make_sign_in_link(user_id=user.pk, actor=ACTOR, at=AT)
    assert operations.peek_sign_in_link(token=new, at=AT) == user
    for token, at in ((old, AT), (new, AT + timedelta(hours=25)), (new[:-1] + "~", AT), ("", AT), ("x:y:z", AT)):
        with pytest.raises(operations.LinkNotValid):
            operations.redeem_sign_in_link(token=token, password=PASSWORD, at=at)
    assert client.get("/staff/sign-in/made:up/").status_code == 410


def test_create_staff_refuses_what_it_must(monkeypatch, capsys):
    def run(email, role="lead", stdin="", *more):
        monkeypatch.setattr("sys.stdin", StringIO(stdin))
        try:
            call_command("create_staff", email, "--role", role, "--json", *more)
        except SystemExit as stop:
            return stop.code
        return 0

    assert run("a@example.com", "lead", f"{PASSWORD}\n", "--password-stdin") == 0
    assert sign_in("a@example.com") is not None
    assert run("A@example.com") == 1
    assert run("b@example.com", "lead", "short\n", "--password-stdin") == 2
    assert run("b@example.com", "lead", "", "--password-stdin") == 2
    assert run("not an address") == 2
    assert get_user_model().objects.count() == 1
    assert PASSWORD not in capsys.readouterr().out


def test_the_demo_people_can_sign_in_and_are_made_once():
    first = demo.make_demo_staff(actor=ACTOR, at=AT)
    assert demo.make_demo_staff(actor=ACTOR, at=AT) == first
    for login in demo.demo_logins():
        assert sign_in(login["email"], login["password"]) == first[login["role"]]
