"""States of sellers and of payee accounts, with their allowed moves."""

from collections.abc import Iterable
from typing import Any

from django.db import models

from backoffice.kit.states import machine


class SellerStatus(models.TextChoices):
    CREATED = "created", "created"
    REVIEW = "review", "in review"
    ACTIVE = "active", "active"
    PAUSED = "paused", "payouts paused"
    BLOCKED = "blocked", "blocked"
    CLOSED = "closed", "closed"


class PayeeStatus(models.TextChoices):
    ACTIVE = "active", "in use"
    SUPERSEDED = "superseded", "replaced"
    INVALID = "invalid", "wrong account number"
    CLOSED = "closed", "account closed"
    BLOCKED = "blocked", "blocked"
    INELIGIBLE = "ineligible", "cannot receive transfers"
    NEEDS_DATA = "needs_data", "data missing"


S = SellerStatus
SELLER = machine(
    "seller",
    "payouts_seller",
    SellerStatus,
    {
        "": [S.CREATED, S.REVIEW, S.ACTIVE],
        S.CREATED: [S.REVIEW, S.ACTIVE, S.BLOCKED, S.CLOSED],
        S.REVIEW: [S.ACTIVE, S.BLOCKED, S.CLOSED],
        S.ACTIVE: [S.REVIEW, S.PAUSED, S.BLOCKED, S.CLOSED],
        S.PAUSED: [S.ACTIVE, S.BLOCKED, S.CLOSED],
        S.BLOCKED: [S.REVIEW, S.ACTIVE, S.CLOSED],
        S.CLOSED: [],
    },
)

A = PayeeStatus
_BAD = [A.INVALID, A.CLOSED, A.BLOCKED, A.INELIGIBLE, A.NEEDS_DATA]
_PAYEE_MOVES: dict[Any, Iterable[Any]] = {"": [A.ACTIVE], A.ACTIVE: [A.SUPERSEDED, *_BAD]}
_PAYEE_MOVES |= {bad: [A.SUPERSEDED, A.ACTIVE] for bad in _BAD}
PAYEE = machine("payee_account", "payouts_payeeaccount", PayeeStatus, _PAYEE_MOVES)
