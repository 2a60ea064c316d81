"""Sockets of disputes: the gateways, and what is known of a disputed payment. `billing.plugs` plugs the rooms in that answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from billing.gateways.port import Gateway


class GatewayUnknown(Refusal):
    code = "gateway_unknown"
    sentence = "No gateway called {name} is set up here. Whoever runs this system has to name it in the settings."


class RefundElsewhere(Refusal):
    code = "refund_elsewhere"
    sentence = (
        "The payment behind this warning is not one of ours to refund here. Refund it at the provider, then close the warning."
    )


@dataclass(frozen=True, slots=True)
class DisputedPayment:
    """What is known of a payment: `purpose` purchase (then with its seller and order) or invoice."""

    payment: str
    purpose: str
    seller_id: int | None = None
    partner_id: int | None = None
    order_ref: str = ""


def _no_gateway(name: str) -> Gateway:
    raise GatewayUnknown(name=name)


def cannot_refund(*, payment: str, reason: str, actor: Actor, at: datetime, key: str) -> Any:
    raise RefundElsewhere()


def note_nothing(**facts: Any) -> None:
    """Stand in until payments are plugged in."""


@dataclass
class Gateways:
    """`by_name` answers a gateway or refuses; `names` those that send events."""

    by_name: Callable[[str], Gateway] = _no_gateway
    names: Callable[[], Sequence[str]] = lambda: ()

    def plug(self, by_name: Callable[[str], Gateway], names: Callable[[], Sequence[str]]) -> None:
        self.by_name, self.names = by_name, names


@dataclass
class Payments:
    """`find(provider, charge_ref, payment_ref)` answers what is known, or None; `refund` asks for the whole of it back, in the caller's transaction.

    `note(payment, disputed_minor, currency, fresh, actor, at, reason)` hears how much of a payment stands in disputes that are open or lost, and whether
    one has just been opened: that much is not refunded any more, and nothing more is collected for what it paid.
    """

    find: Callable[[str, str, str], DisputedPayment | None] = lambda provider, charge_ref, payment_ref: None
    refund: Callable[..., Any] = cannot_refund
    note: Callable[..., None] = note_nothing

    def plug(
        self,
        find: Callable[[str, str, str], DisputedPayment | None],
        refund: Callable[..., Any] = cannot_refund,
        note: Callable[..., None] = note_nothing,
    ) -> None:
        self.find, self.refund, self.note = find, refund, note


gateways = Gateways()
payments = Payments()
