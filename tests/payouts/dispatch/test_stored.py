"""Files of banks are sealed where they are stored, and open again only whole."""

import importlib
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection

from backoffice.kit.crypto import new_data_key
from backoffice.kit.invariants import check_books
from payouts.dispatch.files import hand_over_files
from payouts.dispatch.models import RailFile
from payouts.dispatch.stored import FileAltered, bytes_of
from tests.factories.dispatch import BANK, SUBMIT_AT, make_submitted_run

pytestmark = pytest.mark.django_db


def raw_of(file: RailFile) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed FROM payouts_railfile WHERE id = %s", [file.pk])
        return bytes(cursor.fetchone()[0])


def spoil(file: RailFile, **columns: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE payouts_railfile DISABLE TRIGGER USER")
        RailFile.objects.filter(pk=file.pk).update(**columns)
        cursor.execute("ALTER TABLE payouts_railfile ENABLE TRIGGER USER")


def test_a_stored_file_shows_no_account_number_and_opens_again(rails: Path):
    file = RailFile.objects.get(run=make_submitted_run(sellers=2))

    assert b"<IBAN>" in bytes_of(file)
    assert b"IBAN" not in raw_of(file)


def test_altered_bytes_are_refused(rails: Path):
    file = RailFile.objects.get(run=make_submitted_run(sellers=2))
    whole = raw_of(file)
    spoil(file, sealed=whole[:-1] + bytes([whole[-1] ^ 1]))

    with pytest.raises(FileAltered):
        bytes_of(RailFile.objects.get(pk=file.pk))
    assert [verdict.name for verdict in check_books({7}) if not verdict.ok] == ["files_are_intact"]
    spoil(file, sealed=whole)


def test_a_file_that_does_not_open_is_not_handed_over_and_waits(rails: Path):
    file = RailFile.objects.get(run=make_submitted_run(sellers=2))
    whole, state, handed_over_at = raw_of(file), file.state, file.handed_over_at
    spoil(file, state="built", handed_over_at=None, sealed=whole[:-1] + bytes([whole[-1] ^ 1]))

    assert hand_over_files(actor=BANK, at=SUBMIT_AT) == []
    file.refresh_from_db()
    assert file.state == "built"
    assert "their key is gone" in file.state_reason
    spoil(file, state=state, handed_over_at=handed_over_at, sealed=whole)


def test_what_was_stored_in_the_open_is_sealed_by_the_migration(rails: Path):
    file = RailFile.objects.get(run=make_submitted_run(sellers=2))
    plain = bytes_of(file)
    spoil(file, sealed=plain, sealed_sha256="", data_key="")
    migration = importlib.import_module("payouts.migrations.0051_files_of_banks_are_sealed")

    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payouts_railfile DISABLE TRIGGER USER")
        migration.seal(apps, None)
        cursor.execute("ALTER TABLE payouts_railfile ENABLE TRIGGER USER")

    sealed = RailFile.objects.get(pk=file.pk)
    assert bytes_of(sealed) == plain
    assert plain not in raw_of(sealed)


def test_a_key_of_another_row_opens_nothing(rails: Path):
    file = RailFile.objects.get(run=make_submitted_run(sellers=2))
    file.data_key = new_data_key()

    with pytest.raises(FileAltered):
        bytes_of(file)
