"""The demo's newcomers stand where reviewers work: one complete and resembling somebody listed, one refused a paper and asked, one just here."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from backoffice.demo import onboarding
from backoffice.kit import clock
from backoffice.kit.actors import staff
from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import relay
from fraud.screening.models import Hit
from payouts.compliance.models import Document, ReviewMessage
from payouts.compliance.queries import ownership_picture, review_queue
from payouts.sellers.models import Seller
from tests.factories.screening import ROWS, load
from tests.factories.sellers import make_staff, make_tier

pytestmark = pytest.mark.django_db


def test_newcomers_fill_the_reviewers_desk_and_leave_the_books_clean(tmp_path: Path) -> None:
    at = clock.now()
    load(tmp_path, {"a1": ROWS["a1"]}, at=at - timedelta(days=3))
    make_tier("new")
    assert onboarding.arrive(people={"compliance": staff(make_staff("compliance").pk)}, at=at) == onboarding.NEWCOMERS
    while relay(at=at):
        pass

    assert [row["legal_name"] for row in review_queue(at=at)] == ["Atelier Lumière SAS", "Dana Maple"]
    assert Hit.objects.get().party.subject.startswith("per_")
    assert sorted(Document.objects.values_list("state", flat=True)) == ["refused", *["validation_asked"] * 4]
    assert ReviewMessage.objects.count() == 1
    lines, problems = ownership_picture(Seller.objects.get(external_id="new-lumiere"))
    assert problems == [] and sum(line.is_beneficial for line in lines) >= 2
    assert not [verdict for verdict in check_books() if not verdict.ok]
