"""Checkpoints never cover what an open transaction may still fill in."""

import time
from datetime import UTC, datetime

import psycopg
import pytest
from django.db import connection

from backoffice.kit.actors import system
from backoffice.kit.invariants import check_books
from payouts.ledger import queries
from payouts.ledger.checkpoints import roll_up
from payouts.ledger.models import Account, Checkpoint, Horizon
from payouts.ledger.operations import Draft, post
from payouts.ledger.templates import earned

AT = datetime(2026, 3, 4, 12, tzinfo=UTC)


def sell(key: str) -> None:
    legs = earned(seller_id=1, currency="EUR", gross_minor=100, fee_minor=10, pending_minor=90)
    post(drafts=[Draft("sale", key, legs)], actor=system("test"), at=AT)


def roll_up_when_closed() -> None:
    """Roll up until something is folded: transactions of other tests, in their own databases, hold the server's horizon too, some for a minute."""
    for _ in range(3_600):
        roll_up(at=AT)
        if Checkpoint.objects.filter(upto_entry_id__gt=0).exists():
            return
        time.sleep(0.05)


def second_connection() -> psycopg.Connection:
    parameters = connection.get_connection_params()
    for name in ("cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    return psycopg.connect(**parameters)


@pytest.mark.django_db(transaction=True)
def test_a_late_commit_with_a_low_id_is_not_lost_by_a_checkpoint():
    sell("first")
    clearing = Account.objects.get(code="psp.clearing")
    with second_connection() as rival:
        # the rival draws its entry ids now and commits late
        rival.execute(
            "INSERT INTO payouts_posting (template, template_version, key, fingerprint, source_kind, source_id, actor, approver, reason,"
            " recorded_at, effective_at) VALUES ('sale', 1, 'late', '', '', 0, 'x', '', '', now(), now())"
        )
        rival.execute(
            "INSERT INTO payouts_entry (posting_id, account_id, amount_minor, currency, position)"
            " SELECT currval('payouts_posting_id_seq'), %s, v, 'EUR', n FROM (VALUES (7, 0), (-7, 1)) AS t(v, n)",
            [clearing.pk],
        )
        sell("second")
        roll_up(at=AT)
        roll_up(at=AT)
        assert Checkpoint.objects.filter(upto_entry_id__gt=0).count() == 0, "the open transaction holds the horizon"
        rival.commit()
    roll_up_when_closed()
    assert Checkpoint.objects.get(account=clearing).amount_minor == 200
    assert queries.balance(clearing.pk) == 200
    sell("third")
    assert queries.balance(clearing.pk) == 300
    assert [verdict for verdict in check_books({1, 2}) if not verdict.ok] == []


@pytest.mark.django_db(transaction=True)
def test_a_horizon_of_another_server_is_dropped_not_trusted():
    sell("first")
    Horizon.objects.create(upto_entry_id=10**9, boundary_xid="18446744073709551000", noted_at=AT)
    roll_up(at=AT)
    roll_up(at=AT)
    assert Checkpoint.objects.filter(upto_entry_id=10**9).count() == 0
    assert queries.balance(Account.objects.get(code="psp.clearing").pk) == 100
