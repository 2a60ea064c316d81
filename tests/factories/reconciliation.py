"""Facts of all sides for tests: a provider's balance, postings of ours, bank statements; staged through the doors everybody uses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from django.conf import settings

from backoffice.kit.actors import staff, system
from billing.gateways.port import BalanceTransaction
from billing.reconciliation.models import ReconciliationRun, StagedLine
from billing.reconciliation.operations import fetch_transactions, reconcile
from payouts.dispatch.operations import BankFileResult, import_bank_file
from payouts.ledger.operations import Draft, post
from payouts.ledger.templates import platform

AT = datetime(2026, 2, 2, 9, 0, tzinfo=UTC)
DAY = AT.date()
ROBOT = system("test")
GATEWAY = "fakepay"
_numbers = itertools.count(1)


@dataclass
class Balance:
    """A provider's balance with the one verb that reconciliation asks of a gateway; it lists the youngest first, as real ones do."""

    transactions: list[BalanceTransaction] = field(default_factory=list)
    name: str = GATEWAY
    links: dict[str, str] = field(default_factory=dict)

    def list_balance_transactions(self, *, since: datetime, payout_ref: str = "") -> Iterator[BalanceTransaction]:
        for one in sorted(self.transactions, key=lambda t: t.created_at, reverse=True):
            if one.created_at >= since and (not payout_ref or payout_ref in (self.links.get(one.provider_ref), one.source_ref)):
                yield one

    def add(self, kind: str, amount: int, *, fee: int = 0, reference: str = "", source: str = "", payout: str = "", day: int = 0,
            currency: str = "EUR", linked: bool = True) -> BalanceTransaction:  # fmt: skip
        """Add a movement `day` days after DAY; one that is not `linked` names its payout only when the payout is asked."""
        number = next(_numbers)
        ref = f"txn_{number:06d}"
        made = BalanceTransaction(
            ref, kind, source or f"ch_{number:06d}", reference, payout if linked else "", amount, fee, amount - fee, currency,
            AT + timedelta(days=day), AT + timedelta(days=day + 2),
        )  # fmt: skip
        self.transactions.append(made)
        if payout:
            self.links[ref] = payout
        return made


def book(reference: str, amount: int, *, day: int = 0, holder: str = GATEWAY, currency: str = "EUR") -> int:
    """Post money at the provider under a name of ours, as a sale does; return the posting's id."""
    legs = [platform("psp.clearing", currency, amount, holder), platform("revenue.commission", currency, -amount)]
    draft = Draft("adjustment", reference, legs, "test", 0, AT + timedelta(days=day))
    return post(drafts=[draft], actor=ROBOT, approver=staff(1), at=AT)[0].posting_id


def bank_csv(lines: Sequence[tuple[int, str, str, int]], account: str = "") -> bytes:
    """Return a bank's CSV of our own account: (amount, reference, text, day)."""
    rows = [
        f"{account or settings.PLATFORM_IBAN},{DAY + timedelta(days=day)},{'-' if amount < 0 else ''}{abs(amount) // 100}.{abs(amount) % 100:02d},EUR,{reference},{text}"
        for amount, reference, text, day in lines
    ]
    return ("account,booked_on,amount,currency,reference,text\n" + "\n".join(rows) + "\n").encode()


def bank(lines: Sequence[tuple[int, str, str, int]]) -> BankFileResult:
    return import_bank_file(data=bank_csv(lines), file_name="bank.csv", actor=ROBOT, at=AT)


def fetch(balance: Balance, *, at: datetime = AT) -> dict[str, int]:
    return fetch_transactions(gateway=balance, actor=ROBOT, at=at)  # type: ignore[arg-type]


def match(day: int = 0) -> ReconciliationRun:
    """Reconcile `day` days after DAY."""
    return reconcile(actor=ROBOT, at=AT + timedelta(days=day))


def states() -> dict[str, str]:
    """Return {source and name: state} of every staged line."""
    return {f"{line.source}:{line.reference or line.kind}:{line.amount_minor}": line.state for line in StagedLine.objects.all()}


def day_of(number: int) -> date:
    return DAY + timedelta(days=number)


def furnish() -> None:
    """Put one of everything of these screens into a marketplace: a payout three ways, its group, and a line that found nobody."""
    balance = Balance()
    balance.add("charge", 12_000, fee=180, reference="order-7", payout="po_000001")
    balance.add("payout", -11_820, source="po_000001", payout="po_000001", day=1)
    balance.add("charge", 777, reference="nobody-knows")
    book("order-7", 12_000)
    fetch(balance)
    match(day=1)
