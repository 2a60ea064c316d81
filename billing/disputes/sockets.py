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


def _cannot_refund(*, payment: str, reason: str, actor: Actor, at: datetime, key: str) -> Any:
    raise RefundElsewhere()


@dataclass
class Gateways:
    """`by_name` answers a gateway or refuses; `names` those that send events."""

    by_name: Callable[[str], Gateway] = _no_gateway
    names: Callable[[], Sequence[str]] = lambda: ()

    def plug(self, by_name: Callable[[str], Gateway], names: Callable[[], Sequence[str]]) -> None:
        self.by_name, self.names = by_name, names


@dataclass
class Payments:
    """`find(provider, charge_ref, payment_ref)` answers what is known, or None; `refund` asks for the whole of it back, in the caller's transaction."""

    find: Callable[[str, str, str], DisputedPayment | None] = lambda provider, charge_ref, payment_ref: None
    refund: Callable[..., Any] = _cannot_refund

    def plug(self, find: Callable[[str, str, str], DisputedPayment | None], refund: Callable[..., Any] = _cannot_refund) -> None:
        self.find, self.refund = find, refund


gateways = Gateways()
payments = Payments()
