"""The sandbox rail: a provider that pays nobody, for development, the demo and partners' rehearsals.

Its provider lives in a file of the data folder, or, where SANDBOX_PROVIDER_URL is set, behind HTTP (see sandbox_provider.py for what it does
on request). As a client of HTTP it is written as every call rail should be: connect first, ask the guard, then let the bytes leave at once.
"""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Callable
from typing import Any, Literal, Protocol

from payouts.rails.port import Absent, Accepted, Answer, Capabilities, Instruction, LookUp, NoTimeLeft, Present, Refused, Unknown
from payouts.rails.sandbox_provider import Reply, SandboxProvider

# Their refusal codes → ours (ISO 20022 external reasons). A code that is not here is no documented refusal: the outcome stays unknown.
REFUSALS = {
    "account_closed": ("AC04", "The account is closed."),
    "invalid_account_number": ("AC01", "The account number is wrong."),
    "account_frozen": ("AC06", "The account is blocked."),
    "bank_unknown": ("RC01", "The bank is not known."),
    "insufficient_funds": ("AM04", "Our funds at the provider do not suffice."),
    "no_reason": ("MS03", "The provider gives no reason."),
}
# Their statuses → ours; anything else is unknown and becomes a question for a person.
Status = Literal["accepted", "settled", "refused", "returned", "unknown"]
STATUSES: dict[str, Status] = {"accepted": "accepted", "settled": "settled", "refused": "refused", "returned": "returned"}


class Transport(Protocol):
    def post(self, key: str, body: dict[str, Any], still_mine: Callable[[], None]) -> Reply: ...
    def get(self, reference: str) -> Reply: ...


class InProcess:
    """The provider as a library: same rules, no network."""

    def __init__(self, provider: SandboxProvider) -> None:
        self.provider = provider

    def post(self, key: str, body: dict[str, Any], still_mine: Callable[[], None]) -> Reply:
        still_mine()
        return self.provider.receive(key, body)

    def get(self, reference: str) -> Reply:
        return self.provider.ask(reference)


class OverHttp:
    """The provider behind a URL. Every failure of the way is 'no answer'."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        parts = urllib.parse.urlsplit(url)
        self.host, self.port, self.timeout = parts.hostname or "127.0.0.1", parts.port or 80, timeout_seconds

    def post(self, key: str, body: dict[str, Any], still_mine: Callable[[], None]) -> Reply:
        payload = json.dumps(body).encode()
        head = (
            f"POST /payments HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/json\r\nIdempotency-Key: {key}\r\n"
            f"Content-Length: {len(payload)}\r\nConnection: close\r\n\r\n"
        )
        return self._exchange("POST", head.encode() + payload, still_mine)

    def get(self, reference: str) -> Reply:
        query = urllib.parse.urlencode({"reference": reference})
        head = f"GET /payments?{query} HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n\r\n"
        return self._exchange("GET", head.encode(), lambda: None)

    def _exchange(self, method: str, request: bytes, still_mine: Callable[[], None]) -> Reply:
        """Connect, ask the guard, send everything in one go: the fewest instructions between "still mine" and the bytes leaving."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            connection.connect()
            still_mine()
            connection.sock.sendall(request)
            answer = http.client.HTTPResponse(connection.sock, method=method)
            answer.begin()
            raw = answer.read()
            return Reply(answer.status, json.loads(raw) if raw else {})
        except NoTimeLeft:
            raise
        except (OSError, http.client.HTTPException, ValueError):
            return Reply(0, {})
        finally:
            connection.close()


class SandboxRail:
    """Any currency, any payee account, one call a payment."""

    def __init__(self, transport: Transport, *, visibility_lag_seconds: float = 0.0, timeout_seconds: float = 5.0) -> None:
        self.transport = transport
        self._capabilities = Capabilities(
            name="sandbox",
            mode="call",
            currencies=frozenset(),
            payee_kinds=frozenset({"iban", "us_account"}),
            instant=True,
            look_up=True,
            cut_off="",
            calendar="TARGET",
            return_window_days=5,
            visibility_lag_seconds=visibility_lag_seconds,
            timeout_seconds=timeout_seconds,
        )

    @classmethod
    def from_settings(cls) -> SandboxRail:
        from django.conf import settings

        url, lag = settings.SANDBOX_PROVIDER_URL, settings.SANDBOX_VISIBILITY_LAG_SECONDS
        timeout = min(5.0, settings.LEASE_SECONDS / 3)
        if url:
            return cls(OverHttp(url, timeout), visibility_lag_seconds=lag, timeout_seconds=timeout)
        provider = SandboxProvider(settings.DATA_DIR / "sandbox-provider.sqlite3")
        return cls(InProcess(provider), visibility_lag_seconds=lag, timeout_seconds=timeout)

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def send(self, instruction: Instruction, *, still_mine: Callable[[], None] = lambda: None) -> Answer:
        reply = self.transport.post(instruction.key, body_of(instruction), still_mine)
        if reply.status in (200, 201) and reply.body.get("id"):
            return Accepted(str(reply.body["id"]))
        if reply.status == 422:
            raw = str(reply.body.get("error", {}).get("code", ""))
            if raw in REFUSALS:
                code, sentence = REFUSALS[raw]
                return Refused(code, raw, sentence)
            return Unknown(f"The provider refused with a code that is not in its documentation ({raw[:40]}).")
        return Unknown("The provider did not answer." if not reply.status else f"The provider answered {reply.status}.")

    def look_up(self, key: str) -> LookUp:
        reply = self.transport.get(key)
        if reply.status != 200 or not isinstance(reply.body.get("data"), list):
            return Unknown("The provider did not answer the question.")
        found = reply.body["data"]
        if not found:
            return Absent()
        if len(found) > 1:
            return Unknown(f"The provider has {len(found)} payments under this key.")
        raw = str(found[0].get("status", ""))
        code, sentence = REFUSALS.get(str(found[0].get("code", "")), ("", ""))
        return Present(
            provider_ref=str(found[0]["id"]),
            status=STATUSES.get(raw, "unknown"),
            code=code,
            raw_code=str(found[0].get("code", "")),
            reason=sentence or ("" if raw in STATUSES else f"The provider calls it {raw[:40]!r}."),
            amount_minor=found[0].get("amount_minor"),
        )


def body_of(instruction: Instruction) -> dict[str, Any]:
    """Return what is sent: the key is also the reference, so that evidence outlives the provider's memory of keys."""
    return {
        "reference": instruction.key,
        "end_to_end_id": instruction.end_to_end_id,
        "amount_minor": instruction.amount_minor,
        "currency": instruction.currency,
        "text": instruction.remittance,
        "payee": {
            "kind": instruction.payee_kind,
            "number": instruction.payee_number,
            "routing_number": instruction.payee_routing_number,
            "holder": instruction.payee_holder,
            "bic": instruction.payee_bic,
        },
    }
