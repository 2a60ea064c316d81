"""Named places where a test may kill, freeze or slow this process. Unarmed they cost one dictionary look-up."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable

# BACKOFFICE_FAILPOINTS="after_provider=kill:0.05,before_record=stop:0.02"; only chaos harnesses set it.
_armed: dict[str, tuple[str, float]] = {}
_hooks: dict[str, Callable[[], None]] = {}
_spec = os.environ.get("BACKOFFICE_FAILPOINTS", "")
for _part in filter(None, _spec.split(",")):
    _name, _, _what = _part.partition("=")
    _kind, _, _share = _what.partition(":")
    _armed[_name] = (_kind, float(_share or 1))

# Name to the module that declared it: a crash enumeration walks the boundaries of its own rooms.
BOUNDARIES: dict[str, str] = {}


def declare(*names: str) -> None:
    """Name the boundaries of a flow, so that crash enumeration covers what exists and not what was remembered."""
    module = sys._getframe(1).f_globals["__name__"]
    BOUNDARIES.update(dict.fromkeys(names, module))


def hook(name: str, action: Callable[[], None] | None) -> None:
    """Run `action` at a failpoint in this process (crash enumeration raises there); None removes it."""
    if action is None:
        _hooks.pop(name, None)
    else:
        _hooks[name] = action


def failpoint(name: str) -> None:
    """Mark a boundary."""
    if name in _hooks:
        _hooks[name]()
    if name in _armed:
        kind, share = _armed[name]
        if random.random() < share:  # noqa: S311 - chaos, not cryptography
            os.kill(os.getpid(), signal.SIGSTOP if kind == "stop" else signal.SIGKILL)
