"""Lines find each other by name, by amount, by sum; what is left is a break with an owner."""

from __future__ import annotations

from datetime import timedelta

import pytest

from billing.reconciliation.models import Break, DifferenceLine, MatchGroup, ProviderPayout, StagedLine
from payouts.dispatch.models import BankFileEntry
from payouts.ledger.models import Posting
from payouts.ledger.queries import trial_balance
from tests.factories.reconciliation import AT, GATEWAY, Balance, bank, book, fetch, match, states

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_books")]


def breaks() -> list[tuple[str, str, int, str]]:
    live = Break.objects.filter(state__in=["open", "requested"]).order_by("reference", "amount_minor")
    return [(one.kind, one.reference, one.amount_minor, one.owner) for one in live]


def balances() -> dict[str, int]:
    return {row["code"]: row["signed_minor"] for row in trial_balance() if row["signed_minor"]}


def test_a_transaction_and_its_posting_match_by_our_own_name_and_a_second_fetch_changes_nothing():
    balance = Balance()
    balance.add("charge", 12_000, fee=280, reference="order-1")
    balance.add("charge", 5_000, reference="order-2")
    book("order-1", 12_000)

    first = fetch(balance)
    again = fetch(balance)
    run = match()

    assert (first["new"], again["new"]) == (2, 0)
    assert states() == {
        "provider:order-1:12000": "matched",
        "ledger:order-1:12000": "matched",
        "provider:order-2:5000": "needs_review",
    }
    assert breaks() == [("theirs_alone", "order-2", 5_000, "finance")]
    assert run.coverage == [
        {"holder": GATEWAY, "leg": "clearing", "currency": "EUR", "lines": 2, "amount_minor": 17_000, "auto_lines": 1,
         "auto_amount_minor": 12_000, "forced_lines": 0}
    ]  # fmt: skip


def test_a_break_clears_when_the_missing_posting_comes_and_its_timeline_says_so():
    balance = Balance()
    balance.add("charge", 5_000, reference="late")
    fetch(balance)
    match()
    assert breaks() == [("theirs_alone", "late", 5_000, "finance")]

    book("late", 5_000)
    match(day=1)

    assert breaks() == []
    assert set(states().values()) == {"matched"}


def test_several_of_theirs_make_one_of_ours_under_one_name_and_a_later_one_opens_the_match_again():
    balance = Balance()
    for amount in (3_000, 4_000, 5_000):
        balance.add("charge", amount, reference="order-3")
    book("order-3", 12_000)
    fetch(balance)
    match()
    assert set(states().values()) == {"matched"}

    balance.add("charge", 700, reference="order-3")
    fetch(balance)
    match(day=3)

    assert breaks() == [("over", "order-3", 700, "finance")]
    assert MatchGroup.objects.get().state == "over"
    assert set(states().values()) == {"needs_review"}


def test_sums_that_differ_wait_a_day_for_the_rest_and_then_are_a_break():
    balance = Balance()
    balance.add("charge", 900, reference="order-4")
    book("order-4", 1_000)
    fetch(balance)

    match()
    assert (breaks(), MatchGroup.objects.get().state) == ([], "expected")
    match(day=2)

    assert breaks() == [("under", "order-4", -100, "finance")]


def test_what_we_booked_and_nobody_confirms_is_a_break_after_its_days():
    balance = Balance()
    balance.add("charge", 100, reference="other")
    fetch(balance)
    book("nobody", 1_500)

    match(day=2)
    assert [one[:2] for one in breaks()] == [("theirs_alone", "other")]
    match(day=4)

    assert ("ours_alone", "nobody", -1_500, "finance") in breaks()


def test_amounts_match_only_where_both_are_alone_and_their_rivals_time_is_over():
    balance = Balance()
    balance.add("charge", 777, day=0)
    balance.add("charge", 888, day=0)
    balance.add("charge", 888, day=1)
    book("a", 777, day=1)
    book("b", 888, day=1)
    fetch(balance)

    match(day=1)
    assert "matched" not in states().values()
    match(day=12)

    assert {name: state for name, state in states().items() if state == "matched"} == {
        "provider:charge:777": "matched",
        "ledger:a:777": "matched",
    }


def test_a_sum_is_matched_with_its_parts_where_there_is_one_way_only():
    balance = Balance()
    balance.add("charge", 6_000)
    for reference, amount in (("p1", 1_000), ("p2", 2_000), ("p3", 3_000), ("p4", 7_000)):
        book(reference, amount)
    fetch(balance)

    match(day=12)

    assert {name for name, state in states().items() if state == "matched"} == {
        "provider:charge:6000", "ledger:p1:1000", "ledger:p2:2000", "ledger:p3:3000",
    }  # fmt: skip


def test_another_currency_under_the_same_name_is_called_that():
    balance = Balance()
    balance.add("charge", 1_000, reference="order-5", currency="USD")
    book("order-5", 1_000)
    fetch(balance)

    match(day=4)

    assert {(kind, amount) for kind, _, amount, _ in breaks()} == {("currency", 1_000), ("currency", -1_000)}


def test_a_transaction_told_again_with_another_amount_is_a_break_and_the_first_telling_stands():
    balance = Balance()
    told = balance.add("charge", 1_000, reference="order-6")
    book("order-6", 1_000)
    fetch(balance)
    match()
    values = {name: getattr(told, name) for name in type(told).__dataclass_fields__}
    balance.transactions = [type(told)(**values | {"amount_minor": 1_300, "net_minor": 1_300})]

    fetch(balance)
    match(day=1)

    assert breaks() == [("data", "order-6", 300, "finance")]
    assert StagedLine.objects.get(source="provider").amount_minor == 1_000


# --- a provider's payout, three ways --------------------------------------------------------------------------------------


def payout(*, linked: bool = True, net: int = 11_720) -> Balance:
    """A charge of 120.00 with a fee of 1.80, a fee of 1.00 of its own, and their payout of 117.20."""
    balance = Balance()
    balance.add("charge", 12_000, fee=180, reference="order-7", payout="po_000001", linked=linked)
    balance.add("stripe_fee", -100, payout="po_000001", linked=linked)
    balance.add("payout", -net, source="po_000001", payout="po_000001", day=1, linked=linked)
    book("order-7", 12_000)
    return balance


@pytest.mark.parametrize("linked", [True, False], ids=["named on the row", "named when asked"])
def test_a_payout_is_made_up_sent_and_found_on_the_statement(linked):
    fetch(payout(linked=linked))
    sent = match(day=1)
    assert sent.counts["payouts_sent"] == 1
    assert balances() == {"psp.in_transit": 11_720, "expense.psp_fee": 280, "revenue.commission": -12_000}

    bank([(11_720, "B1", "FAKEPAY po_000001", 3)])
    assert balances()["suspense"] == -11_720
    arrived = match(day=3)

    assert (arrived.counts["payouts_arrived"], arrived.counts["payouts_agreed"]) == (1, 1)
    assert balances() == {"bank.cash": 11_720, "expense.psp_fee": 280, "revenue.commission": -12_000}
    assert set(states().values()) == {"matched"}
    group = ProviderPayout.objects.get().group
    assert group is not None
    assert [(d.leg, d.kind, d.amount_minor) for d in group.differences.all()] == [("clearing", "fee", 180)]
    assert BankFileEntry.objects.get().state == "explained"


def test_the_bank_s_small_fee_is_a_difference_line_and_a_large_one_is_a_break():
    fetch(payout())
    bank([(11_620, "B1", "po_000001", 3)])
    match(day=3)

    assert [(d.leg, d.amount_minor) for d in DifferenceLine.objects.order_by("pk")] == [("cash", -100), ("clearing", 180)]
    assert (balances()["bank.cash"], balances()["expense.psp_fee"], breaks()) == (11_620, 380, [])


def test_a_payout_that_arrives_much_too_small_is_a_break_of_what_is_missing():
    fetch(payout())
    bank([(9_720, "B1", "po_000001", 3)])
    match(day=3)

    assert breaks() == [("under", "po_000001", -2_000, "finance")]
    assert ProviderPayout.objects.get().closed_at is None


def test_a_payout_that_never_arrives_is_a_break_and_clears_when_it_does():
    fetch(payout())
    match(day=12)
    assert breaks() == [("under", "po_000001", -11_720, "finance")]

    bank([(11_720, "B1", "po_000001", 13)])
    match(day=13)

    assert (breaks(), ProviderPayout.objects.get().closed_at) == ([], AT + timedelta(days=13))


def test_a_payout_whose_transactions_do_not_make_it_up_is_not_booked():
    fetch(payout(net=11_000))
    match(day=12)

    assert [one[0] for one in breaks()] == ["theirs_alone", "split"]
    assert not Posting.objects.filter(template="psp_payout_sent").exists()


def test_a_payout_that_comes_back_is_the_provider_s_again_and_its_fees_stay_spent():
    balance = payout()
    balance.add("payout_failure", 11_720, source="po_000001", payout="po_000002", day=4)
    fetch(balance)
    match(day=4)
    match(day=5)

    assert balances() == {"psp.clearing": 11_720, "expense.psp_fee": 280, "revenue.commission": -12_000}
    assert ProviderPayout.objects.get().group.state == "posted"  # type: ignore[union-attr]
