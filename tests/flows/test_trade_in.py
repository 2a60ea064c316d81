"""A consumer comes by API, sells a telephone, and is paid through the bank's file; another is paid only after correcting a closed account."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path

import pytest

from backoffice.kit import clock
from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import relay
from fraud.screening.operations import load_list
from payouts.compliance.models import Document
from payouts.compliance.operations import validate_document
from payouts.dispatch.models import PaymentOrder, RailFile
from payouts.dispatch.operations import bounce, settle
from payouts.dispatch.stored import bytes_of
from payouts.reporting.figures import figures_of
from payouts.runs.models import Payout
from payouts.tradeins.operations import follow_trade_ins
from tests.factories.compliance import REVIEWER, make_pdf
from tests.factories.dispatch import BANK, rails_in, submit
from tests.factories.partners import ApiClient, make_client
from tests.factories.runs import make_approved_run
from tests.factories.sellers import make_iban, make_tier
from tests.factories.tradeins import FOLLOWER

pytestmark = pytest.mark.django_db
NAME = "Camille Petit"


def open_consumer(client: ApiClient, external_id: str) -> str:
    """Open a consumer and give by API what the API asks for; a reviewer looks at the identity paper."""
    body = {"external_id": external_id, "legal_name": NAME, "entity_type": "consumer", "country": "FR", "currency": "EUR"}
    made = client.post("sellers", body).json()
    assert (made["schedule"], made["tier"], made["sell"]) == ("daily", "consumer", {"enabled": False, "code": "consumer"})
    wanted = {one["code"]: one["id"] for one in client.get(f"sellers/{made['id']}/requirements").json()["data"]}
    assert set(wanted) == {"trade_in_terms", "trade_in_identity", "trade_in_address", "bank_account", "screened"}
    for code, value in (("trade_in_terms", "2026-01"), ("trade_in_address", "1 rue de la Paix, 75002 Paris")):
        assert client.post(f"sellers/{made['id']}/requirements/{wanted[code]}/answer", {"value": value}).status_code == 200
    paper = {"requirement": wanted["trade_in_identity"], "content": base64.b64encode(make_pdf()).decode()}
    assert client.post(f"sellers/{made['id']}/documents", paper).status_code == 201
    return str(made["id"])


def give_account(client: ApiClient, consumer: str) -> None:
    account = {"currency": "EUR", "kind": "iban", "account_holder": NAME, "number": make_iban()}
    assert client.post(f"sellers/{consumer}/payee_accounts", account).status_code == 201


def sell(client: ApiClient, consumer: str, external_id: str, minor: int = 24_000) -> str:
    price = {"amount_minor": minor, "currency": "EUR"}
    offer = {
        "external_id": external_id,
        "consumer": consumer,
        "device": "iPhone 13 128 GB",
        "order_ref": f"BB-{external_id}",
        "amount": price,
    }
    made = client.post("trade_ins", offer)
    assert made.status_code == 201, made.content
    return str(made.json()["id"])


def tell_everybody(at) -> None:
    while relay(at=at):
        pass


def read(client: ApiClient, trade_in: str) -> dict:
    return client.get(f"trade_ins/{trade_in}").json()


def pay(at) -> PaymentOrder:
    """Build, approve and send today's run; return its one order, which stands in a file of the bank's."""
    run = make_approved_run(on=at.date(), at=at)
    submit(run, at=at + timedelta(minutes=10))
    order = PaymentOrder.objects.get(payout__run=run)
    assert NAME.encode() in bytes_of(RailFile.objects.get(run=run))
    return order


def test_a_consumer_is_paid_for_a_telephone_and_after_a_bounce_once_the_account_is_right(tmp_path: Path):
    make_tier("consumer", delay_days=0)
    # a list to compare with; nobody here stands on it
    (tmp_path / "list.csv").write_text("source_id,name,kind,countries\n1,Zoltan Krabbenhoft Vasquelle,person,HU\n")
    load_list(path=tmp_path / "list.csv", list_format="csv", name="watched", actor=REVIEWER, at=clock.now())
    client = make_client()
    consumer = open_consumer(client, "camille")
    trade_in = sell(client, consumer, "t-1")
    inspected = {"outcome": "accepted", "amount": {"amount_minor": 21_000, "currency": "EUR"}, "reason": "A scratch."}
    accepted = client.post(f"trade_ins/{trade_in}/inspection", inspected).json()
    assert (accepted["status"], accepted["amount"]["amount_minor"], accepted["payout"]) == ("accepted", 21_000, None)

    # it waits for the bank data and for the reviewer, and says so in the codes everybody reads
    code = client.get(f"payout_eligibility?seller={consumer}").json()["data"][0]["code"]
    assert code == "requirements_due"
    give_account(client, consumer)
    at = clock.now()
    for paper in Document.objects.filter(state="validation_asked"):
        validate_document(document_id=paper.pk, actor=REVIEWER, at=at, expires_on=(at + timedelta(days=900)).date())
    tell_everybody(at)
    assert client.get(f"payout_eligibility?seller={consumer}").json()["data"][0]["code"] is None

    with rails_in(tmp_path):
        order = pay(at)
        assert follow_trade_ins(actor=FOLLOWER, at=at)["paid"] == 0
        settle(order_id=order.pk, actor=BANK, at=at + timedelta(days=1))
        assert follow_trade_ins(actor=FOLLOWER, at=at + timedelta(days=1)) == {"matured": 0, "paid": 1, "came_back": 0}
        first = read(client, trade_in)
        assert (first["status"], first["payout"]) == ("paid", order.payout.public_id)
        lines = client.get(f"payouts/{first['payout']}/lines").json()["data"]
        assert [(line["text"], line["order_ref"]) for line in lines] == [("Trade-in: iPhone 13 128 GB", "BB-t-1")]

        # a week later the bank sends it back: the account was closed meanwhile
        later = at + timedelta(days=5)
        bounce(order_id=order.pk, code="AC04", actor=BANK, at=later)
        assert follow_trade_ins(actor=FOLLOWER, at=later) == {"matured": 0, "paid": 0, "came_back": 1}
        owed = read(client, trade_in)
        assert (owed["status"], owed["code"], owed["payout"], owed["paid_at"]) == ("accepted", "AC04", None, None)
        assert client.get(f"payout_eligibility?seller={consumer}").json()["data"][0]["code"] == "payee_not_usable"

        give_account(client, consumer)
        once_more = later + timedelta(days=4)  # a changed account cools off
        order = pay(once_more)
        settle(order_id=order.pk, actor=BANK, at=once_more + timedelta(days=1))
        follow_trade_ins(actor=FOLLOWER, at=once_more + timedelta(days=1))
    paid = read(client, trade_in)
    assert (paid["status"], paid["payout"]) == ("paid", order.payout.public_id)
    assert Payout.objects.filter(status="paid").count() == 1
    # nothing of it is a seller's income: no tax report knows it
    assert figures_of(at.year, "Europe/Paris") == {}
    assert not [verdict for verdict in check_books() if not verdict.ok]
    told = [one["type"] for one in client.get("events?limit=100").json()["data"] if one["type"].startswith("trade_in.")]
    assert told[::-1] == [
        "trade_in.agreed", "trade_in.received", "trade_in.accepted", "trade_in.paid", "trade_in.accepted", "trade_in.paid",
    ]  # fmt: skip


def test_a_partner_reads_its_own_words_where_it_does_what_is_not_allowed():
    client = make_client()
    consumer = open_consumer(client, "camille")
    trade_in = sell(client, consumer, "t-1")
    again = client.post("trade_ins", {
        "external_id": "t-1", "consumer": consumer, "device": "Other", "amount": {"amount_minor": 1, "currency": "EUR"},
    })  # fmt: skip
    assert (again.status_code, again.json()["code"]) == (409, "trade_in_exists")
    dear = client.post(
        f"trade_ins/{trade_in}/inspection", {"outcome": "accepted", "amount": {"amount_minor": 24_001, "currency": "EUR"}}
    )
    assert (dear.status_code, dear.json()["code"]) == (422, "price_above_agreed")
    foreign = client.post(
        f"trade_ins/{trade_in}/inspection", {"outcome": "accepted", "amount": {"amount_minor": 1, "currency": "USD"}}
    )
    assert (foreign.status_code, foreign.json()["code"]) == (422, "other_currency")
    assert client.post(f"trade_ins/{trade_in}/inspection", {"outcome": "refused"}).json()["code"] == "reason_missing"
    assert client.post(f"trade_ins/{trade_in}/cancel", {"reason": "Kept it."}).json()["status"] == "canceled"
    assert client.post(f"trade_ins/{trade_in}/inspection", {"outcome": "accepted"}).json()["code"] == "trade_in_not_received"
    large = sell(client, consumer, "t-2", 90_000)
    assert client.post(f"trade_ins/{large}/inspection", {"outcome": "accepted"}).json()["status"] == "needs_approval"
