"""Random walks of a few sellers' money through every room, against a model of the buckets short enough to be believed.

After each step the ledger's buckets equal the model's; at the end of each walk the books are clean and the rail was asked once per payment.
MODEL_EXAMPLES and MODEL_STEPS make the walks more and longer (and random), MODEL_SHRINK looks for the shortest failing one.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.conf import settings as project
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from backoffice.kit.actors import staff, system
from backoffice.kit.errors import Refusal
from backoffice.kit.invariants import check_books
from payouts.compliance.operations import REACTIVATE, approve_decision, ask_decision
from payouts.dispatch import operations as dispatch
from payouts.dispatch.models import PaymentOrder
from payouts.earnings.lines import EarningLine
from payouts.earnings.operations import record_earnings
from payouts.holds import operations as holds
from payouts.holds.models import Hold, ReservePlan
from payouts.ledger.queries import seller_buckets
from payouts.rails import registry
from payouts.rails.sandbox import InProcess, SandboxRail
from payouts.rails.sandbox_provider import SandboxProvider
from payouts.runs import operations as runs
from payouts.runs.models import Payout, PayoutRun
from payouts.runs.states import IN_PAYOUT_STATES
from payouts.sellers.models import PayeeAccount, Seller
from payouts.sellers.operations import set_seller_status, update_seller
from tests.factories.sellers import make_payee, make_seller
from tests.model.purse import Purse

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "12"))
STEPS = int(os.environ.get("MODEL_STEPS", "40"))
ROBOT, MAKER, CHECKER, CLERK = system("model"), staff(9001), staff(9002), staff(9003)
BEGIN = datetime(2026, 1, 5, 9, tzinfo=UTC)
CURRENCIES = ["EUR", "USD"]
MINIMUM = 100
GONE = ["in_transit", "paid"]
REASONS = ["AC04", "AC01", "MS03", "AM04"]

parties = st.tuples(st.integers(0, 1), st.sampled_from(CURRENCIES))
amounts = st.integers(1, 30_000)
some = st.integers(0, 10_000)
earned = st.tuples(
    parties,
    st.integers(1, 3),  # the order
    st.sampled_from(["sale"] * 5 + ["refund", "refund", "chargeback", "chargeback_reversal", "adjustment", "lone adjustment"]),
    amounts,
    st.integers(0, 3_000),  # the fee, in basis points
    st.integers(0, 30),  # days ago
    st.booleans(),  # an adjustment down
)


class MoneyMachine(RuleBasedStateMachine):
    folder: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.example = transaction.atomic()
        self.example._from_testcase = True  # durable verbs may run in it
        self.example.__enter__()
        self.now, self.numbers = BEGIN, itertools.count(1)
        self.purses: dict[tuple[int, str], Purse] = {}
        self.lines: list[EarningLine] = []
        self.due: dict[str, tuple[datetime, int, tuple[int, str]]] = {}
        self.seen: dict[int, str] = {}  # payout → the status the model knows

    @initialize(money=st.lists(amounts, min_size=4, max_size=4), shares=st.lists(st.integers(0, 5_000), min_size=4, max_size=4))
    def open_sellers(self, money: list[int], shares: list[int]) -> None:
        """Begin with some money that is free, and here and there a reserve plan: few walks would earn it by themselves."""
        self.sellers = [make_seller(at=BEGIN), make_seller(at=BEGIN, tier="new")]
        update_seller(seller_id=self.sellers[0].pk, changes={"debt_limit_minor": 5_000}, actor=ROBOT, at=BEGIN)
        for seller, floor in zip(self.sellers, (-5_000, -50_000), strict=True):
            for currency in CURRENCIES:
                make_payee(seller, currency=currency, at=BEGIN)
                self.purses[(seller.pk, currency)] = Purse(floor if currency == seller.currency else 0)
        everybody = [(number, currency) for number in (0, 1) for currency in CURRENCIES]
        for chosen, share in zip(everybody, shares, strict=True):
            if share > 1_000:
                self.reserve(chosen, share, 60, False, None)
        self.sell_and_wait(
            [(chosen, 1, "sale", 5_000 + gross, 1_000, 0, False) for chosen, gross in zip(everybody, money, strict=True)]
        )

    def teardown(self) -> None:
        try:
            if hasattr(self, "sellers"):
                self.prove()
        finally:
            transaction.set_rollback(True)
            self.example.__exit__(None, None, None)

    # --- helpers

    def party(self, chosen: tuple[int, str]) -> tuple[int, str]:
        return self.sellers[chosen[0]].pk, chosen[1]

    def key(self) -> str:
        return f"model:{next(self.numbers)}"

    @staticmethod
    def attempt(verb: Any, **facts: Any) -> Any:
        """Return the answer, or None when the verb refuses; a refusal must have changed nothing, which the next comparison shows."""
        try:
            return verb(**facts)
        except Refusal:
            return None

    @staticmethod
    def choose(rows: Any, number: int) -> Any:
        found = list(rows.order_by("pk"))
        return found[number % len(found)] if found else None

    def follow(self) -> None:
        """Let the model's money follow the payouts' states: reserved when built, gone when sent, back when they end."""
        for pk, seller_id, currency, amount, status in Payout.objects.order_by("pk").values_list(
            "pk", "seller_id", "currency", "amount_minor", "status"
        ):
            before, self.seen[pk] = self.seen.get(pk, ""), status
            purse = self.purses[(seller_id, currency)]
            was, now = _place(before), _place(status)
            purse.out += amount * ((now == "inside") - (was == "inside"))
            purse.free += amount * ((now == "back") - (was == "back"))

    # --- earnings

    @rule(wanted=st.lists(earned, min_size=1, max_size=4))
    def earn(self, wanted: list[Any]) -> None:
        lines, facts = [], []
        for chosen, order, kind, gross, fee_share, days, down in wanted:
            party, number = self.party(chosen), next(self.numbers)
            seller = self.sellers[chosen[0]]
            fee = gross * fee_share // 10_000
            lone = kind == "lone adjustment"
            kind = "adjustment" if lone else kind
            sign = -1 if kind in ("refund", "chargeback") or (kind == "adjustment" and down) else 1
            order_ref = "" if lone else f"{seller.pk}-{chosen[1]}-{order}"
            written = sign if kind == "adjustment" else 1
            at = self.now - timedelta(days=days)
            line = EarningLine(
                number, f"line-{number}", seller.external_id, kind, order_ref, at.isoformat(), "", chosen[1],
                f"{written * gross / 100:.2f}", f"{written * fee / 100:.2f}",
            )  # fmt: skip
            lines.append(line)
            facts.append((line, party, order_ref, sign * (gross - fee), at + timedelta(days=seller.tier.delay_days)))
        results = record_earnings(lines=lines, source="model", actor=ROBOT, at=self.now)

        blocked = {seller.external_id for seller in Seller.objects.filter(status="blocked")}
        told = [("rejected", "seller_may_not_accrue") if self.is_refused(line, blocked) else ("accepted", "") for line in lines]
        assert [(result.outcome, result.code or "") for result in results] == told
        for line, party, order_ref, net, available_at in facts:
            if self.is_refused(line, blocked):
                continue
            self.lines.append(line)
            self.purses[party].earn(line.external_id, order_ref, net)
            if self.purses[party].pending.get(line.external_id):
                self.due[line.external_id] = (available_at, line.line_no, party)

    @staticmethod
    def is_refused(line: EarningLine, blocked: set[str]) -> bool:
        """Blocked sellers earn nothing new; what goes back is always booked."""
        return line.seller in blocked and (line.kind == "sale" or (line.kind == "adjustment" and not line.gross.startswith("-")))

    @rule(wanted=st.lists(earned, min_size=2, max_size=6))
    def sell_and_wait(self, wanted: list[Any]) -> None:
        """Sales, and three weeks later they are free."""
        self.earn([(*one[:2], "sale", *one[3:]) for one in wanted])
        self.now += timedelta(days=22)
        self.mature()

    @rule(number=some)
    def send_a_line_again(self, number: int) -> None:
        if self.lines:
            line = self.lines[number % len(self.lines)]
            again, other = record_earnings(
                lines=[line, line._replace(gross="123.45", fee="0", kind="sale", order_ref="other")],
                source="model",
                actor=ROBOT,
                at=self.now,
            )
            assert (again.outcome, other.code) == ("duplicate", "differs_from_earlier")

    # --- time

    @rule(days=st.integers(1, 20))
    def days_pass(self, days: int) -> None:
        self.now += timedelta(days=days)

    @rule()
    def mature(self) -> None:
        holds.mature_earnings(actor=ROBOT, at=self.now)

        for line, (available_at, _, party) in sorted(self.due.items(), key=lambda item: item[1][:2]):
            if available_at <= self.now:
                del self.due[line]
                if self.purses[party].pending.get(line):
                    self.purses[party].mature(line, self.plans(party, available_at))
                else:
                    self.purses[party].pending.pop(line)

    def plans(self, party: tuple[int, str], available_at: datetime) -> list[tuple[Any, int, int | None, datetime]]:
        found = []
        for plan in ReservePlan.objects.filter(seller_id=party[0], currency=party[1], state="active").order_by("pk"):
            until = available_at + timedelta(days=plan.days)
            if plan.kind == "fixed":
                until = datetime.combine(plan.release_on, datetime.min.time(), UTC)
            if until > self.now:
                found.append((plan.pk, plan.basis_points, plan.cap_minor, until))
        return found

    @rule()
    def release_what_is_due(self) -> None:
        holds.release_due_holds(actor=ROBOT, at=self.now)

        for purse in self.purses.values():
            for key in [key for key, kept in purse.kept.items() if kept.until and kept.until <= self.now and kept.amount]:
                purse.release(key)

    # --- holds and reserves

    @rule(chosen=parties, amount=amounts, days=st.none() | st.integers(1, 30))
    def hold(self, chosen: tuple[int, str], amount: int, days: int | None) -> None:
        party = self.party(chosen)
        available, until = self.purses[party].buckets()["available"], days and self.now + timedelta(days=days)
        made = self.attempt(
            holds.place_hold, seller_id=party[0], currency=party[1], amount_minor=amount, code="look", reason="A look.",
            seller_text="We look.", owner="risk", actor=CLERK, key=self.key(), at=self.now, release_at=until or None,
        )  # fmt: skip

        assert (made is not None) == (amount <= available)
        if made:
            self.purses[party].hold(made.pk, amount, until or None)

    @rule(number=some)
    def release(self, number: int) -> None:
        hold = self.choose(Hold.objects.filter(state="active"), number)
        if hold:
            holds.release_hold(hold_id=hold.pk, actor=CLERK, at=self.now, reason="Seen.")
            if hold.kind != "pause":
                self.purses[(hold.seller_id, hold.currency)].release(_key(hold))

    @rule(chosen=parties, days=st.none() | st.integers(1, 30))
    def pause(self, chosen: tuple[int, str], days: int | None) -> None:
        holds.place_pause(
            seller_id=self.party(chosen)[0], code="look", reason="A look.", seller_text="We look.", owner="risk", actor=CLERK,
            key=self.key(), at=self.now, release_at=self.now + timedelta(days=days) if days else None,
        )  # fmt: skip

    @rule(chosen=parties, share=st.integers(1, 10_000), days=st.integers(1, 60), fixed=st.booleans(), cap=st.none() | amounts)
    def reserve(self, chosen: tuple[int, str], share: int, days: int, fixed: bool, cap: int | None) -> None:
        party = self.party(chosen)
        ends: dict[str, Any] = {"release_on": self.now.date() + timedelta(days=days)} if fixed else {"days": days}
        self.attempt(
            holds.create_reserve_plan, seller_id=party[0], currency=party[1], kind="fixed" if fixed else "rolling", basis_points=share,
            reason="New.", seller_text="A share.", actor=CLERK, key=self.key(), at=self.now, cap_minor=cap, **ends,
        )  # fmt: skip

    @rule(number=some)
    def end_reserve(self, number: int) -> None:
        plan = self.choose(ReservePlan.objects.filter(state="active"), number)
        if plan:
            holds.disable_reserve_plan(plan_id=plan.pk, actor=CLERK, at=self.now, reason="Grown up.")
            purse = self.purses[(plan.seller_id, plan.currency)]
            for key in [key for key, kept in purse.kept.items() if kept.plan == plan.pk]:
                purse.release(key)

    # --- runs

    @rule(currency=st.none() | st.sampled_from(CURRENCIES))
    def build(self, currency: str | None) -> None:
        payable = {
            party: purse.free
            for party, purse in self.purses.items()
            if purse.free >= MINIMUM and currency in (None, party[1]) and self.may_be_paid(party)
        }
        planned = runs.plan_run(on=self.now.date(), at=self.now, currency=currency, all_schedules=True)
        run = self.attempt(
            runs.build_run, on=self.now.date(), actor=MAKER, key=self.key(), at=self.now, currency=currency, all_schedules=True
        )

        assert {(row.seller_id, row.currency): row.amount_minor for row in planned.payouts} == payable
        assert (run is not None) == bool(payable)
        if run:
            assert {(one.seller_id, one.currency): one.amount_minor for one in run.payouts.all()} == payable

    def may_be_paid(self, party: tuple[int, str]) -> bool:
        seller_id, currency = party
        payee = PayeeAccount.objects.exclude(status="superseded").get(seller_id=seller_id, currency=currency)
        return (
            Seller.objects.get(pk=seller_id).status == "active"
            and not Hold.objects.filter(seller_id=seller_id, kind="pause", state="active", currency__in=["", currency]).exists()
            and not Payout.objects.filter(
                seller_id=seller_id, currency=currency, status__in=[*IN_PAYOUT_STATES, "in_transit"]
            ).exists()
            and payee.status == "active"
            and payee.cool_off_until <= self.now
        )

    def a_run(self, number: int, *statuses: str) -> PayoutRun | None:
        return self.choose(PayoutRun.objects.filter(status__in=statuses), number)

    @rule(number=some)
    def approve(self, number: int) -> None:
        run = self.a_run(number, "needs_approval")
        if run:
            facts = {"run_id": run.pk, "content_hash": run.content_hash, "at": self.now}
            assert self.attempt(runs.approve_run, actor=MAKER, **facts) is None
            self.attempt(runs.approve_run, actor=CHECKER, **facts)

    @rule(number=some, act=st.sampled_from(["deny_run", "cancel_run", "refresh_run"]))
    def stop_a_run(self, number: int, act: str) -> None:
        run = self.a_run(number, "needs_approval", "approved", "submitted")
        if run:
            why = {} if act == "refresh_run" else {"reason": "No."}
            self.attempt(getattr(runs, act), run_id=run.pk, actor=CLERK, at=self.now, **why)

    @rule()
    def expire(self) -> None:
        runs.expire_runs(at=self.now, actor=ROBOT)

    @rule(number=some, act=st.sampled_from(["cancel_payout", "hold_payout", "release_payout"]))
    def stop_a_payout(self, number: int, act: str) -> None:
        payout = self.choose(Payout.objects.filter(status__in=[*IN_PAYOUT_STATES, *GONE]), number)
        if payout:
            self.attempt(getattr(runs, act), payout_id=payout.pk, actor=CLERK, at=self.now, reason="Look.")

    # --- sellers

    @rule(
        chosen=parties,
        holder=st.sampled_from(["Plain", "Plain", "Sandbox refuse", "Sandbox timeout after", "Sandbox timeout before"]),
    )
    def change_payee(self, chosen: tuple[int, str], holder: str) -> None:
        make_payee(self.sellers[chosen[0]], currency=chosen[1], account_holder=holder, trusted=False, actor=CLERK, at=self.now)

    @rule(chosen=parties, to=st.sampled_from(["paused", "active", "blocked"]))
    def change_status(self, chosen: tuple[int, str], to: str) -> None:
        self.attempt(set_seller_status, seller_id=self.party(chosen)[0], to=to, actor=CLERK, at=self.now, reason="Look.")

    @rule()
    def put_everything_right(self) -> None:
        """Sellers are active, accounts work, pauses are over: walks go on instead of standing still."""
        for number, seller in enumerate(self.sellers):
            asked = {"seller_id": seller.pk, "action": REACTIVATE, "at": self.now, "reason": "Seen."}
            if self.attempt(ask_decision, **asked, actor=CLERK):  # out of blocked by two people only
                self.attempt(approve_decision, **asked, actor=CHECKER)
            self.attempt(set_seller_status, seller_id=seller.pk, to="active", actor=CLERK, at=self.now, reason="Seen.")
            for currency in CURRENCIES:
                if not PayeeAccount.objects.filter(seller=seller, currency=currency, status="active").exists():
                    self.change_payee((number, currency), "Plain")
        for pause in Hold.objects.filter(kind="pause", state="active"):
            holds.release_hold(hold_id=pause.pk, actor=CLERK, at=self.now, reason="Seen.")
        self.now += timedelta(days=4)

    # --- rails

    @rule(number=some)
    def submit(self, number: int) -> None:
        run = self.a_run(number, "approved", "submitted")
        if run:
            self.attempt(dispatch.submit_run, run_id=run.pk, actor=MAKER, at=self.now)

    @rule()
    def work(self) -> None:
        self.leases_run_out()
        dispatch.work(at=self.now, limit=50)

    def leases_run_out(self) -> None:
        """The database's clock stands still in this test's transaction; let what waits for it be due."""
        with connection.cursor() as cursor:
            cursor.execute(
                """UPDATE payouts_paymentorder SET next_try_at = now() - interval '1 second', lease_until = now() - interval '1 hour',
                          last_called_at = now() - interval '1 day' WHERE next_try_at IS NOT NULL"""
            )

    def an_order(self, number: int, *statuses: str) -> PaymentOrder | None:
        return self.choose(PaymentOrder.objects.filter(status__in=statuses), number)

    @rule()
    def settle_all(self) -> None:
        for order in PaymentOrder.objects.filter(status="sent"):
            self.attempt(dispatch.settle, order_id=order.pk, actor=ROBOT, at=self.now)

    @rule(number=some)
    def settle(self, number: int) -> None:
        order = self.an_order(number, "sent", "unknown", "completed", "rejected", "returned")
        if order:
            self.attempt(dispatch.settle, order_id=order.pk, actor=ROBOT, at=self.now)

    @rule(number=some, code=st.sampled_from(REASONS))
    def bounce(self, number: int, code: str) -> None:
        order = self.an_order(number, "sent", "completed", "returned")
        if order:
            self.attempt(dispatch.bounce, order_id=order.pk, code=code, actor=ROBOT, at=self.now)

    @rule(number=some, code=st.sampled_from(REASONS))
    def reject(self, number: int, code: str) -> None:
        order = self.an_order(number, "sent", "unknown", "completed", "rejected")
        if order:
            self.attempt(dispatch.reject, order_id=order.pk, code=code, actor=ROBOT, at=self.now)

    @rule(number=some, code=st.sampled_from(REASONS))
    def pay_and_take_back(self, number: int, code: str) -> None:
        """Payments settle; one comes back and is paid again."""
        self.everything_goes_on()
        self.settle_all()
        self.bounce(number, code)

    @rule()
    def everything_goes_on(self) -> None:
        """What the timetable does on an ordinary day: without it, few walks would get as far as a payment that comes back."""
        self.mature()
        self.follow()
        self.build(None)
        for run in PayoutRun.objects.filter(status="needs_approval"):
            self.attempt(runs.approve_run, run_id=run.pk, content_hash=run.content_hash, actor=CHECKER, at=self.now)
        for run in PayoutRun.objects.filter(status="approved"):
            self.attempt(dispatch.submit_run, run_id=run.pk, actor=MAKER, at=self.now)
        self.work()

    # --- the comparison

    @invariant()
    def buckets_equal_the_model(self) -> None:
        self.follow()
        booked = seller_buckets([seller.pk for seller in getattr(self, "sellers", [])])
        for party, purse in self.purses.items():
            found = {name: booked.get(party, {}).get(name, 0) for name in purse.buckets()}
            assert found == purse.buckets(), f"{party}: the ledger says {found}, the model {purse.buckets()}"

    def prove(self) -> None:
        red = {verdict.name: verdict.rows or verdict.error for verdict in check_books(set(range(1, 10))) if not verdict.ok}
        assert not red, red
        truth = SandboxProvider(self.folder / "sandbox.sqlite3").truth()
        for order in PaymentOrder.objects.filter(payout__seller__in=self.sellers):
            taken = [row for row in truth if row["reference"] == order.key and row["status"] != "refused"]
            assert len(taken) <= 1, f"{order} was paid {len(taken)} times"
            if order.status in ("sent", "completed", "returned"):
                assert [row["amount_minor"] for row in taken] == [order.amount_minor]


def _place(status: str) -> str:
    """Where a payout's money is: inside in_payout, gone to the rail, or (before it is built, and after it ended) with the seller."""
    return "inside" if status in IN_PAYOUT_STATES else "gone" if status in GONE else "back"


def _key(hold: Hold) -> Any:
    return (hold.earning.external_id, hold.plan_id) if hold.earning_id else hold.pk


@pytest.fixture
def _django_db_helper() -> None:
    """Keep pytest-django from opening a transaction around the test: each walk has its own."""


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The sandbox as the only rail, its memory in a folder of this test."""
    monkeypatch.setattr(project, "RAIL_BY_CURRENCY", {})
    registry.register("sandbox", lambda: SandboxRail(InProcess(SandboxProvider(tmp_path / "sandbox.sqlite3"))))
    yield tmp_path
    registry.register("sandbox", registry._sandbox)


@pytest.mark.django_db
def test_money_stands_where_the_model_says_after_every_step(django_db_setup: None, django_db_blocker: Any, sandbox: Path) -> None:
    MoneyMachine.folder = sandbox
    phases = [Phase.reuse, Phase.generate] + [Phase.shrink] * ("MODEL_SHRINK" in os.environ)
    profile = settings(
        max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, derandomize="MODEL_EXAMPLES" not in os.environ, phases=phases,
        suppress_health_check=list(HealthCheck), print_blob=True,
    )  # fmt: skip
    with django_db_blocker.unblock():
        run_state_machine_as_test(MoneyMachine, settings=profile)
