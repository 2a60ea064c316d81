"""The port every card gateway speaks: a few verbs, each answering one of five results, never an exception for what a gateway may say.

Amounts are positive minor units. `key` is the idempotency key of the attempt, derived and stored before the call; `reference` is our public id,
sent along as metadata, so that an attempt can be found at the provider after its key was forgotten.

Look-ups are made by `provider_ref` where there is one, else by `key` (exactly one attempt) or `reference` (the newest of them); `customer_ref`,
`payment_ref` and `since` only narrow what has to be read. A look-up that finds nothing answers UNKNOWN with the code `absent`: whether that is proof
is the caller's to judge, by the gateway's `visibility_lag_seconds` and `key_life_seconds`.

What `Answer.facts` may hold: payment: amount_minor, currency, refunded_minor, method_ref, customer_ref, charge_ref, key, reference; refund: amount_minor,
currency, payment_ref, key, reference; customer: customer_ref; card set-up: method_ref, customer_ref, reference; dispute: amount_minor, currency, payment_ref,
charge_ref, reason, due_by, submission_count, evidence_ready, beside the provider's whole object as it came.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from backoffice.kit.errors import Refusal


class Outcome(StrEnum):
    """What is known after a call. UNKNOWN: perhaps done; blocks every second attempt until a look-up says."""

    DONE = "done"
    PENDING = "pending"
    NEEDS_ACTION = "needs_action"
    DECLINED = "declined"
    UNKNOWN = "unknown"


ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a gateway said. `code` is the provider's reason of a decline (`card_declined/insufficient_funds`), `retryable` whether to try the same card again."""

    outcome: Outcome
    provider_ref: str = ""
    code: str = ""
    retryable: bool = False
    status: str = ""
    detail: str = ""
    action_url: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_absent(self) -> bool:
        """Tell whether a look-up found nothing."""
        return self.outcome == Outcome.UNKNOWN and self.code == ABSENT


@dataclass(frozen=True, slots=True)
class BalanceTransaction:
    """One movement of our balance at the provider; `net_minor` = amount − fee, signed from our view."""

    provider_ref: str
    kind: str
    source_ref: str
    reference: str
    payout_ref: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    currency: str
    created_at: datetime
    available_on: datetime


@dataclass(frozen=True, slots=True)
class Notice:
    """An inbound event whose signature held: only what storing it needs; `raw` is kept byte for byte."""

    event_ref: str
    type: str
    object_ref: str
    account: str
    livemode: bool
    api_version: str
    created_at: datetime
    raw: bytes


class NoticeRefused(Exception):
    """The bytes are not an event of this gateway: wrong signature, too old, too new, or unreadable."""


class GatewayNotSetUp(Refusal):
    code = "gateway_not_set_up"
    sentence = "The payment gateway {name} is not set up here. Whoever runs this system has to set {setting}."


class Gateway(Protocol):
    """One provider. No method is called inside a transaction."""

    name: str
    livemode: bool
    # How long the provider remembers a key, and how long after a call a look-up may still not see its effect.
    key_life_seconds: float
    visibility_lag_seconds: float

    def create_customer(self, *, reference: str, name: str, email: str, key: str) -> Answer: ...
    def setup_card(self, *, customer_ref: str, reference: str, return_url: str, key: str) -> Answer: ...
    def charge(
        self,
        *,
        customer_ref: str,
        method_ref: str,
        amount_minor: int,
        currency: str,
        reference: str,
        description: str,
        off_session: bool,
        key: str,
        return_url: str = "",
    ) -> Answer: ...
    def cancel(self, *, provider_ref: str, reason: str, key: str) -> Answer: ...
    def refund(self, *, payment_ref: str, amount_minor: int, currency: str, reference: str, reason: str, key: str) -> Answer: ...
    def get_payment(
        self, *, provider_ref: str = "", reference: str = "", key: str = "", customer_ref: str = "", since: datetime | None = None
    ) -> Answer: ...
    def get_refund(
        self, *, provider_ref: str = "", reference: str = "", key: str = "", payment_ref: str = "", since: datetime | None = None
    ) -> Answer: ...
    def get_setup(self, *, provider_ref: str) -> Answer: ...
    def get_dispute(self, *, provider_ref: str) -> Answer: ...
    def submit_evidence(self, *, provider_ref: str, evidence: Mapping[str, Any], final: bool, key: str) -> Answer: ...
    def accept_dispute(self, *, provider_ref: str, key: str) -> Answer: ...
    def list_balance_transactions(self, *, since: datetime, payout_ref: str = "") -> Iterator[BalanceTransaction]: ...
    def list_events(self, *, since: datetime) -> Iterator[Notice]: ...
    def verify_webhook(self, *, body: bytes, signature: str, at: datetime) -> Notice: ...
