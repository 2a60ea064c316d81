"""The locks of this room, in the one order: sellers by id, their balances by account, the run, its payouts by id."""

from __future__ import annotations

from backoffice.kit.errors import NotFound
from backoffice.kit.invariants import rows_of
from payouts.runs.booking import lock_accounts_of
from payouts.runs.models import Payout, PayoutRun

CODES = ["seller.available", "seller.in_payout", "receivable.seller_debt"]


def lock_run(run_id: int, *, codes: list[str] = CODES) -> PayoutRun:
    """Lock a run with everything it pays until the transaction ends; without `codes` the balances stay free. Refuses: NotFound."""
    lock_accounts_of("SELECT seller_id FROM payouts_payout WHERE run_id = %(run)s", {"run": run_id}, codes=codes)
    run = PayoutRun.objects.select_for_update().filter(pk=run_id).first()
    if run is None:
        raise NotFound(what="payout run", ref=run_id)
    rows_of(
        """WITH locked AS MATERIALIZED (SELECT id FROM payouts_payout WHERE run_id = %(run)s ORDER BY id FOR UPDATE)
           SELECT count(*) FROM locked""",
        {"run": run_id},
    )
    return run


def payouts_in(run_id: int) -> int:
    """Return how many payouts a run was built with; 0 where there is none."""
    return PayoutRun.objects.filter(pk=run_id).values_list("payouts_count", flat=True).first() or 0


def lock_payout(payout_id: int) -> Payout:
    """Lock a payout's seller, his balances and the payout. Refuses: NotFound."""
    lock_accounts_of("SELECT seller_id FROM payouts_payout WHERE id = %(payout)s", {"payout": payout_id}, codes=CODES)
    payout = Payout.objects.select_for_update().filter(pk=payout_id).first()
    if payout is None:
        raise NotFound(what="payout", ref=payout_id)
    return payout
