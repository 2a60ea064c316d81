"""Who would be paid and why not: one reason per seller, in a documented order, with the next day where time mends it."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection

from backoffice.kit.outbox import Event
from payouts.earnings.lines import EarningLine
from payouts.earnings.operations import record_earnings
from payouts.holds.operations import mature_earnings, place_pause
from payouts.runs import planning
from payouts.runs.models import Payout, PayoutRun, RunSkip
from payouts.runs.operations import build_run, cancel_payout, deny_run, plan_run
from payouts.runs.queries import eligibility
from payouts.runs.states import SkipCode
from payouts.sellers.models import MinimumPayout, PayeeAccount
from payouts.sellers.operations import change_payee_account, mark_payee_account, record_name_check, set_seller_status
from tests.factories.runs import AT, MAKER, ON, give_money, make_checker, make_payable_seller, make_run
from tests.factories.sellers import make_iban, make_payee, make_seller, make_tier

pytestmark = pytest.mark.django_db
MONDAY = date(2026, 1, 26)


def verdict(seller, on=ON, at=AT, **over):
    """Return (code, next day) of the seller's only currency."""
    (row,) = eligibility(seller.pk, on, at, **over)
    return row.code, row.next_on


def pause(seller, **over):
    return place_pause(seller_id=seller.pk, code="review", reason="Looking into it.", seller_text="We are checking.", owner="risk",
                       actor=MAKER, key=f"pause:{seller.pk}", at=AT, **over)  # fmt: skip


def test_a_payable_seller_has_no_code_and_a_rail():
    seller = make_payable_seller(10_000)

    (row,) = eligibility(seller.pk, ON, AT)

    assert (row.code, row.amount_minor, row.currency, row.rail, row.next_on) == ("", 10_000, "EUR", "sepa", None)
    assert row.payee == PayeeAccount.objects.get(seller=seller).masked


def test_a_seller_who_is_not_active_is_skipped():
    blocked = make_payable_seller()
    set_seller_status(seller_id=blocked.pk, to="blocked", actor=MAKER, at=AT, reason="found on a list")

    assert verdict(blocked) == ("seller_not_active", None)
    assert verdict(make_payable_seller(status="created")) == ("requirements_due", None)


def test_a_seller_nobody_has_assessed_is_skipped():
    seller = make_payable_seller()
    seller.capabilities.delete()

    assert verdict(seller) == ("not_assessed", None)


def test_a_seller_paused_by_staff_is_skipped():
    seller = make_payable_seller()
    set_seller_status(seller_id=seller.pk, to="paused", actor=MAKER, at=AT, reason="asked for")

    assert verdict(seller) == ("paused_by_staff", None)


def test_a_pause_stops_the_seller_until_the_day_after_it_ends():
    open_end, dated = make_payable_seller(), make_payable_seller()
    pause(open_end)
    pause(dated, release_at=AT + timedelta(days=3))

    assert verdict(open_end) == ("on_hold", None)
    assert verdict(dated) == ("on_hold", ON + timedelta(days=4))


def test_a_seller_with_an_open_payout_is_skipped():
    seller = make_payable_seller()
    make_run()
    give_money(seller, 5_000)

    assert verdict(seller) == ("payout_open", None)


def test_a_negative_balance_is_skipped():
    seller = make_payable_seller(1_000)
    give_money(seller, -3_000)

    assert verdict(seller) == ("negative_balance", None)


def test_nothing_available_names_the_day_the_first_money_matures():
    seller = make_payable_seller(1_000)
    give_money(seller, -1_000)
    assert verdict(seller) == ("nothing_available", None)

    sale = EarningLine(1, "s1", seller.external_id, "sale", "o1", "2026-01-20T10:00:00Z", "", "EUR", "50.00", "5.00")
    record_earnings(lines=[sale], source="shop", actor=MAKER, at=AT)

    assert verdict(seller) == ("nothing_available", date(2026, 2, 4))


def test_a_seller_without_a_payee_account_is_skipped():
    seller = make_seller()
    give_money(seller)

    assert verdict(seller) == ("no_payee_account", None)


def test_a_payee_account_that_does_not_work_is_skipped():
    seller = make_payable_seller()
    mark_payee_account(payee_account_id=PayeeAccount.objects.get(seller=seller).pk, status="closed", code="AC04", reason="The bank said so.",
                       actor=MAKER, at=AT)  # fmt: skip

    assert verdict(seller) == ("payee_not_usable", None)


def test_a_changed_payee_account_cools_off_until_the_day_after():
    seller = make_payable_seller()
    change_payee_account(seller_id=seller.pk, currency="EUR", kind="iban", account_holder="New Holder", number=make_iban(), actor=MAKER,
                         key="change", at=AT)  # fmt: skip

    assert verdict(seller) == ("payee_cooling_off", ON + timedelta(days=4))
    assert verdict(seller, at=AT + timedelta(hours=72)) == ("", None)


def test_a_name_that_does_not_match_is_skipped():
    seller = make_payable_seller()
    record_name_check(payee_account_id=PayeeAccount.objects.get(seller=seller).pk, result="no_match", actor=MAKER, at=AT)

    assert verdict(seller) == ("name_check_failed", None)


def test_a_currency_without_a_rail_is_skipped(settings):
    settings.RAIL_BY_CURRENCY, settings.DEFAULT_RAIL = {}, ""

    assert verdict(make_payable_seller()) == ("no_rail", None)


def test_a_currency_without_a_rail_of_its_own_takes_the_default(settings):
    seller = make_payable_seller(currency="USD")

    (row,) = eligibility(seller.pk, ON, AT)

    assert (row.code, row.rail) == ("", settings.DEFAULT_RAIL)


def test_an_amount_below_the_minimum_is_carried_over():
    MinimumPayout.objects.update_or_create(currency="EUR", country="", defaults={"amount_minor": 100})
    MinimumPayout.objects.update_or_create(currency="EUR", country="ES", defaults={"amount_minor": 2_000})
    french, spanish = make_payable_seller(1_500), make_payable_seller(1_500, country="ES")

    assert verdict(french) == ("", None)
    assert verdict(spanish) == ("below_minimum", ON + timedelta(days=1))


def test_a_manual_schedule_is_paid_on_request_only():
    seller = make_payable_seller(schedule="manual")

    assert verdict(seller) == ("manual_schedule", None)
    assert verdict(seller, on_request=True) == ("", None)
    assert plan_run(on=ON, at=AT, all_schedules=True).skipped_by_code == {"manual_schedule": 1}


def test_a_missed_day_is_caught_up_until_the_seller_is_served(pay):
    seller = make_payable_seller(schedule="weekly")
    assert verdict(seller) == ("", None), "Monday the 19th was missed: it is caught up on Wednesday"

    make_run(on=ON)
    cancel_payout(payout_id=Payout.objects.get(seller=seller).pk, actor=MAKER, at=AT, reason="wrong")
    assert verdict(seller) == ("", None), "a cancelled payout served nobody"

    pay()
    give_money(seller)
    assert verdict(seller) == ("not_scheduled_today", MONDAY)


def test_a_seller_who_was_served_is_due_again_on_his_next_day():
    seller = make_payable_seller(schedule="weekly", at=datetime(2026, 1, 20, 9, tzinfo=UTC))

    assert verdict(seller) == ("not_scheduled_today", MONDAY)
    assert verdict(seller, on=MONDAY) == ("", None)
    assert plan_run(on=ON, at=AT, all_schedules=True).totals == {"EUR": 10_000}


def test_a_seller_brought_with_old_money_is_due_at_once():
    make_tier("trusted", delay_days=7)
    seller = make_seller(schedule="monthly", at=AT, tier="trusted")
    make_payee(seller, at=AT)
    sale = EarningLine(1, "s1", seller.external_id, "sale", "o1", "2025-11-02T10:00:00Z", "", "EUR", "50.00", "5.00")
    record_earnings(lines=[sale], source="shop", actor=MAKER, at=AT)
    mature_earnings(actor=MAKER, at=AT)

    assert verdict(seller) == ("", None)


def test_a_denied_run_can_be_built_again_on_the_same_day():
    seller = make_payable_seller(schedule="monthly")
    run = make_run(on=date(2026, 2, 1), at=AT)
    deny_run(run_id=run.pk, actor=make_checker(), at=AT, reason="not yet")

    assert verdict(seller, on=date(2026, 2, 1)) == ("", None)


def test_each_currency_of_a_seller_has_its_own_answer():
    seller = make_payable_seller()
    give_money(seller, 700, currency="USD")

    assert [(row.currency, row.code) for row in eligibility(seller.pk, ON, AT)] == [("EUR", ""), ("USD", "no_payee_account")]


def test_the_reasons_are_given_in_the_documented_order():
    judged = planning._STATEMENT[planning._STATEMENT.index("judged AS") : planning._STATEMENT.index("dated AS")]
    order = re.findall(r"THEN '(\w+)'", judged)

    documented = re.search(r"the first that holds is given: (.*?)\. ", planning.__doc__, re.S).group(1)
    assert [part.strip() for part in documented.split(",")] == order
    assert set(order) == {str(code) for code in SkipCode}


def test_a_dry_run_writes_nothing():
    make_payable_seller()
    with connection.cursor() as cursor:
        counts = "SELECT (SELECT count(*) FROM payouts_posting), (SELECT count(*) FROM backoffice_statechange)"
        cursor.execute(counts)
        before = (cursor.fetchone(), Event.objects.count(), PayoutRun.objects.count())
        plan_run(on=ON, at=AT)
        cursor.execute(counts)
        assert (cursor.fetchone(), Event.objects.count(), PayoutRun.objects.count()) == before


def test_a_build_does_what_the_dry_run_said():
    for amount in (1_000, 2_000, 50):
        make_payable_seller(amount)
    make_payable_seller(schedule="manual")
    plan = plan_run(on=ON, at=AT)

    run = make_run()

    built = {(p.seller_id, p.currency, p.amount_minor) for p in Payout.objects.filter(run=run)}
    skipped = {(s.seller_id, s.currency, s.code, s.next_on) for s in RunSkip.objects.filter(run=run)}
    assert built == {(row.seller_id, row.currency, row.amount_minor) for row in plan.payouts}
    assert skipped == {(row.seller_id, row.currency, row.code, row.next_on) for row in plan.skipped}
    assert (run.totals, run.skipped_count) == (plan.totals, 2)


def test_a_currency_can_be_planned_alone():
    make_payable_seller()
    make_payable_seller(700, currency="USD")

    assert plan_run(on=ON, at=AT, currency="USD").totals == {"USD": 700}


def test_a_day_too_far_ahead_is_refused():
    with pytest.raises(planning.RunDayTooFar):
        plan_run(on=ON + timedelta(days=90), at=AT)


def test_the_difference_names_who_is_new_gone_and_far_changed(pay):
    steady, growing, leaving = (make_payable_seller(20_000) for _ in range(3))
    pay()
    later = AT + timedelta(days=7)
    give_money(steady, 21_000, at=later)
    give_money(growing, 60_000, at=later)
    newcomer = make_payable_seller(5_000)

    difference = plan_run(on=later.date(), at=later).difference

    assert [row.seller_id for row in difference.new] == [newcomer.pk]
    assert [row.seller_id for row in difference.gone] == [leaving.pk]
    assert [(row.seller_id, row.change_minor) for row in difference.changed] == [(growing.pk, 40_000)]
    assert difference.totals == {"EUR": (60_000, 86_000)}


# --- schedules


def scheduled(schedule: str, day: int, on: date) -> bool:
    """Say whether a schedule pays on a day, the plain way."""
    if schedule == "daily":
        return True
    if schedule == "weekly":
        return on.isoweekday() == day
    last = (on.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return on.day == min(day, last.day)


@pytest.mark.parametrize(
    ("schedule", "day"), [("daily", 1), *[("weekly", n) for n in range(1, 8)], *[("monthly", n) for n in (1, 15, 28, 29, 30, 31)]]
)
def test_schedule_days_are_those_of_the_calendar(schedule, day):
    days = [date(2027, 12, 1) + timedelta(days=n) for n in range(500)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT payout_day_on_or_before(%s, %s, d), payout_day_on_or_after(%s, %s, d) FROM unnest(%s::date[]) AS d",
                       [schedule, day, schedule, day, days])  # fmt: skip
        answers = cursor.fetchall()

    for on, (before, after) in zip(days, answers, strict=True):
        assert before == next(d for n in range(40) if scheduled(schedule, day, d := on - timedelta(days=n)))
        assert after == next(d for n in range(40) if scheduled(schedule, day, d := on + timedelta(days=n)))


def test_an_empty_run_is_refused_and_leaves_nothing():
    make_payable_seller(schedule="manual")

    with pytest.raises(Exception, match="Nobody can be paid on 2026-01-21: 1 sellers would be skipped"):
        build_run(on=ON, at=AT, actor=MAKER, key="empty")

    assert not PayoutRun.objects.exists()
