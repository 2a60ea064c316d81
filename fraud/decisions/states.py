"""States of reviews, back-tests, and of the money decisions ask to be kept."""

from django.db import models

from backoffice.kit.states import machine


class ReviewState(models.TextChoices):
    OPEN = "open", "to be judged"
    ALLOWED = "allowed", "allowed by a person"
    UPHELD = "upheld", "upheld by a person"


class BacktestState(models.TextChoices):
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"


class WantedState(models.TextChoices):
    WAITING = "waiting", "waits for the money"
    PLACED = "placed", "held"
    ENDED = "ended", "ended"


class ReserveState(models.TextChoices):
    WAITING = "waiting", "waits to be placed"
    ACTIVE = "active", "stands"
    ENDED = "ended", "ended"


R = ReviewState
REVIEW = machine(
    "decision_review",
    "fraud_decisionreview",
    ReviewState,
    {"": [R.OPEN], R.OPEN: [R.ALLOWED, R.UPHELD]},
    column="state",
)
B = BacktestState
BACKTEST = machine(
    "backtest",
    "fraud_backtest",
    BacktestState,
    {"": [B.QUEUED], B.QUEUED: [B.RUNNING], B.RUNNING: [B.DONE, B.FAILED, B.QUEUED]},
    column="state",
)
W = WantedState
WANTED = machine(
    "wanted_hold",
    "fraud_wantedhold",
    WantedState,
    {"": [W.WAITING], W.WAITING: [W.PLACED, W.ENDED], W.PLACED: [W.ENDED]},
    column="state",
)
K = ReserveState
RISK_RESERVE = machine(
    "risk_reserve",
    "fraud_riskreserve",
    ReserveState,
    {"": [K.WAITING, K.ACTIVE], K.WAITING: [K.ACTIVE, K.ENDED], K.ACTIVE: [K.ENDED]},
    column="state",
)
