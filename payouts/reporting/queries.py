"""Questions about a tax report, for commands and others."""

from __future__ import annotations

from collections import Counter
from typing import Any

from backoffice.kit.invariants import rows_of
from payouts.reporting.models import TaxReport, TaxReportFile


def present(report: TaxReport) -> dict[str, Any]:
    """Return a report as a JSON-ready object: counts, totals with the difference to the ledger, why others are not reported, what is missing."""
    counts = rows_of(
        "SELECT code, missing, count(*) AS lines FROM payouts_taxreportline WHERE report_id = %(report)s GROUP BY 1, 2",
        {"report": report.pk},
    )
    left_out: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    for row in counts:
        if row["code"]:
            left_out[row["code"]] += row["lines"]
        else:
            missing.update(dict.fromkeys(row["missing"], row["lines"]))
    return {
        "id": report.public_id,
        "report": str(report),
        "regime": report.regime,
        "year": report.year,
        "version": report.version,
        "kind": report.kind,
        "state": str(report.state),
        "rules": report.rules,
        "zone": report.zone,
        "sellers_reported": report.reported_count,
        "sellers_missing_data": report.missing_count,
        "not_reported": dict(sorted(left_out.items())),
        "missing": dict(sorted(missing.items())),
        "totals": {
            currency: {name.removesuffix("_minor"): {"amount_minor": sums[name], "currency": currency} for name in _MONEY}
            | {"activities": sums["activities"], "difference_minor": sums["difference_minor"]}
            for currency, sums in report.totals.items()
        },
        "files": [
            {"name": one.name, "sha256": one.sha256, "bytes": one.size_bytes}
            for one in TaxReportFile.objects.filter(report=report).defer("sealed", "data_key").order_by("name")
        ],
    }


_MONEY = ("gross_minor", "fees_minor", "taxes_minor", "consideration_minor", "ledger_consideration_minor", "reported_minor")
