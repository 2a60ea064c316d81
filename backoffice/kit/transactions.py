"""Two intentions for a verb: composable joins a transaction, durable refuses to run inside one.

Django's atomic() says both with one word, and ATOMIC_REQUESTS hides it; a network call inside a transaction is how payouts are lost.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import connection, transaction

P = ParamSpec("P")
R = TypeVar("R")


class TransactionOpen(RuntimeError):
    """A durable verb was called inside a transaction: the caller most likely wrapped it in atomic() or called it from a composable verb."""


def in_transaction() -> bool:
    """Tell whether a transaction other than the test case's own is open."""
    blocks = connection.atomic_blocks
    return any(not getattr(block, "_from_testcase", False) for block in blocks)


def composable(verb: Callable[P, R]) -> Callable[P, R]:
    """Run the verb in the caller's transaction, or in its own; it never touches the network."""

    @functools.wraps(verb)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with transaction.atomic():
            return verb(*args, **kwargs)

    wrapper.intention = "composable"  # type: ignore[attr-defined]
    return wrapper


def durable(verb: Callable[P, R]) -> Callable[P, R]:
    """Refuse to run inside a transaction; the verb commits its own steps and may call the network between them."""

    @functools.wraps(verb)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        if in_transaction():
            raise TransactionOpen(f"{verb.__name__} is durable and must not run inside a transaction.")
        return verb(*args, **kwargs)

    wrapper.intention = "durable"  # type: ignore[attr-defined]
    return wrapper
