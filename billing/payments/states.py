"""States of payments, of card set-ups and of the attempts behind them, with their allowed moves."""

from django.db import models

from backoffice.kit.states import machine


class PaymentStatus(models.TextChoices):
    CREATED = "created", "to be sent"
    REQUIRES_PAYMENT_METHOD = "requires_payment_method", "declined"
    REQUIRES_CONFIRMATION = "requires_confirmation", "to be confirmed"
    REQUIRES_ACTION = "requires_action", "waits for the customer"
    PROCESSING = "processing", "on its way"
    REQUIRES_CAPTURE = "requires_capture", "authorised"
    UNKNOWN = "unknown", "outcome unknown"
    SUCCEEDED = "succeeded", "paid"
    CANCELED = "canceled", "cancelled"


class AttemptStatus(models.TextChoices):
    READY = "ready", "ready to send"
    CALLING = "calling", "being sent"
    UNKNOWN = "unknown", "outcome unknown"
    ANSWERED = "answered", "answered"
    ABSENT = "absent", "never arrived"
    CANCELED = "canceled", "cancelled"


class SetupStatus(models.TextChoices):
    CREATED = "created", "to be sent"
    REQUIRES_ACTION = "requires_action", "waits for the customer"
    UNKNOWN = "unknown", "outcome unknown"
    SUCCEEDED = "succeeded", "card kept"
    CANCELED = "canceled", "given up"


P = PaymentStatus
_FROM_PROVIDER = [
    P.REQUIRES_PAYMENT_METHOD,
    P.REQUIRES_CONFIRMATION,
    P.REQUIRES_ACTION,
    P.PROCESSING,
    P.REQUIRES_CAPTURE,
    P.SUCCEEDED,
    P.CANCELED,
]
PAYMENT = machine(
    "payment",
    "billing_payment",
    PaymentStatus,
    {
        "": [P.CREATED],
        P.CREATED: [*_FROM_PROVIDER, P.UNKNOWN],
        P.UNKNOWN: _FROM_PROVIDER,
        P.REQUIRES_CONFIRMATION: [
            P.REQUIRES_ACTION, P.PROCESSING, P.REQUIRES_CAPTURE, P.SUCCEEDED, P.REQUIRES_PAYMENT_METHOD, P.CANCELED,
        ],
        P.REQUIRES_ACTION: [P.PROCESSING, P.REQUIRES_CAPTURE, P.SUCCEEDED, P.REQUIRES_PAYMENT_METHOD, P.CANCELED],
        P.PROCESSING: [P.SUCCEEDED, P.REQUIRES_PAYMENT_METHOD, P.REQUIRES_ACTION, P.CANCELED],
        P.REQUIRES_CAPTURE: [P.SUCCEEDED, P.CANCELED],
        P.REQUIRES_PAYMENT_METHOD: [P.REQUIRES_ACTION, P.PROCESSING, P.SUCCEEDED, P.CANCELED],
        # given up here, yet charged there: money that came is booked, whatever we had thought of it
        P.CANCELED: [P.SUCCEEDED],
    },
)  # fmt: skip
# In these nothing else may be charged for the same purpose.
OPEN_PAYMENTS = [
    P.CREATED,
    P.UNKNOWN,
    P.REQUIRES_CONFIRMATION,
    P.REQUIRES_ACTION,
    P.PROCESSING,
    P.REQUIRES_CAPTURE,
]

A = AttemptStatus
ATTEMPT = machine(
    "gateway_attempt",
    "billing_attempt",
    AttemptStatus,
    {
        "": [A.READY],
        A.READY: [A.CALLING, A.CANCELED],
        A.CALLING: [A.ANSWERED, A.UNKNOWN, A.ABSENT, A.READY],
        A.UNKNOWN: [A.ANSWERED, A.ABSENT],
    },
)
OPEN_ATTEMPTS = [A.READY, A.CALLING, A.UNKNOWN]

S = SetupStatus
SETUP = machine(
    "card_setup",
    "billing_cardsetup",
    SetupStatus,
    {
        "": [S.CREATED],
        S.CREATED: [S.REQUIRES_ACTION, S.UNKNOWN, S.SUCCEEDED, S.CANCELED],
        S.UNKNOWN: [S.REQUIRES_ACTION, S.SUCCEEDED, S.CANCELED],
        S.REQUIRES_ACTION: [S.SUCCEEDED, S.CANCELED],
    },
)
