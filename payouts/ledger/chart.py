"""The chart of accounts of money.md, as data: code → normal side, guarded or hot, floor."""

from __future__ import annotations

from dataclasses import dataclass

DEBIT, CREDIT = 1, -1


@dataclass(frozen=True)
class Kind:
    """One code of the chart. `floor` is on the normal side; None means no floor (guarded accounts only have one)."""

    code: str
    normal_sign: int
    guarded: bool
    floor: int | None
    label: str


_KINDS = [
    Kind("seller.pending", CREDIT, True, 0, "Seller: pending"),
    Kind("seller.available", CREDIT, True, 0, "Seller: available"),
    Kind("seller.reserved", CREDIT, True, 0, "Seller: reserved"),
    Kind("seller.in_payout", CREDIT, True, 0, "Seller: in payout"),
    Kind("seller.advance", DEBIT, True, 0, "Seller: advance"),
    Kind("buyer.payable", CREDIT, True, 0, "Buyer: payable"),
    Kind("psp.clearing", DEBIT, False, None, "Provider: clearing"),
    Kind("psp.in_transit", DEBIT, False, None, "Provider: payout in transit"),
    Kind("bank.cash", DEBIT, True, None, "Bank: cash"),
    Kind("bank.in_transit", CREDIT, False, None, "Bank: in transit"),
    Kind("revenue.commission", CREDIT, False, None, "Revenue: commission"),
    Kind("revenue.subscription", CREDIT, False, None, "Revenue: subscription"),
    Kind("revenue.payout_fee", CREDIT, False, None, "Revenue: payout fee"),
    Kind("revenue.advance_fee", CREDIT, False, None, "Revenue: advance fee"),
    Kind("expense.psp_fee", DEBIT, False, None, "Expense: provider fee"),
    Kind("expense.dispute", DEBIT, False, None, "Expense: disputes"),
    Kind("expense.write_off", DEBIT, False, None, "Expense: write-offs"),
    Kind("expense.fx", DEBIT, False, None, "Expense: exchange"),
    Kind("purchase.trade_in", DEBIT, False, None, "Purchases: devices traded in"),
    Kind("tax.payable", CREDIT, False, None, "Tax payable"),
    Kind("receivable.invoice", DEBIT, True, 0, "Receivable: invoices"),
    Kind("receivable.dispute", DEBIT, True, 0, "Receivable: disputes"),
    Kind("receivable.seller_debt", DEBIT, True, 0, "Receivable: seller debt beyond the limit"),
    Kind("fx.clearing", DEBIT, False, None, "Exchange clearing"),
    Kind("suspense", DEBIT, False, None, "Suspense"),
]
CHART: dict[str, Kind] = {kind.code: kind for kind in _KINDS}
SELLER_BUCKETS = ["pending", "available", "reserved", "in_payout", "advance"]
