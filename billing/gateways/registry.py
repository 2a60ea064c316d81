"""The gateways by name. One is made on first use; which one charges cards is a setting, and without Stripe's key it is the fake."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings

from backoffice.kit.errors import InputError
from billing.gateways.port import Gateway, GatewayNotSetUp

MANUAL = "manual"


class UnknownGateway(InputError):
    code = "unknown_gateway"
    sentence = "There is no payment gateway called {name}."


def _stripe() -> Gateway:
    from billing.gateways.stripe import StripeGateway

    return StripeGateway.from_settings()


def _fake() -> Gateway:
    from billing.gateways.fake import FakeGateway

    return FakeGateway()


def _manual() -> Gateway:
    from billing.gateways.manual import ManualGateway

    return ManualGateway()


_FACTORIES: dict[str, Callable[[], Gateway]] = {"stripe": _stripe, "fake": _fake, MANUAL: _manual}
_gateways: dict[str, Gateway] = {}


def register(name: str, factory: Callable[[], Gateway]) -> None:
    """Add a gateway, or replace one (tests put a double in its place)."""
    _FACTORIES[name] = factory
    _gateways.pop(name, None)


def forget() -> None:
    """Make gateways anew on next use: settings have changed."""
    _gateways.clear()


def gateway_names() -> list[str]:
    return sorted(_FACTORIES)


def gateway_named(name: str) -> Gateway:
    """Return a gateway. Refuses: UnknownGateway."""
    if name not in _FACTORIES:
        raise UnknownGateway(name=name[:40])
    if name not in _gateways:
        _gateways[name] = _FACTORIES[name]()
    return _gateways[name]


def is_set_up(name: str) -> bool:
    """Tell whether a gateway can be called here; one whose key was taken away cannot, and what waits for it keeps waiting."""
    try:
        gateway_named(name)
    except (UnknownGateway, GatewayNotSetUp):
        return False
    return True


def card_gateway_name() -> str:
    """Return the name of the gateway new cards are kept at: CARD_GATEWAY, else stripe when there is a key, else the fake."""
    return settings.CARD_GATEWAY or ("stripe" if settings.STRIPE_SECRET_KEY else "fake")


def charges_are_pretended() -> bool:
    """Tell whether cards are charged by the fake: the desk says so."""
    return card_gateway_name() == "fake"
