"""Build a run: choose under lock, take the money aside, freeze the lines, ask for approval. Set-based from end to end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from backoffice.kit import idempotency, outbox
from backoffice.kit.actors import Actor
from backoffice.kit.errors import NotFound, Refusal
from backoffice.kit.ids import new_ids
from backoffice.kit.states import born, born_set
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from payouts.runs import booking, content, planning
from payouts.runs.difference import previous_run
from payouts.runs.models import Payout, PayoutRun, RunKind
from payouts.runs.states import PAYOUT, RUN, SkipCode
from payouts.sellers.models import Seller


class NothingToPay(Refusal):
    code = "nothing_to_pay"
    sentence = "Nobody can be paid on {on}: {skipped} sellers would be skipped. The dry run says why, seller by seller."


class RunBeingBuilt(Refusal):
    code = "run_being_built"
    sentence = "Another run is being built at this moment. Look at it first; then build what it left."


class NotPayable(Refusal):
    code = "not_payable"
    sentence = "This seller cannot be paid in {currency} now: {why}."


@composable
def build_run(
    *, on: date, actor: Actor, key: str, at: datetime, currency: str | None = None, all_schedules: bool = False
) -> PayoutRun:
    """Take aside what every due seller has available, freeze the lines, and ask another person for approval.

    The same key answers the same run. `all_schedules` pays everybody with money except those paid on request. Events: payout_run.built, and
    payout.created per payout of a partner's seller. Refuses: NothingToPay, RunBeingBuilt, RunDayTooFar, SellersAreBusy.
    """
    asked = {"on": on, "currency": currency, "all_schedules": all_schedules, "actor": str(actor)}
    earlier = idempotency.recall(scope="build_run", key=key, content=asked)
    if earlier.outcome:
        return PayoutRun.objects.get(public_id=earlier.outcome)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('payouts.build_run'))")
        if not cursor.fetchone()[0]:
            raise RunBeingBuilt()

    kind = RunKind.CATCH_UP if all_schedules else RunKind.SCHEDULED
    run = _build(on=on, actor=actor, at=at, kind=kind, currency=currency)
    earlier.keep(run.public_id)
    return run


@composable
def build_payout(*, seller_id: int, currency: str, actor: Actor, key: str, at: datetime) -> Payout:
    """Build a run of one payout for a seller on request, whatever his schedule; it needs approval like any other.

    Refuses: NotPayable with the skip code among its facts, SellersAreBusy, NotFound.
    """
    if not Seller.objects.filter(pk=seller_id).exists():
        raise NotFound(what="seller", ref=seller_id)
    earlier = idempotency.recall(
        scope="build_payout", key=key, content={"seller": seller_id, "currency": currency, "actor": str(actor)}
    )
    if earlier.outcome:
        return Payout.objects.select_related("run").get(public_id=earlier.outcome)

    try:
        run = _build(on=at.date(), actor=actor, at=at, kind=RunKind.SINGLE, currency=currency, seller_ids=[seller_id])
    except NothingToPay:
        raise _why_not(seller_id, currency, at) from None
    payout = Payout.objects.select_related("run").get(run=run)
    earlier.keep(payout.public_id)
    return payout


def _why_not(seller_id: int, currency: str, at: datetime) -> NotPayable:
    found = list(planning.rows(on=at.date(), at=at, currency=currency, seller_ids=[seller_id], on_request=True))
    code = found[0].code if found and found[0].code else SkipCode.NOTHING_AVAILABLE
    return NotPayable(
        currency=currency, why=SkipCode(code).label, skip_code=str(code), next_on=found[0].next_on if found else None
    )


def _build(
    *, on: date, actor: Actor, at: datetime, kind: str, currency: str | None, seller_ids: Sequence[int] | None = None
) -> PayoutRun:
    currency = currency or None
    with booking.patient():
        sellers = _sellers_with_money(currency, seller_ids)
        with booking.reading_whole(sellers):
            codes = ["seller.available", "seller.in_payout"]
            booking.lock_accounts_of("SELECT seller_id FROM run_sellers", {}, codes=codes, currency=currency)
            _plan(on=on, at=at, kind=kind, currency=currency, seller_ids=seller_ids)
        _refuse_empty(on)

        run = PayoutRun.objects.create(
            run_on=on,
            currency=currency or "",
            kind=kind,
            maker=str(actor),
            previous=None if kind == RunKind.SINGLE else previous_run(currency=currency or ""),
            built_at=at,
            expires_at=at + timedelta(days=settings.APPROVAL_LIFETIME_DAYS),
        )
        _book(actor, at)
        _insert(run, at)
        with booking.reading_whole(sellers):
            _finish(run, actor, at)
    return run


def _sellers_with_money(currency: str | None, seller_ids: Sequence[int] | None) -> int:
    """Note every seller who has money and is to be locked; who earns his first cent after this moment is in the next run. Return how many."""
    with_money = f"""
        SELECT a.holder_id FROM payouts_account a JOIN payouts_balance b ON b.account_id = a.id
         WHERE a.code = 'seller.available' AND a.holder = '' AND b.amount_minor < 0
           AND (%(currency)s::text IS NULL OR a.currency = %(currency)s)
           {"AND a.holder_id = ANY(%(sellers)s)" if seller_ids is not None else ""}"""  # noqa: S608 - own text
    params: dict[str, Any] = {"currency": currency, "sellers": list(seller_ids) if seller_ids is not None else None}
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.run_sellers, pg_temp.run_plan, pg_temp.run_draft, pg_temp.run_booking")
        cursor.execute("CREATE TEMP TABLE run_sellers (seller_id bigint PRIMARY KEY) ON COMMIT DROP")
        cursor.execute(f"INSERT INTO run_sellers SELECT DISTINCT holder_id FROM ({with_money}) AS w", params)  # noqa: S608 - own text
        found = cursor.rowcount
        cursor.execute("ANALYZE run_sellers")
    return found


def _plan(*, on: date, at: datetime, kind: str, currency: str | None, seller_ids: Sequence[int] | None) -> None:
    """Decide inside the locks, from a fresh snapshot, into a table of this transaction; then number the payouts to be."""
    select, params = planning.statement(
        on=on,
        at=at,
        currency=currency,
        seller_ids=seller_ids,
        all_schedules=kind == RunKind.CATCH_UP,
        on_request=kind == RunKind.SINGLE,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""CREATE TEMP TABLE run_plan ON COMMIT DROP AS
                SELECT p.* FROM ({select}) AS p
                 WHERE p.code <> '' OR EXISTS (SELECT 1 FROM run_sellers l WHERE l.seller_id = p.seller_id)""",  # noqa: S608 - own text
            params,
        )
        cursor.execute("SELECT count(*) FROM run_plan WHERE code = ''")
        ids = new_ids("pay", cursor.fetchone()[0])
        cursor.execute(
            """CREATE TEMP TABLE run_draft ON COMMIT DROP AS
               SELECT nextval('payouts_payout_id_seq') AS payout_id, u.public_id, p.*
                 FROM (SELECT row_number() OVER (ORDER BY seller_id, currency) AS n, seller_id, currency, amount_minor, payee_account_id,
                              rail, account_id, lines_after, lines_upto, brought_forward FROM run_plan WHERE code = '') AS p
                 JOIN unnest(%(ids)s::text[]) WITH ORDINALITY AS u(public_id, n) USING (n)
                ORDER BY n""",
            # as one literal: a list of 100,000 costs ten times as long to send
            {"ids": "{" + ",".join(ids) + "}"},
        )
        cursor.execute("CREATE TEMP TABLE run_booking (payout_id bigint, posting_id bigint) ON COMMIT DROP")
        cursor.execute("ANALYZE run_draft")


def _refuse_empty(on: date) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT (SELECT count(*) FROM run_draft), (SELECT count(*) FROM run_plan)")
        payouts, planned = cursor.fetchone()
    if not payouts:
        raise NothingToPay(on=on, skipped=planned)


def _book(actor: Actor, at: datetime) -> None:
    booking.post_payouts(
        template="payout_built",
        select="""SELECT payout_id, public_id AS key, seller_id, currency, amount_minor AS available, -amount_minor AS in_payout, 0::bigint AS debt
                    FROM run_draft""",
        params={},
        actor=actor,
        at=at,
        into="run_booking",
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE run_booking")


def _insert(run: PayoutRun, at: datetime) -> None:
    """Write the payouts, each with its own booking; a trigger adds up their lines. Then the sellers who were skipped."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO payouts_payout (
                   id, public_id, run_id, seller_id, payee_account_id, currency, amount_minor, rail, instant, status, status_code,
                   status_reason, available_account_id, lines_after_entry_id, lines_upto_entry_id, built_entry_id, brought_forward_minor,
                   carried_forward_minor, maker, checker, reference, built_at, changed_at)
               SELECT d.payout_id, d.public_id, %(run)s, d.seller_id, d.payee_account_id, d.currency, d.amount_minor, d.rail, false,
                      'needs_approval', '', '', d.account_id, d.lines_after, d.lines_upto, e.id, d.brought_forward,
                      0, %(maker)s, '', 'PAYOUT ' || upper(split_part(d.public_id, '_', 2)), %(at)s, %(at)s
                 FROM run_draft d JOIN run_booking b USING (payout_id)
                 JOIN payouts_entry e ON e.posting_id = b.posting_id AND e.position = 0
                ORDER BY d.payout_id""",
            {"run": run.pk, "maker": run.maker, "at": at},
        )
        cursor.execute(
            """INSERT INTO payouts_runskip (run_id, seller_id, currency, amount_minor, code, next_on)
               SELECT %(run)s, seller_id, currency, amount_minor, code, next_on FROM run_plan WHERE code <> ''
                ORDER BY seller_id, currency""",
            {"run": run.pk},
        )
        run.skipped_count = cursor.rowcount


def _finish(run: PayoutRun, actor: Actor, at: datetime) -> None:
    run.payouts_count, run.totals = content.counts_and_totals(run)
    run.content_hash = content.content_hash(run)
    run.save()
    born(RUN, run, actor=actor, at=at)
    born_set(PAYOUT, "SELECT payout_id FROM run_draft", {}, actor=actor, at=at)
    content.ask_for_approval(run, maker=actor, at=at)
    audit.record(actor, "build_run", run.public_id, at, facts={"payouts": run.payouts_count, "totals": run.totals})

    outbox.tell("payout_run.built", subject=run.public_id, payload={"payouts": run.payouts_count, "totals": run.totals}, at=at)
    outbox.tell_set("payout.created", PARTNER_PAYOUTS + " AND p.run_id = %(run)s", {"run": run.pk}, at=at)


# One event per payout of a seller that belongs to a partner; nobody else is told one by one.
PARTNER_PAYOUTS = """
    SELECT p.public_id, jsonb_build_object('seller', s.public_id, 'amount_minor', p.amount_minor, 'currency', p.currency,
                                           'status', p.status, 'code', p.status_code), s.partner_id
      FROM payouts_payout p JOIN payouts_seller s ON s.id = p.seller_id
     WHERE s.partner_id IS NOT NULL"""
