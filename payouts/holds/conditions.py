"""Conditions under which a hold lifts itself: named questions, so that a hold can say when it ends and a machine can check it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import Sum

from backoffice.kit.errors import InputError
from payouts.earnings.models import Earning, EarningKind
from payouts.holds.models import Hold
from payouts.sellers.models import PayeeAccount

Condition = Callable[[Hold, list[int], datetime], bool]


class UnknownCondition(InputError):
    code = "unknown_condition"
    sentence = "{text} is not a release condition. Known: {known}."


_CONDITIONS: dict[str, tuple[int, Condition]] = {}


def register(name: str, arguments: int, condition: Condition) -> None:
    """Add a condition with its number of whole-number arguments; other wings call this from AppConfig.ready()."""
    _CONDITIONS[name] = (arguments, condition)


def check(text: str) -> None:
    """Refuse a text that is not a condition: `name` or `name:1:2`. Refuses: UnknownCondition."""
    name, *arguments = text.split(":")
    if (
        name not in _CONDITIONS
        or len(arguments) != _CONDITIONS[name][0]
        or not all(a.isascii() and a.isdigit() for a in arguments)
    ):
        shapes = [known + ":<number>" * count for known, (count, _) in sorted(_CONDITIONS.items())]
        raise UnknownCondition(text=repr(text[:60]), known=", ".join(shapes))


def is_met(hold: Hold, at: datetime) -> bool:
    name, *arguments = hold.release_condition.split(":")
    return name in _CONDITIONS and _CONDITIONS[name][1](hold, [int(argument) for argument in arguments], at)


def _payee_cool_off_over(hold: Hold, arguments: list[int], at: datetime) -> bool:
    """No payee account of the seller is within its cool-off any more."""
    return not PayeeAccount.objects.filter(seller_id=hold.seller_id, cool_off_until__gt=at).exists()


def _refunds_below(hold: Hold, arguments: list[int], at: datetime) -> bool:
    """refunds_below:<basis points>:<days>: refunds and chargebacks of the last days are under this share of the sales; without sales, never."""
    share, days = arguments
    recent = Earning.objects.filter(seller_id=hold.seller_id, occurred_at__gt=at - timedelta(days=days), occurred_at__lte=at)
    if hold.currency:
        recent = recent.filter(currency=hold.currency)
    sold = recent.filter(kind=EarningKind.SALE).aggregate(total=Sum("gross_minor"))["total"] or 0
    back = recent.filter(kind__in=[EarningKind.REFUND, EarningKind.CHARGEBACK]).aggregate(total=Sum("gross_minor"))["total"] or 0
    return sold > 0 and -back * 10_000 < share * sold


register("payee_cool_off_over", 0, _payee_cool_off_over)
register("refunds_below", 2, _refunds_below)
