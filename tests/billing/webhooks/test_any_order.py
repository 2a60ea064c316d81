"""Whatever is shuffled, sent twice, late or lost: once the healer has read the list, the database is the same."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backoffice.kit.invariants import check_books
from billing.disputes.models import Dispute, DisputeMovement
from billing.webhooks.models import InboundEvent
from billing.webhooks.operations import heal, take_in, work
from billing.webhooks.states import DONE
from payouts.ledger.models import Account
from payouts.ledger.queries import balance
from tests.factories.notices import AT, again, provider_in
from tests.factories.sellers import make_seller

# What may happen to a dispute after it was opened, in this order.
WALKS = [
    ["lost"],
    ["won"],
    ["under_review", "won"],
    ["under_review", "lost", "appeal_needs_response", "appeal_under_review", "won"],
    ["under_review", "won", "lost"],
    ["lost", "won", "lost"],
]
LATER = AT.replace(hour=20)


def picture() -> dict[str, object]:
    """Return what the books and the disputes say, without ids and times of our own."""
    names = (
        "provider_ref",
        "warning_ref",
        "status",
        "work_state",
        "amount_minor",
        "purpose",
        "due_by",
        "settled_minor",
        "opened_at",
    )
    accounts = Account.objects.exclude(code="receivable.dispute").order_by("code", "holder_id")
    claims = [balance(one.pk) for one in Account.objects.filter(code="receivable.dispute")]
    return {
        "disputes": list(Dispute.objects.order_by("provider_ref").values_list(*names)),
        "movements": sorted(DisputeMovement.objects.values_list("provider_ref", "net_minor")),
        "balances": [(one.code, one.currency, balance(one.pk)) for one in accounts if balance(one.pk)],
        "claims": sorted(one for one in claims if one),
        "events": sorted(set(InboundEvent.objects.values_list("event_ref", flat=True)) - {""}),
    }


def walk(data: st.DataObject | None, walks: list[list[str]], warned: list[bool]) -> dict[str, object]:
    """Let the provider's disputes walk; with `data`, deliver what Hypothesis likes whenever it likes; heal at the end."""
    seller = make_seller(external_id="walker", legal_name="Walker SAS")
    with provider_in(seller) as provider:
        pending: list = []

        def disturb() -> None:
            pending.extend(provider.events[len(seen) :])
            seen.extend(provider.events[len(seen) :])
            if data is None:
                return
            for one in data.draw(st.lists(st.sampled_from(pending), max_size=3)) if pending else []:
                take_in(provider="stripe", notice=one, at=AT)
            if data.draw(st.booleans()):
                work(at=AT)

        seen: list = []
        for number, has_warning in enumerate(warned[: len(walks)]):
            if has_warning:
                provider.warn(f"ch_{number}", f"issfr_{number}")
                disturb()
        for number, steps in enumerate(walks):
            provider.open_dispute(f"dp_{number}", charge=f"ch_{number}")
            disturb()
            for status in steps:
                provider.move(f"dp_{number}", status)
                disturb()
        rest = list(provider.events) if data is None else data.draw(st.permutations(provider.events))
        lost = 0 if data is None else data.draw(st.integers(0, len(rest)))
        for one in rest[lost:]:
            take_in(provider="stripe", notice=one, at=AT)
            if data is not None and data.draw(st.booleans()):
                take_in(provider="stripe", notice=one, at=AT)
        work(at=AT)
        heal(at=LATER)
        work(at=LATER)
        assert set(InboundEvent.objects.values_list("state", flat=True)) <= {str(state) for state in DONE}
        assert not [one for one in check_books({1, 2, 3, 6, 9, 10}) if not one.ok]
        return picture()


def undone(data: st.DataObject | None, walks: list[list[str]], warned: list[bool]) -> dict[str, object]:
    with transaction.atomic():
        transaction.get_connection().atomic_blocks[-1]._from_testcase = True
        found = walk(data, walks, warned)
        transaction.set_rollback(True)
    names = found.pop("events")
    return found | {"events": len(names)}


@pytest.mark.django_db
@settings(max_examples=15, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    data=st.data(),
    walks=st.lists(st.sampled_from(WALKS), min_size=1, max_size=2),
    warned=st.lists(st.booleans(), min_size=2, max_size=2),
)
def test_any_shuffle_duplicate_delay_or_loss_ends_in_the_same_database(data, walks, warned):
    assert undone(data, walks, warned) == undone(None, walks, warned)


@pytest.mark.races
@pytest.mark.django_db(transaction=True)
def test_many_workers_on_one_object_apply_it_once_and_lose_nothing():
    with provider_in(make_seller()) as provider:
        ref = provider.open_dispute()
        provider.move(ref, "under_review")
        others = [provider.open_dispute() for _ in range(4)]
        provider.events += [again(one) for one in provider.events]
        start, problems = threading.Barrier(4), []

        def run(share: list) -> None:
            try:
                start.wait(10)
                for notice in share:
                    take_in(provider="stripe", notice=notice, at=AT)
                    work(at=AT, limit=2)
                work(at=AT)
            except Exception as problem:  # noqa: BLE001 - told by the main thread
                problems.append(problem)
            finally:
                connection.close()

        threads = [threading.Thread(target=run, args=(provider.events[number::2],)) for number in (0, 1, 0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert problems == []
        work(at=AT)
        assert InboundEvent.objects.exclude(state__in=DONE).count() == 0
        assert InboundEvent.objects.count() == len(provider.events)
        assert Dispute.objects.count() == 1 + len(others) == DisputeMovement.objects.count()
        assert Dispute.objects.get(provider_ref=ref).status == "under_review"
        assert not [one for one in check_books({1, 2, 6, 9, 10}) if not one.ok]
