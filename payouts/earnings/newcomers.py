"""Sellers a file names and nobody knows yet."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import transaction

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from payouts.earnings.lines import LineResult, ParsedLine
from payouts.sellers.models import EntityType, Schedule, Seller
from payouts.sellers.operations import create_seller


def create_unknown(parsed: list[ParsedLine | LineResult], *, actor: Actor, at: datetime) -> list[ParsedLine | LineResult]:
    """Open the sellers nobody knows yet, as created: they earn, and are paid once somebody has reviewed them.

    A seller that cannot be opened leaves its lines rejected with the reason.
    """
    lines = [one for one in parsed if isinstance(one, ParsedLine)]
    wanted = {line.seller: line.currency for line in reversed(lines)}
    known = set(Seller.objects.filter(external_id__in=list(wanted)).values_list("external_id", flat=True))
    refused: dict[str, Refusal] = {}
    for external_id in sorted(set(wanted) - known):
        try:
            with transaction.atomic():
                _create(external_id, wanted[external_id], actor, at)
        except Refusal as refusal:
            refused[external_id] = refusal
    return [
        LineResult(one.line.line_no, one.external_id, "rejected", refused[one.seller].code, str(refused[one.seller]))
        if isinstance(one, ParsedLine) and one.seller in refused
        else one
        for one in parsed
    ]


def _create(external_id: str, currency: str, actor: Actor, at: datetime) -> None:
    create_seller(
        external_id=external_id,
        legal_name=external_id,
        entity_type=EntityType.COMPANY,
        country=settings.PLATFORM_COUNTRY,
        currency=currency,
        tier="new",
        schedule=Schedule.WEEKLY,
        actor=actor,
        key=f"import:{external_id}",
        at=at,
    )
