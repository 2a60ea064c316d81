"""Key rotation: nothing lost whenever it is killed, the old key removable afterwards."""

import base64
import json
import os

import pytest
from django.core.management import call_command
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from backoffice.kit import crypto
from backoffice.kit.failpoints import hook
from backoffice.staff import field_keys
from payouts.sellers import queries
from payouts.sellers.models import PayeeAccount
from tests.factories.sellers import ACTOR, AT, make_payee, make_seller


def a_key(name):
    return f"{name}:{base64.b64encode(os.urandom(32)).decode()}"


@pytest.fixture
def new_key(settings):
    fresh = a_key("fresh")
    settings.FIELD_KEYS = f"{fresh},{settings.FIELD_KEYS}"
    return fresh


@pytest.mark.django_db
def test_rotation_reseals_everything_and_the_old_key_can_go(settings, new_key, capsys):
    settings.FIELD_KEYS = settings.FIELD_KEYS.partition(",")[2]
    payees = [make_payee(make_seller()) for _ in range(3)]
    numbers = [payee.number for payee in payees]
    settings.FIELD_KEYS = f"{new_key},{settings.FIELD_KEYS}"
    call_command("rotate_field_keys", "--json")
    answer = json.loads(capsys.readouterr().out)
    assert answer["rotated"] == {"payouts_payeeaccount.account_holder": 3, "payouts_payeeaccount.number": 3}
    assert (answer["keys_in_use"], answer["old_keys_removable"]) == ({"fresh": 6}, True)
    settings.FIELD_KEYS = new_key
    assert [PayeeAccount.objects.get(pk=payee.pk).number for payee in payees] == numbers
    assert queries.find_payee_by_number(numbers[0]) == [payees[0]]


@pytest.mark.django_db(transaction=True)
def test_a_killed_rotation_goes_on_where_it_was(settings):
    payees = [make_payee(make_seller()) for _ in range(5)]
    settings.FIELD_KEYS = f"{a_key('fresh')},{settings.FIELD_KEYS}"

    class Killed(BaseException):
        pass

    def kill():
        raise Killed

    hook("rotation_between_batches", kill)
    try:
        with pytest.raises(Killed):
            field_keys.rotate_field_keys(actor=ACTOR, at=AT, batch_rows=2)
    finally:
        hook("rotation_between_batches", None)
    assert field_keys.keys_in_use()["fresh"] == 4
    rotation = field_keys.rotate_field_keys(actor=ACTOR, at=AT, batch_rows=2)
    assert sum(rotation.rotated.values()) == 6 and rotation.is_complete
    assert [PayeeAccount.objects.get(pk=one.pk).number for one in payees] == [one.number for one in payees]


@pytest.mark.django_db
def test_a_value_that_does_not_open_is_named_left_alone_and_holds_nothing_up(settings, capsys):
    broken, fine = make_payee(make_seller()), make_payee(make_seller())
    with connection.cursor() as cursor:
        cursor.execute("UPDATE payouts_payeeaccount SET number = 'gone:AAAA' WHERE id = %s", [broken.pk])
    settings.FIELD_KEYS = f"{a_key('fresh')},{settings.FIELD_KEYS}"
    with pytest.raises(SystemExit) as partly:
        call_command("rotate_field_keys", "--json")
    answer = json.loads(capsys.readouterr().out)
    assert partly.value.code == 3
    assert answer["failed_rows"] == [f"{broken.public_id} number"]
    assert (answer["keys_in_use"], answer["old_keys_removable"]) == ({"fresh": 3, "gone": 1}, False)
    assert PayeeAccount.objects.get(pk=fine.pk).number == fine.number


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_sealed_text_opens_only_where_it_was_sealed(text, here, there):
    try:
        text.encode(), here.encode(), there.encode()
    except UnicodeEncodeError:
        return
    sealed = crypto.seal(text, here)
    assert crypto.unseal(sealed, here) == text
    assert text not in sealed or len(text) < 8
    if here != there:
        with pytest.raises(crypto.CannotUnseal):
            crypto.unseal(sealed, there)
