"""A provider's payout, three ways: the transactions it is made of, our books, and the bank's line.

Its group holds the provider's payout line, our entries of `psp_payout_sent` and `psp_payout_arrived`, and the bank's line. It is posted when
each leg adds up: at the provider, theirs − ours = the fees; under way, nothing is left; at the bank, theirs = ours + what the rule tolerates.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from backoffice.kit.actors import Actor
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from billing.reconciliation.judging import add_up, book_difference, follow, lift_placeholders
from billing.reconciliation.matching import open_group
from billing.reconciliation.models import DifferenceKind, DifferenceLine, MatchGroup, MatchRulebook, ProviderPayout, StagedLine
from billing.reconciliation.rulebook import Rule
from billing.reconciliation.staging import ROBOT, stage_postings
from billing.reconciliation.states import GROUP, PAYOUT, Composition, GroupState, Leg, PayoutState
from payouts.ledger.operations import Draft, post
from payouts.ledger.templates import non_zero, platform

PAYOUT_KIND = "payout"
BACK_KINDS = ("payout_failure", "payout_cancel")
# Fees a provider takes as transactions of their own, instead of from one: they are part of the payout's fee.
FEE_KINDS = ("stripe_fee", "stripe_fx_fee", "network_cost", "fee", "tax_fee")
_ENDED = (PayoutState.FAILED, PayoutState.CANCELED)


@composable
def record_provider_payout(
    *,
    gateway: str,
    provider_ref: str,
    amount_minor: int,
    currency: str,
    made_on: date,
    arrives_on: date,
    state: str,
    actor: Actor,
    at: datetime,
    trace_ref: str = "",
) -> ProviderPayout:
    """Take in what a provider says of a payout of its own: first telling or news; what is behind what we know changes nothing.

    Tells `provider_payout.failed`. `paid` is the provider's word; that money arrived, only the bank says.
    """
    born_as = state if state not in _ENDED else PayoutState.PENDING
    payout, fresh = ProviderPayout.objects.select_for_update().get_or_create(
        gateway=gateway,
        provider_ref=provider_ref,
        defaults={
            "amount_minor": amount_minor, "currency": currency, "made_on": made_on, "arrives_on": arrives_on, "state": born_as,
            "trace_ref": trace_ref[:120], "created_at": at,
        },
    )  # fmt: skip
    if fresh:
        born(PAYOUT, payout, actor=actor, at=at)
    elif trace_ref and not payout.trace_ref:
        payout.trace_ref = trace_ref[:120]
        payout.save(update_fields=["trace_ref"])
    if PAYOUT.allows(payout.state, state):
        transition(PAYOUT, payout, state, actor=actor, at=at)
        if state in _ENDED:
            tell("provider_payout.failed", subject=payout.public_id, payload={"gateway": gateway, "state": state}, at=at)
    return payout


def payouts_to_walk() -> QuerySet[ProviderPayout]:
    """Return the payouts whose three sides do not agree yet, the oldest first."""
    return ProviderPayout.objects.filter(closed_at__isnull=True).order_by("pk")


def notice_payouts(*, at: datetime) -> int:
    """Make a payout of each payout line the provider told and nobody took up; return how many."""
    lines = StagedLine.objects.filter(source="provider", kind=PAYOUT_KIND, group__isnull=True, amount_minor__lt=0).order_by("pk")
    count = 0
    for line in lines.iterator(chunk_size=1_000):
        record_provider_payout(
            gateway=line.holder,
            provider_ref=line.provider_ref or line.source_ref,
            amount_minor=-line.amount_minor,
            currency=line.currency,
            made_on=line.on,
            arrives_on=line.on,
            state=PayoutState.IN_TRANSIT,
            actor=ROBOT,
            at=at,
            trace_ref=line.trace_ref,
        )
        count += 1
    return count


def walk_payouts(*, rule: Rule, book: MatchRulebook, at: datetime, commit: Callable[[], None]) -> dict[str, int]:
    """Take every open payout one step or more on its way; return how many were sent, arrived and agreed on. Each is its own commit."""
    counts = {"payouts_sent": 0, "payouts_arrived": 0, "payouts_agreed": 0}
    for payout_id in list(payouts_to_walk().values_list("pk", flat=True)):
        step = _walk(payout_id, rule, book, at)
        for name, done in step.items():
            counts[name] += done
        commit()
    return counts


@composable
def _walk(payout_id: int, rule: Rule, book: MatchRulebook, at: datetime) -> dict[str, int]:
    payout = ProviderPayout.objects.select_for_update().get(pk=payout_id)
    if payout.closed_at:
        return {}
    group = _group_of(payout, book, rule, at)
    before = (payout.sent_posting_id, payout.arrived_posting_id)
    _compose(payout)
    if payout.sent_posting_id is None and payout.composition == Composition.COMPLETED:
        _book_sent(payout, at)
    back = _line_of(payout, BACK_KINDS)
    if back and payout.sent_posting_id and payout.back_posting_id is None and payout.arrived_posting_id is None:
        _book_back(payout, at)
    found = None
    if payout.sent_posting_id and payout.arrived_posting_id is None and payout.back_posting_id is None:
        found = _find_bank_line(payout, rule, at)
        if found is not None:
            _book_arrived(payout, found, rule, group, at)
    _gather(payout, group, found, at)
    agreed = _judge(payout, group, rule, book, at)
    return {
        "payouts_sent": int(before[0] is None and payout.sent_posting_id is not None),
        "payouts_arrived": int(before[1] is None and payout.arrived_posting_id is not None),
        "payouts_agreed": int(agreed),
    }


def _group_of(payout: ProviderPayout, book: MatchRulebook, rule: Rule, at: datetime) -> MatchGroup:
    if payout.group is None:
        group_id = open_group(
            rule.code, book, Leg.CLEARING, payout.gateway, payout.currency, payout.provider_ref, payout.made_on, at=at
        )
        payout.group = MatchGroup.objects.get(pk=group_id)
        payout.save(update_fields=["group"])
    return payout.group


def _line_of(payout: ProviderPayout, kinds: tuple[str, ...]) -> StagedLine | None:
    return StagedLine.objects.filter(
        source="provider", holder=payout.gateway, kind__in=kinds, provider_ref=payout.provider_ref
    ).first()


def _compose(payout: ProviderPayout) -> None:
    """Add up the transactions the provider links to the payout: net makes its amount, or it is not complete."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(*), coalesce(sum(amount_minor) FILTER (WHERE kind <> ALL(%(fees)s)), 0)::bigint,
                      coalesce(sum(CASE WHEN kind = ANY(%(fees)s) THEN -amount_minor ELSE 0 END + fee_minor), 0)::bigint
                 FROM billing_stagedline WHERE source = 'provider' AND holder = %(holder)s AND payout_ref = %(ref)s
                  AND payout_ref <> '' AND kind <> %(payout)s AND currency = %(currency)s AND provider_ref <> %(ref)s""",
            {
                "fees": list(FEE_KINDS), "holder": payout.gateway, "ref": payout.provider_ref, "payout": PAYOUT_KIND,
                "currency": payout.currency,
            },
        )  # fmt: skip
        payout.transactions, payout.gross_minor, payout.fee_minor = cursor.fetchone()
    if payout.sent_posting_id is None:
        whole = payout.transactions > 0 and payout.gross_minor - payout.fee_minor == payout.amount_minor
        payout.composition = Composition.COMPLETED if whole else Composition.IN_PROGRESS
        payout.save(update_fields=["transactions", "gross_minor", "fee_minor", "composition"])


def _draft(
    payout: ProviderPayout, template: str, key: str, clearing: int, fee: int, transit: int, cash: int, bank: str, on: date
) -> Draft:
    legs = [
        platform("psp.clearing", payout.currency, clearing, payout.gateway),
        platform("expense.psp_fee", payout.currency, fee),
        platform("psp.in_transit", payout.currency, transit, payout.gateway),
        platform("bank.cash", payout.currency, cash, bank),
    ]
    effective = datetime.combine(on, time(), tzinfo=UTC)
    return Draft(template, key, non_zero(legs), "provider_payout", payout.pk, effective)


def _book_sent(payout: ProviderPayout, at: datetime) -> None:
    draft = _draft(
        payout,
        "psp_payout_sent",
        payout.public_id,
        -payout.gross_minor,
        payout.fee_minor,
        payout.amount_minor,
        0,
        "",
        payout.made_on,
    )
    payout.sent_posting_id = post(drafts=[draft], actor=ROBOT, at=at)[0].posting_id
    payout.save(update_fields=["sent_posting"])


def _book_back(payout: ProviderPayout, at: datetime) -> None:
    """The bank did not take it: the net is the provider's again. Its fees stay spent."""
    amount = payout.amount_minor
    draft = _draft(payout, "psp_payout_sent", f"{payout.public_id}:back", amount, 0, -amount, 0, "", payout.made_on)
    payout.back_posting_id = post(drafts=[draft], actor=ROBOT, at=at, reason="The payout came back.")[0].posting_id
    payout.save(update_fields=["back_posting"])


_BANK_LINE = """SELECT l.id FROM billing_stagedline l
     WHERE l.source = 'bank' AND l.leg = 'cash' AND l.currency = %(currency)s AND l.group_id IS NULL AND l.state <> 'void'
       AND l.amount_minor > 0 AND l."on" BETWEEN %(since)s::date AND %(until)s::date AND """


def _find_bank_line(payout: ProviderPayout, rule: Rule, at: datetime) -> StagedLine | None:
    """Return the bank's line of this payout: by the provider's name, by the trace, or by amount and day where both are alone."""
    params: dict[str, Any] = {
        "currency": payout.currency, "ref": payout.provider_ref, "trace": payout.trace_ref, "amount": payout.amount_minor,
        "since": payout.made_on - timedelta(days=1), "until": payout.arrives_on + timedelta(days=2 * rule.days + 30),
        "near": payout.arrives_on + timedelta(days=rule.days), "pk": payout.pk, "days": rule.days,
    }  # fmt: skip
    ways = ["l.provider_ref = %(ref)s", "l.trace_ref = %(trace)s AND %(trace)s <> ''"]
    if payout.arrives_on + timedelta(days=rule.days) <= at.date():
        ways.append(
            """l.amount_minor = %(amount)s AND l."on" <= %(near)s::date AND l.provider_ref = '' AND NOT EXISTS (
                SELECT 1 FROM billing_providerpayout p WHERE p.id <> %(pk)s AND p.currency = l.currency AND p.closed_at IS NULL
                   AND p.amount_minor = %(amount)s AND abs(p.arrives_on - l."on") <= %(days)s)"""
        )
    for way in ways:
        with connection.cursor() as cursor:
            cursor.execute(f"{_BANK_LINE} {way} ORDER BY l.id LIMIT 2", params)
            found = cursor.fetchall()
        if len(found) == 1:
            return StagedLine.objects.select_for_update().get(pk=found[0][0])
    return None


def _book_arrived(payout: ProviderPayout, line: StagedLine, rule: Rule, group: MatchGroup, at: datetime) -> None:
    """Book the arrival in place of the placeholder in suspense; a small difference is booked as the rule says, a large one left open."""
    StagedLine.objects.filter(pk=line.pk).update(group=group)
    lift_placeholders([group.pk], at=at, forced=True)
    draft = _draft(
        payout, "psp_payout_arrived", payout.public_id, 0, 0, -payout.amount_minor, payout.amount_minor, line.holder, line.on
    )
    payout.arrived_posting_id = post(drafts=[draft], actor=ROBOT, at=at)[0].posting_id
    payout.save(update_fields=["arrived_posting"])
    off = line.amount_minor - payout.amount_minor
    if rule.tolerates(off, payout.amount_minor):
        book_difference(group, Leg.CASH, line.holder, DifferenceKind(rule.difference), off, at=at)


def _gather(payout: ProviderPayout, group: MatchGroup, found: StagedLine | None, at: datetime) -> None:
    """Bring every line of the payout into its group, with the fee as a difference line of its own."""
    postings = [one for one in (payout.sent_posting_id, payout.arrived_posting_id, payout.back_posting_id) if one]
    if postings:
        stage_postings(postings, at=at)
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE billing_stagedline SET group_id = %(group)s WHERE group_id IS NULL AND (
                   posting_id = ANY(%(postings)s) OR id = %(found)s
                   OR source = 'provider' AND holder = %(holder)s AND provider_ref = %(ref)s AND kind = ANY(%(own)s)
                   OR %(sent)s AND source = 'provider' AND holder = %(holder)s AND payout_ref = %(ref)s AND payout_ref <> '' AND kind = ANY(%(fees)s))""",
            {
                "group": group.pk, "postings": postings, "found": found.pk if found else None, "holder": payout.gateway,
                "ref": payout.provider_ref, "own": [PAYOUT_KIND, *BACK_KINDS], "fees": list(FEE_KINDS),
                "sent": payout.sent_posting_id is not None,
            },
        )  # fmt: skip
    if payout.sent_posting_id and not DifferenceLine.objects.filter(group=group, leg=Leg.CLEARING).exists():
        own_fees = _fee_lines(group)
        fee = payout.fee_minor - own_fees
        if fee:
            DifferenceLine.objects.create(
                group=group, leg=Leg.CLEARING, kind=DifferenceKind.FEE, amount_minor=fee, currency=payout.currency,
                posting_id=payout.sent_posting_id, created_at=at,
            )  # fmt: skip


def _fee_lines(group: MatchGroup) -> int:
    return -sum(group.lines.filter(kind__in=FEE_KINDS, side="theirs").values_list("amount_minor", flat=True))


def off_by_leg(group_id: int) -> dict[str, int]:
    """Return {leg: theirs − ours − differences} of one group, in minor units, of the legs that do not add up."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT leg, sum(amount)::bigint FROM (
                   SELECT leg, CASE side WHEN 'theirs' THEN amount_minor ELSE -amount_minor END AS amount
                     FROM billing_stagedline WHERE group_id = %(group)s
                   UNION ALL SELECT leg, -amount_minor FROM billing_differenceline WHERE group_id = %(group)s) s
                GROUP BY 1 HAVING sum(amount) <> 0 ORDER BY 1""",
            {"group": group_id},
        )
        return dict(cursor.fetchall())


def _judge(payout: ProviderPayout, group: MatchGroup, rule: Rule, book: MatchRulebook, at: datetime) -> bool:
    group.refresh_from_db()
    off = off_by_leg(group.pk)
    whole = payout.arrived_posting_id or payout.back_posting_id
    verdict: str | None = None
    if whole and not off:
        verdict = GroupState.POSTED
    elif whole and off:
        verdict = GroupState.OVER if sum(off.values()) > 0 else GroupState.UNDER
    elif payout.arrives_on + timedelta(days=rule.days + rule.settle_days) < at.date():
        verdict = GroupState.SPLIT if payout.sent_posting_id is None else GroupState.UNDER
    if group.lines.exists():
        add_up([group.pk])
        group.refresh_from_db()
    if verdict and verdict != group.state:
        transition(GROUP, group, verdict, actor=ROBOT, at=at, code=rule.code)
        MatchGroup.objects.filter(pk=group.pk).update(decided_by="auto", decided_at=at)
    follow([group.pk], book=book, at=at)
    if verdict == GroupState.POSTED:
        payout.closed_at = at
        payout.save(update_fields=["closed_at"])
    return verdict == GroupState.POSTED
