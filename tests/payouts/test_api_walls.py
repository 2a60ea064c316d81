"""The wall between partners, for every route and method there is; a new route fails until it stands in the matrix."""

from __future__ import annotations

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from backoffice.kit import clock
from backoffice.kit.actors import staff
from backoffice.kit.ids import new_id
from backoffice.kit.outbox import Event, tell
from backoffice.partners.outgoing.fanning import open_deliveries
from backoffice.partners.outgoing.models import WebhookDelivery, WebhookEndpoint
from billing.customers.models import Customer
from billing.invoices.models import CreditNote, Invoice
from billing.payments.models import CardSetup, Payment
from billing.refunds.models import Refund
from billing.subscriptions.models import ClockAdvance, Subscription, SubscriptionChange
from payouts.compliance.models import Document, Person, Requirement, Stake
from payouts.compliance.operations import declare_ownership, reopen_requirement
from payouts.earnings.models import Earning
from payouts.runs.models import Payout
from payouts.sellers.models import PayeeAccount, Seller
from payouts.tradeins.models import TradeIn
from tests.factories import billing
from tests.factories.books import undone
from tests.factories.compliance import name_person, prove
from tests.factories.notices import make_dispute
from tests.factories.partners import ApiClient, make_client
from tests.factories.receiver import make_endpoint
from tests.factories.runs import give_money
from tests.factories.sellers import make_iban, make_payee, make_seller, make_tier
from tests.factories.subscriptions import make_price
from tests.factories.tradeins import make_consumer, make_trade_in

pytestmark = pytest.mark.django_db
PREFIX = "api/v1/"
LIST, OWN = "list", "own"  # what B gets: a list without A's rows; 404 for A's ids
PAYEE = {"currency": "EUR", "kind": "iban", "account_holder": "B", "number": "FR7630006000011234567890189"}
PERSON = {"kind": "person", "name": "B", "roles": ["owner"], "country": "FR", "birth_on": "1990-01-01"}
ASKED = {"kind": "sale", "event_id": "b", "seller": "{seller_id}", "amount": {"amount_minor": 1, "currency": "EUR"}}
ASKED_PAYMENT = {
    "customer": "{customer_id}",
    "amount": {"amount_minor": 1, "currency": "EUR"},
    "purpose": "b",
    "seller": "{seller_id}",
}
ASKED_REFUND = {"payment": "{payment_id}", "amount": {"amount_minor": 1, "currency": "EUR"}, "reason": "mine now"}
OFFERED = {"external_id": "b", "consumer": "{consumer_id}", "device": "b", "amount": {"amount_minor": 1, "currency": "EUR"}}
SUBSCRIBED = {"customer": "{customer_id}", "price": "{price_id}"}

# route → method → (what B may expect, body). Ids in the path are A's; {seller} and the like in bodies and queries too.
MATRIX = {
    "sellers": {"get": (LIST, None), "post": (None, None)},
    "sellers/<public_id:seller_id>": {"get": (OWN, None), "patch": (OWN, {"town": "Nice"})},
    "sellers/<public_id:seller_id>/balance": {"get": (OWN, None)},
    "sellers/<public_id:seller_id>/payee_accounts": {"get": (OWN, None), "post": (OWN, PAYEE)},
    "sellers/<public_id:seller_id>/requirements": {"get": (OWN, None)},
    "sellers/<public_id:seller_id>/requirements/<public_id:requirement_id>/answer": {"post": (OWN, {"value": "732829320"})},
    "sellers/<public_id:seller_id>/capabilities": {"get": (OWN, None)},
    "sellers/<public_id:seller_id>/persons": {"get": (OWN, None), "post": (OWN, PERSON)},
    "sellers/<public_id:seller_id>/persons/<public_id:person_id>/remove": {"post": (OWN, {"reason": "mine now"})},
    "sellers/<public_id:seller_id>/ownership": {"get": (OWN, None), "put": (OWN, {"stakes": []})},
    "sellers/<public_id:seller_id>/documents": {
        "get": (OWN, None),
        "post": (OWN, {"requirement": "{requirement_id}", "content": "JVBERi0xLjc="}),
    },
    "earnings": {"get": (LIST, None), "post": (None, None)},
    "earnings/<public_id:earning_id>": {"get": (OWN, None)},
    "payouts": {"get": (LIST, None), "post": (OWN, {"seller": "{seller_id}", "currency": "EUR"})},
    "payouts/<public_id:payout_id>": {"get": (OWN, None)},
    "payouts/<public_id:payout_id>/lines": {"get": (OWN, None)},
    "payouts/<public_id:payout_id>/statement": {"get": (OWN, None)},
    "payouts/<public_id:payout_id>/cancel": {"post": (OWN, {"reason": "mine now"})},
    "payout_eligibility": {"get": (OWN, None)},
    "trade_ins": {"get": (LIST, None), "post": (OWN, OFFERED)},
    "trade_ins/<public_id:trade_in_id>": {"get": (OWN, None)},
    "trade_ins/<public_id:trade_in_id>/inspection": {"post": (OWN, {"outcome": "accepted"})},
    "trade_ins/<public_id:trade_in_id>/cancel": {"post": (OWN, {"reason": "mine now"})},
    "disputes": {"get": (LIST, None)},
    "disputes/<public_id:dispute_id>": {"get": (OWN, None)},
    "disputes/<public_id:dispute_id>/evidence": {"get": (OWN, None), "post": (OWN, {"shipping_carrier": "DHL"})},
    "disputes/<public_id:dispute_id>/evidence/files": {"post": (OWN, {"field": "receipt", "content": "JVBERi0xLjc="})},
    "disputes/<public_id:dispute_id>/evidence/files/remove": {"post": (OWN, {"field": "receipt"})},
    "disputes/<public_id:dispute_id>/submit": {"post": (OWN, {"content_hash": "0" * 64})},
    "disputes/<public_id:dispute_id>/accept": {"post": (OWN, {"reason": "mine now"})},
    "decisions": {"get": (LIST, None), "post": (OWN, ASKED)},
    "decisions/<public_id:decision_id>": {"get": (OWN, None)},
    "plans": {"get": (None, None)},  # what is offered is everybody's to read
    "plans/<public_id:plan_id>": {"get": (None, None)},
    "subscriptions": {"get": (LIST, None), "post": (OWN, SUBSCRIBED)},
    "subscriptions/<public_id:subscription_id>": {"get": (OWN, None)},
    "subscriptions/<public_id:subscription_id>/change": {"get": (OWN, None), "post": (OWN, {"seats": 3})},
    "subscriptions/<public_id:subscription_id>/preview": {"post": (OWN, {"seats": 3})},
    "subscriptions/<public_id:subscription_id>/pause": {"post": (OWN, {"reason": "mine now"})},
    "subscriptions/<public_id:subscription_id>/resume": {"post": (OWN, {})},
    "subscriptions/<public_id:subscription_id>/cancel": {"post": (OWN, {"reason": "mine now"})},
    "subscriptions/<public_id:subscription_id>/uncancel": {"post": (OWN, {})},
    "subscriptions/<public_id:subscription_id>/coupon": {"post": (OWN, {"coupon": "B"})},
    "customers/<public_id:customer_id>/advance": {"get": (OWN, None), "post": (OWN, {"to": "2030-01-01T00:00:00Z"})},
    "customers": {
        "get": (LIST, None),
        "post": (OWN, {"external_id": "x", "name": "B", "country": "FR", "currency": "EUR", "seller": "{seller_id}"}),
    },
    "customers/<public_id:customer_id>": {"get": (OWN, None), "patch": (OWN, {"name": "mine now"})},
    "invoices": {"get": (LIST, None)},
    "invoices/<public_id:invoice_id>": {"get": (OWN, None)},
    "invoices/<public_id:invoice_id>/pdf": {"get": (OWN, None)},
    "invoices/<public_id:invoice_id>/finalise": {"post": (OWN, {})},
    "invoices/<public_id:invoice_id>/void": {"post": (OWN, {"reason": "mine now"})},
    "credit_notes": {"get": (LIST, None)},
    "credit_notes/<public_id:credit_note_id>": {"get": (OWN, None)},
    "payments": {"get": (LIST, None), "post": (OWN, ASKED_PAYMENT)},
    "payments/<public_id:payment_id>": {"get": (OWN, None)},
    "payments/<public_id:payment_id>/cancel": {"post": (OWN, {"reason": "mine now"})},
    "card_setups": {"get": (LIST, None), "post": (OWN, {"customer": "{customer_id}", "return_url": "https://b.example/done"})},
    "card_setups/<public_id:setup_id>": {"get": (OWN, None)},
    "refunds": {"get": (LIST, None), "post": (OWN, ASKED_REFUND)},
    "refunds/<public_id:refund_id>": {"get": (OWN, None)},
    "refunds/<public_id:refund_id>/cancel": {"post": (OWN, {"reason": "mine now"})},
    "webhook_endpoints": {"get": (LIST, None), "post": (None, None)},
    "webhook_endpoints/<public_id:endpoint_id>": {"get": (OWN, None), "patch": (OWN, {"description": "mine now"})},
    "webhook_endpoints/<public_id:endpoint_id>/secret": {"get": (OWN, None)},
    "webhook_endpoints/<public_id:endpoint_id>/rotate_secret": {"post": (OWN, {})},
    "webhook_endpoints/<public_id:endpoint_id>/disable": {"post": (OWN, {"reason": "mine now"})},
    "webhook_endpoints/<public_id:endpoint_id>/enable": {"post": (OWN, {"reason": "mine now"})},
    "webhook_endpoints/<public_id:endpoint_id>/ping": {"post": (OWN, {})},
    "webhook_endpoints/<public_id:endpoint_id>/resend_missed": {"post": (OWN, {"since": "2026-01-01T00:00:00Z"})},
    "deliveries": {"get": (LIST, None)},
    "deliveries/<public_id:delivery_id>": {"get": (OWN, None)},
    "deliveries/<public_id:delivery_id>/replay": {"post": (OWN, {})},
    "events": {"get": (LIST, None)},
    "events/<public_id:event_id>": {"get": (OWN, None)},
}
QUERIES = {"payout_eligibility": "?seller={seller_id}"}
PUBLIC = {"openapi.json"}
METHODS = ["get", "post", "patch", "put", "delete"]


def routes():
    """Yield (route, view class) of everything below /api/v1/."""

    def walk(patterns, prefix):
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)
            elif isinstance(pattern, URLPattern) and route.startswith(PREFIX):
                yield route.removeprefix(PREFIX), getattr(pattern.callback, "cls", None)

    yield from walk(get_resolver().url_patterns, "")


def offered(view):
    return {method for method in METHODS if hasattr(view, method)}


CELLS = [(route, method) for route, methods in MATRIX.items() for method in methods]


@pytest.fixture
def _django_db_helper():
    """Keep pytest-django from opening a transaction around each test: the fixtures below do."""


@pytest.fixture(scope="module")
def _belongings(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), undone():
        yield own_one_of_everything()


@pytest.fixture
def belongings(_belongings, django_db_blocker):
    """What A owns, made once for the file: each test works in a savepoint that is undone."""
    with django_db_blocker.unblock(), undone():
        yield _belongings


def own_one_of_everything():
    """Return A, and the ids of one of everything that has an id."""
    make_tier("new")
    owner = make_client()
    endpoint = make_endpoint(at=clock.now(), partner=owner.partner, event_types=["payout.paid"])
    seller = make_seller(partner_id=owner.partner.pk, schedule="manual")
    make_payee(seller)
    give_money(seller)
    sale = {
        "external_id": "line-1", "seller": seller.external_id, "kind": "sale", "order_ref": "o-1", "occurred_at": clock.now().isoformat(),
        "gross": {"amount_minor": 500, "currency": "EUR"},
    }  # fmt: skip
    earning = owner.post("earnings", sale).json()
    payout = owner.post("payouts", {"seller": seller.public_id, "currency": "EUR"}).json()
    asked = {"kind": "sale", "event_id": "line-1", "seller": seller.public_id, "amount": sale["gross"]}
    decision = owner.post("decisions", asked).json()
    tell("payout.paid", subject=payout["id"], payload={}, at=clock.now(), partner_id=owner.partner.pk)
    event = owner.get("events").json()["data"][0]
    reopen_requirement(
        requirement_id=Requirement.objects.get(seller=seller).pk,
        actor=staff(1),
        at=clock.now(),
        reason="r",
        seller_text="Send it.",
    )
    person = name_person(seller, at=clock.now())
    ids = {
        "requirement_id": Requirement.objects.get(seller=seller, code="registration_number").public_id, "person_id": person.public_id,
    }  # fmt: skip
    prove(Requirement.objects.get(seller=seller, code="registration_document"), clock.now())
    declare_ownership(seller_id=seller.pk, stakes=[(person.public_id, None, 9_000)], actor=staff(1), at=clock.now())
    open_deliveries(Event.objects.get(public_id=event["id"]), [endpoint], at=clock.now())
    ids |= {"endpoint_id": endpoint.public_id, "delivery_id": endpoint.deliveries.get().public_id}
    ids["dispute_id"] = make_dispute(seller).public_id
    bought = make_trade_in(make_consumer(partner_id=owner.partner.pk), at=clock.now())
    ids |= {"trade_in_id": bought.public_id, "consumer_id": bought.consumer.public_id}
    issued = billing.furnish(seller, clock.now())
    ids |= ids_of_a_subscription(owner, issued.customer)
    return owner, ids | {
        "customer_id": issued.customer.public_id,
        "invoice_id": issued.public_id,
        "credit_note_id": issued.credit_notes.get().public_id,
        "seller_id": seller.public_id,
        "earning_id": earning["id"],
        "payout_id": payout["id"],
        **ids_of_money_in(issued.customer),
        "decision_id": decision["id"],
        "event_id": event["id"],
    }


def ids_of_money_in(customer):
    return {
        "payment_id": Payment.objects.get(customer=customer).public_id,
        "refund_id": Refund.objects.get(customer=customer).public_id,
        "setup_id": CardSetup.objects.get(customer=customer).public_id,
    }


def ids_of_a_subscription(owner, customer):
    price = make_price()
    wanted = {"customer": customer.public_id, "price": price.public_id, "trial_days": 30}
    made = owner.post("subscriptions", wanted).json()
    owner.post(f"subscriptions/{made['id']}/change", {"seats": 2, "when": "period_end"})
    return {"subscription_id": made["id"], "price_id": price.public_id, "plan_id": price.plan.public_id}


def fill(text, ids):
    for name, value in ids.items():
        text = text.replace(f"<public_id:{name}>", value).replace("{" + name + "}", value)
    return text


def call(client, route, method, ids, *, key):
    body = MATRIX[route][method][1]
    filled = body and {name: fill(value, ids) if isinstance(value, str) else value for name, value in body.items()}
    path = fill(route + QUERIES.get(route, ""), ids)
    headers = {"X-Request-Id": "same-request-id"} | ({"Idempotency-Key": key} if method != "get" else {})
    return client.send(method.upper(), path, filled, **headers)


def snapshot():
    return [
        list(model.objects.order_by("pk").values())
        for model in (
            Seller,
            PayeeAccount,
            Earning,
            Payout,
            Event,
            Requirement,
            Person,
            Stake,
            Document,
            Customer,
            Invoice,
            CreditNote,
            Subscription,
            SubscriptionChange,
            ClockAdvance,
            Payment,
            CardSetup,
            Refund,
            WebhookEndpoint,
            WebhookDelivery,
            TradeIn,
        )
    ]


def test_every_route_and_method_stands_in_the_matrix():
    found = {route: offered(view) for route, view in routes() if view is not None and route and route not in PUBLIC}
    expected = {route: set(methods) for route, methods in MATRIX.items()}
    assert found == expected, "A new route needs its row in MATRIX before it is let through."


def test_every_method_names_a_scope():
    for route, view in routes():
        if view is not None and route:
            for method in offered(view):
                assert getattr(view, method).scope, (route, method)


@pytest.mark.parametrize(("route", "method"), CELLS)
def test_without_a_key_nothing_opens(route, method, belongings):
    _, ids = belongings
    assert call(ApiClient(""), route, method, ids, key="k").status_code == 401


@pytest.mark.parametrize(("route", "method"), CELLS)
def test_key_without_the_scope_opens_nothing_and_does_not_tell_what_exists(route, method, belongings):
    owner, ids = belongings
    stranger = make_client("events:read" if not route.startswith("events") else "sellers:read", partner=owner.partner)
    strange = {name: new_id(value[:3]) for name, value in ids.items()}
    before = snapshot()
    own = call(stranger, route, method, ids, key="k")
    other = call(stranger, route, method, strange, key="k2")
    assert own.status_code == 403 and own.content == other.content
    assert snapshot() == before


@pytest.mark.parametrize(("route", "method"), [cell for cell in CELLS if MATRIX[cell[0]][cell[1]][0] == OWN])
def test_other_partners_ids_are_byte_equal_to_ids_that_do_not_exist(route, method, belongings):
    owner, ids = belongings
    stranger = make_client()
    strange = {name: new_id(value[:3]) for name, value in ids.items()}
    before = snapshot()
    theirs = call(stranger, route, method, ids, key="k1")
    nobodys = call(stranger, route, method, strange, key="k2")
    assert theirs.status_code == 404 and theirs.content == nobodys.content
    dropped = {"RateLimit"}
    assert {k: v for k, v in theirs.items() if k not in dropped} == {k: v for k, v in nobodys.items() if k not in dropped}
    assert snapshot() == before
    if method == "get":
        assert call(owner, route, method, ids, key="k3").status_code == 200


@pytest.mark.parametrize("route", [route for route, methods in MATRIX.items() if methods.get("get", ("",))[0] == LIST])
def test_lists_and_their_filters_never_show_other_partners_rows(route, belongings):
    owner, ids = belongings
    stranger = make_client()
    assert owner.get(route).json()["data"]
    filters = {"sellers": ["external_id=seller-1"], "earnings": [f"seller={ids['seller_id']}", "external_id=line-1"]}
    filters |= {"payouts": [f"seller={ids['seller_id']}"], "events": [f"subject={ids['payout_id']}"]}
    filters |= {"disputes": [f"seller={ids['seller_id']}", "status=needs_response"]}
    filters |= {"decisions": [f"seller={ids['seller_id']}", "outcome=allow"]}
    filters |= {"customers": [f"seller={ids['seller_id']}"], "invoices": [f"customer={ids['customer_id']}"]}
    filters |= {
        "webhook_endpoints": [],
        "deliveries": [f"endpoint={ids['endpoint_id']}", f"event={ids['event_id']}", "status=pending"],
    }
    filters |= {"subscriptions": [f"customer={ids['customer_id']}", "status=trialing"]}
    filters |= {"credit_notes": [f"invoice={ids['invoice_id']}"]}
    filters |= {
        "payments": [f"customer={ids['customer_id']}", "status=succeeded"],
        "card_setups": [f"customer={ids['customer_id']}"],
    }
    filters |= {"refunds": [f"payment={ids['payment_id']}", f"customer={ids['customer_id']}"]}
    filters |= {"trade_ins": [f"consumer={ids['consumer_id']}", "status=agreed"]}
    for query in ["", *[f"?{one}" for one in filters[route]]]:
        assert stranger.get(route + query).json() == {"data": [], "next_cursor": None, "has_more": False}
    first = owner.get(f"{route}?limit=1").json()
    if first["next_cursor"]:
        assert stranger.get(f"{route}?cursor={first['next_cursor']}").json()["data"] == []


def test_idempotency_key_of_another_partner_replays_nothing(belongings):
    owner, ids = belongings
    stranger = make_client()
    path = f"sellers/{ids['seller_id']}/payee_accounts"
    body = PAYEE | {"number": make_iban()}
    assert owner.post(path, body, key="shared").status_code == 201
    assert stranger.post(path, body, key="shared").status_code == 404


def test_reading_changes_no_row(belongings):
    owner, ids = belongings
    before = snapshot()
    for route, methods in MATRIX.items():
        if "get" in methods:
            assert call(owner, route, "get", ids, key="").status_code == 200
            assert owner.send("HEAD", fill(route + QUERIES.get(route, ""), ids)).status_code == 200
    assert snapshot() == before
