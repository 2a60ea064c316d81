"""Lists: sealed values, four eyes, import and export, and a change against a decision under way."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.test import Client

from backoffice.staff.models import AuditEntry
from fraud.lists.models import ListedValue
from fraud.lists.operations import (
    ListedAlready,
    ListedValueInvalid,
    end_expired,
    export_values,
    import_values,
    index_of,
    list_value,
    lock_lists,
)
from tests.factories.fraud import AT, MAKER, ROBOT, ask, make_listed
from tests.factories.sellers import make_staff

SECRET = "DE89370400440532013000"


@pytest.mark.django_db
def test_a_value_is_sealed_and_found_by_whatever_way_it_is_written():
    row = make_listed("blocked", "email", "Jo.Doe@Example.org")
    assert row.shown == "J…@Example.org" and index_of("email", " jo.doe@example.ORG ") == row.value_index
    account = make_listed("blocked", "iban", SECRET)
    with connection.cursor() as cursor:
        cursor.execute("SELECT fraud_listedvalue::text FROM fraud_listedvalue")
        stored = " ".join(text for (text,) in cursor.fetchall())
    assert SECRET not in stored and "Doe" not in stored and account.value == SECRET and SECRET not in str(account)
    assert ask(passing={"email": "jo.doe@example.org"}).code == "listed_blocked"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"list": "allowed"}, "give an end"),
        ({"list": "allowed", "expires_at": AT + timedelta(days=400)}, "within 365 days"),
        ({"expires_at": AT}, "in the future"),
        ({"reason": " "}, "Give a reason"),
        ({"kind": "country", "value": "Germany"}, "two letters"),
        ({"list": "watched", "absolute": True}, "Only blocked"),
        ({"kind": "shoe"}, "A value is one of"),
        ({"value": "a\x00b"}, "1 to 200"),
    ],
)
def test_what_cannot_be_listed_is_refused_in_words(over, words):
    facts = {"list": "blocked", "kind": "device", "value": "d1", "reason": "r"} | over
    with pytest.raises(ListedValueInvalid, match=words):
        list_value(actor=MAKER, at=AT, **facts)


@pytest.mark.django_db
def test_a_file_goes_in_line_by_line_and_comes_out_as_it_went_in():
    text = "list,kind,value,reason,absolute,expires_at\n" + "\n".join(
        [
            "blocked,device,d1,bad,yes,",
            "watched,country,DE,look,,2026-12-01T00:00:00Z",
            "blocked,device,d1,again,,",
            "blocked,shoe,x,y,,",
            "allowed,buyer,b,z,,",
        ]
    )
    done = import_values(text=text, actor=MAKER, at=AT)
    assert (done.added, done.known, [line for line, _ in done.refused]) == (2, 1, [5, 6])
    out = export_values(list(ListedValue.objects.order_by("pk"))).splitlines()
    assert out[1] == "blocked,device,d1,bad,yes," and out[2].startswith("watched,country,DE,look,,2026-12-01")
    with pytest.raises(ListedAlready):
        list_value(list="blocked", kind="device", value="D1", reason="r", actor=MAKER, at=AT)
    assert end_expired(actor=ROBOT, at=AT + timedelta(days=365)) == 1
    with pytest.raises(ListedValueInvalid, match="first line"):
        import_values(text="a,b\n1,2", actor=MAKER, at=AT)


@pytest.mark.django_db
def test_a_whole_list_is_taken_out_opened_by_who_may_and_the_audit_names_them():
    make_listed("blocked", "email", "rob@example.com")
    make_listed("watched", "device", "d7")
    risk = make_staff("risk")
    client, other = Client(), Client()
    client.force_login(risk)
    other.force_login(make_staff("auditor"))
    address = "/admin/fraud/listedvalue/take_out/blocked/"
    assert "Export the blocked" in client.get("/admin/fraud/listedvalue/").content.decode()
    answer = client.get(address)
    assert answer.content.decode().splitlines()[1:] == ["blocked,email,rob@example.com,known from before,,"]
    assert (
        "no-store" in answer["Cache-Control"]
        and client.post(address).status_code == 405
        and other.get(address).status_code == 403
    )
    taken = AuditEntry.objects.get(action="list.export")
    assert (taken.actor, taken.subject) == (f"staff:{risk.pk}", "blocked")


@pytest.mark.races
@pytest.mark.django_db(transaction=True)
def test_a_decision_sees_all_of_a_change_or_nothing_and_names_the_version():
    asked, may_go = threading.Event(), threading.Event()
    found = []

    def decide_slowly():
        with transaction.atomic():
            lock_lists(shared=True)
            asked.set()
            may_go.wait(5)
            found.append(ask(buyer="b1"))
        connections.close_all()

    def change():
        make_listed("blocked", "buyer", "b1")
        found.append("changed")
        connections.close_all()

    one, other = threading.Thread(target=decide_slowly), threading.Thread(target=change)
    one.start()
    asked.wait(5)
    other.start()
    other.join(0.5)
    assert found == []  # the change waits for the decision
    may_go.set()
    one.join(10)
    other.join(10)
    assert found[0].outcome == "allow" and found[0].lists_version == 0 and found[1] == "changed"
    after = ask(buyer="b1")
    assert after.outcome == "block" and after.lists_version > 0
