"""Die at every boundary of the payout flow, alone and in pairs, recover to quiet: nobody is paid twice, nobody is forgotten, the books are clean.

The boundaries are those the code declares, so a new one is covered as soon as it exists.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from backoffice.kit import failpoints
from backoffice.kit.invariants import check_books
from payouts.dispatch.engine import work
from payouts.dispatch.models import PaymentOrder, RailFile
from payouts.dispatch.operations import confirm_absence, import_bank_file, request_absence, resolve_unknown, sweep
from payouts.dispatch.queries import unknown_orders
from payouts.runs.models import Payout, PayoutRun
from tests.factories import bank_messages
from tests.factories.dispatch import BANK, SUBMIT_AT, provider_in, rails_in, submit
from tests.factories.runs import AT, give_money, make_approved_run, make_checker, make_payable_seller
from tests.factories.sellers import make_payee, make_seller

pytestmark = [pytest.mark.chaos, pytest.mark.django_db(transaction=True)]
# Other rooms declare theirs too; they are walked where those rooms are tested.
BOUNDARIES = [name for name, module in failpoints.BOUNDARIES.items() if module.startswith("payouts.dispatch.")]
# All pairs take minutes; the suite walks a part of them that meets every boundary, `make chaos` all.
LONG = os.environ.get("CHAOS") == "long"


class Crash(BaseException):
    """The process dies here: nothing below may catch it."""


class Flow:
    """One payout by file and one by call, from the approved run to the bank's answers; every step may be done again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.by_file = make_payable_seller(5_000)
        self.by_call = make_seller(currency="USD", country="US")
        make_payee(self.by_call, currency="USD")
        self.hits: Counter[str] = Counter()
        self.days = 0
        self.decided = 0
        self.runs: list[PayoutRun] = []

    def begin(self) -> None:
        self.days += 1
        self.at = SUBMIT_AT + timedelta(days=self.days)
        if self.days > 1:
            give_money(self.by_file, 5_000)
        give_money(self.by_call, 7_000)
        self.run = make_approved_run(at=AT + timedelta(days=self.days), on=(AT + timedelta(days=self.days)).date())

    def steps(self) -> list[Callable[[], object]]:
        return [
            lambda: submit(self.run, at=self.at),
            lambda: work(at=self.at, wave=1),
            lambda: sweep(at=self.at),
            self.bank_answers,
        ]

    def bank_answers(self) -> None:
        for file in RailFile.objects.filter(run=self.run):
            if (self.folder / "bank-outbox" / file.file_name).exists():
                name, minor = PaymentOrder.objects.values_list("end_to_end_id", "amount_minor").get(rail_file=file)
                entry = bank_messages.entry(minor, name, ref=f"REF-{name}")
                data = bank_messages.camt054([entry], message_id=f"N-{file.message_id}")
                import_bank_file(data=data, file_name="camt", actor=BANK, at=self.at)

    def go(self, crashes: list[str]) -> None:
        """Walk the steps, dying at each name of `crashes` in turn; after each death begin again from the first step."""
        left = list(crashes)
        for _ in range(12):
            try:
                for step in self.steps():
                    self._arm(left)
                    step()
            except Crash:
                left.pop(0)
            else:
                if self.quiet():
                    return
            finally:
                for name in BOUNDARIES:
                    failpoints.hook(name, None)
            self.let_time_pass()
            self.people_decide()
        raise AssertionError(f"not quiet after {crashes}: {self.state()}")

    def _arm(self, left: list[str]) -> None:
        for name in BOUNDARIES:
            failpoints.hook(name, self._die(name) if left and left[0] == name else None)

    def _die(self, name: str) -> Callable[[], None]:
        def die() -> None:
            self.hits[name] += 1
            failpoints.hook(name, None)
            raise Crash(name)

        return die

    def let_time_pass(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                """UPDATE payouts_paymentorder SET next_try_at = next_try_at - interval '1 day', lease_until = lease_until - interval '1 day',
                          last_called_at = last_called_at - interval '1 day' WHERE next_try_at IS NOT NULL"""
            )

    def people_decide(self) -> None:
        """Look into the provider's books for what waits for a person (two attempts may both have left), and say what is there."""
        known = {row["reference"]: row for row in provider_in(self.folder).truth()}
        for order in unknown_orders().filter(code="needs_a_person"):
            says = {"order_id": order.pk, "reason": "seen in the provider's books", "at": self.at}
            if order.key in known:
                resolve_unknown(outcome="sent", provider_ref=f"sbx_{known[order.key]['id']}", actor=make_checker(), **says)
            else:
                request_absence(actor=make_checker(), **says)
                confirm_absence(actor=make_checker(), **says)
            self.decided += 1

    def state(self) -> list[tuple[str, str]]:
        return list(Payout.objects.filter(run=self.run).values_list("public_id", "status"))

    def quiet(self) -> bool:
        return {status for _, status in self.state()} == {"paid"}

    def judge(self, crashes: list[str]) -> None:
        paid = Counter(row["reference"].rsplit("-", 1)[0] for row in provider_in(self.folder).truth())
        assert set(paid.values()) <= {1}, f"paid twice after {crashes}"
        assert len(paid) == Payout.objects.filter(rail="sandbox", status="paid").count(), (
            f"the provider disagrees after {crashes}"
        )
        files = [path for path in (self.folder / "bank-outbox").iterdir() if path.is_file() and not path.name.startswith(".")]
        assert len(files) == self.days == RailFile.objects.count(), f"files at the bank after {crashes}"
        broken = [verdict for verdict in check_books() if not verdict.ok]
        assert not broken, f"after {crashes}: {broken}"


def run_all(folder: Path, plans: list[list[str]]) -> Counter[str]:
    with rails_in(folder):
        flow = Flow(folder)
        for crashes in plans:
            flow.begin()
            flow.go(crashes)
            flow.judge(crashes)
        return flow.hits


def test_a_crash_at_every_boundary_is_recovered_from(tmp_path: Path):
    hits = run_all(tmp_path, [[], *([name] for name in BOUNDARIES)])

    # reached only after another crash, see the pairs
    assert set(BOUNDARIES) - set(hits) <= {"in_record_absent", "before_lookup", "after_lookup"}


def test_a_crash_in_the_middle_of_recovering_from_a_crash_is_recovered_from(tmp_path: Path):
    pairs = [list(pair) for pair in itertools.product(BOUNDARIES, repeat=2)]
    chosen = (
        pairs
        if LONG
        else [
            *pairs[::23],
            ["claimed", "in_record_absent"],
            ["claimed", "before_call"],
            ["after_call", "before_lookup"],
            ["after_call", "after_lookup"],
        ]
    )

    hits = run_all(tmp_path, chosen)

    assert {"in_record_absent", "before_lookup", "after_lookup"} <= set(hits)
