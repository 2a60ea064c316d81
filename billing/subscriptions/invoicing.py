"""Issue the invoices of subscriptions, one or a thousand, and begin to collect them: composable, the same for a purchase and for a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import F

from backoffice.kit.actors import Actor
from billing.collection.models import Collection
from billing.collection.opening import Claim, open_collections
from billing.collection.sockets import InvoiceDraft, InvoiceFacts, rooms
from billing.subscriptions.lines import Bill
from billing.subscriptions.models import PendingLine, Redemption, Subscription


@dataclass(frozen=True, slots=True)
class Issued:
    """What came of a bill: no invoice where it was worth none, no collection where nothing is due or nobody is to collect."""

    invoice: InvoiceFacts | None
    collection: Collection | None

    @property
    def is_paid(self) -> bool:
        return self.invoice is None or self.invoice.is_paid


def issue(*, bills: Sequence[tuple[Subscription, Bill, str]], trigger: str, actor: Actor, at: datetime) -> dict[int, Issued]:
    """Issue the bills, each (subscription, bill, key), and begin to collect; return {subscription id: what came of it}.

    Writes what the bills spend: waiting lines, coupons, the credit left over. Sets `latest_invoice` on the rows given, and in the database.
    The caller holds the customers' locks.
    """
    worth = [(row, bill, key) for row, bill, key in bills if bill.is_worth_an_invoice]
    drafts = [_draft(row, bill, key) for row, bill, key in worth]
    facts = rooms.invoices.issue(drafts=drafts, actor=actor, at=at) if drafts else []
    found = {row.pk: (row, bill, fact) for (row, bill, _), fact in zip(worth, facts, strict=True)}
    # an invoice that could not be finalised (a tax nobody decided) is collected once it is: `invoice.finalised` says so
    claims = [claim_of(row, fact) for row, _, fact in found.values() if fact.is_collectible and not row.collection_paused]
    collections = {one.invoice: one for one in open_collections(claims=claims, trigger=trigger, actor=actor, at=at)}
    _spend(list(found.values()), at)
    issued = {pk: Issued(fact, collections.get(fact.public_id)) for pk, (_, _, fact) in found.items()}
    return {row.pk: issued.get(row.pk, Issued(None, None)) for row, _, _ in bills}


def _draft(row: Subscription, bill: Bill, key: str) -> InvoiceDraft:
    return InvoiceDraft(
        row.customer_id, row.price.currency, tuple(bill.lines), bill.period_start, bill.period_end, row.method,
        row.price.plan.due_days, row.public_id, key,
    )  # fmt: skip


def claim_of(row: Subscription, fact: InvoiceFacts) -> Claim:
    return Claim(
        row.customer_id, fact.public_id, row.public_id, fact.currency, fact.due_minor, row.method, row.price.plan.dunning
    )


def _spend(issued: Sequence[tuple[Subscription, Bill, InvoiceFacts]], at: datetime) -> None:
    if not issued:
        return
    for row, _, fact in issued:
        row.latest_invoice = fact.public_id
    pairs = [(row.pk, fact.public_id) for row, _, fact in issued]
    spent = [(line.pk, fact.public_id) for _, bill, fact in issued for line in bill.spent]
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE billing_subscription s SET latest_invoice = u.invoice
                 FROM unnest(%s::bigint[], %s::text[]) AS u(id, invoice) WHERE s.id = u.id""",
            [[pk for pk, _ in pairs], [invoice for _, invoice in pairs]],
        )
        if spent:
            cursor.execute(
                """UPDATE billing_pendingline l SET invoice = u.invoice, invoiced_at = %s
                     FROM unnest(%s::bigint[], %s::text[]) AS u(id, invoice) WHERE l.id = u.id AND l.invoiced_at IS NULL""",
                [at, [pk for pk, _ in spent], [invoice for _, invoice in spent]],
            )
    redeemed = [one.pk for _, bill, _ in issued for one in bill.redeemed if one.invoices_left is not None]
    if redeemed:
        Redemption.objects.filter(pk__in=redeemed, invoices_left__gt=0).update(invoices_left=F("invoices_left") - 1)
    keep_credits([(row, bill) for row, bill, _ in issued if bill.credit_minor], at)


def keep_credits(left: Sequence[tuple[Subscription, Bill]], at: datetime) -> None:
    """Write what a bill left to the customer, for the next invoice."""
    PendingLine.objects.bulk_create(
        PendingLine(
            subscription=row, description="Credit brought forward", unit_amount_minor=-bill.credit_minor, amount_minor=-bill.credit_minor,
            period_start=bill.period_start, period_end=bill.period_end, created_at=at,
        )
        for row, bill in left
    )  # fmt: skip
