"""The gate at which sales are recorded: each waits for its decision, and its money waits with it.

Booking takes a million lines in a minute and a half, a decision some milliseconds: no set of lines could be asked about while it is booked. So
booking notes which sales wait, in its own transaction, and maturing leaves them pending until the note is gone. Between the two the sale is decided,
by the schedule, from both ends of the queue: what was just sold is judged at once, behind an import of any size, and the oldest is not forgotten.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import DatabaseError, connection, transaction
from django.db.models import Q, QuerySet

from backoffice.kit.actors import Actor
from backoffice.kit.errors import NotFound, Refusal
from backoffice.kit.transactions import composable, durable
from backoffice.staff import audit
from fraud.decisions.gates import needed
from fraud.decisions.holding import want_hold
from fraud.decisions.models import SaleToDecide
from fraud.decisions.operations import Question, decide
from fraud.decisions.reviewing import ReasonMissing
from fraud.features.consuming import EARNINGS, pull
from fraud.features.models import Feed, FraudEvent, Point
from fraud.features.recording import REF_MAX, Happening
from payouts.earnings.bulk import array
from payouts.earnings.models import Earning

logger = logging.getLogger(__name__)
SECONDS, AT_ONCE = 20.0, 10_000
# Sales of one transaction: a commit waits for the disk, and a change of the lists waits for the commit.
BATCH = 25
TRIES_MAX = 5
UNDECIDED_FOR = timedelta(days=1)
SUBJECT_MAX = 170
# What may go wrong when a sale is judged: a refusal, the database, or a value nobody foresaw.
_WRONG = (Refusal, DatabaseError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError)


def await_decisions(earning_ids: Sequence[int], at: datetime) -> None:
    """Note, in the transaction that books them, that these sales wait. Where nothing could object nothing waits."""
    if not earning_ids or not _could_object():
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO fraud_saletodecide (earning_id, asked_at, tries, error) SELECT unnest(%s::bigint[]), %s, 0, ''",
            [array(earning_ids), at],
        )


def _could_object() -> bool:
    """Tell whether a decision could say anything but allow; where that cannot be told (a rule that no longer compiles), the sale waits."""
    try:
        return needed(Point.SALE)
    except DatabaseError:
        raise
    except _WRONG:
        logger.exception("nobody can tell whether a rule speaks about sales; they wait for their decision")
        return True


def awaited(earning_ids: Sequence[int]) -> set[int]:
    """Answer `before_maturing`: which of these earnings are sales nobody decided on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT earning_id FROM fraud_saletodecide WHERE earning_id = ANY(%s::bigint[])", [array(earning_ids)])
        return {earning_id for (earning_id,) in cursor.fetchall()}


@durable
def decide_sales(*, actor: Actor, at: datetime, limit: int = AT_ONCE, seconds: float = SECONDS) -> int:
    """Decide on sales that wait, a few in a transaction, until none is left or the time is over; returns how many were looked at.

    What speaks against one opens a review, and holds its money when it is there. What nobody can judge waits for a person.
    """
    pull(at=at)
    ends = time.monotonic() + seconds
    done = 0
    waiting = _from_both_ends(_due(at), limit)
    for start in range(0, len(waiting), BATCH):
        if time.monotonic() > ends:
            break
        done += _decide_some(sorted(waiting[start : start + BATCH]), actor, at)
    return done


def _due(at: datetime) -> QuerySet[SaleToDecide]:
    # velocity counts what the feed has copied: a sale is judged once those booked with it are known
    marks = Feed.objects.filter(name=EARNINGS).values_list("mark", "next_mark").first() or (0, 0)
    return SaleToDecide.objects.filter(Q(next_try_at=None) | Q(next_try_at__lte=at), gave_up_at=None, earning_id__lte=max(marks))


def _from_both_ends(rows: QuerySet[SaleToDecide], limit: int) -> list[int]:
    oldest = list(rows.order_by("earning_id").values_list("earning_id", flat=True)[: limit - limit // 2])
    newest = list(rows.order_by("-earning_id").values_list("earning_id", flat=True)[:limit])
    taken = [one for pair in zip(oldest, newest, strict=False) for one in pair] + oldest[len(newest) :] + newest[len(oldest) :]
    return list(dict.fromkeys(taken))[:limit]


@transaction.atomic
def _decide_some(earning_ids: Sequence[int], actor: Actor, at: datetime) -> int:
    """Decide on a few sales and end their waiting, each by itself: what fails takes no other with it, and a rival that has one keeps it."""
    locked = SaleToDecide.objects.select_for_update(of=("self",), skip_locked=True).filter(pk__in=earning_ids)
    rows = list(locked.select_related("earning__seller").order_by("pk"))
    told = FraudEvent.objects.in_bulk([ref_of(row.earning) for row in rows], field_name="ref")
    decided = []
    for row in rows:
        try:
            with transaction.atomic():
                decision = decide(question=question_of(row.earning, told.get(ref_of(row.earning))), actor=actor, at=at)
                # a partner that asked before it booked was only told: now there is money to hold
                want_hold(decision, row.earning.seller, actor, at, row.earning)
        except _WRONG as error:
            logger.exception("the sale %s could not be decided on", row.earning.public_id)
            _try_later(row, error, at)
        else:
            decided.append(row.pk)
    SaleToDecide.objects.filter(pk__in=decided).delete()
    return len(rows)


def _try_later(row: SaleToDecide, error: Exception, at: datetime) -> None:
    row.tries += 1
    row.error = (
        str(error)[:200] if isinstance(error, Refusal) else f"The program failed ({type(error).__name__}); its log says where."
    )
    row.next_try_at = at + timedelta(minutes=2**row.tries)
    row.gave_up_at = at if row.tries >= TRIES_MAX else None
    row.save()


def ref_of(earning: Earning) -> str:
    """Return under which reference the feed keeps a sale."""
    return f"{earning.source}:{earning.external_id}"[:REF_MAX]


def question_of(earning: Earning, told: FraudEvent | None) -> Question:
    """Return what is asked about a booked sale. `told` is what is known under its reference: a partner that asked before about another amount or
    seller did not ask about this one.
    """
    ref = ref_of(earning)
    booked = (earning.seller.public_id, earning.currency, earning.gross_minor)
    buyer, device, country = (told.buyer, told.device, told.country) if told else ("", "", "")
    if told and (told.seller, told.currency, told.amount_minor) != booked:
        ref = f"{ref[: REF_MAX - 7]}#booked"
    happening = Happening(
        ref=ref, kind=Point.SALE, at=earning.occurred_at, amount_minor=earning.gross_minor, currency=earning.currency, buyer=buyer,
        seller=earning.seller.public_id, device=device, country=country, order_ref=earning.order_ref, partner_id=earning.seller.partner_id,
    )  # fmt: skip
    return Question(happening, ref[:SUBJECT_MAX], ref, seller=earning.seller)


# --- what nobody could decide -------------------------------------------------------------------------------------------


def undecided(at: datetime) -> QuerySet[SaleToDecide]:
    """Return the sales a person has to look at: given up, or waiting for longer than a day."""
    return SaleToDecide.objects.filter(Q(gave_up_at__isnull=False) | Q(asked_at__lt=at - UNDECIDED_FOR))


@composable
def ask_again(*, earning_id: int, reason: str, actor: Actor, at: datetime) -> SaleToDecide:
    """Let a sale be decided on again with the next run, its tries from the beginning. Refuses: NotFound, ReasonMissing."""
    row = _lock(earning_id, reason)
    row.tries, row.next_try_at, row.gave_up_at, row.error = 0, None, None, ""
    row.save()
    audit.record(actor, "sale.ask_again", row.earning.public_id, at, reason)
    return row


@composable
def let_pass(*, earning_id: int, reason: str, actor: Actor, at: datetime) -> None:
    """Let the money of a sale mature that nobody could decide on: a person looked at it. Refuses: NotFound, ReasonMissing."""
    row = _lock(earning_id, reason)
    audit.record(actor, "sale.let_pass", row.earning.public_id, at, reason, {"error": row.error, "tries": row.tries})
    row.delete()


def _lock(earning_id: int, reason: str) -> SaleToDecide:
    if not reason.strip():
        raise ReasonMissing
    row = SaleToDecide.objects.select_for_update(of=("self",)).select_related("earning").filter(pk=earning_id).first()
    if row is None:
        raise NotFound(what="sale that waits", ref=earning_id)
    return row


def plug_in() -> None:
    from payouts.earnings.gates import sales_recorded
    from payouts.holds.gates import before_maturing

    sales_recorded.plug("sales wait for their decision", await_decisions)
    before_maturing.plug("sales wait for their decision", awaited)
