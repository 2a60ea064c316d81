"""Where labelled sales come from: our own memory, or a file. Each with the values it would have seen then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from fraud.features.catalogue import features
from fraud.features.facts import of_seen
from fraud.features.files import EventsUnusable, microseconds, read_events
from fraud.features.models import FraudEvent, FraudLabel, Point
from fraud.features.windows import Label, Seen, WindowEngine, stream
from fraud.model.training import FEATURES, Row

WARM_UP = timedelta(days=30)
CHUNK = 20_000


def rows_of_file(path: Path, label_delay: timedelta) -> Iterator[Row]:
    """Yield the labelled sales of a file. Refuses: EventsUnusable."""
    events = sorted(read_events(path), key=lambda one: one[0].at)
    if not events:
        raise EventsUnusable(name=path.name, why="it holds no events.")
    delay = int(label_delay.total_seconds()) * 1_000_000
    labels = [
        Label(known or event.at + delay, fraud, event.buyer, event.seller, event.payee, event.device, event.country)
        for event, fraud, known in events
        if fraud is not None
    ]
    counted = stream((event for event, _, _ in events), labels, [features()[name] for name in FEATURES])
    for (event, fraud, _), values in zip(events, counted, strict=True):
        if fraud is not None:
            yield Row(event.at, fraud, values | of_seen(event))


def rows_of_history(*, since: datetime, until: datetime) -> Iterator[Row]:
    """Yield our own sales that have a label by `until`; the last label counts, and rates only those known at the sale."""
    engine = WindowEngine([features()[name] for name in FEATURES])
    labels = FraudLabel.objects.filter(known_at__gt=since - WARM_UP, known_at__lte=until).order_by("known_at", "pk")
    said: dict[int, bool] = {}
    columns = ("event_id", "known_at", "is_fraud", "buyer", "seller", "payee", "device", "country")
    for event_id, known_at, *rest in labels.values_list(*columns).iterator(chunk_size=CHUNK):
        engine.learn(Label(microseconds(known_at), *rest))
        said[event_id] = rest[0]
    events = FraudEvent.objects.filter(kind=Point.SALE, at__gt=since - WARM_UP, at__lte=until).order_by("pk")
    for event in events.iterator(chunk_size=CHUNK):
        seen = Seen(
            microseconds(event.at),
            event.amount_minor,
            event.currency,
            event.buyer,
            event.seller,
            event.payee,
            event.device,
            event.country,
        )
        engine.add(seen)
        if event.at > since and event.pk in said:
            yield Row(seen.at, said[event.pk], engine.values(seen) | of_seen(seen))
