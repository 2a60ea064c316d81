"""Ninety days of the demo marketplace and a whole payout cycle, through the same commands an operator uses."""

from __future__ import annotations

import io
import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command

from backoffice.demo import bank, fraud, onboarding
from backoffice.demo.billing import DemoBilling, billed, demo_billing
from backoffice.demo.sales import Shop, bad_lines
from backoffice.demo.sellers import DemoSeller, make_sellers
from backoffice.demo.tradeins import DemoTradeIns, bought
from backoffice.kit.actors import Actor, staff, system
from backoffice.kit.errors import Refusal
from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import relay
from backoffice.staff.demo import make_demo_staff
from payouts.dispatch.models import BankFileEntry, PaymentOrder, RailFile
from payouts.dispatch.money import bank_holder
from payouts.dispatch.stored import bytes_of
from payouts.holds.models import Hold
from payouts.holds.operations import create_reserve_plan, place_hold
from payouts.ledger.operations import Draft, account_of, post
from payouts.ledger.queries import balance, seller_buckets
from payouts.ledger.templates import platform
from payouts.runs.models import Payout, PayoutRun
from payouts.runs.states import PayoutStatus
from payouts.sellers.models import PayeeAccount, Seller
from payouts.sellers.operations import change_payee_account

SELLER_COLUMNS = (
    "external_id legal_name entity_type country currency tier schedule account_holder iban bic us_routing_number us_account_number"
).split()
RUN_DAYS_BEFORE_END = [32, 25, 18, 11, 4]
DAILY_FILES = 33
AS_FINANCE, AS_LEAD = ("--as", "finance@demo.example"), ("--as", "lead@demo.example")


class DemoFailed(Refusal):
    code = "demo_failed"
    sentence = "The demo could not be made: {detail}"


@dataclass
class Demo:
    """The demo under way: its clock, its people, its bank account, and what happened so far."""

    sellers_count: int
    days: int
    seed: int
    end: date
    say: Callable[[str], None]
    folder: Path
    chooser: random.Random = field(init=False)
    statement_no: int = 0
    bank_balance_minor: int = 0
    returns_due: dict[date, list[bank.Returned]] = field(default_factory=dict)
    lines: int = 0
    rejected: int = 0

    def __post_init__(self) -> None:
        self.chooser = random.Random(self.seed)  # noqa: S311 - a demo must be repeatable

    # --- the doors an operator uses

    def command(self, name: str, *args: str, at: datetime, **options: Any) -> dict[str, Any]:
        """Run a management command and return its JSON answer; exit code 3 (done in part) is an answer, too."""
        out, err = io.StringIO(), io.StringIO()
        try:
            call_command(name, *args, as_json=True, at=at.isoformat(), stdout=out, stderr=err, **options)
        except SystemExit as stop:
            if stop.code not in (0, 3):
                raise DemoFailed(detail=f"{name}: {err.getvalue().strip() or out.getvalue().strip()}") from None
        return dict(json.loads(out.getvalue()))

    def file(self, name: str, content: str | bytes) -> str:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)


def seed_demo(
    *, sellers: int = 300, days: int = 90, seed: int = 1, at: datetime, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Load the demo marketplace into an empty installation; deterministic for the same sellers, days, seed and day.

    Refuses: DemoFailed when the installation already has sellers.
    """
    if Seller.objects.exists():
        raise DemoFailed(detail="this installation already has sellers; the demo is for an empty one.")
    with tempfile.TemporaryDirectory() as folder:
        demo = Demo(sellers, days, seed, at.date(), say, Path(folder))
        people = {role: staff(user.pk) for role, user in make_demo_staff(actor=system("seed_demo"), at=at).items()}
        market = make_sellers(sellers, demo.chooser)
        _load_screening_list(demo)
        _import_sellers(demo, market)
        trade_ins = DemoTradeIns(people=people, end=demo.end, days=days)
        _live(demo, market, demo_billing(people=people, days=days, end=demo.end), trade_ins)
        _interesting_things(demo, market, people, at)
        say(
            f"{onboarding.arrive(people=people, at=at)} newcomers on their way in: papers to look at, one who resembles somebody listed"
        )
        while relay(at=at):
            pass
        decided = fraud.furnish(people=people, at=at)
        say(f"{len(fraud.RULES)} rules written, {decided} sales decided on")
        while relay(at=at):
            pass
    return _told(demo)


def _load_screening_list(demo: Demo) -> None:
    """Load a list of invented names, so that screening has something to compare with; none of the demo's sellers stands on it."""
    lines = "source_id,name,kind,countries\n1,Zoltan Krabbenhoft Vasquelle,person,HU\n2,Ostrovia Deep Sea Mining Fictional Company,entity,PA\n"
    begin = _morning(demo.end - timedelta(days=demo.days + 1))
    demo.command("load_list", demo.file("watched.csv", lines), "--format", "csv", "--name", "demo-watch", at=begin)


def _import_sellers(demo: Demo, market: list[DemoSeller]) -> None:
    rows = [",".join(SELLER_COLUMNS)]
    for s in market:
        holder = s.legal_name + s.behaviour if s.iban or s.us_account else ""
        rows.append(
            f"{s.external_id},{s.legal_name},company,{s.country},{s.currency},{s.tier},{s.schedule},{holder},{s.iban},,{s.us_routing},{s.us_account}"
        )
    begin = _morning(demo.end - timedelta(days=demo.days + 1))
    answer = demo.command(
        "import_sellers", demo.file("sellers.csv", "\n".join(rows) + "\n"), trusted_by="lead@demo.example", at=begin
    )
    if answer["rejected"]:
        raise DemoFailed(detail=f"{answer['rejected']} demo sellers were rejected.")
    demo.say(f"{len(market)} sellers in {len({s.country for s in market})} countries, verified by the lead")


def _live(demo: Demo, market: list[DemoSeller], billing: DemoBilling, trade_ins: DemoTradeIns) -> None:
    """Import each day's sales, mature, bill, buy devices, pay out weekly, and read the bank's answers the day they come."""
    shop = Shop(market, demo.chooser)
    run_days = {demo.end - timedelta(days=back) for back in RUN_DAYS_BEFORE_END if back < demo.days}
    gathered = ""
    for back in range(demo.days, 0, -1):
        day = demo.end - timedelta(days=back)
        evening = datetime.combine(day, time(22), tzinfo=UTC)
        gathered = shop.day(day) if not gathered else gathered + shop.day(day).partition("\n")[2]
        if back <= DAILY_FILES or day.weekday() == 6:  # older sales come in weekly files, so that the demo is ready sooner
            answer = demo.command("import_earnings", demo.file(f"{day}.csv", gathered), source="shop", at=evening)
            demo.lines += answer["accepted"]
            gathered = ""
        if day.weekday() == 0 or day in run_days:
            demo.command("mature_earnings", at=_morning(day))
        billing.day(day)
        trade_ins.day(day)
        if day in run_days:
            _fund_bank(demo, day, first=day == min(run_days))
            _pay(demo, day)
        _bank_day(demo, day)
        if day - timedelta(days=1) in run_days:
            demo.command("dispatch", at=_morning(day))  # ask the sandbox provider how its payments went
    demo.command("mature_earnings", at=_morning(demo.end))
    demo.command("release_holds", at=_morning(demo.end))
    billing.day(demo.end)
    demo.say(f"{demo.lines:,} sales, refunds and chargebacks of {demo.days} days booked")


def _fund_bank(demo: Demo, day: date, *, first: bool) -> None:
    """The payment provider pays out what it holds for us, once, so that our bank account has money to pay sellers with."""
    clearing = account_of("psp.clearing", 0, "EUR", "psp")
    if not first or clearing is None:
        return
    amount = balance(clearing.pk) * 97 // 100
    legs = [platform("psp.in_transit", "EUR", amount), platform("psp.clearing", "EUR", -amount, "psp")]
    arrived = [
        platform("bank.cash", "EUR", amount, bank_holder(settings.PLATFORM_IBAN)),
        platform("psp.in_transit", "EUR", -amount),
    ]
    drafts = [Draft("psp_payout_sent", f"demo:{day}", legs), Draft("psp_payout_arrived", f"demo:{day}", arrived)]
    post(drafts=drafts, actor=system("seed_demo"), at=_morning(day))
    demo.bank_balance_minor = amount


def _pay(demo: Demo, day: date) -> None:
    """Build, approve and submit the day's run; on a day without anybody due there is none."""
    morning = _morning(day)
    run = _build(demo, day, morning + timedelta(hours=1))
    if run:
        demo.command("approve_run", run, *AS_LEAD, at=morning + timedelta(hours=2))
        demo.command("submit_run", run, at=morning + timedelta(hours=3))


def _build(demo: Demo, day: date, at: datetime) -> str | None:
    try:
        return str(demo.command("build_run", *AS_FINANCE, on=day.isoformat(), at=at)["run"])
    except DemoFailed as failure:
        if "nothing_to_pay" not in str(failure):
            raise
        return None


def _bank_day(demo: Demo, day: date) -> None:
    """The bank's day: answers yesterday's files, books the transfers, returns some days later what could not be credited."""
    midnight = datetime.combine(day, time(0), tzinfo=UTC)
    fresh = RailFile.objects.filter(handed_over_at__gte=midnight - timedelta(days=1), handed_over_at__lt=midnight)
    booked: list[bank.Transfer] = []
    for stored in fresh:
        message_id, transfers = bank.read_transfers(bytes_of(stored))
        refused = [bank.Returned(transfers[0], "AC04")] if len(transfers) > 3 else []
        accepted = transfers[len(refused) :]
        report = bank.status_report(message_id, accepted, refused, midnight + timedelta(hours=6))
        demo.command("import_bank_file", demo.file(f"pain002-{day}-{stored.pk}.xml", report), at=midnight + timedelta(hours=7))
        booked += accepted
        if len(accepted) > 3:
            late = demo.returns_due.setdefault(day + timedelta(days=3), [])
            late.append(bank.Returned(accepted[1], "MS03"))
    returned = demo.returns_due.pop(day, [])
    if booked or returned:
        _statement(demo, day, booked, returned)


def _statement(demo: Demo, day: date, booked: list[bank.Transfer], returned: list[bank.Returned], credit: int = 0) -> None:
    demo.statement_no += 1
    data, demo.bank_balance_minor = bank.statement(
        number=demo.statement_no,
        iban=settings.PLATFORM_IBAN,
        on=day,
        opening_minor=demo.bank_balance_minor,
        debits=booked,
        returns=returned,
        unknown_credit_minor=credit,
    )
    evening = datetime.combine(day, time(20), tzinfo=UTC)
    demo.command("import_bank_file", demo.file(f"camt053-{day}.xml", data), at=evening)


def _interesting_things(demo: Demo, market: list[DemoSeller], people: dict[str, Actor], at: datetime) -> None:
    """Leave the desk with something of everything: hold, reserve, negative seller, payee change, unknown outcome, rejected lines."""
    euro = [s for s in market if s.iban]
    morning = _morning(demo.end)
    sellers = {s.external_id: s for s in Seller.objects.filter(external_id__in=[s.external_id for s in euro[:40]])}
    chosen = [sellers[s.external_id] for s in euro[:40]]
    create_reserve_plan(
        seller_id=chosen[3].pk, currency="EUR", kind="rolling", basis_points=1000, days=90, key="demo:reserve",
        reason="Chargeback rate above 1 % in October.", seller_text="10 % of your sales are kept for 90 days while returns are high.",
        actor=people["lead"], at=morning,
    )  # fmt: skip
    _hold_something(chosen, people, morning)
    _make_negative(demo, euro[7], morning)
    _change_payee(chosen[9], people, morning)
    demo.rejected = demo.command(
        "import_earnings", demo.file("odd.csv", bad_lines(euro[0], morning - timedelta(hours=2))), source="shop", at=morning
    )["rejected"]
    _statement(demo, demo.end - timedelta(days=1), [], [], credit=12_950)
    _build(demo, demo.end, at)


def _hold_something(chosen: list[Seller], people: dict[str, Actor], at: datetime) -> None:
    for seller in chosen[10:]:
        free = seller_buckets([seller.pk]).get((seller.pk, "EUR"), {}).get("available", 0)
        if free > 10_000:
            place_hold(
                seller_id=seller.pk, currency="EUR", amount_minor=free // 2, code="delivery_dispute",
                reason="Several buyers report empty parcels; waiting for the carrier's answer.",
                seller_text="Part of your balance is held until the carrier has answered our question about three deliveries.",
                owner=str(people["risk"]), release_condition="", review_on=(at + timedelta(days=5)).date(),
                actor=people["lead"], key="demo:hold", at=at,
            )  # fmt: skip
            return


def _make_negative(demo: Demo, seller: DemoSeller, at: datetime) -> None:
    """A chargeback of an old, large sale puts one seller below zero."""
    stamp = (at - timedelta(hours=5)).isoformat()
    row = f"big-1:chargeback,{seller.external_id},chargeback,big-1,{stamp},,EUR,2400.00,288.00"
    header = "external_id,seller,kind,order_ref,occurred_at,delivered_at,currency,gross,fee"
    demo.command("import_earnings", demo.file("negative.csv", f"{header}\n{row}\n"), source="shop", at=at)


def _change_payee(seller: Seller, people: dict[str, Actor], at: datetime) -> None:
    old = PayeeAccount.objects.filter(seller=seller, currency="EUR").order_by("-version").first()
    number = "DE89370400440532013000" if old is None or old.last4 != "3000" else "DE75512108001245126199"
    change_payee_account(
        seller_id=seller.pk, currency="EUR", kind="iban", account_holder=seller.legal_name, number=number,
        actor=people["compliance"], key="demo:payee", at=at,
    )  # fmt: skip


def _morning(day: date) -> datetime:
    return datetime.combine(day, time(6), tzinfo=UTC)


def _told(demo: Demo) -> dict[str, Any]:
    """Return what happened, for printing: counts by state and the verdict of the books."""
    count = {status: Payout.objects.filter(status=status).count() for status in PayoutStatus.values}
    broken = [verdict for verdict in check_books() if not verdict.ok]
    return {
        "sellers": demo.sellers_count,
        "earnings": demo.lines,
        "rejected_lines": demo.rejected,
        "runs": PayoutRun.objects.count(),
        "payouts": {
            "paid": count["paid"],
            "on_their_way": count["in_transit"] + count["pending"],
            "bounced": count["returned"] + count["failed"],
            "held": count["held"],
            "waiting_for_approval": count["needs_approval"],
        },
        "invoices": billed(),
        "trade_ins": bought(),
        "holds": Hold.objects.filter(state="active").count(),
        "unmatched_bank_entries": BankFileEntry.objects.filter(state="unplaced").count(),
        "unknown_outcomes": PaymentOrder.objects.filter(status="unknown").count(),
        "books": "clean" if not broken else "NOT CLEAN: " + "; ".join(verdict.sentence for verdict in broken),
        "clean": not broken,
    }
