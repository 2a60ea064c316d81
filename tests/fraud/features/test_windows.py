"""Windows: the engine against a plain recomputation, and what a rule sees live against what a back-test says it saw."""

from __future__ import annotations

import os
import random
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud.decisions.models import Decision
from fraud.decisions.operations import Question, decide
from fraud.decisions.trial import _history
from fraud.features.catalogue import WINDOWS, features, of_source
from fraud.features.models import FraudEvent
from fraud.features.recording import label_event
from fraud.features.windows import MICROSECONDS, Label, Seen, plainly, stream
from tests.factories.fraud import AT, ROBOT, happening, make_live, make_shadow

# a million with `make chaos`; the short form runs with the suite
EVENTS = 1_000_000 if os.environ.get("CHAOS") == "long" else 20_000
VELOCITY = of_source(frozenset(features()), "events")
HOUR = MICROSECONDS["1h"]
# on the edges of windows as often as not
moments = st.sampled_from(
    [0, 1, HOUR - 1, HOUR, HOUR + 1, 24 * HOUR, 24 * HOUR + 1, 7 * 24 * HOUR, 30 * 24 * HOUR, 30 * 24 * HOUR + 1]
)
some = st.sampled_from(["", "a", "b"])
events = st.builds(Seen, moments, st.integers(0, 9), st.sampled_from(["EUR", "USD"]), some, some, some, some, some, st.booleans())
labels = st.builds(Label, moments, st.booleans(), some, some, some, some, some)


@settings(max_examples=40, deadline=None)
@given(st.lists(events, max_size=14), st.lists(labels, max_size=6))
def test_every_window_is_what_its_definition_says_in_whatever_order_events_arrive(told, known):
    for number, values in enumerate(stream(told, known, VELOCITY)):
        for feature in VELOCITY:
            plain = plainly(told[number], told[: number + 1], known, feature)
            assert values.get(feature.name) == plain, (feature.name, number)


def test_many_events_come_out_as_recomputed_plainly():
    dice = random.Random(7)
    chosen = [
        f
        for f in VELOCITY
        if f.name in ("buyer.count_24h", "buyer.mean_amount_30d", "seller.distinct_buyers_7d", "seller.max_amount_1h")
    ]
    at, told = 0, []
    for _ in range(EVENTS):
        at += dice.randrange(20_000_000)
        told.append(
            Seen(at, dice.randrange(1, 50_000), "EUR", f"b{dice.randrange(EVENTS // 16)}", f"s{dice.randrange(EVENTS // 110)}")
        )
    by_key: dict[tuple[str, str], list[Seen]] = {}
    differences = 0
    for event, values in zip(told, stream(told, [], chosen), strict=True):
        for feature in chosen:
            place = by_key.setdefault((feature.name, getattr(event, feature.subject)), [])
            place.append(event)
            recent = [one for one in place[-400:] if one.at > event.at - MICROSECONDS[feature.window]]
            differences += values[feature.name] != plainly(event, recent, [], feature)
    assert differences == 0 and len(told) == EVENTS


@pytest.mark.django_db
def test_what_a_rule_saw_live_is_what_the_back_test_says_it_saw():
    names = [f for f in VELOCITY if f.subject in ("buyer", "seller", "device") and f.window in ("1h", "24h", "30d")]
    for place, few in enumerate(names[i : i + 11] for i in range(0, len(names), 11)):
        texts = [f"{f.name} >= {'0.0' if f.type == 'double' else '0'}" for f in few]
        make_shadow(" && ".join(texts), name=f"look-{place}")
    rule = make_live("event.amount_minor > 700", name="live-one")
    dice = random.Random(11)
    for number in range(60):
        now = AT + timedelta(days=5, minutes=number)
        # half of them are told late
        happened = now - timedelta(minutes=dice.randrange(6_000)) if number % 2 else now
        decision = _told(happened, now, dice)
        if dice.random() < 0.4:
            known = now + timedelta(seconds=30)
            label_event(event_id=decision.event_id, is_fraud=dice.random() < 0.5, source="analyst", actor=ROBOT, at=known)
    wanted = frozenset(f.name for f in names)
    replayed = {}
    for rows in _history(rule, wanted, AT - timedelta(days=1), AT + timedelta(days=9)):
        replayed = dict(zip(FraudEvent.objects.order_by("pk").values_list("pk", flat=True), rows, strict=True))
    differences = [
        (decision.pk, name)
        for decision in Decision.objects.all()
        for name in wanted
        if replayed[decision.event_id].values.get(name) != decision.features.get(name)
    ]
    assert len(replayed) == 60 and differences == []


def _told(happened, now, dice):
    event = happening(
        ref=f"e{dice.random()}", at=happened, buyer=dice.choice(["", "b1", "b2"]), seller=dice.choice(["s1", "s2"]), device=dice.choice(["", "d1"]),
        currency=dice.choice(["EUR", "USD"]), amount_minor=dice.randrange(1_000),
    )  # fmt: skip
    return decide(question=Question(event, event.ref, event.ref), actor=ROBOT, at=now)


def test_the_catalogue_names_velocity_regularly():
    known = features()
    assert {"buyer.count_24h", "buyer.mean_amount_30d", "seller.fraud_rate_7d", "device.distinct_buyers_1h"} <= known.keys()
    assert all(one.meaning and one.owner and one.source for one in known.values())
    assert set(WINDOWS) == {"1h", "24h", "7d", "30d"}
