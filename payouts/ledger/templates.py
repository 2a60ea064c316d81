"""Posting templates: the closed registry of shapes money may move in.

A template names the codes it may touch; `post` refuses any other. Each builder returns legs that sum to zero for every amount, which a property
test proves. Amounts given to builders are positive minor units in the template's own direction unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Leg(NamedTuple):
    """One entry to be: debit positive, credit negative, in minor units."""

    code: str
    holder_id: int
    holder: str
    currency: str
    amount_minor: int


@dataclass(frozen=True)
class Template:
    """One registered shape. `four_eyes` templates need an approver who is not the actor."""

    name: str
    codes: frozenset[str]
    version: int = 1
    four_eyes: bool = False


def _t(name: str, *codes: str, four_eyes: bool = False) -> Template:
    return Template(name, frozenset(codes), four_eyes=four_eyes)


_SELLER = ("seller.pending", "seller.available", "seller.reserved")
_TAKE = (*_SELLER, "receivable.seller_debt")
_ALL = [
    _t("sale", "psp.clearing", *_TAKE, "revenue.commission", "tax.payable"),
    _t("refund", "psp.clearing", *_TAKE, "revenue.commission", "tax.payable"),
    _t("chargeback", "psp.clearing", *_TAKE, "revenue.commission", "tax.payable"),
    _t("chargeback_reversal", "psp.clearing", *_TAKE, "revenue.commission", "tax.payable"),
    _t("earning_adjustment", "psp.clearing", *_TAKE, "revenue.commission", "tax.payable"),
    _t("mature", *_TAKE),
    _t("hold", "seller.available", "seller.reserved"),
    _t("release", "seller.available", "seller.reserved", "receivable.seller_debt"),
    _t("reserve", "seller.available", "seller.reserved"),
    _t("payout_built", "seller.available", "seller.in_payout"),
    _t("payout_sent", "seller.in_payout", "bank.in_transit", "psp.clearing"),
    _t("payout_settled", "bank.in_transit", "bank.cash"),
    _t("payout_bounced", "bank.cash", "bank.in_transit", "psp.clearing", "seller.available", "receivable.seller_debt"),
    _t("payout_canceled", "seller.in_payout", "seller.available", "receivable.seller_debt"),
    _t("psp_payout_sent", "psp.in_transit", "expense.psp_fee", "psp.clearing"),
    _t("psp_payout_arrived", "bank.cash", "psp.in_transit"),
    _t("bank_fee", "expense.psp_fee", "bank.cash"),
    _t("bank_unexplained", "bank.cash", "suspense"),
    _t("adjustment", "seller.available", "seller.pending", "suspense", "psp.clearing", "revenue.commission", four_eyes=True),
    _t(
        "write_off",
        "seller.available",
        "receivable.seller_debt",
        "receivable.invoice",
        "suspense",
        "expense.write_off",
        four_eyes=True,
    ),
    # what reconciliation books: small differences within a rule, and the corrections of two people
    _t("match_difference", "psp.clearing", "psp.in_transit", "bank.cash", "expense.psp_fee", "expense.fx"),
    _t(
        "break_corrected",
        "psp.clearing",
        "psp.in_transit",
        "bank.cash",
        "suspense",
        "expense.psp_fee",
        "expense.fx",
        four_eyes=True,
    ),
    Template("reversal", frozenset()),  # takes the codes of what it reverses
]
TEMPLATES: dict[str, Template] = {template.name: template for template in _ALL}


def seller(bucket: str, seller_id: int, currency: str, amount_minor: int) -> Leg:
    return Leg(f"seller.{bucket}", seller_id, "", currency, amount_minor)


def platform(code: str, currency: str, amount_minor: int, holder: str = "platform") -> Leg:
    return Leg(code, 0, holder, currency, amount_minor)


def move(template: str, *, debit: Leg, credit: Leg) -> list[Leg]:
    """Return the two legs of a plain move after checking they are equal and opposite."""
    if debit.amount_minor <= 0 or debit.amount_minor + credit.amount_minor:
        raise ValueError(f"{template}: {debit} and {credit} are not equal and opposite.")
    return [debit, credit]


def earned(
    *,
    seller_id: int,
    currency: str,
    gross_minor: int,
    fee_minor: int,
    tax_minor: int = 0,
    pending_minor: int = 0,
    available_minor: int = 0,
    reserved_minor: int = 0,
    debt_minor: int = 0,
    provider: str = "psp",
) -> list[Leg]:
    """Return the legs of a sale, refund or chargeback; every amount signed from the seller's view (a sale positive, a refund negative).

    gross = fee (tax included) + pending + available + reserved + debt; `debt_minor` is the part that repays (positive) or adds to (negative)
    what the seller owes beyond the debt limit.
    """
    if gross_minor != fee_minor + pending_minor + available_minor + reserved_minor + debt_minor:
        raise ValueError("The parts of an earning do not add up to its gross amount.")
    commission_minor = fee_minor - tax_minor
    legs = []
    if gross_minor:
        legs.append(Leg("psp.clearing", 0, provider, currency, gross_minor))
    if pending_minor:
        legs.append(Leg("seller.pending", seller_id, "", currency, -pending_minor))
    if available_minor:
        legs.append(Leg("seller.available", seller_id, "", currency, -available_minor))
    if reserved_minor:
        legs.append(Leg("seller.reserved", seller_id, "", currency, -reserved_minor))
    if debt_minor:
        legs.append(Leg("receivable.seller_debt", seller_id, "", currency, -debt_minor))
    if commission_minor:
        legs.append(Leg("revenue.commission", 0, "platform", currency, -commission_minor))
    if tax_minor:
        legs.append(Leg("tax.payable", 0, "platform", currency, -tax_minor))
    return legs


def non_zero(legs: Sequence[Leg]) -> list[Leg]:
    return [leg for leg in legs if leg.amount_minor]
