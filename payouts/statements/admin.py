"""The statement's three forms, to take from a payout's page."""

from __future__ import annotations

import json

from backoffice.kit.admin import Download, plug
from payouts.runs.models import Payout
from payouts.statements.render import statement, statement_csv, statement_pdf


def _json(payout: Payout) -> tuple[bytes, str, str]:
    text = json.dumps(statement(payout), default=str, ensure_ascii=False, indent=2)
    return text.encode(), "application/json", f"{payout.public_id}.json"


plug(
    Payout,
    Download(
        "statement_pdf", "Statement, PDF", lambda payout: (statement_pdf(payout), "application/pdf", f"{payout.public_id}.pdf")
    ),
    Download(
        "statement_csv", "CSV", lambda payout: (statement_csv(payout), "text/csv; charset=utf-8", f"{payout.public_id}.csv")
    ),
    Download("statement_json", "JSON", _json),
)
