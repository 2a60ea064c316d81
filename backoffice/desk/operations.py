"""Verbs of the desk."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime

from backoffice.desk.models import BooksCheck
from backoffice.kit.actors import Actor
from backoffice.kit.invariants import check_books
from backoffice.kit.transactions import durable

CHECKS_KEPT = 1_000


@durable
def check_books_now(*, actor: Actor, at: datetime) -> BooksCheck:
    """Run every truth in a snapshot of its own and keep the verdict, which the desk shows; the oldest verdicts go."""
    verdicts = [asdict(verdict) for verdict in check_books()]
    for verdict in verdicts:
        verdict["milliseconds"] = round(verdict.pop("seconds") * 1000)
    broken = sum(not verdict["ok"] for verdict in verdicts)
    kept = BooksCheck.objects.create(
        checked_at=at,
        checked_by=str(actor),
        is_clean=broken == 0,
        broken=broken,
        milliseconds=sum(verdict["milliseconds"] for verdict in verdicts),
        verdicts=json.loads(json.dumps(verdicts, default=str)),
    )
    BooksCheck.objects.filter(pk__lte=kept.pk - CHECKS_KEPT).delete()
    return kept
