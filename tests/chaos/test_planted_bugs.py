"""The suite proves itself: each safeguard, switched off on purpose, is missed by a test that passes with it on (reliability.md 3.7)."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from unittest import mock

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction
from django.test import override_settings

from backoffice.kit.invariants import check_books
from payouts.dispatch.engine import Engine
from payouts.dispatch.models import PaymentOrder
from payouts.rails import registry
from payouts.rails.sandbox import InProcess, SandboxRail
from payouts.rails.sandbox_provider import SandboxProvider
from payouts.runs.models import Payout
from tests.chaos.bugs import NoRowLock, engine_with
from tests.factories.dispatch import SUBMIT_AT, make_submitted_run, rails_in
from tests.factories.runs import give_money, make_checker, make_run
from tests.factories.sellers import make_payee, make_seller

pytestmark = pytest.mark.chaos
AT = SUBMIT_AT + timedelta(minutes=5)
LEASE = 0.4


class Harm(AssertionError):
    """The provider's books and ours show what must never be."""


@pytest.fixture
def provider(tmp_path: Path, transactional_db: None) -> Iterator[SandboxProvider]:
    """A provider that forgets keys at once, so that only our own care prevents a second payment."""
    with rails_in(tmp_path), override_settings(LEASE_SECONDS=LEASE):
        unkind = SandboxProvider(tmp_path / "unkind.sqlite3", key_life_seconds=0.0)
        registry.register("sandbox", lambda: SandboxRail(InProcess(unkind)))
        yield unkind
    registry.register("sandbox", SandboxRail.from_settings)


def payouts_of(holders: list[str]) -> None:
    for holder in holders:
        seller = make_seller(currency="USD", country="US")
        make_payee(seller, currency="USD", **({"account_holder": holder} if holder else {}))
        give_money(seller, 10_000)
    make_submitted_run()


def to_quiet(engine: Engine, rounds: int = 12) -> None:
    """Work on, waiting for leases and pauses, until nothing is due any more."""
    for _ in range(rounds):
        engine.run(at=AT, limit=100)
        if not PaymentOrder.objects.filter(status__in=["approved", "sending", "unknown"]).exclude(code="needs_a_person").exists():
            return
        time.sleep(LEASE)
        PaymentOrder.objects.filter(next_try_at__isnull=False).update(next_try_at=AT - timedelta(days=1))


def judge(provider: SandboxProvider) -> None:
    """Raise Harm when somebody was paid twice, or the provider and we disagree about who was paid."""
    paid = Counter(row["reference"].rsplit("-", 1)[0] for row in provider.truth() if row["status"] != "refused")
    twice = [name for name, count in paid.items() if count > 1]
    gone = {
        f"payout-{name}" for name in Payout.objects.filter(status__in=["in_transit", "paid"]).values_list("public_id", flat=True)
    }
    unsure = {
        f"payout-{name}" for name in PaymentOrder.objects.filter(status="unknown").values_list("payout__public_id", flat=True)
    }
    broken = [verdict.name for verdict in check_books() if not verdict.ok]
    if twice or set(paid) - gone - unsure or gone - set(paid) or broken or any(not name.startswith("payout-") for name in paid):
        raise Harm(f"twice {twice}, only there {set(paid) - gone}, only here {gone - set(paid)}, broken {broken}")


# --- scenarios: each passes with a sound engine ---


def lost_answers(bug: str, provider: SandboxProvider) -> None:
    """Answers get lost after the effect and before it; whoever takes the orders up must find out."""
    payouts_of(["SANDBOX ERROR AFTER", "SANDBOX TIMEOUT AFTER", "SANDBOX TIMEOUT BEFORE", ""])
    to_quiet(engine_with(bug))
    judge(provider)


def crash_after_the_call(bug: str, provider: SandboxProvider) -> None:
    """A worker dies between the provider's answer and its own record."""
    payouts_of([""])
    engine = engine_with(bug)
    claimed = engine.claim(["sandbox"], 10, AT)
    engine.act_all(claimed)
    time.sleep(LEASE * 1.2)
    to_quiet(engine_with(bug))
    judge(provider)


def frozen_before_the_call(bug: str, provider: SandboxProvider) -> None:
    """A worker sleeps past its lease between claim and call, and wakes when another has taken over."""
    payouts_of([""])
    frozen = engine_with(bug)
    claimed = frozen.claim(["sandbox"], 10, AT)
    time.sleep(LEASE * 2.2)
    to_quiet(engine_with(bug))
    frozen.record(frozen.act_all(claimed), AT)
    judge(provider)


def frozen_until_another_asks(bug: str, provider: SandboxProvider) -> None:
    """A worker that never called wakes and reports so, while another is in the middle of finding that out."""
    payouts_of([""])
    first, second, third = engine_with(bug), engine_with(bug), engine_with(bug)
    late = first.claim(["sandbox"], 10, AT)
    time.sleep(LEASE * 2.2)
    asking = second.claim(["sandbox"], 10, AT)
    answers = second.act_all(asking)
    first.record(first.act_all(late), AT)
    fresh = third.claim(["sandbox"], 10, AT)
    sent = third.act_all(fresh)
    second.record(answers, AT)
    to_quiet(engine_with(bug))
    third.record(sent, AT)
    judge(provider)


def two_claim_at_once(bug: str, provider: SandboxProvider) -> None:
    """Two workers look for work at the same moment, on two connections; a few times, for on a busy machine one may simply be late."""
    with NoRowLock.planted() if bug else nullcontext():
        for _ in range(12 if bug else 1):
            _two_claim(bug)
            judge(provider)


def _two_claim(bug: str) -> None:
    payouts_of([""] * 6)
    barrier, failures = threading.Barrier(2), []

    def worker() -> None:
        engine = engine_with(bug)
        try:
            with transaction.atomic():
                barrier.wait(timeout=10)
            claimed = engine.claim(["sandbox"], 6, AT)
            barrier.wait(timeout=10)
            engine.record(engine.act_all(claimed), AT)
        except (DatabaseError, RuntimeError) as problem:
            failures.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=worker) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    to_quiet(engine_with(""))


def commit_fails(bug: str, provider: SandboxProvider) -> None:
    """The connection breaks at COMMIT: the record is there, though the client was told it failed."""
    payouts_of([""])
    engine = engine_with(bug)
    real = Engine.record
    calls: list[int] = []

    def record_and_lose_the_answer(self: Engine, results: object, at: object) -> None:
        real(self, results, at)  # type: ignore[arg-type]
        calls.append(1)
        if len(calls) == 1:
            raise OperationalError("server closed the connection unexpectedly")

    with mock.patch.object(Engine, "record", record_and_lose_the_answer):
        try:
            engine.run(at=AT, limit=10)
        except OperationalError:
            connection.close()
    to_quiet(engine_with(""))
    judge(provider)


SCENARIOS = {
    "M1": lost_answers,
    "M2": frozen_until_another_asks,
    "M3": crash_after_the_call,
    "M4": frozen_before_the_call,
    "M5": two_claim_at_once,
    "M11": commit_fails,
    "M12": lost_answers,
}


@pytest.mark.parametrize("bug", SCENARIOS)
def test_a_sound_engine_comes_through(bug: str, provider: SandboxProvider):
    SCENARIOS[bug]("", provider)


@pytest.mark.parametrize("bug", SCENARIOS)
def test_a_planted_engine_bug_is_found(bug: str, provider: SandboxProvider):
    with pytest.raises((Harm, IntegrityError, RuntimeError)):
        SCENARIOS[bug](bug, provider)


# --- bugs outside the engine: the database is the last to say no ---


@contextmanager
def self_approval_checked_in_the_form_only() -> Iterator[None]:
    """M8: the verb no longer asks whether the checker is the maker."""
    from backoffice.kit.actors import Actor

    class Anybody(str):
        def __eq__(self, other: object) -> bool:
            return False

        __hash__ = str.__hash__

    with mock.patch.object(Actor, "__str__", lambda self: Anybody(f"{self.kind}:{self.ref}")):
        yield


@pytest.mark.django_db(transaction=True)
def test_m8_self_approval_is_refused_by_the_database_when_the_verb_forgets():
    from payouts.runs.operations import approve_run

    maker = make_checker()
    run = make_run(sellers=1, actor=maker)
    with self_approval_checked_in_the_form_only(), pytest.raises(IntegrityError):
        approve_run(run_id=run.pk, content_hash=run.content_hash, actor=maker, at=AT)

    assert set(Payout.objects.values_list("status", flat=True)) == {"needs_approval"}


@pytest.mark.django_db(transaction=True)
def test_m9_an_approval_of_other_content_is_refused_by_the_database_when_the_verb_forgets():
    from payouts.runs import content
    from payouts.runs.operations import approve_run, cancel_payout

    run = make_run(sellers=2)
    shown = run.content_hash
    first = Payout.objects.filter(run=run).order_by("pk")[0]
    cancel_payout(payout_id=first.pk, actor=make_checker(), at=AT, reason="changed after it was shown")
    with (
        mock.patch("payouts.runs.approving.refuse_changed", lambda run, at: run.totals),
        mock.patch.object(content, "content_hash", lambda run: shown),
        pytest.raises(IntegrityError),
    ):
        approve_run(run_id=run.pk, content_hash=shown, actor=make_checker(), at=AT)

    assert not Payout.objects.filter(status="approved").exists()


@pytest.mark.django_db(transaction=True)
def test_m10_a_balance_read_without_its_lock_does_not_get_past_the_database():
    from payouts.ledger.operations import BalanceTooLow
    from payouts.runs.operations import build_run

    seller = make_seller()
    make_payee(seller)
    give_money(seller, 10_000)
    taken = threading.Event()

    def refund() -> None:
        give_money(seller, -10_000)
        taken.set()
        connection.close()

    def no_lock(*args: object, **kwargs: object) -> None:
        """Read the balance, and let another take it before it is used."""
        from payouts.ledger.queries import seller_buckets

        seller_buckets([seller.pk])

    from payouts.runs import booking, planning

    real = booking.post_payouts

    def post_after_the_refund(**facts: object) -> int:
        thread = threading.Thread(target=refund)
        thread.start()
        thread.join(timeout=10)
        return real(**facts)  # type: ignore[arg-type]

    assert planning is not None
    with (
        mock.patch("payouts.runs.building.booking.lock_accounts_of", no_lock),
        mock.patch("payouts.runs.building.booking.post_payouts", post_after_the_refund),
        pytest.raises((BalanceTooLow, DatabaseError, Exception)) as caught,
    ):
        build_run(on=AT.date(), actor=make_checker(), key="m10", at=AT)

    assert not isinstance(caught.value, AssertionError)
    assert not Payout.objects.exists()
    assert not [verdict for verdict in check_books() if not verdict.ok]
