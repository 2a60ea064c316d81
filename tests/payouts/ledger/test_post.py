"""The writer: balance, immutability, floors, idempotency, reversal, periods."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from backoffice.kit.actors import staff, system
from backoffice.kit.approvals import ApproverIsMaker
from backoffice.kit.invariants import check_books
from payouts.ledger import queries
from payouts.ledger.adjustments import approve_correction, request_correction
from payouts.ledger.chart import CHART
from payouts.ledger.models import Account, Entry, Posting
from payouts.ledger.operations import (
    AlreadyReversed,
    BalanceTooLow,
    CodeNotInTemplate,
    Draft,
    FourEyesRequired,
    KeyPostedDifferently,
    PeriodIsClosed,
    PostingDoesNotBalance,
    UnknownTemplate,
    post,
    reverse,
    set_floors,
)
from payouts.ledger.periods import (
    EarlierPeriodOpen,
    PeriodNotOver,
    close_period,
    open_period,
    soft_close_period,
    soft_close_permit,
    trial_balance_hash,
)
from payouts.ledger.templates import Leg, earned, platform, seller

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 4, 12, tzinfo=UTC)
ROBOT = system("test")


def sale(key: str, seller_id: int = 1, gross: int = 12_000, fee: int = 1_440, currency: str = "EUR") -> Draft:
    legs = earned(
        seller_id=seller_id, currency=currency, gross_minor=gross, fee_minor=fee, tax_minor=fee // 6, pending_minor=gross - fee
    )
    return Draft("sale", key, legs, "earning", 1)


def mature(key: str, amount: int, seller_id: int = 1) -> Draft:
    legs = [seller("pending", seller_id, "EUR", amount), seller("available", seller_id, "EUR", -amount)]
    return Draft("mature", key, legs)


def clean(*numbers: int) -> None:
    broken = [verdict for verdict in check_books(set(numbers) or {1, 2, 3, 8}) if not verdict.ok]
    assert broken == []


def test_a_sale_lands_in_the_buckets_and_accounts_of_money_md():
    post(drafts=[sale("a")], actor=ROBOT, at=AT)
    assert queries.seller_buckets([1])[1, "EUR"]["pending"] == 10_560
    balances = {row["code"]: row["balance_minor"] for row in queries.trial_balance()}
    assert balances == {
        "psp.clearing": 12_000,
        "seller.pending": 10_560,
        "revenue.commission": 1_200,
        "tax.payable": 240,
    }
    clean()


def test_a_repeated_key_answers_the_first_posting_and_books_nothing():
    first = post(drafts=[sale("a")], actor=ROBOT, at=AT)[0]
    again = post(drafts=[sale("a")], actor=ROBOT, at=AT + timedelta(days=1))[0]
    assert (again.posting_id, again.replayed, first.replayed) == (first.posting_id, True, False)
    assert queries.seller_buckets([1])[1, "EUR"]["pending"] == 10_560
    clean()


def test_keys_with_quotes_backslashes_and_commas_are_kept_as_they_are():
    keys = ['a"b', "c\\d", "e,f", "{g}", "", "NULL", "h\n"]
    post(drafts=[sale(key) for key in keys], actor=ROBOT, at=AT)
    assert sorted(Posting.objects.values_list("key", flat=True)) == sorted(keys)


def test_a_batch_with_old_and_new_keys_books_only_the_new_ones():
    first = post(drafts=[sale("a")], actor=ROBOT, at=AT)[0]
    posted = post(drafts=[sale("b"), sale("a"), sale("c", seller_id=2)], actor=ROBOT, at=AT)
    assert [one.replayed for one in posted] == [False, True, False]
    assert posted[1].posting_id == first.posting_id
    assert queries.seller_buckets([1])[1, "EUR"]["pending"] == 2 * 10_560
    clean()


def test_a_repeated_key_with_other_content_is_refused():
    post(drafts=[sale("a")], actor=ROBOT, at=AT)
    with pytest.raises(KeyPostedDifferently), transaction.atomic():
        post(drafts=[sale("a", gross=12_001)], actor=ROBOT, at=AT)
    clean()


def test_one_call_cannot_name_a_key_twice():
    with pytest.raises(IntegrityError), transaction.atomic():
        post(drafts=[sale("a"), sale("a")], actor=ROBOT, at=AT)
    assert Posting.objects.count() == 0


def test_a_batch_is_all_or_nothing():
    too_much = mature("m", 999_999)
    with pytest.raises(BalanceTooLow), transaction.atomic():
        post(drafts=[sale("a"), too_much], actor=ROBOT, at=AT)
    assert (Posting.objects.count(), Entry.objects.count()) == (0, 0)


def test_a_balance_does_not_fall_below_its_floor_but_down_to_it():
    set_floors(floors=[("seller.available", 1, "EUR", -500)], actor=ROBOT, at=AT, reason="a test")
    take = earned(seller_id=1, currency="EUR", gross_minor=-500, fee_minor=0, available_minor=-500)
    post(drafts=[Draft("refund", "r1", take)], actor=ROBOT, at=AT)
    one_more = earned(seller_id=1, currency="EUR", gross_minor=-1, fee_minor=0, available_minor=-1)
    with pytest.raises(BalanceTooLow), transaction.atomic():
        post(drafts=[Draft("refund", "r2", one_more)], actor=ROBOT, at=AT)
    assert queries.seller_buckets([1])[1, "EUR"]["available"] == -500
    clean()


def test_templates_refuse_codes_they_do_not_name_and_sums_that_are_not_zero():
    with pytest.raises(UnknownTemplate):
        post(drafts=[Draft("invented", "x", sale("x").legs)], actor=ROBOT, at=AT)
    with pytest.raises(CodeNotInTemplate):
        post(drafts=[Draft("mature", "x", sale("x").legs)], actor=ROBOT, at=AT)
    with pytest.raises(PostingDoesNotBalance):
        post(drafts=[Draft("sale", "x", sale("x").legs[:-1])], actor=ROBOT, at=AT)


def test_the_database_itself_refuses_an_unbalanced_statement():
    post(drafts=[sale("a")], actor=ROBOT, at=AT)
    posting, account = Posting.objects.get(), Account.objects.get(code="seller.pending")
    with pytest.raises(IntegrityError, match="does not balance"), transaction.atomic():
        Entry.objects.create(posting=posting, account=account, amount_minor=5, currency="EUR", position=9)


def test_the_database_refuses_an_entry_in_another_currency_than_its_account():
    post(drafts=[sale("a")], actor=ROBOT, at=AT)
    posting, account = Posting.objects.get(), Account.objects.get(code="seller.pending")
    rows = [Entry(posting=posting, account=account, amount_minor=sign, currency="USD", position=8 + sign) for sign in (1, -1)]
    with pytest.raises(IntegrityError, match="another currency"), transaction.atomic():
        Entry.objects.bulk_create(rows)


@pytest.mark.parametrize("table", ["payouts_posting", "payouts_entry"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET id = id"])
def test_posted_rows_are_neither_updated_nor_deleted(table, statement):
    post(drafts=[sale("a")], actor=ROBOT, at=AT)
    with pytest.raises(IntegrityError, match="cannot be changed"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(table))


@pytest.mark.parametrize("privilege", ["UPDATE", "DELETE", "TRUNCATE"])
def test_the_role_that_works_has_no_right_to_change_posted_rows(privilege):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT has_table_privilege('backoffice_app', 'payouts_entry', %s), has_table_privilege('backoffice_app', 'payouts_posting', %s),"
            " has_table_privilege('backoffice_app', 'payouts_entry', 'INSERT')",
            [privilege, privilege],
        )
        assert cursor.fetchone() == (False, False, True)


def test_a_posting_is_reversed_once_and_linked():
    posted = post(drafts=[sale("a")], actor=ROBOT, at=AT)[0]
    reversal = reverse(posting_id=posted.posting_id, actor=ROBOT, at=AT, reason="booked for the wrong seller")
    assert Posting.objects.get(pk=reversal.posting_id).reverses_id == posted.posting_id
    assert queries.seller_buckets([1])[1, "EUR"]["total"] == 0
    with pytest.raises(AlreadyReversed):
        reverse(posting_id=posted.posting_id, actor=ROBOT, at=AT, reason="again")
    clean()


def test_a_closed_period_takes_no_postings_and_late_facts_go_into_the_open_one():
    post(drafts=[sale("a")], actor=ROBOT, at=AT)
    after = datetime(2026, 4, 2, tzinfo=UTC)
    period = close_period(month=date(2026, 3, 1), actor=staff(1), at=after)
    with pytest.raises(PeriodIsClosed), transaction.atomic():
        post(drafts=[sale("late")], actor=ROBOT, at=AT)
    late = sale("late")
    late.effective_at = AT
    post(drafts=[late], actor=ROBOT, at=after)
    posting = Posting.objects.get(key="late")
    assert (posting.recorded_at, posting.effective_at) == (after, AT)
    assert trial_balance_hash(period) == period.trial_balance_hash


def test_a_soft_closed_period_asks_for_the_permit():
    after = datetime(2026, 4, 2, tzinfo=UTC)
    soft_close_period(month=date(2026, 3, 1), actor=staff(1), at=after)
    with pytest.raises(PeriodIsClosed), transaction.atomic():
        post(drafts=[sale("a")], actor=ROBOT, at=AT)
    with soft_close_permit():
        post(drafts=[sale("a")], actor=ROBOT, at=AT)
    clean()


def test_periods_close_in_order_and_not_before_they_are_over():
    open_period(month=date(2026, 2, 1), at=AT)
    with pytest.raises(EarlierPeriodOpen):
        close_period(month=date(2026, 3, 1), actor=staff(1), at=datetime(2026, 4, 2, tzinfo=UTC))
    with pytest.raises(PeriodNotOver):
        close_period(month=date(2026, 2, 1), actor=staff(1), at=datetime(2026, 2, 28, tzinfo=UTC))


def test_balances_as_of_an_instant_are_what_was_recorded_by_then():
    post(drafts=[sale("a")], actor=ROBOT, at=AT)
    post(drafts=[sale("b")], actor=ROBOT, at=AT + timedelta(days=2))
    account = Account.objects.get(code="seller.pending")
    assert queries.balance_as_of(account.pk, AT - timedelta(seconds=1)) == 0
    assert queries.balance_as_of(account.pk, AT + timedelta(days=1)) == 10_560
    assert queries.balance_as_of(account.pk, AT + timedelta(days=2)) == queries.balance(account.pk) == 21_120


def test_an_adjustment_needs_two_different_people():
    legs = [platform("suspense", "EUR", 100), seller("available", 1, "EUR", -100)]
    with pytest.raises(FourEyesRequired):
        post(drafts=[Draft("adjustment", "x", legs)], actor=staff(1), at=AT)
    with pytest.raises(FourEyesRequired):
        post(drafts=[Draft("adjustment", "x", legs)], actor=staff(1), approver=staff(1), at=AT)
    request = request_correction(template="adjustment", legs=legs, reason="goodwill", actor=staff(1), at=AT)
    with pytest.raises(ApproverIsMaker):
        approve_correction(subject=request.subject, actor=staff(1), at=AT)
    approve_correction(subject=request.subject, actor=staff(2), at=AT)
    posting = Posting.objects.get(template="adjustment")
    assert (posting.actor, posting.approver) == ("staff:1", "staff:2")
    assert queries.seller_buckets([1])[1, "EUR"]["available"] == 100
    clean()


def test_the_chart_in_the_database_is_the_chart_in_the_code():
    with connection.cursor() as cursor:
        cursor.execute("SELECT code, normal_sign, guarded, floor_minor FROM ledger_chart")
        stored = {code: rest for code, *rest in cursor.fetchall()}
    assert stored == {kind.code: [kind.normal_sign, kind.guarded, kind.floor] for kind in CHART.values()}


amounts = st.integers(min_value=-(10**12), max_value=10**12)


@given(pending=amounts, available=amounts, reserved=amounts, debt=amounts, fee=amounts, tax=amounts)
def test_every_earning_nets_to_zero_for_all_amounts(pending, available, reserved, debt, fee, tax):
    legs = earned(
        seller_id=1,
        currency="EUR",
        gross_minor=fee + pending + available + reserved + debt,
        fee_minor=fee,
        tax_minor=tax,
        pending_minor=pending,
        available_minor=available,
        reserved_minor=reserved,
        debt_minor=debt,
    )
    assert sum(leg.amount_minor for leg in legs) == 0
    assert all(leg.amount_minor for leg in legs)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 10**6), st.sampled_from(["EUR", "JPY", "TND"]), st.booleans()),
        min_size=1,
        max_size=12,
    )
)
def test_random_postings_never_unbalance_the_ledger(rows):
    """Random sales, some then matured: buckets follow a plain sum, and every truth of the ledger holds."""
    Posting.objects.all()
    expected: dict[tuple[int, str], int] = {}
    base = Posting.objects.count()
    with transaction.atomic():
        for number, (seller_id, amount, currency, free) in enumerate(rows):
            legs = earned(seller_id=seller_id, currency=currency, gross_minor=amount, fee_minor=0, pending_minor=amount)
            post(drafts=[Draft("sale", f"h{number}", legs)], actor=ROBOT, at=AT)
            if free:
                moved = [
                    Leg("seller.pending", seller_id, "", currency, amount),
                    Leg("seller.available", seller_id, "", currency, -amount),
                ]
                post(drafts=[Draft("mature", f"h{number}", moved)], actor=ROBOT, at=AT)
            expected[seller_id, currency] = expected.get((seller_id, currency), 0) + amount
        found = {key: buckets["total"] for key, buckets in queries.seller_buckets([1, 2, 3]).items()}
        assert found == expected
        clean()
        transaction.set_rollback(True)
    assert Posting.objects.count() == base
