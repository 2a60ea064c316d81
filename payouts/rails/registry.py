"""The rails by name. A rail is made on first use, so that no process pays for rails it does not touch."""

from __future__ import annotations

from collections.abc import Callable

from payouts.rails.port import CallRail, FileRail, Rail, UnknownRail


def _sandbox() -> Rail:
    from payouts.rails.sandbox import SandboxRail

    return SandboxRail.from_settings()


def _sepa() -> Rail:
    from payouts.rails.sepa import SepaRail

    return SepaRail.from_settings()


_FACTORIES: dict[str, Callable[[], Rail]] = {"sandbox": _sandbox, "sepa": _sepa}
_rails: dict[str, Rail] = {}


def register(name: str, factory: Callable[[], Rail]) -> None:
    """Add a rail, or replace one (tests put a fake provider in its place)."""
    _FACTORIES[name] = factory
    _rails.pop(name, None)


def forget(name: str | None = None) -> None:
    """Make rails anew on next use: settings have changed."""
    for known in [name] if name else list(_rails):
        _rails.pop(known, None)


def rail_names() -> list[str]:
    return sorted(_FACTORIES)


def rail_named(name: str) -> Rail:
    """Return a rail; raises UnknownRail."""
    if name not in _FACTORIES:
        raise UnknownRail(name=name)
    if name not in _rails:
        _rails[name] = _FACTORIES[name]()
    return _rails[name]


def is_file_rail(name: str) -> bool:
    return rail_named(name).capabilities.mode == "file"


def call_rail(name: str) -> CallRail:
    """Return a rail that is called; raises UnknownRail for one that takes files."""
    rail = rail_named(name)
    if not isinstance(rail, CallRail):
        raise UnknownRail(name=f"{name} that takes single calls")
    return rail


def file_rail(name: str) -> FileRail:
    """Return a rail that takes files; raises UnknownRail for one that is called."""
    rail = rail_named(name)
    if not isinstance(rail, FileRail):
        raise UnknownRail(name=f"{name} that takes files")
    return rail


def names_of_mode(mode: str) -> list[str]:
    return [name for name in rail_names() if rail_named(name).capabilities.mode == mode]
