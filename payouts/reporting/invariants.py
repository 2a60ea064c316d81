"""Truths of the tax reports: what was frozen is what the ledger said, is intact, was filed by two; and nobody's payouts stopped unwarned."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth
from payouts.reporting.models import TaxReportFile
from payouts.reporting.rules import all_rules
from payouts.reporting.vault import TaxReportFileAltered, read_file

Rows = list[dict[str, Any]]
NUMBER = 14


@truth(
    NUMBER,
    "tax_reports_reconcile",
    "The lines of each tax report add up to its totals, and those are what the ledger said: difference 0.",
)
def tax_reports_reconcile() -> Rows:
    return rows_of(
        """SELECT r.public_id AS report, coalesce(l.currency, t.currency) AS currency, l.consideration AS lines, t.consideration AS totals,
                  t.ledger, t.difference
             FROM payouts_taxreport r
             JOIN LATERAL (
                  SELECT k.key AS currency, (k.value ->> 'consideration_minor')::bigint AS consideration,
                         (k.value ->> 'fees_minor')::bigint AS fees, (k.value ->> 'ledger_consideration_minor')::bigint AS ledger,
                         (k.value ->> 'difference_minor')::bigint AS difference,
                         (k.value ->> 'reported_minor')::bigint AS reported FROM jsonb_each(r.totals) k) t ON true
             LEFT JOIN LATERAL (
                  SELECT n.currency, sum(c.amount)::bigint AS consideration, sum(c.fee)::bigint AS fees,
                         coalesce(sum(c.amount) FILTER (WHERE n.code = ''), 0)::bigint AS reported
                    FROM payouts_taxreportline n, unnest(n.consideration, n.fees) AS c(amount, fee)
                   WHERE n.report_id = r.id AND n.currency = t.currency GROUP BY 1) l ON true
            WHERE r.state IN ('frozen', 'filed')
              AND (coalesce(l.consideration, 0) <> t.consideration OR coalesce(l.fees, 0) <> t.fees OR t.consideration <> t.ledger OR t.difference <> 0
                   OR coalesce(l.reported, 0) <> t.reported)"""
    )


@truth(NUMBER, "tax_files_intact", "Each frozen tax report has its files, and their bytes are what was frozen.")
def tax_files_intact() -> Rows:
    broken = rows_of(
        """SELECT r.public_id AS report, '' AS file FROM payouts_taxreport r
            WHERE r.state IN ('frozen', 'filed') AND NOT EXISTS (SELECT 1 FROM payouts_taxreportfile f WHERE f.report_id = r.id)"""
    )
    for file in TaxReportFile.objects.select_related("report").order_by("pk").iterator(chunk_size=1):
        try:
            read_file(file)
        except TaxReportFileAltered:
            broken.append({"report": file.report.public_id, "file": file.name})
    return broken


@truth(
    NUMBER,
    "tax_reports_filed_by_two",
    "Each filed tax report was frozen by one person and filed by another, for exactly its content.",
)
def tax_reports_filed_by_two() -> Rows:
    return rows_of(
        """SELECT r.public_id AS report, r.frozen_by, r.filed_by FROM payouts_taxreport r
            WHERE r.state = 'filed' AND NOT EXISTS (
                  SELECT 1 FROM backoffice_approval a WHERE a.action = 'tax_report.file' AND a.subject = r.public_id AND a.state = 'used'
                     AND a.content_hash = r.content_hash AND a.maker = r.frozen_by AND a.checker = r.filed_by AND a.maker <> a.checker)"""
    )


@truth(
    NUMBER,
    "tax_stops_were_announced",
    "No payouts stop for tax data before two reminders went out and the days of the law have passed.",
)
def tax_stops_were_announced() -> Rows:
    days = {rules.regime: rules.stop_days for rules in all_rules().values()}
    return rows_of(
        """SELECT s.public_id AS seller, f.state, f.asked_at, f.reminded_at, f.reminded_again_at, f.stops_at
             FROM payouts_taxfile f JOIN payouts_seller s ON s.id = f.seller_id
             JOIN unnest(%(regimes)s::text[], %(days)s::int[]) AS d(regime, days) ON d.regime = f.regime
            WHERE f.stops_at IS NOT NULL
              AND (f.reminded_at IS NULL OR f.reminded_again_at IS NULL OR f.reminded_again_at < f.reminded_at
                   OR f.stops_at < f.asked_at + make_interval(days => d.days))
           UNION ALL
           SELECT s.public_id, 'requirement ' || q.code, NULL, NULL, NULL, q.deadline_at
             FROM payouts_requirement q JOIN payouts_seller s ON s.id = q.seller_id LEFT JOIN payouts_taxfile f ON f.seller_id = q.seller_id
            WHERE q.catalogue = 'tax' AND q.state IN ('currently_due', 'past_due') AND q.deadline_at IS NOT NULL
              AND (f.stops_at IS NULL OR q.deadline_at < f.stops_at)""",
        {"regimes": list(days), "days": list(days.values())},
    )
