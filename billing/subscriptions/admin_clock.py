"""The test clock on a customer's page: where it was walked to, and the button that walks it. Customers of partners in test mode only."""

from __future__ import annotations

from typing import Any

from backoffice.kit.admin import Button, Column, Look, Panel, Table, display, fields, plug
from billing.customers.models import Customer
from billing.subscriptions import operations
from billing.subscriptions.models import ClockAdvance


def _has_clock(row: Customer) -> bool:
    return row.partner is not None and not row.partner.livemode


def _walks(row: Customer, look: Look) -> Table:
    rows, older = look.slice_of(ClockAdvance.objects.filter(customer=row))
    names = display.people(one.made_by for one in rows)
    return Table(
        [Column("To"), Column("Status"), Column("Stops"), Column("What went wrong"), Column("Asked by"), Column("Asked")],
        [
            (
                display.instant(one.to),
                display.state(one),
                display.number(one.steps),
                one.detail,
                names.get(one.made_by, one.made_by),
                display.instant(one.created_at),
            )
            for one in rows
        ],
        empty="The clock was never moved: this customer lives in now.",
        older=older,
    )


def _stands(row: Customer) -> list[tuple[str, Any]]:
    return [("Customer", row.name), ("The clock stands at", display.instant(row.clock_at) if row.clock_at else "now")]


plug(
    Customer,
    Panel("clock", "Test clock", _walks, permission="billing.view_clockadvance", when=_has_clock, order=60),
    Button(
        name="advance",
        label="Advance the test clock",
        verb=operations.request_advance,
        permission="billing.change_subscriptions",
        arguments=lambda row, asked: {"customer_id": row.pk, **asked},
        when=_has_clock,
        fields=lambda row: {"to": fields.at_instant("To", "Never back, and at most five years on.")},
        effect=_stands,
        explain="Everything that falls due until then happens, in its order: trials end, invoices are made, collected and dunned.",
        done="The worker walks the clock; reload in a moment.",
        order=80,
    ),
)
