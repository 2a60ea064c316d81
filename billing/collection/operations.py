"""The verbs of this room: the door for everybody else."""

from billing.collection.attempting import run_attempt, take_from_balance_now, work
from billing.collection.opening import Claim, open_collections, resume_collections, retry_collection, settle, stop_collections
from billing.collection.policies import lift_brake, place_brake, set_dunning_policy

__all__ = [
    "Claim",
    "lift_brake",
    "open_collections",
    "place_brake",
    "resume_collections",
    "retry_collection",
    "run_attempt",
    "set_dunning_policy",
    "settle",
    "stop_collections",
    "take_from_balance_now",
    "work",
]
