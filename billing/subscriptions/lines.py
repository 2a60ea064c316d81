"""What an invoice of a subscription says: the period ahead, the usage behind, what waits, and what coupons take off. Reads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from backoffice.kit.money import exponent_of
from billing.collection.sockets import Line
from billing.plans.models import Price
from billing.plans.periods import period_around, prorate
from billing.plans.rating import Component
from billing.subscriptions.models import PendingLine, Redemption, Subscription
from billing.subscriptions.usage import NOTHING, Usage


@dataclass
class Bill:
    """An invoice to be, and what of the subscription is spent by it. Amounts in minor units before tax."""

    period_start: datetime
    period_end: datetime
    lines: list[Line] = field(default_factory=list)
    gross_minor: int = 0  # period and usage, before coupons and what waited: what a period is compared by
    spent: list[PendingLine] = field(default_factory=list)
    redeemed: list[Redemption] = field(default_factory=list)
    credit_minor: int = 0  # what is left to the customer for the next invoice

    @property
    def total_minor(self) -> int:
        return sum(line.amount_minor for line in self.lines)

    @property
    def is_worth_an_invoice(self) -> bool:
        return any(line.amount_minor for line in self.lines)


def full_period(anchor_at: datetime, price: Price, at: datetime) -> tuple[datetime, datetime]:
    """Return the full period of a price around an instant, whatever of it is billed."""
    return period_around(anchor_at, price.interval, price.interval_count, at)


def next_boundary(anchor_at: datetime, price: Price, at: datetime) -> datetime:
    """Return the first boundary after an instant."""
    return full_period(anchor_at, price, at)[1]


def period_lines(price: Price, seats: int, anchor_at: datetime, start: datetime, end: datetime) -> list[Line]:
    """Return the lines for [start, end) in advance; a part of a full period costs its share."""
    full_start, full_end = full_period(anchor_at, price, start)
    lines = []
    for part in price.parts:
        if part.metered:
            continue
        quantity = seats if part.measure == "seats" else 1
        whole = part.amount_minor(quantity)
        stub = (start, end) != (full_start, full_end)
        amount = prorate(whole, end - start, full_end - full_start) if stub else whole
        lines.append(_line(price, part, quantity, amount, start, end, exact=not stub))
    return lines


def usage_lines(price: Price, usage: Usage, start: datetime, end: datetime) -> list[Line]:
    """Return the lines for what was sold in [start, end); where nothing is owed, none."""
    lines = []
    for part in price.parts:
        if part.metered:
            quantity = usage.sales_gross if part.measure == "sales_gross" else usage.sales_count
            amount = part.amount_minor(quantity)
            if amount:
                lines.append(_line(price, part, quantity, amount, start, end))
    return lines


def _line(price: Price, part: Component, quantity: int, amount: int, start: datetime, end: datetime, exact: bool = True) -> Line:
    """Return a line whose quantity times unit is its amount: where tiers, shares or parts of periods make that untrue, the quantity is one."""
    text = f"{price.plan.name}: {part.text}"
    if part.measure == "sales_gross":
        text += f" ({Decimal(part.basis_points) / 100} % of {Decimal(quantity).scaleb(-exponent_of(price.currency))} {price.currency})"
    elif part.measure != "one":
        text += f" ({quantity:,} {'seats' if part.measure == 'seats' else 'sales'})"
    plain = exact and part.scheme == "unit" and quantity * part.unit_minor == amount
    counted, unit = (quantity, part.unit_minor) if plain else (1, amount)
    return Line(text[:250], Decimal(counted), unit, amount, price.plan.tax_code, start, end)


def make_bill(
    *,
    subscription: Subscription,
    lines: Sequence[Line],
    period_start: datetime,
    period_end: datetime,
    waiting: Sequence[PendingLine] = (),
    redemptions: Sequence[Redemption] = (),
) -> Bill:
    """Return the bill of some lines: coupons off them, what waits added; a total below zero becomes zero and a credit for the next invoice."""
    bill = Bill(period_start, period_end, [line for line in lines if line.amount_minor or line.quantity])
    bill.gross_minor = sum(line.amount_minor for line in lines)
    tax_code = subscription.price.plan.tax_code
    left = bill.gross_minor
    for redemption in redemptions:
        coupon = redemption.coupon
        off = coupon.off_minor(left) if coupon.currency in ("", subscription.price.currency) else 0
        if off:
            left -= off
            what = f"{Decimal(coupon.basis_points) / 100} % off" if coupon.basis_points else "off"
            bill.lines.append(_plain(f"Coupon {coupon.code}: {what}", -off, tax_code, period_start, period_end))
            bill.redeemed.append(redemption)
    for one in waiting:
        bill.lines.append(
            Line(
                one.description,
                Decimal(one.quantity),
                one.unit_amount_minor,
                one.amount_minor,
                tax_code,
                one.period_start,
                one.period_end,
                True,
            )
        )
        bill.spent.append(one)
    if bill.total_minor < 0:
        bill.credit_minor = -bill.total_minor
        bill.lines.append(_plain("Carried over to the next invoice", bill.credit_minor, tax_code, period_start, period_end))
    return bill


def _plain(text: str, amount: int, tax_code: str, start: datetime, end: datetime) -> Line:
    return Line(text, Decimal(1), amount, amount, tax_code, start, end)


def metered(price: Price) -> bool:
    """Tell whether a price has counted usage."""
    return any(part["measure"] in ("sales_count", "sales_gross") for part in price.components)


def usage_or_nothing(found: dict[int, Usage], subscription: Subscription) -> Usage:
    return found.get(subscription.pk, NOTHING)
