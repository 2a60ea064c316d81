"""What is reported is what the ledger says, told again in Python on random histories, and counted a second way to the cent."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payouts.ledger.models import Posting
from payouts.ledger.operations import BalanceTooLow, reverse
from payouts.reporting.figures import Figures, figures_of, ledger_of, quarters, totals_of, year_bounds
from payouts.reporting.judging import codes_of
from payouts.reporting.operations import prepare_report
from payouts.reporting.rules import NoThresholdForYear, all_rules, rules_of
from payouts.sellers.models import Seller
from tests.factories.earnings import make_line, record
from tests.factories.reporting import MAKER, NOW, ROBOT, make_reportable, sell
from tests.factories.sellers import make_seller

pytestmark = pytest.mark.django_db
ZONE = "Europe/Paris"
EPOCH = datetime(2025, 11, 1, tzinfo=UTC)
KINDS = ["sale", "sale", "sale", "refund", "chargeback", "chargeback_reversal", "adjustment"]


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.sampled_from(KINDS), st.integers(0, 2), st.integers(0, 3), st.integers(1, 90_000), st.integers(0, 100),
            st.integers(0, 400 * 24 * 60), st.integers(0, 9),
        ),
        max_size=25,
    )
)  # fmt: skip
def test_figures_equal_a_plain_recomputation_and_the_ledger_counted_another_way(history):
    sellers = [make_seller(country=country, debt_limit_minor=10**9) for country in ("FR", "DE", "US")]
    plain: dict[tuple[int, str], Figures] = {}
    for number, (kind, who, order, gross, share, minute, reversal) in enumerate(history):
        seller, when = sellers[who], EPOCH + timedelta(minutes=minute)
        fee = gross * share // 100
        sign = -1 if kind in ("refund", "chargeback") else 1
        line = make_line(
            seller,
            kind=kind,
            order_ref=f"o-{order}",
            occurred_at=when.isoformat(),
            gross=f"{gross / 100:.2f}",
            fee=f"{fee / 100:.2f}",
        )
        record(line, at=NOW + timedelta(days=60))
        times = [(when, sign)]
        posting = Posting.objects.filter(source_kind="earning").order_by("-id").first()
        if reversal == 0 and kind == "sale" and posting and posting.template == "sale":
            at = NOW + timedelta(days=59, minutes=number)
            with contextlib.suppress(BalanceTooLow):  # an earlier refund may have taken the money
                reverse(posting_id=posting.pk, actor=ROBOT, at=at, reason="booked by mistake")
                times.append((at, -sign))
        for instant, side in times:
            local = instant.astimezone(ZoneInfo(ZONE))
            if local.year != 2026:
                continue
            one = plain.setdefault((seller.pk, "EUR"), Figures(seller.pk, "EUR"))
            place = local.month - 1
            one.consideration[place] += side * (gross - fee)
            one.fees[place] += side * fee
            if kind == "sale":
                one.gross[place] += side * gross
                one.activities[place] += side
    found = figures_of(2026, ZONE, [one.pk for one in sellers])
    assert found == plain

    # the other way counts everybody's accounts, those of earlier examples too
    abroad = set(Seller.objects.filter(country="US").values_list("pk", flat=True))
    everybody = figures_of(2026, ZONE).values()
    own = [one for one in everybody if one.seller_id not in abroad]
    elsewhere = [one for one in everybody if one.seller_id in abroad]
    for sums in totals_of(own, elsewhere, ledger_of(2026, ZONE, list(rules_of("dac7").countries))).values():
        assert sums["difference_minor"] == 0


def test_a_sale_at_midnight_belongs_to_the_year_of_the_zone():
    start, end = year_bounds(2026, ZONE)
    assert (start.astimezone(UTC), end.astimezone(UTC)) == (
        datetime(2025, 12, 31, 23, tzinfo=UTC),
        datetime(2026, 12, 31, 23, tzinfo=UTC),
    )
    seller = make_seller()
    sell(
        seller,
        ("2025-12-31T22:59:59Z", "1.00", "0"),
        ("2025-12-31T23:00:00Z", "10.00", "0"),
        ("2026-03-31T21:59:59Z", "100.00", "0"),
    )
    sell(seller, ("2026-03-31T22:00:00Z", "1000.00", "0"))

    found = figures_of(2026, ZONE, [seller.pk])[seller.pk, "EUR"]

    assert quarters(found.consideration) == [110_00, 1000_00, 0, 0]
    assert quarters(found.activities) == [2, 1, 0, 0]


def _figures(currency: str, count: int, amount: int) -> Figures:
    one = Figures(1, currency)
    one.activities[0], one.consideration[0], one.gross[0] = count, amount, amount
    return one


@pytest.mark.parametrize(
    ("regime", "rows", "code"),
    [
        ("dac7", [("EUR", 29, 2000_00)], "below_threshold"),
        ("dac7", [("EUR", 30, 1_00)], ""),
        ("dac7", [("EUR", 1, 2000_01)], ""),
        ("dac7", [("EUR", 0, 0)], "below_threshold"),
        # what came in another currency cannot be shown to lie below
        ("dac7", [("PLN", 1, 1_00)], ""),
        ("1099k", [("USD", 200, 20_001_00)], "below_threshold"),
        ("1099k", [("USD", 201, 20_000_00)], "below_threshold"),
        ("1099k", [("USD", 201, 20_000_01)], ""),
        ("1099k", [("EUR", 900, 90_000_00)], "currency_not_reported"),
    ],
)
def test_who_is_reported_follows_from_number_and_amount(regime, rows, code):
    figures = [_figures(*row) for row in rows]
    assert set(codes_of(figures, rules_of(regime), 2026, {}).values()) == {code}


def test_who_the_law_leaves_out_is_not_reported_and_a_year_without_threshold_is_refused():
    figures = [_figures("EUR", 500, 9_000_00)]
    assert codes_of(figures, rules_of("dac7"), 2026, {1: "governmental"}) == {(1, "EUR"): "governmental"}
    with pytest.raises(NoThresholdForYear):
        codes_of(figures, rules_of("1099k"), 2021, {})


def test_every_rule_names_its_source_and_reminders_come_in_order():
    for rules in all_rules().values():
        assert rules.source and rules.stop_source and all(one.source for one in rules.thresholds)
        assert all(item.asked.source and item.asked.text for item in rules.items)
        assert (rules.first_days, rules.second_days, rules.stop_days) == (20, 40, 60)
    assert len(rules_of("dac7").countries) == 27


def test_a_report_counts_refunds_against_sales_for_the_union_and_not_for_the_form():
    french = make_reportable()
    sell(french, ("2026-04-01T10:00:00Z", "100.00", "10.00"), kind="refund", order_ref="o-x")
    american = make_reportable(201, country="US", currency="USD")
    sell(american, ("2026-02-01T10:00:00Z", "200.00", "20.00"), kind="refund", order_ref="o-y")

    dac7 = prepare_report(regime="dac7", year=2026, actor=MAKER, at=NOW)
    form = prepare_report(regime="1099k", year=2026, actor=MAKER, at=NOW)

    assert dac7.totals["EUR"] | {"difference_minor": 0} == dac7.totals["EUR"]
    assert dac7.totals["EUR"]["consideration_minor"] == 29 * 90_00 == dac7.totals["EUR"]["ledger_consideration_minor"]
    assert quarters(dac7.lines.get().consideration) == [30 * 90_00, -90_00, 0, 0]
    line = form.lines.get()
    assert (sum(line.gross), sum(line.activities), line.code) == (20_100_00, 201, "")
    assert form.totals["USD"]["difference_minor"] == 0
