"""The test clock: what would happen to a customer until an instant, in the order of time, with a stop at every boundary.

Each stop does what the schedule does then, at that instant: renewals, what else falls due, attempts to collect. One leap therefore leaves the same
books as many, which a property test holds.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Min

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, Refusal
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable, durable
from backoffice.staff import audit
from billing.collection.attempting import work
from billing.collection.opening import next_attempt_at
from billing.customers.clock import ClockIsForTests, ClockRunsForward, lock_customer, set_clock
from billing.customers.models import Customer
from billing.subscriptions.boundaries import run_boundaries
from billing.subscriptions.models import ClockAdvance, Subscription
from billing.subscriptions.renewing import renew_subscriptions
from billing.subscriptions.states import ADVANCE, AdvanceState

logger = logging.getLogger(__name__)
STEPS_MAX = 2_000
YEARS_MAX = 5


class ClockTooFar(InputError):
    code = "clock_too_far"
    sentence = "A clock is advanced by at most {years} years at once."


class ClockAdvancing(Refusal):
    code = "clock_advancing"
    sentence = "The clock is being advanced already; wait until it stands."


@durable
def advance(*, customer_id: int, to: datetime, actor: Actor, at: datetime) -> int:
    """Walk a test customer's clock to an instant, doing what falls due on the way; return how many stops it made.

    A customer without a clock gets one, which begins now. Refuses: NotFound, ClockIsForTests, ClockRunsForward, ClockTooFar.
    """
    customer = _start(customer_id, to, at)
    steps = 0
    _stop(customer, actor)
    while steps < STEPS_MAX:
        moment = next_stop(customer)
        if moment is None or moment > to:
            break
        customer = set_clock(customer_id=customer_id, to=moment)
        _stop(customer, actor)
        steps += 1
    set_clock(customer_id=customer_id, to=to)
    audit.record(actor, "customer.advance", customer.public_id, at, facts={"to": to.isoformat(), "stops": steps})
    return steps


@transaction.atomic
def _start(customer_id: int, to: datetime, at: datetime) -> Customer:
    customer = lock_customer(customer_id)
    check_advance(customer, to, at)
    return set_clock(customer_id=customer_id, to=customer.clock_at or min(at, to))


def check_advance(customer: Customer, to: datetime, at: datetime) -> None:
    """Refuse what cannot be advanced: ClockIsForTests, ClockRunsForward, ClockTooFar."""
    if customer.partner is None or customer.partner.livemode:
        raise ClockIsForTests()
    start = customer.clock_at or at
    if to < start:
        raise ClockRunsForward(clock=start.isoformat(), to=to.isoformat())
    if (to - start).days > 366 * YEARS_MAX:
        raise ClockTooFar(years=YEARS_MAX)


def next_stop(customer: Customer) -> datetime | None:
    """Return the next instant behind the clock at which something of this customer falls due."""
    clock = customer.clock_at
    due = Subscription.objects.filter(customer=customer, next_at__gt=clock).aggregate(first=Min("next_at"))["first"]
    moments = [due, next_attempt_at(customer.pk)]
    return min((one for one in moments if one is not None and clock is not None and one > clock), default=None)


def _stop(customer: Customer, actor: Actor) -> None:
    """Do what is due at the clock's instant: ends, starts and renewals before attempts, so that what is paid is what is owed then."""
    at = customer.clock_at
    if at is None:
        return
    run_boundaries(actor=actor, at=at, customer=customer)
    renew_subscriptions(actor=actor, at=at, customer=customer)
    work(actor=actor, at=at, customer=customer)


@composable
def request_advance(*, customer_id: int, to: datetime, actor: Actor, at: datetime) -> ClockAdvance:
    """Ask the worker to advance a test customer's clock. Refuses: as advance, and ClockAdvancing."""
    customer = lock_customer(customer_id)
    check_advance(customer, to, at)
    try:
        with transaction.atomic():
            wish = ClockAdvance.objects.create(customer=customer, to=to, made_by=str(actor), created_at=at)
    except IntegrityError:
        raise ClockAdvancing() from None
    born(ADVANCE, wish, actor=actor, at=at)
    return wish


@durable
def run_advances(*, actor: Actor, at: datetime, limit: int = 20) -> dict[str, int]:
    """Walk the clocks that were asked for; answers done and failed. A walk that is killed is walked again: it goes on where it stood."""
    counts = {"done": 0, "failed": 0}
    for wish in list(ClockAdvance.objects.filter(status=AdvanceState.REQUESTED).order_by("id")[:limit]):
        state, detail, steps = AdvanceState.DONE, "", 0
        try:
            steps = advance(customer_id=wish.customer_id, to=wish.to, actor=actor, at=at)
        except Refusal as refusal:
            state, detail = AdvanceState.FAILED, str(refusal)
        except Exception as error:
            logger.exception("clock advance %s failed", wish.public_id)
            state, detail = AdvanceState.FAILED, f"It failed with {type(error).__name__}; support can see why."
        with transaction.atomic():
            row = ClockAdvance.objects.select_for_update().get(pk=wish.pk)
            if row.status == AdvanceState.REQUESTED:
                ClockAdvance.objects.filter(pk=row.pk).update(steps=steps, detail=detail, finished_at=at)
                transition(ADVANCE, row, state, actor=actor, at=at, reason=detail)
                counts[str(state)] += 1
    return counts
