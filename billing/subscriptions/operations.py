"""The verbs of this room: the door for everybody else."""

from billing.subscriptions.boundaries import run_boundaries
from billing.subscriptions.changing import change_subscription, preview_change
from billing.subscriptions.clock import advance, request_advance, run_advances
from billing.subscriptions.creating import create_subscription, give_coupon
from billing.subscriptions.dry_run import plan_all
from billing.subscriptions.parked import dismiss_item, release_item, resume_batch, stop_batch
from billing.subscriptions.renewing import renew_subscriptions
from billing.subscriptions.stopping import (
    cancel_subscription,
    pause_collection,
    pause_subscription,
    resume_subscription,
    uncancel_subscription,
)

__all__ = [
    "advance",
    "cancel_subscription",
    "change_subscription",
    "create_subscription",
    "dismiss_item",
    "give_coupon",
    "pause_collection",
    "pause_subscription",
    "plan_all",
    "preview_change",
    "release_item",
    "renew_subscriptions",
    "request_advance",
    "resume_batch",
    "resume_subscription",
    "run_advances",
    "run_boundaries",
    "stop_batch",
    "uncancel_subscription",
]
