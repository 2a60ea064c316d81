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
    # devices bought from consumers: the goods are ours, the price is owed; taken back, what was paid already is owed to us
    _t("trade_in", "purchase.trade_in", "seller.pending", "seller.available", "receivable.seller_debt"),
    _t("trade_in_matured", "seller.pending", "seller.available", "receivable.seller_debt"),
    _t("trade_in_withdrawn", "purchase.trade_in", "seller.pending", "seller.available", "receivable.seller_debt"),
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
    # payments and refunds: a card's money against a claim of ours; what nobody owes stands in suspense
    _t("card_captured", "psp.clearing", "receivable.invoice", "suspense"),
    _t("card_refunded", "psp.clearing", "receivable.invoice", "suspense"),
    _t("card_refund_returned", "psp.clearing", "suspense"),
    _t("claim_refunded_to_balance", "receivable.invoice", "seller.available", "receivable.seller_debt"),
    _t("dispute_withdrawn", "psp.clearing", "receivable.dispute", "expense.dispute"),
    _t("dispute_reinstated", "psp.clearing", "receivable.dispute", "expense.dispute"),
    _t("dispute_lost", "psp.clearing", "receivable.dispute", "expense.dispute"),
    _t("invoice_finalised", "receivable.invoice", "revenue.subscription", "tax.payable"),
    _t("invoice_collected_from_balance", "seller.available", "receivable.invoice"),
    _t("card_captured", "psp.clearing", "receivable.invoice", "suspense"),
    _t("credit_applied", "buyer.payable", "receivable.invoice"),
    _t(
        "credit_note_issued",
        "revenue.subscription",
        "tax.payable",
        "receivable.invoice",
        "buyer.payable",
        "seller.available",
        "receivable.seller_debt",
    ),
    _t("write_off_recovered", "receivable.invoice", "expense.write_off"),
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


def trade_in(
    *, seller_id: int, currency: str, amount_minor: int, pending_minor: int = 0, available_minor: int = 0, debt_minor: int = 0
) -> list[Leg]:
    """Return the legs of a device bought from a consumer, or (all amounts negative) of one given back; `debt_minor` is what repays, or is owed to, us."""
    if not amount_minor or amount_minor != pending_minor + available_minor + debt_minor:
        raise ValueError("The parts of a trade-in do not add up to its price.")
    return non_zero(
        [
            platform("purchase.trade_in", currency, amount_minor),
            seller("pending", seller_id, currency, -pending_minor),
            seller("available", seller_id, currency, -available_minor),
            Leg("receivable.seller_debt", seller_id, "", currency, -debt_minor),
        ]
    )


def card_captured(*, customer_id: int, currency: str, applied_minor: int, surplus_minor: int, provider: str = "psp") -> list[Leg]:
    """Return the legs of money a card or transfer paid: what was owed, and what nobody owes (any more) into suspense."""
    if min(applied_minor, surplus_minor) < 0 or not applied_minor + surplus_minor:
        raise ValueError("What was captured is positive, and so are its parts.")
    legs = [
        Leg("psp.clearing", 0, provider, currency, applied_minor + surplus_minor),
        Leg("receivable.invoice", customer_id, "", currency, -applied_minor),
        Leg("suspense", 0, "platform", currency, -surplus_minor),
    ]
    return non_zero(legs)


def card_refunded(*, customer_id: int, currency: str, owed_minor: int, surplus_minor: int, provider: str = "psp") -> list[Leg]:
    """Return the legs of money that goes back by the way it came: the opposite of card_captured."""
    legs = card_captured(
        customer_id=customer_id, currency=currency, applied_minor=owed_minor, surplus_minor=surplus_minor, provider=provider
    )
    return [leg._replace(amount_minor=-leg.amount_minor) for leg in legs]


def card_refund_returned(*, currency: str, amount_minor: int, provider: str = "psp") -> list[Leg]:
    """Return the legs of a refund that came back: nobody's money until it goes out anew."""
    return move(
        "card_refund_returned",
        debit=Leg("psp.clearing", 0, provider, currency, amount_minor),
        credit=platform("suspense", currency, -amount_minor),
    )


def claim_refunded_to_balance(
    *, customer_id: int, seller_id: int, currency: str, available_minor: int, debt_minor: int = 0
) -> list[Leg]:
    """Return the legs of a claim given back to the seller's balance it was taken from; `debt_minor` of it repays what the seller owes."""
    if min(available_minor, debt_minor) < 0 or not available_minor + debt_minor:
        raise ValueError("What is given back is positive, and so are its parts.")
    legs = [
        Leg("receivable.invoice", customer_id, "", currency, available_minor + debt_minor),
        Leg("seller.available", seller_id, "", currency, -available_minor),
        Leg("receivable.seller_debt", seller_id, "", currency, -debt_minor),
    ]
    return non_zero(legs)


def dispute_moved(
    *, dispute: str, currency: str, amount_minor: int, fee_minor: int, net_minor: int, provider: str = "psp"
) -> list[Leg]:
    """Return the legs of a dispute's balance transaction, signed from our view: funds taken are negative, net = amount − fee.

    What is taken is owed to us until the dispute ends; the provider's fee (or its return, negative) is ours.
    """
    if net_minor != amount_minor - fee_minor:
        raise ValueError("The net of a dispute's movement is not its amount less its fee.")
    return non_zero(
        [
            Leg("psp.clearing", 0, provider, currency, net_minor),
            Leg("receivable.dispute", 0, dispute, currency, -amount_minor),
            platform("expense.dispute", currency, fee_minor),
        ]
    )


def dispute_lost(*, dispute: str, currency: str, amount_minor: int, charged_to_seller: bool, provider: str = "psp") -> list[Leg]:
    """Return the legs that end the claim of a lost dispute: against the chargeback the seller was charged with, or at our own expense."""
    debit = (
        Leg("psp.clearing", 0, provider, currency, amount_minor)
        if charged_to_seller
        else platform("expense.dispute", currency, amount_minor)
    )
    return move("dispute_lost", debit=debit, credit=Leg("receivable.dispute", 0, dispute, currency, -amount_minor))


def non_zero(legs: Sequence[Leg]) -> list[Leg]:
    return [leg for leg in legs if leg.amount_minor]


def customer(code: str, customer_id: int, currency: str, amount_minor: int) -> Leg:
    """Return a leg on a customer's account: receivable.invoice or buyer.payable."""
    return Leg(code, customer_id, "", currency, amount_minor)


def invoice_finalised(*, customer_id: int, currency: str, net_minor: int, taxes: Sequence[tuple[str, int]]) -> list[Leg]:
    """Return the legs of an issued invoice; `taxes` are (jurisdiction, minor units). An invoice of zero has no posting."""
    total_minor = net_minor + sum(amount for _, amount in taxes)
    return non_zero(
        [
            customer("receivable.invoice", customer_id, currency, total_minor),
            platform("revenue.subscription", currency, -net_minor),
            *(platform("tax.payable", currency, -amount, jurisdiction) for jurisdiction, amount in taxes),
        ]
    )


def invoice_collected_from_balance(*, seller_id: int, customer_id: int, currency: str, amount_minor: int) -> list[Leg]:
    """Return the legs that pay an invoice from the seller's available money."""
    return move(
        "invoice_collected_from_balance",
        debit=seller("available", seller_id, currency, amount_minor),
        credit=customer("receivable.invoice", customer_id, currency, -amount_minor),
    )


def credit_applied(*, customer_id: int, currency: str, amount_minor: int) -> list[Leg]:
    """Return the legs that pay an invoice from what we owe the customer."""
    return move(
        "credit_applied",
        debit=customer("buyer.payable", customer_id, currency, amount_minor),
        credit=customer("receivable.invoice", customer_id, currency, -amount_minor),
    )


def credit_note_issued(
    *,
    customer_id: int,
    currency: str,
    net_minor: int,
    taxes: Sequence[tuple[str, int]],
    receivable_minor: int = 0,
    payable_minor: int = 0,
    seller_id: int = 0,
    available_minor: int = 0,
    debt_minor: int = 0,
) -> list[Leg]:
    """Return the legs of a credit note: revenue and tax are taken back, and what for is owed less, owed to the customer, or the seller's again.

    `debt_minor` is the part that repays what the seller owes beyond the limit.
    """
    total_minor = net_minor + sum(amount for _, amount in taxes)
    if total_minor != receivable_minor + payable_minor + available_minor + debt_minor:
        raise ValueError("The parts of a credit note do not add up to its total.")
    return non_zero(
        [
            platform("revenue.subscription", currency, net_minor),
            *(platform("tax.payable", currency, amount, jurisdiction) for jurisdiction, amount in taxes),
            customer("receivable.invoice", customer_id, currency, -receivable_minor),
            customer("buyer.payable", customer_id, currency, -payable_minor),
            seller("available", seller_id, currency, -available_minor),
            Leg("receivable.seller_debt", seller_id, "", currency, -debt_minor),
        ]
    )


def written_off(*, customer_id: int, currency: str, amount_minor: int) -> list[Leg]:
    """Return the legs that give up a claim; negative takes it back (template write_off_recovered)."""
    return [
        platform("expense.write_off", currency, amount_minor),
        customer("receivable.invoice", customer_id, currency, -amount_minor),
    ]
