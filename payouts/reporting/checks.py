"""A system check of the room's own data: rules that are wrong stop the start, so that nobody reports by them."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, register

from payouts.reporting.rules import RulesWrong, all_rules


@register()
def rules_are_usable(**facts: Any) -> list[CheckMessage]:
    try:
        all_rules()
    except RulesWrong as problem:
        return [Error(f"The rules of the tax reports cannot be used: {problem}", id="payouts.E004")]
    return []
