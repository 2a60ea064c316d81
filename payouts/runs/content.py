"""What an approval of a run is bound to, what the approver is shown, and who may not be the approver."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from backoffice.kit.actors import Actor
from backoffice.kit.approvals import Approval, request_approval
from backoffice.kit.invariants import rows_of
from payouts.runs.difference import run_difference
from payouts.runs.models import PayoutRun, RunKind

ACTION = "payout_run"
# Who changed where or whether sellers of the run are paid within these days may not approve it.
BARRED_DAYS = 30


def content_hash(run: PayoutRun) -> str:
    """Return the SHA-256 over the run's payouts that are not taken out, in order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT payout_run_content_hash(%s)", [run.pk])
        return str(cursor.fetchone()[0])


def counts_and_totals(run: PayoutRun) -> tuple[int, dict[str, int]]:
    """Return how many payouts the run has that are not taken out, and their sums in minor units by currency."""
    found = rows_of(
        """SELECT currency, count(*) AS n, sum(amount_minor)::bigint AS total FROM payouts_payout
            WHERE run_id = %(run)s AND status NOT IN ('canceled', 'denied', 'expired') GROUP BY 1 ORDER BY 1""",
        {"run": run.pk},
    )
    return sum(row["n"] for row in found), {row["currency"]: row["total"] for row in found}


def ask_for_approval(run: PayoutRun, *, maker: Actor, at: datetime, barred: dict[str, str] | None = None) -> Approval:
    """Request a second person for the run as it stands, showing counts, totals and the difference from the run before."""
    payouts, totals = counts_and_totals(run)
    difference = run_difference(run) if run.kind != RunKind.SINGLE else None
    shown: dict[str, Any] = {
        "run_on": run.run_on.isoformat(),
        "payouts": payouts,
        "skipped": run.skipped_count,
        "totals": totals,
        "difference": {"previous": difference.previous, **difference.counts} if difference else None,
    }
    return request_approval(
        action=ACTION,
        subject=run.public_id,
        content_hash=run.content_hash,
        shown=shown,
        maker=maker,
        at=at,
        barred=barred_from(run, at=at) | (barred or {}),
    )


def shown_payouts(run: PayoutRun) -> int:
    """Return how many payouts the last request for approval showed."""
    asked = Approval.objects.filter(action=ACTION, subject=run.public_id).order_by("-pk").first()
    return int(asked.shown["payouts"]) if asked else run.payouts_count


def barred_from(run: PayoutRun, *, at: datetime) -> dict[str, str]:
    """Return {actor: why} of the people who lately decided where or whether sellers of this run are paid.

    A payee account counts when it replaced another or was entered after the seller: accounts that came with their seller, as in an import, are
    nobody's change. So does saying that it can be used after all, and recording that its holder's name fits. A hold counts while it is live, and when it was released lately.
    """
    found = rows_of(
        """WITH paid AS (SELECT seller_id, currency, payee_account_id FROM payouts_payout
                          WHERE run_id = %(run)s AND status NOT IN ('canceled', 'denied', 'expired'))
           SELECT a.created_by AS actor, 'the payee account of ' || min(s.public_id) AS what, count(*) AS n
             FROM paid p JOIN payouts_payeeaccount a ON a.id = p.payee_account_id JOIN payouts_seller s ON s.id = a.seller_id
            WHERE a.created_by LIKE 'staff:%%' AND a.created_at > %(since)s AND (a.version > 1 OR a.created_at <> s.created_at)
            GROUP BY 1
           UNION ALL
           SELECT v.actor, v.what || min(s.public_id), count(DISTINCT a.id)
             FROM paid p JOIN payouts_payeeaccount a ON a.id = p.payee_account_id
                  AND (a.reactivated_by LIKE 'staff:%%' OR a.name_checked_by LIKE 'staff:%%')
             JOIN payouts_seller s ON s.id = a.seller_id
             CROSS JOIN LATERAL (VALUES (a.reactivated_by, a.reactivated_at, 'the use again of the payee account of '),
                                        (a.name_checked_by, a.name_checked_at, 'the name check of the payee account of ')) AS v(actor, at, what)
            WHERE v.actor LIKE 'staff:%%' AND v.at > %(since)s
            GROUP BY v.actor, v.what
           UNION ALL
           SELECT h.changed_by, 'a hold of ' || min(s.public_id), count(DISTINCT h.seller_id)
             FROM paid p JOIN payouts_hold h ON h.seller_id = p.seller_id AND h.currency IN ('', p.currency)
             JOIN payouts_seller s ON s.id = h.seller_id
            WHERE h.changed_by LIKE 'staff:%%' AND (h.state = 'active' OR h.released_at > %(since)s)
            GROUP BY 1""",
        {"run": run.pk, "since": at - timedelta(days=BARRED_DAYS)},
    )
    return {row["actor"]: row["what"] + (f" and {row['n'] - 1} more" if row["n"] > 1 else "") for row in reversed(found)}


def needs_step_up(totals: dict[str, int]) -> dict[str, int]:
    """Return the totals whose approval asks the approver to type them."""
    limit = settings.STEP_UP_LIMIT_MINOR
    return {currency: total for currency, total in totals.items() if limit and total > limit}
