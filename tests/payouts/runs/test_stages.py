"""A payout is found by its stage, and a move within a stage writes no index (decision 96)."""

import pytest
from django.db import connection, transaction

from backoffice.kit.actors import system
from payouts.runs.admin_payouts import bounced_payouts, held_payouts, stuck_payouts
from payouts.runs.marking import mark_payouts
from payouts.runs.models import Payout
from payouts.runs.states import PayoutStatus, stage_of
from tests.factories.runs import AT, make_approved_run

pytestmark = pytest.mark.django_db


def updates() -> tuple[int, int]:
    """Return (rows of payouts changed in this transaction, those of them without touching an index)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_stat_get_xact_tuples_updated(t), pg_stat_get_xact_tuples_hot_updated(t) FROM (SELECT 'payouts_payout'::regclass AS t) x"
        )
        return cursor.fetchone()


def test_moves_of_an_open_payout_write_no_index():
    before = updates()
    run = make_approved_run(sellers=3)
    ids = list(Payout.objects.filter(run=run).values_list("pk", flat=True))
    with transaction.atomic():
        for status in (PayoutStatus.PENDING, PayoutStatus.IN_TRANSIT):
            mark_payouts(ids, status, system("test"), AT)
        changed, without_index = (now - then for now, then in zip(updates(), before, strict=True))
        transaction.set_rollback(True)  # their money did not move with them

    assert changed == without_index == 9, "approved, being sent, on their way"


@pytest.mark.parametrize("status", PayoutStatus.values)
def test_the_database_derives_the_stage_that_the_code_names(status):
    payout = Payout.objects.filter(run=make_approved_run(sellers=1)).get()
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE payouts_payout DISABLE TRIGGER USER")
        cursor.execute("UPDATE payouts_payout SET status = %s WHERE id = %s", [status, payout.pk])

        found = Payout.objects.in_status(PayoutStatus(status))
        assert [(one.pk, one.stage) for one in found] == [(payout.pk, stage_of(status))]
        transaction.set_rollback(True)


@pytest.mark.parametrize("queue", [stuck_payouts, held_payouts, bounced_payouts])
def test_a_queue_of_the_desk_reads_payouts_by_an_index(queue):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # the table is small here
        cursor.execute(f"EXPLAIN {queue(AT).query.sql_with_params()[0]}", queue(AT).query.sql_with_params()[1])
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "Seq Scan on payouts_payout" not in plan, plan
