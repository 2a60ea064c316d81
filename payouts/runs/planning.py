"""Who would be paid, how much, and why not: one statement for the dry run, the build and a single seller's question.

Order of the reasons, the first that holds is given: paused_by_staff, seller_not_active, not_assessed, requirements_past_due,
tax_data_missing, requirements_due, requirements_pending, on_hold, payout_open, negative_balance,
nothing_available, books_disagree, no_payee_account, payee_not_usable, name_check_failed, payee_cooling_off, no_rail, below_minimum,
manual_schedule, not_scheduled_today. What only a person can mend comes before what time mends, the schedule comes last: a seller without a
payee account is shown as such on every day of the week.

A schedule catches up: a seller is due when one of his days lies after the run of his last payout (or on or after the day he was created, or
his first money became available if that was earlier, as with sellers brought from elsewhere) and not after the day of the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction

from backoffice.kit.errors import InputError
from payouts.runs.difference import Difference, difference_from, previous_run
from payouts.runs.states import OPEN_STATES

DAYS_AHEAD_MAX = 62
_SERVED = [*OPEN_STATES, "paid"]
# Rails that take nothing but an IBAN; others take what the sandbox takes.
_IBAN_RAILS = ["sepa"]
# What compliance may say of a seller ('' is nothing against it); a code nobody here knows counts as not assessed.
_REQUIREMENT_CODES = ["", "requirements_past_due", "tax_data_missing", "requirements_due", "requirements_pending"]


class RunDayTooFar(InputError):
    code = "run_day_too_far"
    sentence = "A run can be planned at most {days} days ahead; {on} is later than that."


class PlanRow(NamedTuple):
    """One seller and currency: paid `amount_minor` when `code` is '', otherwise skipped with what stands there and the next day, where known."""

    seller_id: int
    seller: str
    external_id: str
    legal_name: str
    currency: str
    amount_minor: int
    payee_account_id: int | None
    payee: str
    rail: str
    code: str
    next_on: date | None


@dataclass
class Plan:
    """What a run would do on a day; nothing is written."""

    on: date
    currency: str
    payouts: list[PlanRow] = field(default_factory=list)
    skipped: list[PlanRow] = field(default_factory=list)
    difference: Difference | None = None

    @property
    def totals(self) -> dict[str, int]:
        """Minor units by currency."""
        sums: dict[str, int] = {}
        for row in self.payouts:
            sums[row.currency] = sums.get(row.currency, 0) + row.amount_minor
        return dict(sorted(sums.items()))

    @property
    def skipped_by_code(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for row in self.skipped:
            counts[row.code] = counts.get(row.code, 0) + 1
        return dict(sorted(counts.items(), key=lambda pair: -pair[1]))


def plan_run(*, on: date, at: datetime, currency: str | None = None, all_schedules: bool = False) -> Plan:
    """Tell what a run on this day would pay and skip, with the difference from the run before it. Refuses: RunDayTooFar."""
    plan = Plan(on=on, currency=currency or "")
    # a cool-off that ends before the day of the run does not stop it
    moment = max(at, datetime.combine(on, time.min, UTC))
    with transaction.atomic():
        with connection.cursor() as cursor:
            # compiling a statement of this size costs more than running it
            cursor.execute("SET LOCAL jit = off")
        for row in rows(on=on, at=at, moment=moment, currency=currency, all_schedules=all_schedules):
            (plan.skipped if row.code else plan.payouts).append(row)
    plan.difference = difference_from(previous_run(currency=currency or ""), plan.payouts)
    return plan


def rows(
    *,
    on: date,
    at: datetime,
    moment: datetime | None = None,
    currency: str | None = None,
    seller_ids: Sequence[int] | None = None,
    all_schedules: bool = False,
    on_request: bool = False,
) -> Iterator[PlanRow]:
    """Yield one row per seller and currency, by seller; `on_request` leaves the schedule aside."""
    select, params = statement(
        on=on,
        at=at,
        moment=moment,
        currency=currency,
        seller_ids=seller_ids,
        all_schedules=all_schedules,
        on_request=on_request,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT seller_id, seller, external_id, legal_name, currency, amount_minor, payee_account_id, payee, rail, code, next_on
                  FROM ({select}) AS planned ORDER BY seller_id, currency""",  # noqa: S608 - composed of this module's own text
            params,
        )
        while chunk := cursor.fetchmany(5_000):
            yield from map(PlanRow._make, chunk)


def statement(
    *,
    on: date,
    at: datetime,
    moment: datetime | None = None,
    currency: str | None = None,
    seller_ids: Sequence[int] | None = None,
    all_schedules: bool = False,
    on_request: bool = False,
) -> tuple[str, dict[str, Any]]:
    """Return the one statement that decides, with its parameters; the build inserts from it what it has locked."""
    if (on - at.date()).days > DAYS_AHEAD_MAX:
        raise RunDayTooFar(on=on, days=DAYS_AHEAD_MAX)
    currency = currency or None
    only_currency = "AND coalesce(a.currency, s.currency) = %(currency)s" if currency else ""
    only_sellers = "AND s.id = ANY(%(sellers)s)" if seller_ids is not None else _WHO_MAY_BE_OWED
    earnings_of = "AND g.seller_id = ANY(%(sellers)s)" if seller_ids is not None else ""
    params = {
        "on": on,
        "moment": moment or at,
        "currency": currency,
        "sellers": list(seller_ids) if seller_ids is not None else None,
        "any_day": all_schedules or on_request,
        "on_request": on_request,
        "open": [str(state) for state in OPEN_STATES],
        "served": [str(state) for state in _SERVED],
        "rail_currencies": list(settings.RAIL_BY_CURRENCY),
        "rails": list(settings.RAIL_BY_CURRENCY.values()),
        "default_rail": settings.DEFAULT_RAIL,
        "iban_rails": _IBAN_RAILS,
        "requirement_codes": _REQUIREMENT_CODES,
    }
    return _STATEMENT.format(only_currency=only_currency, only_sellers=only_sellers, earnings_of=earnings_of), params


# A shop that is owed nothing is skipped by name; consumers come once, and every one there ever was would stand in every run.
_WHO_MAY_BE_OWED = "AND (s.entity_type <> 'consumer' OR coalesce(b.amount_minor, 0) <> 0)"
_STATEMENT = """
WITH rails AS (SELECT * FROM unnest(%(rail_currencies)s::text[], %(rails)s::text[]) AS r(currency, rail)),
pauses AS MATERIALIZED (
    SELECT seller_id, currency, CASE WHEN bool_and(release_at IS NOT NULL) THEN (max(release_at) AT TIME ZONE 'UTC')::date + 1 END AS ends_on
      FROM payouts_hold WHERE kind = 'pause' AND state = 'active' GROUP BY 1, 2),
maturing AS MATERIALIZED (
    SELECT g.seller_id, g.currency, (min(g.available_at) AT TIME ZONE 'UTC')::date + 1 AS first_on
      FROM (SELECT seller_id, currency, available_at FROM payouts_earning g WHERE g.pending_minor > 0 {earnings_of}
             UNION ALL
            SELECT consumer_id, currency, available_at FROM payouts_tradein WHERE pending_minor > 0) g
     GROUP BY 1, 2),
facts AS (
    SELECT s.id AS seller_id, c.pay_out_code AS requirements_code, c.pay_out_ends_at AS requirements_end_at, c.pay_out_ends_code AS requirements_end_code, s.public_id AS seller, s.external_id, s.legal_name, s.entity_type, s.status, s.country, s.schedule,
           s.schedule_day::int AS day, (s.created_at AT TIME ZONE 'UTC')::date AS created_on,
           coalesce(a.currency, s.currency) AS currency, a.id AS account_id, coalesce(-b.amount_minor, 0) AS available,
           latest.status AS latest_status, coalesce(latest.built_entry_id, 0) AS lines_after,
           coalesce(latest.carried_forward_minor, 0) AS brought_forward,
           CASE WHEN latest.status IS NULL OR latest.status = ANY(%(served)s) THEN latest.run_on ELSE served.run_on END AS served_on
      FROM payouts_seller s
      LEFT JOIN payouts_sellercapabilities c ON c.seller_id = s.id
      LEFT JOIN payouts_account a ON a.code = 'seller.available' AND a.holder_id = s.id AND a.holder = ''
      LEFT JOIN payouts_balance b ON b.account_id = a.id
      LEFT JOIN LATERAL (
           SELECT q.status, q.built_entry_id, q.carried_forward_minor, r.run_on
             FROM payouts_payout q LEFT JOIN payouts_payoutrun r ON r.id = q.run_id
            WHERE q.available_account_id = a.id ORDER BY q.lines_after_entry_id DESC LIMIT 1) latest ON true
      LEFT JOIN LATERAL (
           SELECT r.run_on FROM payouts_payout q JOIN payouts_payoutrun r ON r.id = q.run_id
            WHERE latest.status <> ALL(%(served)s) AND q.available_account_id = a.id AND q.status = ANY(%(served)s)
            ORDER BY q.lines_after_entry_id DESC LIMIT 1) served ON true
     WHERE true {only_currency} {only_sellers}),
bases AS (
    -- the last day that is behind the seller: the day of his last payout's run, else the day before he began
    SELECT f.*, coalesce(f.served_on, least(f.created_on, old.first_on) - 1) AS base_on
      FROM facts f
      LEFT JOIN LATERAL (
           SELECT (min(g.available_at) AT TIME ZONE 'UTC')::date AS first_on FROM payouts_earning g
            WHERE f.served_on IS NULL AND f.available > 0 AND payout_day_on_or_before(f.schedule, f.day, %(on)s) < f.created_on
              AND g.seller_id = f.seller_id AND g.currency = f.currency) old ON true),
joined AS (
    SELECT f.*, p.id AS payee_account_id, p.status AS payee_status, p.name_check, p.cool_off_until,
           CASE WHEN p.id IS NULL THEN ''
                ELSE (CASE WHEN p.kind = 'iban' THEN p.country ELSE 'US' END) || ' •••• ' || p.last4 END AS payee,
           CASE WHEN coalesce(r.rail, %(default_rail)s) = ANY(%(iban_rails)s::text[]) AND p.kind <> 'iban'
                THEN %(default_rail)s ELSE coalesce(r.rail, %(default_rail)s) END AS rail,
           -- a consumer sells one device and may never come back: whatever it is, it is paid
           CASE f.entity_type WHEN 'consumer' THEN 1 ELSE greatest(1, m_any.amount_minor, m_own.amount_minor) END AS minimum,
           pause_all.seller_id IS NOT NULL OR pause_own.seller_id IS NOT NULL AS is_paused,
           CASE WHEN pause_all.seller_id IS NULL THEN pause_own.ends_on WHEN pause_own.seller_id IS NULL THEN pause_all.ends_on
                WHEN pause_all.ends_on IS NOT NULL AND pause_own.ends_on IS NOT NULL
                THEN greatest(pause_all.ends_on, pause_own.ends_on) END AS pause_ends_on,
           maturing.first_on AS maturing_on, coalesce(debt.amount_minor, 0) AS debt, coalesce(-promised.amount_minor, 0) AS in_payout,
           lines.upto AS lines_upto, coalesce(lines.total, 0) + f.brought_forward AS lines_total,
           payout_day_on_or_before(f.schedule, f.day, %(on)s) > f.base_on AS is_due
      FROM bases f
      LEFT JOIN payouts_payeeaccount p ON p.seller_id = f.seller_id AND p.currency = f.currency AND p.status <> 'superseded'
      LEFT JOIN rails r ON r.currency = f.currency
      LEFT JOIN payouts_minimumpayout m_any ON m_any.currency = f.currency AND m_any.country = ''
      LEFT JOIN payouts_minimumpayout m_own ON m_own.currency = f.currency AND m_own.country = f.country
      LEFT JOIN pauses pause_all ON pause_all.seller_id = f.seller_id AND pause_all.currency = ''
      LEFT JOIN pauses pause_own ON pause_own.seller_id = f.seller_id AND pause_own.currency = f.currency
      LEFT JOIN maturing ON maturing.seller_id = f.seller_id AND maturing.currency = f.currency
      LEFT JOIN (payouts_account da JOIN payouts_balance debt ON debt.account_id = da.id)
             ON da.code = 'receivable.seller_debt' AND da.holder_id = f.seller_id AND da.holder = '' AND da.currency = f.currency
      LEFT JOIN (payouts_account ia JOIN payouts_balance promised ON promised.account_id = ia.id)
             ON ia.code = 'seller.in_payout' AND ia.holder_id = f.seller_id AND ia.holder = '' AND ia.currency = f.currency
      LEFT JOIN LATERAL (
           SELECT (-sum(e.amount_minor))::bigint AS total, max(e.id) AS upto FROM payouts_entry e
            WHERE f.available > 0 AND coalesce(f.latest_status <> ALL(%(open)s), true)
              AND e.account_id = f.account_id AND e.id > f.lines_after) lines ON true),
judged AS (
    SELECT j.*, CASE
        WHEN status = 'paused' THEN 'paused_by_staff'
        WHEN status IN ('blocked', 'closed') OR (status <> 'active' AND requirements_code = '') THEN 'seller_not_active'
        WHEN requirements_code IS NULL OR requirements_code <> ALL(%(requirement_codes)s::text[]) THEN 'not_assessed'
        WHEN requirements_code = 'requirements_past_due' THEN 'requirements_past_due'
        WHEN requirements_end_at <= %(moment)s THEN requirements_end_code
        WHEN requirements_code = 'tax_data_missing' THEN 'tax_data_missing'
        WHEN requirements_code = 'requirements_due' THEN 'requirements_due'
        WHEN requirements_code = 'requirements_pending' THEN 'requirements_pending'
        WHEN is_paused THEN 'on_hold'
        WHEN latest_status = ANY(%(open)s) THEN 'payout_open'
        WHEN available < 0 OR debt > 0 THEN 'negative_balance'
        WHEN available = 0 THEN 'nothing_available'
        WHEN lines_total <> available OR in_payout <> 0 THEN 'books_disagree'
        WHEN payee_account_id IS NULL THEN 'no_payee_account'
        WHEN payee_status <> 'active' THEN 'payee_not_usable'
        WHEN name_check = 'no_match' THEN 'name_check_failed'
        WHEN cool_off_until > %(moment)s THEN 'payee_cooling_off'
        WHEN coalesce(rail, '') = '' THEN 'no_rail'
        WHEN available < minimum THEN 'below_minimum'
        WHEN schedule = 'manual' AND NOT %(on_request)s THEN 'manual_schedule'
        WHEN NOT (%(any_day)s OR is_due) THEN 'not_scheduled_today'
        ELSE '' END AS code
      FROM joined j),
dated AS (
    -- the first day on which the reason is over, as far as time ends it
    SELECT judged.*, CASE code
        WHEN 'on_hold' THEN pause_ends_on
        WHEN 'payee_cooling_off' THEN (cool_off_until AT TIME ZONE 'UTC')::date + 1
        WHEN 'nothing_available' THEN maturing_on
        WHEN 'below_minimum' THEN %(on)s + 1
        WHEN 'not_scheduled_today' THEN %(on)s + 1 END AS over_on
      FROM judged)
SELECT seller_id, seller, external_id, legal_name, currency, available AS amount_minor, payee_account_id, payee,
       CASE WHEN code = '' THEN rail ELSE '' END AS rail, code, account_id, lines_after, lines_upto, brought_forward,
       CASE WHEN schedule = 'manual' OR code = '' OR over_on IS NULL THEN NULL
            WHEN code <> 'below_minimum' AND payout_day_on_or_before(schedule, day, greatest(over_on, %(on)s + 1)) > base_on
            THEN greatest(over_on, %(on)s + 1)
            ELSE payout_day_on_or_after(schedule, day, greatest(over_on, %(on)s + 1)) END AS next_on
  FROM dated
"""
