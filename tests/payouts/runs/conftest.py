"""After every test of this room the books are checked: each of them moves money."""

from datetime import datetime, timedelta

import pytest

from backoffice.kit.invariants import check_books
from payouts.dispatch.operations import settle
from payouts.runs.models import PayoutRun
from tests.factories.dispatch import BANK, orders_of, rails_in, submit
from tests.factories.runs import AT, make_approved_run


@pytest.fixture(autouse=True)
def books_hold(request):
    yield
    if request.node.get_closest_marker("django_db"):
        broken = {verdict.name: verdict.rows or verdict.error for verdict in check_books({1, 2, 3, 4, 5, 8, 9}) if not verdict.ok}
        assert not broken


@pytest.fixture
def pay(tmp_path):
    """Build a run of all that is due, and take it all the way: approved, handed over, on the bank statement."""
    with rails_in(tmp_path):

        def paid(at: datetime = AT) -> PayoutRun:
            run = make_approved_run(at=at, on=at.date())
            submit(run, at=at + timedelta(minutes=10))
            for order in orders_of(run):
                settle(order_id=order.pk, actor=BANK, at=at + timedelta(days=1))
            run.refresh_from_db()
            return run

        yield paid
