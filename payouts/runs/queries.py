"""Questions about runs and payouts: the frozen lines, their summary, a seller's eligibility, look-ups."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from django.db import connection

from backoffice.kit.errors import NotFound
from backoffice.kit.invariants import rows_of
from backoffice.kit.money import Money
from payouts.earnings.models import EarningKind
from payouts.runs.difference import Difference, previous_run, run_difference
from payouts.runs.models import Payout, PayoutRun, RunSkip
from payouts.runs.planning import PlanRow, rows
from payouts.runs.states import SkipCode

__all__ = ["Difference", "PayoutLine", "eligibility", "find_payout", "find_run", "lines_total", "payout_lines", "previous_run",
           "run_difference", "skips_by_code", "summary_of"]  # fmt: skip

# What a line is when it comes from no earning; the seller reads the second column.
_TEXTS = {
    "hold": "Set aside by a hold",
    "reserve": "Set aside by a reserve",
    "release": "Released from a hold or reserve",
    "payout_canceled": "Carried over from a payout that was cancelled",
    "payout_bounced": "Carried over from a payout that came back",
    "adjustment": "Correction",
    "write_off": "Written off",
    "reversal": "Correction of an earlier line",
    "invoice_collected_from_balance": "Invoice paid from your balance",
    "credit_note_issued": "Given back by a credit note",
    "trade_in": "Trade-in",
    "trade_in_matured": "Trade-in",
    "trade_in_withdrawn": "Trade-in taken back",
    "brought_forward": "Brought forward from the previous payout",
    "carried_forward": "Carried forward to the next payout",
}
_KIND_LABELS = dict(EarningKind.choices) | {kind: text.lower() for kind, text in _TEXTS.items()}


class PayoutLine(NamedTuple):
    """One line of a payout; minor units, signed from the seller's view. `amount_minor` is what the line adds to the payout.

    `gross_minor`, `fee_minor` and `net_minor` are the earning's own; the amount is less than the net where a part of the earning was refunded,
    reserved, or used for a debt before it became available.
    """

    line_no: int
    entry_id: int
    kind: str
    text: str
    order_ref: str
    external_id: str
    occurred_at: datetime | None
    gross_minor: int | None
    fee_minor: int | None
    net_minor: int | None
    amount_minor: int
    currency: str
    source: str
    recorded_at: datetime


def payout_lines(payout: Payout, *, after_line: int = 0, limit: int | None = None) -> list[PayoutLine]:
    """Return a payout's frozen lines in the order they were booked; their amounts add up to the payout's.

    `after_line` and `limit` page through them by line number.
    """
    params = {
        "account": payout.available_account_id,
        "after": payout.lines_after_entry_id,
        "upto": payout.lines_upto_entry_id,
        "built": payout.built_entry_id,
        "brought": payout.brought_forward_minor,
        "carried": -payout.carried_forward_minor,
        "built_at": payout.built_at,
        "after_line": after_line,
        "limit": limit,
    }
    found = rows_of(_LINES + ("LIMIT %(limit)s" if limit is not None else ""), params)
    return [_line(payout.currency, row) for row in found]


_LINES = """
WITH movements AS (
    SELECT %(after)s::bigint AS entry_id, 'brought_forward' AS template, '' AS source_kind, 0::bigint AS source_id, ''::text AS reason,
           %(built_at)s::timestamptz AS recorded_at, %(brought)s::bigint AS amount_minor
     WHERE %(brought)s <> 0
    UNION ALL
    SELECT e.id, p.template, p.source_kind, p.source_id, p.reason, p.recorded_at, -e.amount_minor
      FROM payouts_entry e JOIN payouts_posting p ON p.id = e.posting_id
     WHERE e.account_id = %(account)s AND e.id > %(after)s AND e.id <= %(upto)s
    UNION ALL
    SELECT %(built)s::bigint, 'carried_forward', '', 0, '', %(built_at)s, %(carried)s::bigint WHERE %(carried)s <> 0),
numbered AS (SELECT row_number() OVER (ORDER BY entry_id) AS line_no, * FROM movements)
SELECT n.line_no, n.entry_id, n.template, n.recorded_at, n.amount_minor, n.reason, g.kind AS earning_kind,
       coalesce(g.order_ref, t.order_ref, '') AS order_ref, coalesce(g.external_id, t.external_id, '') AS external_id,
       coalesce(g.occurred_at, t.accepted_at) AS occurred_at, g.gross_minor, g.fee_minor,
       g.net_minor, coalesce(g.public_id, h.public_id, q.public_id, t.public_id, '') AS source,
       coalesce(h.seller_text, t.device, '') AS seller_text,
       coalesce(q.reference, '') AS reference
  FROM numbered n
  LEFT JOIN payouts_earning g ON n.source_kind = 'earning' AND g.id = n.source_id
  LEFT JOIN payouts_hold h ON n.source_kind = 'hold' AND h.id = n.source_id
  LEFT JOIN payouts_payout q ON n.source_kind = 'payout' AND q.id = n.source_id
  LEFT JOIN payouts_tradein t ON n.source_kind = 'trade_in' AND t.id = n.source_id
 WHERE n.line_no > %(after_line)s
 ORDER BY n.line_no
"""


def _line(currency: str, row: dict[str, Any]) -> PayoutLine:
    template, earning_kind = row.pop("template"), row.pop("earning_kind")
    reason, seller_text, reference = row.pop("reason"), row.pop("seller_text"), row.pop("reference")
    kind = template if earning_kind is None or template in _TEXTS else earning_kind
    text = _TEXTS.get(template) or _KIND_LABELS.get(kind, kind).capitalize()
    if reference:
        text += f": {reference}"
    elif seller_text or template in ("adjustment", "write_off", "invoice_collected_from_balance", "credit_note_issued"):
        text += f": {seller_text or reason}".removesuffix(": ")
    elif earning_kind is not None and row["amount_minor"] != row["net_minor"]:
        # the rest went another way: refunded while pending, reserved, or used for a debt
        part, whole = (Money(row[name], currency).decimal() for name in ("amount_minor", "net_minor"))
        text += f" ({part} of {whole})"
    return PayoutLine(kind=kind, text=text, currency=currency, **row)


def lines_total(lines: Sequence[PayoutLine]) -> int:
    return sum(line.amount_minor for line in lines)


def summary_of(lines: Sequence[PayoutLine]) -> list[dict[str, Any]]:
    """Return one row per kind of line: kind, label, count, amount_minor; they add up to the payout."""
    sums: dict[str, list[int]] = {}
    for line in lines:
        counted = sums.setdefault(line.kind, [0, 0])
        counted[0] += 1
        counted[1] += line.amount_minor
    return [
        {"kind": kind, "label": _KIND_LABELS.get(kind, kind), "count": count, "amount_minor": amount}
        for kind, (count, amount) in sums.items()
    ]


def eligibility(seller_id: int, on: date, at: datetime, *, on_request: bool = False) -> list[PlanRow]:
    """Tell, per currency, what a run on this day would do for one seller: the same statement as the run itself.

    `code` is '' where he would be paid `amount_minor`, else why not, with the next day where time mends it.
    """
    return list(rows(on=on, at=at, seller_ids=[seller_id], on_request=on_request))


def skips_by_code(run: PayoutRun) -> list[dict[str, Any]]:
    """Return how many sellers a run skipped, and with how much available, by code and currency."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT code, currency, count(*), sum(amount_minor)::bigint FROM payouts_runskip WHERE run_id = %s GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2""",
            [run.pk],
        )
        return [
            {"code": code, "label": SkipCode(code).label, "currency": currency, "count": count, "amount_minor": amount}
            for code, currency, count, amount in cursor.fetchall()
        ]


def skips_of(run: PayoutRun, code: str | None = None) -> Any:
    """Return the sellers a run skipped, as a queryset."""
    skips = RunSkip.objects.filter(run=run).select_related("seller").order_by("code", "pk")
    return skips.filter(code=code) if code else skips


def find_run(ref: str) -> PayoutRun:
    """Return a run by its id, or the newest for the word `latest`. Refuses: NotFound."""
    runs = PayoutRun.objects.order_by("-pk")
    run = runs.first() if ref == "latest" else runs.filter(public_id=ref).first()
    if run is None:
        raise NotFound(what="payout run", ref=ref[:60])
    return run


def find_payout(ref: str) -> Payout:
    """Return a payout by its id, or by its reference as a bank statement prints it. Refuses: NotFound."""
    public_id = reference_to_id(ref)
    payout = Payout.objects.select_related("seller", "payee_account", "run").filter(public_id=public_id).first()
    if payout is None:
        raise NotFound(what="payout", ref=ref[:60])
    return payout


def reference_to_id(ref: str) -> str:
    """Return the public id behind a reference such as 'PAYOUT 01KZ…', whatever its case and spaces; other text as it is."""
    packed = "".join(ref.split()).lower()
    return "pay_" + packed.removeprefix("payout") if packed.startswith("payout") else ref
