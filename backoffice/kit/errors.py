"""Refusals: named facts with a code for machines and a sentence an operator can act on."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """The base of every domain refusal.

    Subclasses state a fact in their name, and set `code` and `sentence`; the sentence may use the keyword facts given at raise time:

        class HoldExceedsBalance(Refusal):
            code = "hold_exceeds_balance"
            sentence = "The seller has {available} available; a hold of {amount} does not fit."

        raise HoldExceedsBalance(available=..., amount=...)
    """

    code = "refused"
    sentence = "This is not possible now."
    http_status = 409

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        super().__init__(self.sentence.format(**facts))

    def __str__(self) -> str:
        return str(self.args[0])


class InputError(Refusal):
    """Input that cannot be used at all: exit code 2 on the command line, 422 by HTTP."""

    code = "invalid_input"
    sentence = "{detail}"
    http_status = 422


class NotFound(Refusal):
    """The thing named does not exist, or is not the caller's to see: the same answer for both."""

    code = "not_found"
    sentence = "There is no {what} {ref}."
    http_status = 404
