"""A name and an account number walk through every flow, the failing ones too, and are looked for where they have no business."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils.module_loading import import_string

from backoffice.kit.actors import staff, system
from backoffice.kit.errors import Refusal
from backoffice.kit.outbox import relay
from payouts.dispatch.operations import import_bank_file, reject, sweep, work
from payouts.rails import registry
from payouts.sellers.importing import import_sellers
from payouts.sellers.models import Seller
from payouts.sellers.operations import change_payee_account, create_seller
from tests.factories.dispatch import BANK, SUBMIT_AT, orders_of, rails_in, submit
from tests.factories.runs import give_money, make_approved_run
from tests.factories.sellers import AT, make_iban, make_payee, make_seller
from tests.payouts.bankfiles.samples import camt, details, entry
from tests.payouts.bankfiles.samples import transaction as booked

NAME = "Zacharias Canarybird"
LATER = SUBMIT_AT + timedelta(days=1)
# Where names belong: the seller himself. What went to a bank or came from one is sealed.
_HOME = {("payouts_seller", "legal_name"), ("payouts_seller", "email")}


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything logged, as the handlers of the settings write it."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    line = settings.LOGGING["formatters"]["line"]
    handler.setFormatter(import_string(line["class"])(line["format"]))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(before)


@pytest.fixture
def rails(tmp_path: Path, db: None) -> Iterator[Path]:
    with rails_in(tmp_path) as folder:
        yield folder


def tables_with(*canaries: str) -> set[tuple[str, str]]:
    """Return every (table, column) in which a canary can be read."""
    found = set()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
            " AND data_type IN ('text', 'character varying', 'jsonb', 'json', 'bytea', 'ARRAY')"
        )
        for table, column in cursor.fetchall():
            for canary in canaries:
                as_text = f"CASE WHEN pg_typeof({column})::text = 'bytea' THEN encode({column}::text::bytea, 'escape') ELSE {column}::text END"
                cursor.execute(f"SELECT 1 FROM {table} WHERE ({as_text}) LIKE %s LIMIT 1", [f"%{canary}%"])
                if cursor.fetchone():
                    found.add((table, column))
    return found


def test_names_and_numbers_stay_where_they_belong(rails: Path, log: io.StringIO, tmp_path: Path):
    number, second, wrong = make_iban(), make_iban(), "FR7630006000011234567890180"
    seller = make_seller(legal_name=NAME, email="zacharias@canarybird.example")
    make_payee(seller, number=number, account_holder=NAME)
    with pytest.raises(Refusal):
        make_payee(seller, number=wrong, account_holder=NAME)
    american = make_seller(legal_name=NAME, country="US", currency="USD")
    make_payee(american, number="987654321098", account_holder=NAME)

    # paid by file and by call; one comes back with the bank's words, one call fails in the rail's own code
    give_money(seller, 10_000)
    give_money(american, 10_000)
    run = make_approved_run()
    submit(run)
    rail = registry.call_rail("sandbox")
    send, rail.transport.post = rail.transport.post, _explode
    work(at=LATER, limit=10)
    rail.transport.post = send
    sweep(at=LATER)
    for order in orders_of(run):
        if order.rail == "sepa":
            line = entry("100.00", "CRDT", reference="B1", details=details(
                booked(order.end_to_end_id, amount="100.00", returned="AC04")))  # fmt: skip
            import_bank_file(data=camt(line), file_name="x.xml", actor=BANK, at=LATER)
    change_payee_account(
        seller_id=seller.pk, currency="EUR", kind="iban", account_holder=NAME, number=second, actor=staff(7), key="change", at=LATER
    )  # fmt: skip
    for order in orders_of(run):
        with pytest.raises(Refusal):
            reject(order_id=order.pk, code="AC04", actor=BANK, at=LATER) if order.rail == "sepa" else _refuse()

    # imported, badly
    path = tmp_path / "sellers.csv"
    path.write_text(
        "external_id,legal_name,entity_type,country,currency,email,tier,schedule,payee_kind,account_holder,account_number\n"
        f"c1,{NAME},company,FR,EUR,z@example.com,standard,daily,iban,{NAME},{wrong}\n"
    )
    with contextlib.suppress(Refusal):
        import_sellers(path=path, actor=system("import_sellers"), at=AT)
    relay(at=LATER)

    canaries = (NAME, "Canarybird", number, second, wrong, "987654321098")
    found = tables_with(*canaries)
    assert found <= _HOME
    assert ("payouts_seller", "legal_name") in found, "the search finds what is there"
    assert not [canary for canary in canaries if canary in log.getvalue()]


def _explode(*args: object) -> None:
    raise ValueError(f"could not send {args!r}")


def _refuse() -> None:
    raise Refusal()


def test_a_traceback_of_the_database_tells_no_row(log: io.StringIO, db: None):
    seller = make_seller(legal_name=NAME)
    try:
        with transaction.atomic():
            Seller.objects.filter(pk=seller.pk).update(schedule_day=-1)
    except IntegrityError:
        logging.getLogger("payouts").exception("it went wrong for %s", "FR7630006000011234567890189")

    said = log.getvalue()
    assert "it went wrong" in said and "IntegrityError" in said
    assert "Canarybird" not in said
    assert "FR7630006000011234567890189" not in said


def test_a_seller_that_exists_already_is_refused_without_its_row(log: io.StringIO, db: None):
    seller = make_seller(legal_name=NAME)
    with pytest.raises(Refusal) as refusal:
        create_seller(
            external_id=seller.external_id, legal_name=NAME, entity_type="company", country="FR", currency="EUR", tier="standard",
            schedule="daily", actor=system("test"), key="again", at=AT,
        )  # fmt: skip
    assert NAME not in str(refusal.value) and NAME not in log.getvalue()
