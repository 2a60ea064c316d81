"""Half a year of real orders, from the files to the payees' accounts and back, through the commands an operator types, with a bank nobody here wrote."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command

from backoffice.kit.actors import staff, system
from backoffice.kit.invariants import check_books
from payouts.dispatch.models import BankFile, PaymentOrder
from payouts.holds.operations import create_reserve_plan, place_hold, place_pause
from payouts.ledger.models import Account, Posting
from payouts.ledger.queries import balance, seller_buckets
from payouts.rails import bank_profiles
from payouts.runs.models import Payout
from payouts.sellers.models import PayeeAccount, Seller
from payouts.sellers.operations import change_payee_account
from tests.factories.bank import DEBTOR_ID, LoopbackBank
from tests.factories.dispatch import rails_in
from tests.factories.sellers import make_iban, make_staff

ORDERS = Path(__file__).resolve().parents[3] / "shared" / "data" / "orders"
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.real_data,
    pytest.mark.skipif(not ORDERS.is_dir(), reason=f"the real orders are not here ({ORDERS})"),
]

CLOSED, UNKNOWN_BANKS, RETURNED = 6, 3, 3
DEBTOR_BALANCE = 100_000_000
# three files, so that the bank may send back one payment of each
A_THIRD = bank_profiles.BankProfile(name="generic-sepa", max_transactions=240)


@dataclass
class Manager:
    """What an operator types: manage.py with --json; answers what it printed, and expects the exit code."""

    log: list[str] = field(default_factory=list)

    def __call__(self, *words: object, exits: int = 0) -> dict[str, Any]:
        out, err, code = io.StringIO(), io.StringIO(), 0
        try:
            call_command(str(words[0]), *map(str, words[1:]), "--json", stdout=out, stderr=err)
        except SystemExit as ended:
            code = int(ended.code or 0)
        assert code == exits, f"{words} exited with {code}: {out.getvalue()[:2000]} {err.getvalue()[:2000]}"
        return dict(json.loads(out.getvalue()))


@dataclass
class Street:
    """One test's marketplace and bank."""

    manage: Manager
    bank: LoopbackBank
    folder: Path
    finance: Any
    lead: Any
    arrived: list[tuple[str, bytes]] = field(default_factory=list)

    def take_to_the_bank(self, run: str, before_each: Any = None) -> None:
        """Be the connector: export what was sealed, and hand those bytes to the bank file by file."""
        exported = self.manage("export_run", run, "--out", self.folder / run)
        assert exported["files"]
        for number, file in enumerate(exported["files"]):
            data = Path(file["path"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == file["sha256"]
            if before_each:
                before_each(number, data)
            assert self.bank.send(data)["status"] in ("ACCP", "PART")

    def read_what_arrived(self, at: str) -> dict[str, int]:
        """Import everything the bank has put into the mailbox, in its order; returns what was done, summed up."""
        done: dict[str, int] = {}
        for message in self.bank.collect():
            if message.account not in (None, DEBTOR_ID):
                continue  # other customers' statements: a bank sends us our own
            path = self.folder / f"{message.id:04d}-{message.type}.xml"
            path.write_bytes(message.data)
            self.arrived.append((str(path), message.data))
            answer = self.manage("import_bank_file", path, "--at", at)
            assert answer["unplaced"] == [] and answer["duplicate_file"] is False
            for name, count in answer["applied"].items():
                done[name] = done.get(name, 0) + count
        return done

    def read_all_of_it_again(self, at: str) -> None:
        """Every file a second time: known, and nothing is booked."""
        before = Posting.objects.count(), BankFile.objects.count()
        for path, _ in self.arrived:
            answer = self.manage("import_bank_file", path, "--at", at)
            assert answer["duplicate_file"] is True and not any(answer["applied"].values())
        assert (Posting.objects.count(), BankFile.objects.count()) == before


@pytest.fixture
def street(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Street]:
    monkeypatch.setitem(bank_profiles.PROFILES, A_THIRD.name, A_THIRD)
    with rails_in(tmp_path), LoopbackBank.start(at="2017-11-06T09:15") as bank:
        bank.fund(DEBTOR_ID, DEBTOR_BALANCE)
        yield Street(
            Manager(), bank, tmp_path, make_staff("finance", "maker@example.com"), make_staff("lead", "checker@example.com")
        )


def test_real_orders_are_paid_to_the_cent_through_a_real_bank(street: Street) -> None:
    started = time.monotonic()
    expected = json.loads((ORDERS / "expected_2017h1.json").read_text())
    manage = street.manage

    import_everything(street, expected)
    make_money_available(street, expected)
    first = pay_everybody(street)
    bank_answers(street, first)
    books_agree_with_the_bank(street, expected)
    second = pay_what_came_back(street)
    books_agree_with_the_bank(street, expected)

    assert manage("check_books")["clean"] is True
    paid = Payout.objects.filter(status="paid").count()
    sys.stderr.write(
        f"\nreal orders: {expected['lines']} lines, {paid} payouts paid in {first} and {second}, {time.monotonic() - started:.1f} s\n"
    )


# --- 1 sellers and earnings come in


def import_everything(street: Street, expected: dict[str, Any]) -> None:
    manage = street.manage
    sellers = manage(
        "import_sellers", ORDERS / "sellers_2017h1.csv", "--trusted-by", "checker@example.com", "--at", "2017-01-02T08:00:00Z"
    )
    assert (sellers["accepted"], sellers["rejected"]) == (expected["sellers"], 0)
    assert Seller.objects.filter(status="active").count() == expected["sellers"]
    assert PayeeAccount.objects.filter(status="active").count() == expected["sellers"]

    answer = manage("import_earnings", ORDERS / "earnings_2017h1.csv", "--source", "olist", "--at", "2017-10-02T08:00:00Z")

    sale, refund = expected["sale"], expected["refund"]
    assert (answer["read"], answer["accepted"], answer["duplicate"], answer["rejected"]) == (
        expected["lines"],
        expected["lines"],
        0,
        0,
    )
    assert answer["totals"] == {
        "EUR": {
            "gross_minor": sale["gross_minor"] - refund["gross_minor"],
            "fee_minor": sale["fee_minor"] - refund["fee_minor"],
            "net_minor": expected["net_minor"],
        }
    }
    again = manage("import_earnings", ORDERS / "earnings_2017h1.csv", "--source", "olist", "--at", "2017-10-02T09:00:00Z")
    assert (again["accepted"], again["duplicate"], again["rejected"]) == (0, expected["lines"], 0)
    again = manage(
        "import_sellers", ORDERS / "sellers_2017h1.csv", "--trusted-by", "checker@example.com", "--at", "2017-01-02T09:00:00Z"
    )
    assert (again["accepted"], again["duplicate"], Seller.objects.count()) == (0, expected["sellers"], expected["sellers"])
    assert owed() == expected["net_minor"]


# --- 2 money becomes free; one seller is reserved, one held, one paused


def make_money_available(street: Street, expected: dict[str, Any]) -> None:
    reserved, held, paused = biggest(3)
    at = datetime(2017, 10, 30, 8, tzinfo=UTC)
    create_reserve_plan(
        seller_id=reserved, currency="EUR", kind="rolling", basis_points=1_000, days=180, reason="A new category.",
        seller_text="We keep a tenth.", actor=system("test"), key="plan", at=at,
    )  # fmt: skip

    manage = street.manage
    matured = manage("mature_earnings", "--at", "2017-11-03T06:00:00Z")
    assert matured["matured"] == {"EUR": expected["net_minor"] + debts()}
    assert manage("mature_earnings", "--at", "2017-11-03T06:00:00Z")["earnings"] == 0

    place_hold(
        seller_id=held, currency="EUR", amount_minor=5_000, code="review", reason="A look at two parcels.", seller_text="We look.",
        owner="risk", actor=system("test"), key="hold", at=at,
    )  # fmt: skip
    place_pause(
        seller_id=paused, code="documents", reason="A document is missing.", seller_text="Send it.", owner="risk", actor=system("test"),
        key="pause", at=at,
    )  # fmt: skip
    buckets = seller_buckets([reserved, held])
    assert buckets[(reserved, "EUR")]["reserved"] > 0 and buckets[(held, "EUR")]["reserved"] == 5_000
    assert owed() == expected["net_minor"]


def biggest(count: int) -> list[int]:
    totals = {seller_id: buckets["total"] for (seller_id, _), buckets in seller_buckets(everybody()).items()}
    return sorted(totals, key=lambda seller_id: -totals[seller_id])[:count]


def debts() -> int:
    """What refunds took beyond the pending money of their own sale: it is repaid or carried, not matured."""
    return -sum(min(0, buckets["available"]) - buckets["debt"] for buckets in seller_buckets(everybody()).values())


# --- 3 a dry run, a run, two people, three files


def pay_everybody(street: Street) -> str:
    manage = street.manage
    dry = manage("plan_run", "--on", "2017-11-06", "--at", "2017-11-06T08:00:00Z")
    built = manage("build_run", "--on", "2017-11-06", "--as", "maker@example.com", "--at", "2017-11-06T08:05:00Z")
    run = str(built["run"])
    assert built["totals"] == {"EUR": {name: dry["totals"]["EUR"][name] for name in ("amount_minor", "currency")}}
    assert built["payouts"] == len(dry["payouts"]) > 600
    assert built["skipped_by_code"] == dry["skipped_by_code"] and built["skipped_by_code"]["on_hold"] == 1

    street.finance.user_permissions.set(permission("approve_run"))
    refused = manage("approve_run", run, "--as", "maker@example.com", "--at", "2017-11-06T08:10:00Z", exits=1)
    assert refused["error"]["code"] == "approver_is_maker"
    manage("approve_run", run, "--as", "checker@example.com", "--at", "2017-11-06T08:15:00Z")
    submitted = manage("submit_run", run, "--as", "maker@example.com", "--at", "2017-11-06T08:20:00Z")
    assert (submitted["submitted"], submitted["stopped"], len(submitted["files"])) == (built["payouts"], [], 3)
    return run


def permission(codename: str) -> Any:
    """The maker's role does not have it; with it, the rule of two people still stands."""
    return Permission.objects.filter(codename=codename)


# --- 4 the bank pays most of it, refuses some, sends some back


def bank_answers(street: Street, run: str) -> None:
    orders = list(PaymentOrder.objects.filter(payout__run__public_id=run).select_related("payee_account").order_by("pk"))
    refused = orders[10 : 10 + CLOSED + UNKNOWN_BANKS]
    for number, order in enumerate(refused):
        mood = "closed-account" if number < CLOSED else "bad-bank-id"
        street.bank.open_account(f"PAYEE{number}", order.payee_account.number, behaviour=mood)
    returned = [orders[number * 240 + 100] for number in range(RETURNED)]

    def one_comes_back(number: int, data: bytes) -> None:
        assert returned[number].end_to_end_id.encode() in data
        street.bank.behave("return-later", days=3, reason="AC04", end_to_end_id=returned[number].end_to_end_id)

    street.take_to_the_bank(run, one_comes_back)
    first = street.read_what_arrived("2017-11-06T18:00:00Z")
    assert first["rejected"] == CLOSED + UNKNOWN_BANKS
    street.bank.advance(days=2)
    first |= {"settled": first["settled"] + street.read_what_arrived("2017-11-08T18:00:00Z")["settled"]}
    assert first["settled"] == len(orders) - len(refused)
    street.bank.advance(days=5)
    assert street.read_what_arrived("2017-11-13T08:00:00Z")["returned"] == RETURNED
    assert {name.split("-")[-1][:8] for name, _ in street.arrived} == {"pain.002", "camt.054", "camt.053", "pacs.004"}
    street.read_all_of_it_again("2017-11-13T09:00:00Z")

    assert by_status(run) == {"paid": len(orders) - len(refused) - RETURNED, "failed": len(refused), "returned": RETURNED}
    codes = set(Payout.objects.filter(status__in=["failed", "returned"]).values_list("status_code", flat=True))
    assert codes == {"AC04", "RC01"}
    states = PayeeAccount.objects.filter(payouts__status__in=["failed", "returned"]).values_list("status", flat=True)
    assert sorted(states) == ["closed"] * (CLOSED + RETURNED) + ["needs_data"] * UNKNOWN_BANKS


def by_status(run: str) -> dict[str, int]:
    statuses = list(Payout.objects.filter(run__public_id=run).values_list("status", flat=True))
    return {status: statuses.count(status) for status in set(statuses)}


# --- 5 and after each round: the ledger, the payouts and the bank's own memory tell the same story


def books_agree_with_the_bank(street: Street, expected: dict[str, Any]) -> None:
    red = {verdict.name: verdict.rows or verdict.error for verdict in check_books() if not verdict.ok}
    assert red == {}

    paid = sum(Payout.objects.filter(status="paid").values_list("amount_minor", flat=True))
    assert paid + owed() == expected["net_minor"]

    truths = {truth.end_to_end_id: truth for truth in street.bank.truths()}
    assert len(truths) == len(street.bank.truths()), "nothing was asked of the bank twice"
    for order in PaymentOrder.objects.all():
        truth = truths[order.end_to_end_id]
        assert truth.amount_minor == order.amount_minor
        kept = truth.booked and not truth.returned
        assert (order.status == "completed") == kept, f"{order.end_to_end_id}: {order.status}, the bank says {truth}"
    holding = [truth.creditor_iban for truth in truths.values() if truth.booked and not truth.returned]
    assert len(holding) == len(set(holding)), "each payee was paid once"

    cash = sum(balance(account.pk) for account in Account.objects.filter(code="bank.cash"))
    in_transit = sum(balance(account.pk) for account in Account.objects.filter(code="bank.in_transit"))
    assert (cash, in_transit) == (street.bank.account()["balance"] - DEBTOR_BALANCE, 0)
    assert -cash == paid


def everybody() -> list[int]:
    return list(Seller.objects.values_list("pk", flat=True))


def owed() -> int:
    return sum(buckets["total"] for buckets in seller_buckets(everybody()).values())


# --- 6 new accounts, a cool-off, and the second run pays what came back


def pay_what_came_back(street: Street) -> str:
    manage = street.manage
    back = list(Payout.objects.filter(status__in=["failed", "returned"]).select_related("seller").order_by("pk"))
    clerk = staff(make_staff("risk").pk)
    for number, payout in enumerate(back):
        change_payee_account(
            seller_id=payout.seller_id, currency="EUR", kind="iban", account_holder=payout.seller.legal_name, number=make_iban("DE"),
            actor=clerk, key=f"new account {number}", at=datetime(2017, 11, 13, 10, tzinfo=UTC),
        )  # fmt: skip
    soon = manage("plan_run", "--on", "2017-11-14", "--at", "2017-11-14T08:00:00Z", "--all-schedules")
    assert soon["skipped_by_code"]["payee_cooling_off"] == len(back) and soon["payouts"] == []

    street.bank.behave("accept")
    street.bank.advance(to="2017-11-20")
    built = manage("build_run", "--all-schedules", "--as", "maker@example.com", "--at", "2017-11-20T08:00:00Z")
    run = str(built["run"])
    paid = {payout.seller_id: payout.amount_minor for payout in Payout.objects.filter(run__public_id=run)}
    assert paid == {payout.seller_id: payout.amount_minor for payout in back}
    manage("approve_run", run, "--as", "checker@example.com", "--at", "2017-11-20T08:05:00Z")
    manage("submit_run", run, "--as", "maker@example.com", "--at", "2017-11-20T08:10:00Z")
    street.take_to_the_bank(run)
    street.bank.advance(days=3)
    done = street.read_what_arrived("2017-11-23T08:00:00Z")
    street.read_all_of_it_again("2017-11-23T09:00:00Z")
    assert done["settled"] == len(back) and by_status(run) == {"paid": len(back)}
    return run
