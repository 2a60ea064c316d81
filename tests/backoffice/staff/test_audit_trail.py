"""The audit trail: written with the act, chained, and not to be rewritten unnoticed."""

import threading

import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, transaction

from backoffice.kit.actors import staff
from backoffice.staff import audit
from backoffice.staff.models import AuditEntry
from tests.factories.sellers import AT

pytestmark = pytest.mark.django_db
ACTOR = staff(1)


def record(count=1):
    return [audit.record(ACTOR, "test.act", f"sub_{n}", AT, reason="because", facts={"n": n}) for n in range(count)]


def tamper(sql, params=()):
    """Do what only the owner of the tables could: switch the triggers off."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE backoffice_auditentry DISABLE TRIGGER audit_immutable")
        cursor.execute(sql, params)
        cursor.execute("ALTER TABLE backoffice_auditentry ENABLE TRIGGER audit_immutable")


def test_entries_are_chained_in_batches_and_verify(monkeypatch):
    monkeypatch.setattr(audit, "SEAL_BATCH", 3)
    record(7)
    assert audit.seal() == 7
    assert audit.seal() == 0
    record(1)
    assert audit.seal() == 1
    assert list(AuditEntry.objects.order_by("chain_no").values_list("chain_no", flat=True)) == list(range(1, 9))
    assert audit.verify() == []


def test_an_entry_goes_with_its_act():
    with pytest.raises(RuntimeError), transaction.atomic():
        record()
        raise RuntimeError
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("statement", [
    "UPDATE backoffice_auditentry SET actor = 'staff:2'",
    "UPDATE backoffice_auditentry SET facts = '{}'",
    "UPDATE backoffice_auditentry SET chain_no = 99, chain_hash = 'x', reason = 'other'",
    "UPDATE backoffice_auditentry SET chain_no = NULL, chain_hash = ''",
    "DELETE FROM backoffice_auditentry",
])  # fmt: skip
def test_the_database_refuses_to_change_an_entry(sealed, statement):
    record()
    if sealed:
        audit.seal()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_database_refuses_an_entry_that_claims_to_be_sealed():
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEntry.objects.create(actor="staff:1", action="x", subject="y", at=AT, chain_no=1, chain_hash="forged")


@pytest.mark.parametrize(("sql", "broken_at"), [
    ("UPDATE backoffice_auditentry SET reason = 'another' WHERE chain_no = 2", 2),
    ("UPDATE backoffice_auditentry SET facts = '{\"n\": 9}' WHERE chain_no = 3", 3),
    ("UPDATE backoffice_auditentry SET at = at + interval '1 microsecond' WHERE chain_no = 1", 1),
    ("DELETE FROM backoffice_auditentry WHERE chain_no = 2", 3),
    ("DELETE FROM backoffice_auditentry WHERE chain_no = 1", 2),
    ("UPDATE backoffice_auditentry SET chain_hash = repeat('0', 64) WHERE chain_no = 2", 2),
])  # fmt: skip
def test_the_first_entry_that_was_tampered_with_is_named(sql, broken_at):
    record(4)
    audit.seal()
    tamper(sql)
    assert [row["chain_no"] for row in audit.verify()] == [broken_at]


def test_sealing_refuses_nobody_who_records_meanwhile_and_the_command_says_so(capsys):
    record(2)
    call_command("seal_audit", "--verify", "--json")
    assert '"sealed": 2' in capsys.readouterr().out
    tamper("UPDATE backoffice_auditentry SET actor = 'staff:9' WHERE chain_no = 1")
    with pytest.raises(SystemExit) as broken:
        call_command("seal_audit", "--verify", "--json")
    assert broken.value.code == 1


@pytest.mark.races
@pytest.mark.django_db(transaction=True)
def test_many_sealers_and_writers_make_one_chain():
    def work():
        try:
            for _ in range(20):
                record()
                audit.seal(7)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    audit.seal()
    assert AuditEntry.objects.exclude(chain_no=None).count() == 80
    assert audit.verify() == []


def test_the_role_that_works_may_only_insert_and_seal(settings):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [settings.DATABASE_APP_ROLE])
        if not cursor.fetchone():
            pytest.skip("this server has one role only")
        record()
        cursor.execute(f'SET LOCAL ROLE "{settings.DATABASE_APP_ROLE}"')
        cursor.execute("SELECT sealed FROM audit_seal(10)")
        assert cursor.fetchone() == (1,)
        for statement in ("DELETE FROM backoffice_auditentry", "UPDATE backoffice_auditentry SET reason = ''"):
            with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
                cursor.execute(statement)
