"""`bench decisions`: one decision with 60 live rules over 40 features, on a store of sales; and back-tested decisions a second over stored features.

Yardstick of the decision: the bare rows it leaves behind (event, decision, hits) written by the ORM in one transaction, without asking anything.
Yardstick of the back-test: the same rule asked of the runtime row by row.
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from backoffice.bench.measure import percentile, result, timed
from backoffice.kit.actors import staff, system
from backoffice.kit.ids import new_id
from fraud.decisions.models import Decision
from fraud.decisions.operations import Question, decide
from fraud.features.catalogue import features
from fraud.features.models import FraudEvent, FraudLabel
from fraud.features.recording import Happening
from fraud.rules.cel import activation, ask, compile_expression
from fraud.rules.columns import column, evaluate_all
from fraud.rules.operations import Wording, approve_rule, ask_for_approval, draft_rule, go_live, start_shadow
from payouts.sellers.models import Seller
from payouts.sellers.operations import create_seller

FULL = {"events": 200_000, "asked": 1_000, "rows": 1_000_000}
QUICK = {"events": 5_000, "asked": 100, "rows": 50_000}
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MAKER, CHECKER, ROBOT = staff(1_000_001), staff(1_000_002), system("bench")
RULES, ROUND = 60, 20
# 40 features of every source, as rules of a marketplace name them.
NAMES = (
    [f"buyer.{what}" for what in ("count_1h", "count_24h", "count_7d", "count_30d", "sum_amount_24h", "mean_amount_30d", "max_amount_30d",
                                  "distinct_sellers_24h", "distinct_devices_7d", "distinct_countries_7d", "fraud_rate_30d")]
    + [f"seller.{what}" for what in ("count_1h", "count_24h", "count_7d", "mean_amount_24h", "mean_amount_30d", "fraud_rate_7d", "fraud_rate_30d",
                                     "labels_7d", "distinct_buyers_24h", "distinct_devices_24h", "age_days", "payouts_paid", "refund_rate_90d",
                                     "chargeback_rate_90d", "sales_90d")]
    + [f"device.{what}" for what in ("count_1h", "count_24h", "distinct_buyers_7d", "fraud_rate_30d")]
    + [f"link.sellers_{what}" for what in ("on_bank_account", "with_person", "on_device")]
    + ["exposure.total_minor", "exposure.unsettled_minor", "event.amount_minor", "event.hour", "event.country", "list.buyer", "seller.country"]
)  # fmt: skip
EXPRESSION = "event.amount_minor > 5000 && seller.age_days < 30 && buyer.count_24h > 3 && !(event.country in ['DE', 'FR'])"


def run(events: int, asked: int, rows: int) -> list[dict[str, Any]]:
    """Return the figures of decisions and of back-tests."""
    dice = random.Random(1)
    seller = _market(dice, events)
    _rules()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")  # as the database does by itself minutes after such a change
    return [_decisions(dice, seller, asked), _backtest(dice, rows)]


def _market(dice: random.Random, events: int) -> Seller:
    seller = create_seller(
        external_id="bench", legal_name="Bench GmbH", entity_type="company", country="DE", currency="EUR", tier="standard",
        schedule="weekly", actor=ROBOT, key="bench", at=AT - timedelta(days=200),
    )  # fmt: skip
    step = timedelta(days=60) / events
    made = [
        FraudEvent(
            **_facts(dice, seller, AT - step * (events - number), f"store:{number}"), known_at=AT - step * (events - number)
        )
        for number in range(events)
    ]
    stored = FraudEvent.objects.bulk_create(made, batch_size=5_000)
    subjects = ("buyer", "seller", "payee", "device", "country")
    FraudLabel.objects.bulk_create(
        [
            FraudLabel(event=one, is_fraud=dice.random() < 0.3, known_at=one.at + timedelta(days=5), source="aged", actor="bench",
                       **{name: getattr(one, name) for name in subjects})
            for one in stored[:: max(1, events // 20_000)]
        ],
        batch_size=5_000,
    )  # fmt: skip
    return seller


def _facts(dice: random.Random, seller: Seller, at: datetime, ref: str) -> dict[str, Any]:
    # one seller in twenty sales is the one that is asked about, so that its windows are full
    who = seller.public_id if dice.random() < 0.05 else f"seller-{dice.randrange(2_000)}"
    return {
        "ref": ref, "kind": "sale", "at": at, "amount_minor": dice.randrange(100, 90_000), "currency": "EUR", "buyer": f"buyer-{dice.randrange(20_000)}",
        "seller": who, "device": f"device-{dice.randrange(20_000)}", "country": dice.choice(["DE", "FR", "ES"]),
    }  # fmt: skip


def _rules() -> None:
    known = features()
    literal = {"int": "1000000000", "double": "0.99", "string": "'none'"}
    compared = [f"{name} {'==' if known[name].type == 'string' else '>'} {literal[known[name].type]}" for name in NAMES]
    for number in range(RULES):
        parts = [compared[(number * 3 + place) % len(compared)] for place in range(4)]
        wording = Wording(
            expression=f"({parts[0]} || {parts[1]}) && ({parts[2]} || {parts[3]})", effect="score", score=1, code="bench_rule",
            operator_text="Bench.", seller_text="Bench.", expected_basis_points=10_000, daily_ceiling=1_000_000,
        )  # fmt: skip
        version = draft_rule(name=f"bench-{number}", point="sale", wording=wording, actor=MAKER, at=AT - timedelta(days=3))
        start_shadow(version_id=version.pk, actor=MAKER, at=AT - timedelta(days=2))
        ask_for_approval(version_id=version.pk, tried={"asked": 0, "hits": 0}, actor=MAKER, at=AT)
        approve_rule(version_id=version.pk, actor=CHECKER, at=AT)
        go_live(version_id=version.pk, actor=CHECKER, at=AT)


def _decisions(dice: random.Random, seller: Seller, asked: int) -> dict[str, Any]:
    """Ask, and in turn write the bare rows of such an answer."""
    ours: list[float] = []
    yardstick: list[float] = []

    def one(number: int) -> None:
        facts = _facts(dice, seller, AT + timedelta(seconds=number), f"asked:{number}") | {"seller": seller.public_id}
        happening = Happening(**facts)
        ours.append(
            timed(lambda: decide(question=Question(happening, happening.ref, happening.ref, seller=seller), actor=ROBOT, at=AT))
        )

    for number in range(ROUND):
        one(-number - 1)  # the rules are compiled once per process, and plans are made
    ours.clear()
    template = Decision.objects.select_related("event").latest("pk")
    for number in range(asked):
        one(number)
        yardstick.append(timed(lambda number=number: _bare(template, number)))  # type: ignore[misc]
    used = len(template.features) + len(template.missing)
    mean_ours, mean_bare = 1000 * len(ours) / sum(ours), 1000 * len(yardstick) / sum(yardstick)
    return result(
        "decision", mean_ours, mean_bare, latencies=ours, rows=FraudEvent.objects.count(), rules=RULES, features=used,
        yardstick_p50_ms=percentile(yardstick, 0.5),
    )  # fmt: skip


@transaction.atomic
def _bare(template: Decision, number: int) -> None:
    event = FraudEvent(**{field.attname: getattr(template.event, field.attname) for field in FraudEvent._meta.concrete_fields})
    event.pk, event.public_id, event.ref = None, new_id("fev"), f"bare:{number}"
    event.save(force_insert=True)
    row = Decision(**{field.attname: getattr(template, field.attname) for field in Decision._meta.concrete_fields})
    row.pk, row.public_id, row.key, row.event_id = None, new_id("dec"), f"bare:{number}", event.pk
    row.save(force_insert=True)


def _backtest(dice: random.Random, rows: int) -> dict[str, Any]:
    compiled = compile_expression(EXPRESSION)
    values: dict[str, list[Any]] = {
        "event.amount_minor": [dice.randrange(9_000) for _ in range(rows)], "seller.age_days": [dice.randrange(60) for _ in range(rows)],
        "buyer.count_24h": [dice.randrange(8) for _ in range(rows)], "event.country": [dice.choice(["DE", "US", None]) for _ in range(rows)],
    }  # fmt: skip
    rates = []
    for _ in range(5):
        started = time.perf_counter()
        hit, _unknown = evaluate_all(compiled, {name: column(name, some) for name, some in values.items()}, rows)
        rates.append(rows / (time.perf_counter() - started))
    few = rows // 50
    started = time.perf_counter()
    asked = [ask(compiled.program, activation({name: some[place] for name, some in values.items()}))[0] for place in range(few)]
    yardstick = few / (time.perf_counter() - started)
    if [said == "hit" for said in asked] != hit[:few].tolist():
        raise AssertionError("the columns and the runtime disagree")
    return result("backtest_decisions_per_second", sorted(rates)[2], yardstick, rows=rows)
