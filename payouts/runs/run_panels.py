"""What the page of a run shows below its head: difference, totals, progress, payouts, who was skipped, approvals."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Sum
from django.urls import reverse

from backoffice.kit.admin import (
    Column,
    Look,
    Table,
    display,
)
from backoffice.kit.approvals import Approval
from payouts.runs import content, queries
from payouts.runs.models import Payout, PayoutRun, RunSkip
from payouts.runs.states import PayoutStatus
from payouts.sellers.models import Seller

DIFFERENCE_ROWS = 8


def difference(run: PayoutRun, look: Look) -> Table:
    """Compare with the run before: totals, who is new, gone, and whose amount moved far."""
    found = queries.run_difference(run)
    if found is None:
        return Table([Column("Difference")], [], empty="There is no earlier run of this kind to compare with.")
    rows: list[tuple[Any, ...]] = []
    compared = [row for group in (found.new, found.gone, found.changed) for row in group[:DIFFERENCE_ROWS]]
    names = dict(Seller.objects.filter(pk__in=[row.seller_id for row in compared]).values_list("pk", "legal_name"))
    for kind, group in (("new", found.new), ("gone", found.gone), ("changed far", found.changed)):
        for row in group[:DIFFERENCE_ROWS]:
            rows.append(
                (
                    kind,
                    display.anchor(
                        reverse("admin:payouts_seller_change", args=[row.seller_id]), names.get(row.seller_id, row.external_id)
                    ),
                    display.money(row.before_minor, row.currency),
                    display.money(row.after_minor, row.currency),
                    display.money(row.change_minor, row.currency, signed=True),
                )
            )
    counts = found.counts
    note = f"Compared with the run before: {counts['new']:,} new, {counts['gone']:,} gone, {counts['changed']:,} changed far."
    titles = (
        Column("What"),
        Column("Seller"),
        Column("Before", money=True),
        Column("Now", money=True),
        Column("Change", money=True),
    )
    return Table(titles, rows, empty="The same sellers, and no amount moved far.", note=note)


def run_totals(run: PayoutRun, look: Look) -> Table:
    if run.previous is None:
        alone = [(currency, display.money(run.totals[currency], currency)) for currency in sorted(run.totals)]
        return Table([Column("Currency"), Column("This run", money=True)], alone, empty="This run pays nothing.")
    before = run.previous.totals
    rows = [
        (
            currency,
            display.money(run.totals.get(currency, 0), currency),
            display.money(before.get(currency, 0), currency),
            display.money(run.totals.get(currency, 0) - before.get(currency, 0), currency, signed=True),
        )
        for currency in sorted(set(run.totals) | set(before))
    ]
    links = [("Open the run before", display.page_of(run.previous) or "")]
    titles = (Column("Currency"), Column("This run", money=True), Column("Run before", money=True), Column("Change", money=True))
    return Table(titles, rows, empty="This run pays nothing.", links=links)


def progress(run: PayoutRun, look: Look) -> Table:
    """Count the run's payouts by state, each with the way to its rows."""
    counted = (
        run.payouts.values("status", "currency").annotate(n=Count("pk"), total=Sum("amount_minor")).order_by("status", "currency")
    )
    return Table(
        [Column("State"), Column("Payouts"), Column("Sum", money=True), Column("")],
        [
            (
                display.state_of(PayoutStatus, one["status"]),
                f"{one['n']:,}",
                display.money(one["total"], one["currency"]),
                display.anchor(display.list_url(Payout, run=run.pk, status=one["status"], currency=one["currency"]), "show"),
            )
            for one in counted
        ],
        empty="No payout is in this run.",
        links=[("All payouts of this run", display.list_url(Payout, run=run.pk))],
    )


def payouts_of_run(run: PayoutRun, look: Look) -> Table:
    rows, older = look.slice_of(run.payouts.select_related("seller", "payee_account"))
    return Table(
        [Column("Seller"), Column("Amount", money=True), Column("State"), Column("To"), Column("Payout")],
        [
            (
                display.link(row.seller, row.seller.legal_name),
                display.money(row.amount_minor, row.currency),
                display.state(row),
                display.steady(row.payee_account.masked),
                display.link(row, display.steady(display.short_id(row.public_id))),
            )
            for row in rows
        ],
        older=older,
        older_label="More",
    )


def skips(run: PayoutRun, look: Look) -> Table:
    rows, older = look.slice_of(RunSkip.objects.filter(run=run).select_related("seller"))
    counted = queries.skips_by_code(run) if look.before is None else []
    note = "; ".join(f"{one['count']:,} {one['label']} ({one['currency']})" for one in counted)
    return Table(
        [Column("Seller"), Column("Stands there", money=True), Column("Why not"), Column("Next day")],
        [
            (
                display.link(row.seller, row.seller.legal_name),
                display.money(row.amount_minor, row.currency),
                row.get_code_display(),
                display.day(row.next_on) if row.next_on else "once that changes",
            )
            for row in rows
        ],
        empty="Nobody was skipped.",
        note=note,
        older=older,
        older_label="More",
        links=[("All skipped sellers of this run", display.list_url(RunSkip, run=run.pk))] if rows else [],
    )


def approvals(run: PayoutRun, look: Look) -> Table:
    rows = list(Approval.objects.filter(action=content.ACTION, subject=run.public_id).order_by("-id"))
    names = display.people([actor for row in rows for actor in (row.maker, row.checker)])
    return Table(
        [Column("Asked"), Column("By"), Column("State"), Column("Decided by"), Column("Decided"), Column("Expires")],
        [
            (
                display.instant(row.requested_at),
                names.get(row.maker, ""),
                display.state(row, "state"),
                names.get(row.checker, display.EMPTY),
                display.instant(row.decided_at),
            )
            for row in rows
        ],
    )
