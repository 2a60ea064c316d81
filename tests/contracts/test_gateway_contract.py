"""What every gateway promises, whichever it is; and that the requests to Stripe are what its own description allows."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from billing.gateways.fake import FakeGateway
from billing.gateways.manual import ManualGateway
from billing.gateways.models import FakeObject
from billing.gateways.port import Gateway, NoticeRefused, Outcome
from billing.gateways.stripe import StripeGateway
from tests.factories.stripe_double import SECRET, StripeDouble, sign, stripe_double

pytestmark = pytest.mark.django_db
DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "stripe"
_FAKE = {
    "ok": "fake_ok",
    "poor": "fake_declined",
    "stolen": "fake_stolen",
    "3ds": "fake_3ds",
    "slow": "fake_pending",
    "back": "fake_refund_pending",
}
_STRIPE = {
    "ok": "pm_card_visa", "poor": "pm_card_visa_chargeDeclinedInsufficientFunds", "stolen": "pm_card_visa_chargeDeclinedStolenCard",
    "3ds": "pm_card_authenticationRequired", "slow": "pm_card_processing", "back": "pm_card_pendingRefund",
}  # fmt: skip


@dataclass
class Room:
    """A gateway, its cards by behaviour, how often it really charged, and how its answers are lost."""

    gateway: Gateway
    cards: dict[str, str]
    charges: Callable[[], int]
    lose: Callable[[str], str]
    double: StripeDouble | None = None

    def charge(self, card: str = "ok", key: str = "charge:pmt_1:1", amount: int = 1_000, **over: Any) -> Any:
        facts: dict[str, Any] = {
            "customer_ref": "", "method_ref": self.cards.get(card, card), "amount_minor": amount, "currency": "EUR", "reference": "pmt_1",
            "description": "A test", "off_session": True, "key": key,
        }  # fmt: skip
        return self.gateway.charge(**facts | over)

    def refund(self, payment_ref: str, amount: int, key: str = "refund:ref_1:1") -> Any:
        return self.gateway.refund(
            payment_ref=payment_ref, amount_minor=amount, currency="EUR", reference="ref_1", reason="duplicate", key=key
        )


@pytest.fixture(params=["fake", "stripe"])
def room(request: pytest.FixtureRequest, db: None) -> Iterator[Room]:
    if request.param == "fake":
        yield Room(
            FakeGateway(), _FAKE, lambda: FakeObject.objects.filter(kind="payment", status="succeeded").count(),
            lambda when: {"before": "fake_unknown_before", "after": "fake_unknown_after"}[when],
        )  # fmt: skip
        return
    with stripe_double() as (double, url):
        gateway = StripeGateway("sk_test_double", base=url, webhook_secrets=(SECRET,), read_seconds=3)

        def lose(when: str) -> str:
            double.faults = iter_faults([f"drop_{when}"])
            return "ok"

        yield Room(gateway, _STRIPE, lambda: sum(double.charged().values()), lose, double)


def iter_faults(faults: list[str]) -> Callable[[str], str]:
    left = iter(faults)
    return lambda path: next(left, "")


@pytest.mark.parametrize(
    ("card", "off", "outcome", "code", "retryable"),
    [
        ("ok", True, Outcome.DONE, "", False),
        ("poor", True, Outcome.DECLINED, "card_declined/insufficient_funds", True),
        ("stolen", True, Outcome.DECLINED, "card_declined/stolen_card", False),
        ("3ds", True, Outcome.DECLINED, "authentication_required", False),
        ("3ds", False, Outcome.NEEDS_ACTION, "", False),
        ("slow", True, Outcome.PENDING, "", False),
    ],
)
def test_a_charge_is_answered_by_one_of_five_words(room: Room, card, off, outcome, code, retryable):
    answer = room.charge(card, off_session=off, return_url="https://shop.example/back")

    assert (answer.outcome, answer.code, answer.retryable) == (outcome, code, retryable)
    assert answer.provider_ref
    assert bool(answer.action_url) == (outcome == Outcome.NEEDS_ACTION)
    found = room.gateway.get_payment(reference="pmt_1", key="charge:pmt_1:1")
    assert (found.provider_ref, found.facts["reference"], found.facts["key"]) == (answer.provider_ref, "pmt_1", "charge:pmt_1:1")
    if outcome == Outcome.DONE:
        assert (found.facts["amount_minor"], found.facts["currency"]) == (1_000, "EUR")


def test_a_key_charges_once_and_not_for_other_content(room: Room):
    first, again = room.charge(), room.charge()
    other = room.charge(amount=2_000)

    assert (first.provider_ref, again.outcome) == (again.provider_ref, Outcome.DONE)
    assert (other.outcome, other.code, other.provider_ref) == (Outcome.DECLINED, "idempotency_error", "")
    assert room.charges() == 1


@pytest.mark.parametrize(("when", "there"), [("before", False), ("after", True)])
def test_a_lost_answer_is_unknown_and_the_look_up_by_key_says_what_happened(room: Room, when, there):
    answer = room.charge(room.lose(when))
    found = room.gateway.get_payment(reference="pmt_1", key="charge:pmt_1:1")

    assert answer.outcome == Outcome.UNKNOWN
    assert (found.outcome == Outcome.DONE, found.is_absent) == (there, not there)


def test_a_refund_goes_back_in_parts_and_never_beyond(room: Room):
    paid = room.charge()
    first = room.refund(paid.provider_ref, 400)
    again = room.refund(paid.provider_ref, 400)
    beyond = room.refund(paid.provider_ref, 601, key="refund:ref_1:2")

    assert (first.outcome, first.provider_ref) == (Outcome.DONE, again.provider_ref)
    assert (beyond.outcome, beyond.retryable) == (Outcome.DECLINED, False)
    found = room.gateway.get_refund(reference="ref_1", key="refund:ref_1:1", payment_ref=paid.provider_ref)
    assert (found.facts["amount_minor"], found.facts["payment_ref"]) == (400, paid.provider_ref)
    assert room.gateway.get_refund(reference="ref_9", key="x", payment_ref=paid.provider_ref).is_absent


def test_a_refund_may_be_pending_and_what_was_not_paid_is_not_refunded(room: Room):
    slow = room.charge("slow")
    back = room.charge("back", key="charge:pmt_2:1")

    assert room.refund(slow.provider_ref, 100).outcome == Outcome.DECLINED
    assert room.refund(back.provider_ref, 100, key="refund:ref_2:1").outcome == Outcome.PENDING


def test_a_payment_that_waits_is_cancelled_and_a_paid_one_is_not(room: Room):
    waits, paid = room.charge("3ds", off_session=False), room.charge(key="charge:pmt_2:1")

    done = room.gateway.cancel(provider_ref=waits.provider_ref, reason="abandoned", key="cancel:pmt_1:1")
    refused = room.gateway.cancel(provider_ref=paid.provider_ref, reason="abandoned", key="cancel:pmt_2:1")

    assert (done.status, done.code) == ("canceled", "canceled/abandoned")
    # refused, or answered with the payment that is paid: never said to be cancelled
    assert refused.status in ("", "succeeded")


def test_a_card_is_kept_through_a_page(room: Room):
    customer = room.gateway.create_customer(reference="cus_1", name="Ana", email="ana@example.com", key="customer:cus_1:1")
    facts = {"customer_ref": customer.provider_ref, "reference": "cst_1", "return_url": "https://shop.example/back"}
    setup = room.gateway.setup_card(**facts, key="setup:cst_1:1")
    assert (setup.outcome, bool(setup.action_url)) == (Outcome.NEEDS_ACTION, True)
    if room.double is not None:
        room.double.complete_setup(setup.provider_ref)

    found = room.gateway.get_setup(provider_ref=setup.provider_ref)

    assert (found.outcome, bool(found.facts["method_ref"])) == (Outcome.DONE, True)


def test_movements_of_the_balance_name_our_reference_and_add_up(room: Room):
    paid = room.charge()
    room.refund(paid.provider_ref, 400)
    since = datetime.now(UTC) - timedelta(minutes=1)

    found = {one.kind: one for one in room.gateway.list_balance_transactions(since=since)}

    assert {kind: (one.amount_minor, one.reference) for kind, one in found.items()} == {
        "charge": (1_000, "pmt_1"),
        "refund": (-400, "ref_1"),
    }
    assert all(one.net_minor == one.amount_minor - one.fee_minor for one in found.values())
    assert found["charge"].fee_minor > 0


def test_a_transfer_waits_for_a_person():
    gateway = ManualGateway()
    facts = {
        "amount_minor": 100,
        "currency": "EUR",
        "reference": "pmt_1",
        "description": "",
        "off_session": True,
        "key": "charge:pmt_1:1",
    }
    assert gateway.charge(customer_ref="", method_ref="", **facts).outcome == Outcome.PENDING
    assert gateway.get_payment(key="charge:pmt_1:1").outcome == Outcome.PENDING
    with pytest.raises(NoticeRefused):
        gateway.verify_webhook(body=b"{}", signature="", at=datetime.now(UTC))


@pytest.fixture
def stripe(db: None) -> Iterator[Room]:
    with stripe_double() as (double, url):
        gateway = StripeGateway("sk_test_double", base=url, webhook_secrets=("whsec_old", SECRET), read_seconds=3)
        yield Room(gateway, _STRIPE, lambda: sum(double.charged().values()), lambda when: "", double)


@pytest.mark.parametrize("fault", ["error_before", "error_after", "limited", "drop_before", "drop_after"])
def test_whatever_stripe_does_the_adapter_answers_unknown_and_never_raises(stripe: Room, fault):
    stripe.double.faults = iter_faults([fault])

    assert stripe.charge().outcome == Outcome.UNKNOWN
    # a 500 stays a 500 under its key: only the look-up tells
    found = stripe.gateway.get_payment(key="charge:pmt_1:1")
    assert found.is_absent == (fault in ("error_before", "limited", "drop_before"))


def test_a_wrong_key_of_ours_is_no_decline(stripe: Room):
    with stripe_double() as (_, url):
        wrong = StripeGateway("pk_wrong", base=url)
        facts = {"amount_minor": 1, "currency": "EUR", "reference": "r", "description": "", "off_session": True, "key": "k"}
        assert wrong.charge(customer_ref="", method_ref="m", **facts).outcome == Outcome.UNKNOWN


def test_a_dispute_is_answered_and_accepted(stripe: Room):
    paid = stripe.charge()
    dispute = stripe.double.open_dispute(paid.provider_ref)

    found = stripe.gateway.get_dispute(provider_ref=dispute["id"])
    assert (found.status, found.facts["payment_ref"], len(found.facts["balance_transactions"])) == (
        "needs_response",
        paid.provider_ref,
        1,
    )
    assert stripe.refund(paid.provider_ref, 100).code == "charge_disputed"
    sent = stripe.gateway.submit_evidence(
        provider_ref=dispute["id"], evidence={"uncategorized_text": "Signed for."}, final=True, key="e:1"
    )
    assert (sent.status, sent.facts["submission_count"]) == ("under_review", 1)
    assert stripe.gateway.accept_dispute(provider_ref=dispute["id"], key="a:1").status == "lost"


def test_a_payout_names_its_movements(stripe: Room):
    paid = stripe.charge()
    stripe.refund(paid.provider_ref, 400)
    payout = stripe.double.pay_out()
    later = stripe.charge(key="charge:pmt_2:1")

    found = list(stripe.gateway.list_balance_transactions(since=datetime(2026, 1, 1, tzinfo=UTC), payout_ref=payout["id"]))

    assert later.outcome == Outcome.DONE
    assert sum(one.net_minor for one in found if one.kind != "payout") == payout["amount"]
    assert {one.payout_ref for one in found} == {payout["id"]}


def test_an_event_is_taken_with_a_live_secret_within_its_time_and_not_else(stripe: Room):
    stripe.charge()
    now = datetime.now(UTC)
    bodies = stripe.double.deliveries(seed=3, shuffle=True, duplicate=1)
    assert len(bodies) == 2 * len(stripe.double.events)
    notice = stripe.gateway.verify_webhook(body=bodies[0][0], signature=bodies[0][1], at=now)
    assert (notice.type, notice.livemode, notice.raw) == ("payment_intent.succeeded", False, bodies[0][0])
    assert [one.event_ref for one in stripe.gateway.list_events(since=now - timedelta(minutes=1))] == [notice.event_ref]
    body = bodies[0][0]
    for signature, at in (
        (sign(body, "whsec_dead"), now), (sign(body), now + timedelta(minutes=6)), (sign(body), now - timedelta(minutes=6)),
        (sign(body + b" "), now), ("", now), ("t=9,v1=é", now), ("t=99999999999999999999,v1=00", now),
    ):  # fmt: skip
        with pytest.raises(NoticeRefused):
            stripe.gateway.verify_webhook(body=body, signature=signature, at=at)
    for odd in (b"[]", b"{}", b"\xff", b'{"id":1,"type":"x","livemode":0,"created":1e99,"data":{"object":{}}}'):
        with pytest.raises(NoticeRefused):
            stripe.gateway.verify_webhook(body=odd, signature=sign(odd), at=now)


# --- Stripe's own description ---------------------------------------------------------------------------------------------


@pytest.mark.real_data
def test_requests_and_answers_have_the_shapes_of_stripes_own_description(stripe: Room):
    if not DATA.exists():
        pytest.skip(f"{DATA} is not there")
    everything_the_adapter_sends(stripe)
    spec = json.loads(gzip.decompress((DATA / "spec3_2023-08-16.json.gz").read_bytes()))
    fixtures = json.loads((DATA / "fixtures3.json").read_text())["resources"]

    problems = [problem for sent in stripe.double.requests for problem in check_request(spec, *sent)]
    assert problems == []
    assert check_request(spec, "POST", "/v1/refunds", {"amont": "1"}) and check_request(
        spec, "POST", "/v1/payment_intents", {"amount": "x"}
    )
    assert {path for _, path, _ in stripe.double.requests} >= {
        "/v1/customers",
        "/v1/payment_intents",
        "/v1/refunds",
        "/v1/events",
    }
    for made in stripe.double.objects.values():
        strange = set(made) - set(fixtures[made["object"]]) - SINCE[made["object"]]
        assert not strange, f"{made['object']}: {strange}"


# what the double's objects carry that the recorded fixture leaves out because it was empty there, or that only the double keeps
_META = {"metadata", "livemode"}
SINCE: dict[str, set[str]] = dict.fromkeys(
    ("customer", "checkout.session", "setup_intent", "payment_intent", "charge", "dispute", "payout", "event"), _META
) | {
    "refund": _META | {"failure_reason", "failure_balance_transaction"},
    "balance_transaction": _META | {"payout"},
}


def everything_the_adapter_sends(stripe: Room) -> None:
    gateway, double = stripe.gateway, stripe.double
    customer = gateway.create_customer(reference="cus_1", name="Ana", email="ana@example.com", key="c").provider_ref
    setup = gateway.setup_card(
        customer_ref=customer, reference="cst_1", return_url="https://shop.example/b", key="s"
    ).provider_ref
    gateway.get_setup(provider_ref=setup)
    waits = stripe.charge("3ds", key="w", customer_ref=customer, off_session=False, return_url="https://shop.example/b")
    gateway.cancel(provider_ref=waits.provider_ref, reason="abandoned", key="x")
    paid = stripe.charge(key="p", customer_ref=customer).provider_ref
    gateway.get_payment(provider_ref=paid)
    gateway.get_payment(key="p", customer_ref=customer, since=datetime.now(UTC))
    refund = stripe.refund(paid, 10).provider_ref
    gateway.get_refund(provider_ref=refund)
    gateway.get_refund(key="none", payment_ref=paid)
    gateway.get_refund(key="none", since=datetime.now(UTC))
    dispute = double.open_dispute(paid)["id"]
    gateway.get_dispute(provider_ref=dispute)
    gateway.submit_evidence(provider_ref=dispute, evidence={"uncategorized_text": "Signed."}, final=True, key="e")
    gateway.accept_dispute(provider_ref=dispute, key="a")
    payout = double.pay_out()["id"]
    list(gateway.list_balance_transactions(since=datetime.now(UTC), payout_ref=payout))
    list(gateway.list_balance_transactions(since=datetime.now(UTC)))
    list(gateway.list_events(since=datetime.now(UTC)))


def check_request(spec: dict[str, Any], method: str, path: str, given: dict[str, Any]) -> list[str]:
    """Return what of a request the description does not allow."""
    for template, methods in spec["paths"].items():
        if (
            method.lower() in methods
            and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path)
            and not path.endswith("/search")
        ):
            return _problems(methods[method.lower()], given, f"{method} {template}", spec)
    return [f"{method} {path} is not in the description"]


def _problems(operation: dict[str, Any], given: dict[str, Any], where: str, spec: dict[str, Any]) -> list[str]:
    from openapi_schema_validator import OAS30Validator

    body = operation["requestBody"]["content"].get("application/x-www-form-urlencoded", {}).get("schema", {})
    if where.startswith("GET"):
        names = {one["name"]: one["schema"] for one in operation["parameters"] if one["in"] == "query"}
        body = {"type": "object", "properties": names, "additionalProperties": False}
    validator = OAS30Validator({**body, "components": spec["components"]})
    return [
        f"{where}: {'.'.join(map(str, error.path))} {error.message[:200]}" for error in validator.iter_errors(typed(body, given))
    ]


def typed(schema: dict[str, Any], value: Any) -> Any:
    """Return a form's value with the types its schema means: a form itself knows only text."""
    kinds = [schema, *schema.get("anyOf", [])]
    if isinstance(value, dict):
        chosen = next((kind for kind in kinds if kind.get("properties")), {})
        return {name: typed(chosen.get("properties", {}).get(name, {}), one) for name, one in value.items()}
    if isinstance(value, list):
        chosen = next((kind for kind in kinds if kind.get("type") == "array"), {})
        return [typed(chosen.get("items", {}), one) for one in value]
    types = {kind.get("type") for kind in kinds}
    if "integer" in types and re.fullmatch(r"-?\d+", value):
        return int(value)
    if "boolean" in types and value in ("true", "false"):
        return value == "true"
    return value
