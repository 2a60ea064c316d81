"""Rejected lines: kept, tried again, dismissed."""

import pytest

from backoffice.staff.models import AuditEntry
from payouts.earnings.models import RejectedLine, RejectedState
from payouts.earnings.operations import (
    LineCannotBeRetried,
    ReasonMissing,
    RejectedLineIsClosed,
    StillRejected,
    dismiss_rejected,
    retry_rejected,
)
from payouts.earnings.rejects import harmless
from tests.factories.earnings import AT, ROBOT, buckets
from tests.factories.sellers import make_seller

pytestmark = pytest.mark.django_db
RAW = (
    '{"external_id": "r1", "seller": "late", "kind": "sale", "order_ref": "o", "occurred_at": "2026-01-20T12:00:00Z", '
    '"delivered_at": "", "currency": "EUR", "gross": "10.00", "fee": "1.00"}'
)


def rejected_line(raw=RAW):
    return RejectedLine.objects.create(
        source="test", line_no=2, code="unknown_seller", reason="no seller", raw=raw, created_at=AT
    )


def test_a_retry_books_the_line_once_what_kept_it_out_is_put_right():
    row = rejected_line()
    with pytest.raises(StillRejected):
        retry_rejected(rejected_id=row.pk, actor=ROBOT, at=AT)
    seller = make_seller(external_id="late")
    retry_rejected(rejected_id=row.pk, actor=ROBOT, at=AT)
    row.refresh_from_db()
    assert (row.state, row.closed_by) == (RejectedState.RETRIED, "system:test")
    assert buckets(seller) == {"pending": 900}
    assert AuditEntry.objects.filter(action="earning.retry", subject=row.public_id).exists()
    with pytest.raises(RejectedLineIsClosed):
        retry_rejected(rejected_id=row.pk, actor=ROBOT, at=AT)


@pytest.mark.parametrize("raw", ["", "half a li", "[1, 2]", "{}", '{"other": 1}'])
def test_a_line_that_never_was_one_cannot_be_tried_again(raw):
    with pytest.raises(LineCannotBeRetried):
        retry_rejected(rejected_id=rejected_line(raw).pk, actor=ROBOT, at=AT)


def test_dismissing_needs_a_reason_and_is_final():
    row = rejected_line()
    with pytest.raises(ReasonMissing):
        dismiss_rejected(rejected_id=row.pk, reason=" ", actor=ROBOT, at=AT)
    dismiss_rejected(rejected_id=row.pk, reason="test order", actor=ROBOT, at=AT)
    with pytest.raises(RejectedLineIsClosed):
        dismiss_rejected(rejected_id=row.pk, reason="again", actor=ROBOT, at=AT)


@pytest.mark.parametrize(
    ("cell", "shown"),
    [("=1+1", "'=1+1"), ("@SUM(A1)", "'@SUM(A1)"), ("-5.00", "-5.00"), ("+x", "'+x"), ("-2+3", "'-2+3"), ("plain", "plain")],
)
def test_no_cell_of_the_rejects_file_is_run_by_a_spreadsheet(cell, shown):
    assert harmless(cell) == shown
