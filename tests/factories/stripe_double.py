"""A loopback double of the provider: the routes we use, correct errors and idempotency, its own books, and faults on request.

Cards decide, by Stripe's own test names: pm_card_visa (ok), …_chargeDeclinedInsufficientFunds, …_chargeDeclinedStolenCard, …_authenticationRequired,
…_processing, …_refundFail, …_pendingRefund, …_createDispute. `faults` is asked before each mutation: "" (none), "error_before", "error_after" (a 500 that
the key replays), "drop_before", "drop_after" (the connection ends without an answer), "limited" (429).
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

API_VERSION = "2026-10-28.endive"
SECRET = "whsec_of_the_double"
FEE_BASIS_POINTS, FEE_FIXED = 150, 25
Body = dict[str, Any]
DECLINES = {
    "chargeDeclinedInsufficientFunds": "insufficient_funds",
    "chargeDeclinedStolenCard": "stolen_card",
    "chargeDeclined": "generic_decline",
}
EVIDENCE_NEEDED = ("needs_response", "warning_needs_response")


class Refused(Exception):
    """An error answer: status and the error object."""

    def __init__(self, status: int, **error: Any) -> None:
        super().__init__(error.get("code", ""))
        self.status, self.error = status, {"type": "invalid_request_error"} | error


def nested(query: str) -> Body:
    """Return the object behind a form: a[b][c]=1, list[]=x or list[0]=x."""
    made: Body = {}
    for name, values in parse_qs(query, keep_blank_values=True).items():
        path = re.findall(r"[^\[\]]+", name)
        for value in values:
            here: Any = made
            for part in path[:-1]:
                here = here.setdefault(part, {})
            if name.endswith("[]"):
                here.setdefault(path[-1], {})[str(len(here[path[-1]]))] = value
            else:
                here[path[-1]] = value
    return _lists(made)


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _lists(one) for name, one in value.items()}
    if inner and all(name.isdigit() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner


class StripeDouble:
    """The provider's books and rules. Every method that HTTP reaches is called under one lock."""

    def __init__(self) -> None:
        self.objects: dict[str, Body] = {}
        self.keys: dict[str, tuple[str, int, Body]] = {}
        self.requests: list[tuple[str, str, Body]] = []
        self.events: list[Body] = []
        self.faults: Callable[[str], str] = lambda path: ""
        self.numbers = itertools.count(1)
        self.lock = threading.RLock()
        self.faults_made = 0

    # --- its truth ------------------------------------------------------------------------------------------------------

    def made(self, kind: str) -> list[Body]:
        return [one for one in self.objects.values() if one["object"] == kind]

    def charged(self) -> dict[str, int]:
        """Return {our reference: how often it was really charged}."""
        found: dict[str, int] = {}
        for one in self.made("payment_intent"):
            if one["status"] == "succeeded":
                found[one["metadata"]["reference"]] = found.get(one["metadata"]["reference"], 0) + 1
        return found

    def refunded(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for one in self.made("refund"):
            if one["status"] in ("succeeded", "pending"):
                found[one["metadata"]["reference"]] = found.get(one["metadata"]["reference"], 0) + 1
        return found

    # --- requests -------------------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, given: Body, key: str) -> tuple[int, Body] | None:
        """Return (status, body), or None where the connection is to end without an answer."""
        self.requests.append((method, path, given))
        fault = self.faults(path) if method == "POST" else ""
        self.faults_made += bool(fault)
        if fault == "drop_before":
            return None
        if fault == "limited":
            return 429, {"error": {"type": "invalid_request_error", "code": "rate_limit"}}
        if fault == "error_before":
            return 500, {"error": {"type": "api_error"}}
        with self.lock:
            status, body = self._once(method, path, given, key, fault)
        return None if fault == "drop_after" else (status, body)

    def _once(self, method: str, path: str, given: Body, key: str, fault: str) -> tuple[int, Body]:
        mark = hashlib.sha256(json.dumps([path, given], sort_keys=True).encode()).hexdigest()
        if method == "POST" and key in self.keys:
            known, status, body = self.keys[key]
            if known != mark:
                error = {
                    "type": "idempotency_error",
                    "message": "Keys for idempotent requests can only be used with the same parameters.",
                }
                return 400, {"error": error}
            return status, body
        try:
            status, body = 200, self._route(method, path, given)
        except Refused as refused:
            status, body = refused.status, {"error": refused.error}
        if fault == "error_after":
            status, body = 500, {"error": {"type": "api_error"}}
        body = json.loads(json.dumps(body))
        if method == "POST" and key:
            self.keys[key] = (mark, status, body)
        return status, body

    def _route(self, method: str, path: str, given: Body) -> Body:
        for verb, pattern, handler in _ROUTES:
            match = re.fullmatch(pattern, path)
            if verb == method and match:
                return handler(self, *match.groups(), given=given)
        raise Refused(404, code="url_invalid", message=f"Unrecognized request URL ({method}: {path}).")

    def _get(self, ref: str, kind: str) -> Body:
        found = self.objects.get(ref)
        if found is None or found["object"] != kind:
            raise Refused(404, code="resource_missing", param="id", message=f"No such {kind}: '{ref}'")
        return found

    def _new(self, prefix: str, kind: str, **columns: Any) -> Body:
        made = {
            "id": f"{prefix}_{next(self.numbers):08d}",
            "object": kind,
            "created": int(time.time()),
            "livemode": False,
            "metadata": {},
        }
        made |= columns
        self.objects[made["id"]] = made
        return made

    def _list(self, rows: list[Body], given: Body, path: str) -> Body:
        rows = sorted(rows, key=lambda one: one["id"], reverse=True)
        since = int((given.get("created") or {}).get("gte", 0)) if isinstance(given.get("created"), dict) else 0
        rows = [one for one in rows if one["created"] >= since]
        if "starting_after" in given:
            rows = [one for one in rows if one["id"] < given["starting_after"]]
        limit = int(given.get("limit", 10))
        return {"object": "list", "url": path, "has_more": len(rows) > limit, "data": rows[:limit]}

    # --- customers and cards --------------------------------------------------------------------------------------------

    def make_customer(self, given: Body) -> Body:
        return self._new("cus", "customer", metadata=given.get("metadata", {}), email=given.get("email"), name=given.get("name"))

    def make_session(self, given: Body) -> Body:
        self._get(given["customer"], "customer")
        made = self._new(
            "cs_test", "checkout.session", mode=given["mode"], customer=given["customer"], status="open", setup_intent=None,
            url="https://checkout.example/c/pay", metadata=given.get("metadata", {}), client_reference_id=given.get("client_reference_id"),
        )  # fmt: skip
        made["setup_intent"] = self._new(
            "seti", "setup_intent", customer=given["customer"], payment_method=None, status="requires_payment_method"
        )["id"]
        return made

    def get_session(self, ref: str, given: Body) -> Body:
        found = self._get(ref, "checkout.session")
        expanded = self.objects[found["setup_intent"]] if "setup_intent" in given.get("expand", []) else found["setup_intent"]
        return found | {"setup_intent": expanded}

    def complete_setup(self, ref: str, method: str = "pm_card_visa") -> None:
        """Let the customer finish the page."""
        session = self._get(ref, "checkout.session")
        session["status"] = "complete"
        self.objects[session["setup_intent"]] |= {"status": "succeeded", "payment_method": method}
        self._tell("checkout.session.completed", session)

    # --- payments -------------------------------------------------------------------------------------------------------

    def make_intent(self, given: Body) -> Body:
        amount = int(given["amount"])
        if amount < 1:
            raise Refused(400, code="parameter_invalid_integer", param="amount", message="Invalid positive integer")
        method, off = given.get("payment_method", ""), given.get("off_session") == "true"
        intent = self._new(
            "pi", "payment_intent", amount=amount, amount_received=0, currency=given["currency"], customer=given.get("customer"),
            payment_method=method, metadata=given.get("metadata", {}), status="requires_payment_method", latest_charge=None,
            last_payment_error=None, next_action=None, cancellation_reason=None, payment_method_types=["card"],
        )  # fmt: skip
        behaviour = method.removeprefix("pm_card_").removeprefix("visa_")
        if behaviour in DECLINES:
            self._decline(intent, 402, code="card_declined", decline_code=DECLINES[behaviour], message="Your card was declined.")
        if behaviour == "authenticationRequired" and off:
            self._decline(
                intent, 402, code="authentication_required", decline_code="authentication_required", message="Authenticate."
            )
        if behaviour == "authenticationRequired":
            url = {"url": "https://hooks.example/3ds", "return_url": given.get("return_url")}
            intent |= {"status": "requires_action", "next_action": {"type": "redirect_to_url", "redirect_to_url": url}}
            return intent
        if behaviour == "processing":
            intent["status"] = "processing"
            return intent
        return self.settle(intent["id"])

    def _decline(self, intent: Body, status: int, **error: Any) -> None:
        error |= {"type": "card_error"}
        intent["last_payment_error"] = dict(error)
        self._tell("payment_intent.payment_failed", intent)
        raise Refused(status, **error, payment_intent=intent)

    def settle(self, ref: str) -> Body:
        """Let a payment succeed: by itself, after the customer's step, or when a slow method settles."""
        intent = self._get(ref, "payment_intent")
        charge = self._new(
            "ch", "charge", amount=intent["amount"], currency=intent["currency"], payment_intent=ref, metadata=intent["metadata"]
        )
        intent |= {"status": "succeeded", "amount_received": intent["amount"], "latest_charge": charge["id"], "next_action": None}
        fee = intent["amount"] * FEE_BASIS_POINTS // 10_000 + FEE_FIXED
        charge["balance_transaction"] = self._move("charge", charge, intent["amount"], fee)
        self._tell("payment_intent.succeeded", intent)
        if str(intent["payment_method"]).endswith("createDispute"):
            self.open_dispute(ref)
        return intent

    def get_intent(self, ref: str, given: Body) -> Body:
        return self._get(ref, "payment_intent")

    def list_intents(self, given: Body) -> Body:
        rows = [one for one in self.made("payment_intent") if given.get("customer") in (None, one["customer"])]
        return self._list(rows, given, "/v1/payment_intents")

    def cancel_intent(self, ref: str, given: Body) -> Body:
        intent = self._get(ref, "payment_intent")
        if intent["status"] in ("succeeded", "canceled", "processing"):
            raise Refused(
                400,
                code="payment_intent_unexpected_state",
                payment_intent=intent,
                message="You cannot cancel this PaymentIntent.",
            )
        intent |= {"status": "canceled", "cancellation_reason": given.get("cancellation_reason"), "next_action": None}
        self._tell("payment_intent.canceled", intent)
        return intent

    # --- refunds --------------------------------------------------------------------------------------------------------

    def make_refund(self, given: Body) -> Body:
        intent = self._get(given["payment_intent"], "payment_intent")
        if intent["status"] != "succeeded":
            raise Refused(400, code="charge_not_refundable", message="This PaymentIntent has no successful charge.")
        if any(
            d["payment_intent"] == intent["id"] and d["status"] not in ("won", "warning_closed") for d in self.made("dispute")
        ):
            raise Refused(400, code="charge_disputed", message="This charge has been charged back.")
        amount = int(given.get("amount", intent["amount"]))
        gone = sum(
            r["amount"]
            for r in self.made("refund")
            if r["payment_intent"] == intent["id"] and r["status"] not in ("failed", "canceled")
        )
        if amount > intent["amount"] - gone:
            code = "charge_already_refunded" if gone == intent["amount"] else "amount_too_large"
            raise Refused(400, code=code, param="amount", message="Refund amount is greater than unrefunded amount on charge.")
        pending = str(intent["payment_method"]).endswith("pendingRefund")
        refund = self._new(
            "re", "refund", amount=amount, currency=intent["currency"], payment_intent=intent["id"], charge=intent["latest_charge"],
            metadata=given.get("metadata", {}), reason=given.get("reason"), status="pending" if pending else "succeeded", failure_reason=None,
        )  # fmt: skip
        refund["balance_transaction"] = self._move("refund", refund, -amount, 0)
        self._tell("refund.created", refund)
        return refund

    def finish_refund(self, ref: str, status: str, failure: str | None = None) -> None:
        """Let a refund settle, or come back (also after it had succeeded)."""
        refund = self._get(ref, "refund")
        refund |= {"status": status, "failure_reason": failure}
        if status == "failed":
            refund["failure_balance_transaction"] = self._move("refund_failure", refund, refund["amount"], 0)
        self._tell("refund.failed" if status == "failed" else "refund.updated", refund)

    def get_refund(self, ref: str, given: Body) -> Body:
        return self._get(ref, "refund")

    def list_refunds(self, given: Body) -> Body:
        rows = [one for one in self.made("refund") if given.get("payment_intent") in (None, one["payment_intent"])]
        return self._list(rows, given, "/v1/refunds")

    # --- disputes -------------------------------------------------------------------------------------------------------

    def open_dispute(self, intent_ref: str, amount: int = 0, reason: str = "fraudulent") -> Body:
        intent = self._get(intent_ref, "payment_intent")
        amount = amount or intent["amount"]
        dispute = self._new(
            "du", "dispute", amount=amount, currency=intent["currency"], payment_intent=intent_ref, charge=intent["latest_charge"],
            reason=reason, status="needs_response", evidence={}, is_charge_refundable=False, balance_transactions=[],
            evidence_details={"due_by": int(time.time()) + 7 * 86_400, "has_evidence": False, "past_due": False, "submission_count": 0},
        )  # fmt: skip
        self._tell("charge.dispute.created", dispute)
        dispute["balance_transactions"] = [self.objects[self._move("adjustment", dispute, -amount, 1_500)]]
        self._tell("charge.dispute.funds_withdrawn", dispute)
        return dispute

    def close_dispute(self, ref: str, won: bool) -> None:
        """Let the bank decide."""
        dispute = self._get(ref, "dispute")
        dispute["status"] = "won" if won else "lost"
        if won:
            dispute["balance_transactions"].append(self.objects[self._move("adjustment", dispute, dispute["amount"], 0)])
            self._tell("charge.dispute.funds_reinstated", dispute)
        self._tell("charge.dispute.closed", dispute)

    def get_dispute(self, ref: str, given: Body) -> Body:
        return self._get(ref, "dispute")

    def update_dispute(self, ref: str, given: Body) -> Body:
        dispute = self._get(ref, "dispute")
        if dispute["status"] not in EVIDENCE_NEEDED:
            raise Refused(400, code="dispute_not_open", message="This dispute is already closed.")
        dispute["evidence"] |= given.get("evidence", {})
        dispute["evidence_details"]["has_evidence"] = bool(dispute["evidence"])
        if given.get("submit") == "true":
            dispute["status"] = "under_review"
            dispute["evidence_details"]["submission_count"] += 1
        self._tell("charge.dispute.updated", dispute)
        return dispute

    def accept_dispute(self, ref: str, given: Body) -> Body:
        self._get(ref, "dispute")
        self.close_dispute(ref, won=False)
        return self._get(ref, "dispute")

    # --- balance and payouts --------------------------------------------------------------------------------------------

    def _move(self, kind: str, source: Body, amount: int, fee: int) -> str:
        made = self._new(
            "txn", "balance_transaction", type=kind, source=source["id"], amount=amount, fee=fee, net=amount - fee, currency=source["currency"],
            available_on=int(time.time()) + 2 * 86_400, payout=None, status="pending",
        )  # fmt: skip
        return str(made["id"])

    def pay_out(self, currency: str = "eur") -> Body:
        """Pay everything out that was not: the payout names its transactions, and each names the payout."""
        rows = [one for one in self.made("balance_transaction") if one["payout"] is None and one["currency"] == currency]
        payout = self._new(
            "po", "payout", amount=sum(one["net"] for one in rows), currency=currency, status="paid", automatic=True
        )
        own = self.objects[self._move("payout", payout, -payout["amount"], 0)]
        for one in [*rows, own]:
            one["payout"] = payout["id"]
        self._tell("payout.paid", payout)
        return payout

    def list_balance_transactions(self, given: Body) -> Body:
        rows = [one for one in self.made("balance_transaction") if given.get("payout") in (None, one["payout"])]
        page = self._list(rows, given, "/v1/balance_transactions")
        if "data.source" in given.get("expand", []):
            page["data"] = [one | {"source": self.objects[one["source"]]} for one in page["data"]]
        return page

    # --- events ---------------------------------------------------------------------------------------------------------

    def _tell(self, kind: str, about: Body) -> None:
        event = self._new("evt", "event", type=kind, api_version=API_VERSION, data={"object": json.loads(json.dumps(about))})
        event |= {"pending_webhooks": 1, "request": {"id": None, "idempotency_key": None}}
        self.events.append(event)

    def list_events(self, given: Body) -> Body:
        return self._list(list(self.events), given, "/v1/events")

    def deliveries(
        self, *, seed: int = 0, shuffle: bool = False, duplicate: float = 0, drop: float = 0
    ) -> list[tuple[bytes, str]]:
        """Return (body, signature) of every event so far, as unkind as asked for: out of order, twice, or not at all. Delay is the caller's pause."""
        chance = random.Random(seed)
        chosen = [one for one in self.events if chance.random() >= drop]
        chosen += [one for one in chosen if chance.random() < duplicate]
        if shuffle:
            chance.shuffle(chosen)
        return [(body := json.dumps(one).encode(), sign(body)) for one in chosen]


def sign(body: bytes, secret: str = SECRET, at: float | None = None) -> str:
    stamp = int(at if at is not None else time.time())
    return f"t={stamp},v1={hmac.new(secret.encode(), f'{stamp}.'.encode() + body, hashlib.sha256).hexdigest()}"


_ID = r"([A-Za-z_0-9]+)"
D = StripeDouble
_ROUTES: list[tuple[str, str, Callable[..., Body]]] = [
    ("POST", "/v1/customers", D.make_customer),
    ("POST", "/v1/checkout/sessions", D.make_session),
    ("GET", f"/v1/checkout/sessions/{_ID}", D.get_session),
    ("POST", "/v1/payment_intents", D.make_intent),
    ("GET", "/v1/payment_intents", D.list_intents),
    ("GET", f"/v1/payment_intents/{_ID}", D.get_intent),
    ("POST", f"/v1/payment_intents/{_ID}/cancel", D.cancel_intent),
    ("POST", "/v1/refunds", D.make_refund),
    ("GET", "/v1/refunds", D.list_refunds),
    ("GET", f"/v1/refunds/{_ID}", D.get_refund),
    ("GET", f"/v1/disputes/{_ID}", D.get_dispute),
    ("POST", f"/v1/disputes/{_ID}", D.update_dispute),
    ("POST", f"/v1/disputes/{_ID}/close", D.accept_dispute),
    ("GET", "/v1/balance_transactions", D.list_balance_transactions),
    ("GET", "/v1/events", D.list_events),
]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    double: StripeDouble

    def do_GET(self) -> None:
        self._serve("GET", nested(urlsplit(self.path).query))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self._serve("POST", nested(body))

    def _serve(self, method: str, given: Body) -> None:
        if not self.headers.get("Authorization", "").startswith("Bearer sk_"):
            self._send(401, {"error": {"type": "invalid_request_error", "message": "You did not provide an API key."}})
            return
        found = self.double.answer(method, urlsplit(self.path).path, given, self.headers.get("Idempotency-Key", ""))
        if found is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._send(*found)

    def _send(self, status: int, body: Body) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        try:
            self.wfile.write(raw)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the caller was killed: that is what some of them are for

    def log_message(self, format: str, *args: Any) -> None:
        return


@contextmanager
def stripe_double() -> Iterator[tuple[StripeDouble, str]]:
    """Run a double on a free port of this machine; answers it with its address."""
    double = StripeDouble()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"double": double}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield double, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
