"""Building a run: money aside, lines frozen, one open payout, the same key the same run."""

import pytest

from payouts.ledger.queries import seller_buckets
from payouts.runs.models import Payout
from tests.factories.runs import make_approved_run, make_payable_seller, make_run

pytestmark = pytest.mark.django_db


def test_a_built_run_takes_the_money_aside_and_waits_for_approval():
    seller = make_payable_seller(12_345)

    run = make_run()

    payout = Payout.objects.get(run=run)
    assert (payout.seller_id, payout.amount_minor, payout.status) == (seller.pk, 12_345, "needs_approval")
    buckets = seller_buckets([seller.pk])[(seller.pk, "EUR")]
    assert (buckets["available"], buckets["in_payout"]) == (0, 12_345)
    assert (run.payouts_count, run.totals) == (1, {"EUR": 12_345})


def test_an_approved_run_carries_its_checker():
    run = make_approved_run(sellers=2)

    assert set(Payout.objects.filter(run=run).values_list("status", "checker")) == {("approved", run.checker)}
