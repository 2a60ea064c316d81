"""Fetch what gateways say of our balance there: page by page, each its own commit; killed and started again, it goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice

from django.db import transaction

from backoffice.kit.actors import Actor
from backoffice.kit.states import transition
from backoffice.kit.transactions import durable
from billing.gateways.port import BalanceTransaction, Gateway, GatewayNotSetUp
from billing.gateways.registry import gateway_named
from billing.reconciliation.judging import open_breaks
from billing.reconciliation.models import Composition, Feed, FeedKind, ProviderPayout, StagedLine
from billing.reconciliation.payouts import PAYOUT_KIND, notice_payouts
from billing.reconciliation.rulebook import rulebook_in_force
from billing.reconciliation.staging import Fact, contradictions, feed_of, stage_facts
from billing.reconciliation.states import PAYOUT, PayoutState

logger = logging.getLogger(__name__)

PAGE = 1_000
# Providers list by creation and may show a transaction a little later than a younger one; what is known is not staged again.
OVERLAP = timedelta(days=2)
BEGINNING = datetime(2010, 1, 1, tzinfo=UTC)
ASK_AGAIN = timedelta(hours=1)

_gateways: dict[str, Callable[[], Gateway]] = {}


def fetch_from(name: str, gateway: Callable[[], Gateway]) -> None:
    """Plug in a gateway whose balance is reconciled; called from the wing's plugs."""
    _gateways[name] = gateway


def plug_in() -> None:
    """Plug in the card gateways; which of them is set up shows when it is asked."""
    for name in ("stripe", "fake"):
        fetch_from(name, partial(gateway_named, name))


def gateways() -> dict[str, Callable[[], Gateway]]:
    return dict(_gateways)


def fact_of(one: BalanceTransaction) -> Fact:
    """Return a balance transaction as it is staged; a payout has no name of ours, only its own."""
    return Fact(
        source_ref=one.provider_ref,
        kind=one.kind,
        amount_minor=one.amount_minor,
        currency=one.currency,
        on=one.created_at.astimezone(UTC).date(),
        reference="" if one.kind == PAYOUT_KIND else one.reference,
        provider_ref=one.source_ref,
        payout_ref=one.payout_ref,
        fee_minor=one.fee_minor,
    )


@durable
def fetch_transactions(*, gateway: Gateway, actor: Actor, at: datetime) -> dict[str, int]:
    """Stage the gateway's balance transactions since the last fetch, and those of payouts that are not complete; return counts.

    The mark moves when a whole listing was read, since providers list the youngest first. A transaction told again with another amount
    opens a break, and the first telling stands.
    """
    feed = feed_of(gateway.name, FeedKind.GATEWAY, at)
    since = (feed.fetched_upto_at - OVERLAP) if feed.fetched_upto_at else BEGINNING
    youngest, read, new = feed.fetched_upto_at, 0, 0
    for page in _pages(gateway.list_balance_transactions(since=since)):
        new += _stage(gateway.name, page, actor, at)
        read += len(page)
        youngest = max([one.created_at for one in page] + ([youngest] if youngest else []))
    with transaction.atomic():
        notice_payouts(at=at)
        Feed.objects.filter(pk=feed.pk).update(fetched_upto_at=youngest, last_fetch_at=at, last_problem="")
    linked = _link_payouts(gateway, actor, at)
    return {"read": read, "new": new, "payouts_linked": linked}


def _pages(transactions: Iterator[BalanceTransaction]) -> Iterator[list[BalanceTransaction]]:
    while page := list(islice(transactions, PAGE)):
        yield page


@transaction.atomic
def _stage(holder: str, page: list[BalanceTransaction], actor: Actor, at: datetime) -> int:
    facts = [fact_of(one) for one in page]
    new = stage_facts(source="provider", holder=holder, facts=facts, actor=actor, at=at)
    changed = dict(contradictions("provider", holder, facts))
    lines = StagedLine.objects.filter(pk__in=changed).order_by("pk")
    wrong = [
        (line.pk, None, "data", line.leg, line.holder, line.reference, changed[line.pk], line.currency, line.on) for line in lines
    ]
    open_breaks(wrong, book=rulebook_in_force(), at=at)
    return new


def _link_payouts(gateway: Gateway, actor: Actor, at: datetime) -> int:
    """Ask for the transactions of each payout that is not complete, once an hour."""
    waiting = ProviderPayout.objects.filter(gateway=gateway.name, closed_at__isnull=True, sent_posting__isnull=True)
    waiting = waiting.exclude(composition=Composition.NOT_APPLICABLE).exclude(linked_at__gt=at - ASK_AGAIN)
    linked = 0
    for payout in list(waiting.order_by("pk")):
        listed = gateway.list_balance_transactions(since=BEGINNING, payout_ref=payout.provider_ref)
        for page in _pages(listed):
            _stage(gateway.name, [_of_payout(one, payout.provider_ref) for one in page], actor, at)
        with transaction.atomic():
            row = ProviderPayout.objects.select_for_update().get(pk=payout.pk)
            row.linked_at = at
            row.save(update_fields=["linked_at"])
            if PAYOUT.allows(row.state, PayoutState.IN_TRANSIT):
                transition(PAYOUT, row, PayoutState.IN_TRANSIT, actor=actor, at=at)
        linked += 1
    return linked


def _of_payout(one: BalanceTransaction, payout_ref: str) -> BalanceTransaction:
    if one.payout_ref or one.kind == PAYOUT_KIND:
        return one
    values = {name: getattr(one, name) for name in BalanceTransaction.__dataclass_fields__}
    return BalanceTransaction(**values | {"payout_ref": payout_ref})


@durable
def fetch_all(*, actor: Actor, at: datetime) -> dict[str, dict[str, int] | str]:
    """Fetch from every plugged gateway that is set up; one that cannot be asked is noted on its feed, and the others go on."""
    told: dict[str, dict[str, int] | str] = {}
    for name, make in gateways().items():
        try:
            told[name] = fetch_transactions(gateway=make(), actor=actor, at=at)
        except GatewayNotSetUp:
            continue
        except Exception as error:
            logger.exception("the gateway %s could not be read", name)
            problem = f"{type(error).__name__} at {at:%Y-%m-%d %H:%M} UTC"
            Feed.objects.filter(name=name).update(last_problem=problem[:200])
            told[name] = problem
    return told
