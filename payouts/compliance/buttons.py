"""Buttons that several pages of this room have: the next in the queue, and the second person's two answers."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from backoffice.kit.admin import Button, display, fields
from payouts.compliance import claiming
from payouts.compliance.panels import asked_for, open_approval

REVIEW = "payouts.review_sellers"
Arguments = Callable[[Any, dict[str, Any]], dict[str, Any]]
Effect = Callable[[Any], list[tuple[str, Any]]]


def next_in_queue(order: int = 50) -> Button:
    """Return the button that takes the next seller and goes there."""
    return Button(
        name="claim_next",
        label="Next in the queue",
        verb=claiming.claim_next,
        permission=REVIEW,
        arguments=lambda row, asked: {},
        explain="The next seller by deadline, by who is stopped, by risk and by money waiting; colleagues get others for an hour.",
        then=lambda row, seller: display.page_of(seller),
        done=lambda row, seller: f"{seller.legal_name} is yours for an hour.",
        order=order,
    )


def is_asked(action: str) -> Callable[[Any], bool]:
    """Return the question whether a second person has to decide an action about a row."""
    return lambda row: open_approval(action, row.public_id) is not None


def agree(
    action: str,
    name: str,
    label: str,
    verb: Callable[..., Any],
    *,
    arguments: Arguments,
    effect: Effect,
    done: Callable[[Any, Any], str] | str,
    order: int,
    states: Collection[str] = (),
    explain: str = "",
    danger: bool = False,
) -> Button:
    """Return the button by which a second person says yes to what was asked; the page shows by whom, why and until when."""
    return Button(
        name=name,
        label=label,
        verb=verb,
        permission=REVIEW,
        arguments=arguments,
        states=states,
        when=is_asked(action),
        fields=lambda row: {"reason": fields.reason(required=False)},
        effect=lambda row: [*effect(row), *asked_for(action, row.public_id)],
        explain=explain,
        danger=danger,
        done=done,
        order=order,
    )


def disagree(
    action: str,
    name: str,
    label: str,
    verb: Callable[..., Any],
    *,
    arguments: Arguments,
    effect: Effect,
    done: str,
    order: int,
    states: Collection[str] = (),
) -> Button:
    """Return the button by which a second person says no, or the first one takes it back."""
    return Button(
        name=name,
        label=label,
        verb=verb,
        permission=REVIEW,
        arguments=arguments,
        states=states,
        when=is_asked(action),
        fields=lambda row: {"reason": fields.reason()},
        effect=lambda row: [*effect(row), *asked_for(action, row.public_id)],
        done=done,
        order=order,
    )
