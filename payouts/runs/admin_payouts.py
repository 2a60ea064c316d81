"""Screens of payouts: lines, postings, what an operator may do before they leave; and a seller's own, on the seller's page."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    Button,
    Column,
    CurrencyFilter,
    DayRangeFilter,
    ExportColumn,
    Look,
    OperatorAdmin,
    Panel,
    RailFilter,
    Table,
    day_column,
    display,
    fields,
    id_column,
    link_column,
    money_column,
    queue,
    state_column,
    viewing,
)
from backoffice.kit.money import Money
from payouts.ledger.panels import postings_of
from payouts.runs import operations, queries
from payouts.runs.models import Payout
from payouts.runs.states import PAYOUT, PayoutStatus, stage_of
from payouts.sellers.models import Seller
from payouts.sellers.states import PayeeStatus

STUCK_AFTER = timedelta(hours=24)
BOUNCED = [PayoutStatus.FAILED, PayoutStatus.RETURNED]


def stuck_payouts(at: datetime) -> QuerySet[Payout]:
    """Return the payouts that were to be sent and did not move for a day; those held wait for a person and are another queue."""
    still = Q(status=PayoutStatus.PENDING, changed_at__lt=at - STUCK_AFTER)
    overdue = Q(status=PayoutStatus.IN_TRANSIT, expected_arrival_on__lt=at.date() - timedelta(days=2))
    return Payout.objects.in_status(PayoutStatus.PENDING, PayoutStatus.IN_TRANSIT).filter(still | overdue)


def held_payouts(at: datetime) -> QuerySet[Payout]:
    return Payout.objects.in_status(PayoutStatus.HELD)


def bounced_payouts(at: datetime) -> QuerySet[Payout]:
    """Return what came back or failed and was not followed by another payout of that seller in that currency."""
    later = Payout.objects.filter(seller_id=OuterRef("seller_id"), currency=OuterRef("currency"), pk__gt=OuterRef("pk"))
    return Payout.objects.in_status(*BOUNCED).filter(~Exists(later))


queue(
    name="bounced",
    title="Payouts that bounced",
    model=Payout,
    rows=bounced_payouts,
    age_field="changed_at",
    help_text="The money is available to the seller again. Ask for a working payee account.",
    tone="bad",
    order=20,
)
queue(
    name="stuck",
    title="Payouts stuck",
    model=Payout,
    rows=stuck_payouts,
    age_field="changed_at",
    help_text="Should have moved by now: look at their payment orders and at the bank's files.",
    tone="bad",
    order=30,
)
queue(
    name="held",
    title="Payouts held",
    model=Payout,
    rows=held_payouts,
    age_field="changed_at",
    help_text="A check stopped them before they left. Release or cancel them.",
    order=35,
)


def reason_fields(row: Any) -> dict[str, Any]:
    return {"reason": fields.reason()}


def _lines(payout: Payout, look: Look) -> Table:
    """Show the frozen lines, in the order they were booked; the cursor is the last line shown."""
    after = look.before or 0
    lines = queries.payout_lines(payout, after_line=after, limit=look.limit + 1)
    shown = lines[: look.limit]
    return Table(
        [Column("Line"), Column("What"), Column("Order"), Column("Recorded"), Column("Amount", money=True)],
        [
            (
                line.line_no,
                display.way_to(line.source, line.text) if line.source else line.text,
                line.order_ref or line.external_id,
                display.instant(line.recorded_at),
                display.money(line.amount_minor, line.currency, signed=True),
            )
            for line in shown
        ],
        older=shown[-1].line_no if len(lines) > look.limit else None,
        older_label="More",
        foot=("", "", "", "Payout", display.money(payout.amount_minor, payout.currency)) if len(lines) <= look.limit else (),
    )


def _payout_postings(payout: Payout, look: Look) -> Table:
    return postings_of("payout", payout, look)


def _payout_effect(payout: Payout) -> list[tuple[str, Any]]:
    return [
        ("Payout to", payout.seller.legal_name),
        ("Amount", display.money(payout.amount_minor, payout.currency)),
        ("Account", payout.payee_account.masked),
        ("Now", display.state(payout)),
    ]


class StatusFilter(ChoicesDropdownFilter):
    """Find a status through the index over stages."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payout]) -> QuerySet[Payout] | None:
        wanted = self.value()
        return super().queryset(request, queryset.filter(stage=stage_of(wanted)) if wanted else queryset)


_BEFORE_SENT = (PayoutStatus.NEEDS_APPROVAL, PayoutStatus.APPROVED, PayoutStatus.HELD)


@admin.register(Payout)
class PayoutAdmin(OperatorAdmin):
    list_display = (
        "id_shown",
        "seller_shown",
        "amount_money",
        "state_shown",
        "why",
        "payee_shown",
        "rail",
        "run_shown",
        "arrival",
    )
    wide_only = ("payee_shown", "rail", "arrival")
    list_filter = (
        ("status", StatusFilter),
        CurrencyFilter,
        RailFilter,
        ("built_at", DayRangeFilter),
    )
    list_select_related = ("seller", "payee_account", "run")
    actor_fields = ("maker", "checker")
    machine = PAYOUT
    refresh_while = (PayoutStatus.PENDING,)
    search_by = (
        lambda term: Q(public_id=queries.reference_to_id(term)),
        lambda term: Q(seller__in=Seller.objects.filter(external_id=term)),
        lambda term: Q(seller__in=Seller.objects.filter(legal_name__icontains=term)) if len(term) > 2 else Q(pk__in=[]),
    )
    search_help_text = "Id, reference, seller's external id or name"
    empty_title = "No payout was made yet"
    empty_text = "Build a run, or pay one seller on request from the seller's page."
    panels = (
        Panel(
            "lines", "Lines", _lines, lazy=False, order=10, help_text="Frozen when the run was built; they add up to the payout."
        ),
        Panel("postings", "Postings", _payout_postings, permission="payouts.view_posting", lazy=False, order=60),
    )
    buttons = (
        Button(
            name="hold",
            label="Hold",
            verb=operations.hold_payout,
            permission="payouts.hold_payout",
            arguments=lambda row, asked: {"payout_id": row.pk, "reason": asked["reason"]},
            states=(PayoutStatus.APPROVED,),
            fields=reason_fields,
            effect=_payout_effect,
            explain="It does not leave until somebody releases it; its money stays set aside.",
            bulk=True,
            done="Held.",
        ),
        Button(
            name="release",
            label="Release",
            verb=operations.release_payout,
            permission="payouts.hold_payout",
            arguments=lambda row, asked: {"payout_id": row.pk, "reason": asked["reason"]},
            states=(PayoutStatus.HELD,),
            fields=reason_fields,
            effect=_payout_effect,
            explain="It may leave again with the next submission of its run.",
            bulk=True,
            done="Released.",
        ),
        Button(
            name="cancel",
            label="Cancel",
            verb=operations.cancel_payout,
            permission="payouts.cancel_payout",
            arguments=lambda row, asked: {"payout_id": row.pk, "reason": asked["reason"]},
            states=_BEFORE_SENT,
            fields=reason_fields,
            effect=lambda row: [
                *_payout_effect(row),
                ("Becomes available to the seller", display.money(row.amount_minor, row.currency)),
            ],
            danger=True,
            bulk=True,
            done="Cancelled. The money is available to the seller again.",
        ),
    )
    export_columns = (
        ExportColumn("id", lambda p: p.public_id),
        ExportColumn("seller", lambda p: p.seller.external_id),
        ExportColumn("seller_name", lambda p: p.seller.legal_name),
        ExportColumn("amount", lambda p: Money(p.amount_minor, p.currency)),
        ExportColumn("currency", lambda p: p.currency),
        ExportColumn("status", lambda p: p.get_status_display()),
        ExportColumn("code", lambda p: p.status_code),
        ExportColumn("reason", lambda p: p.status_reason),
        ExportColumn("account", lambda p: p.payee_account.masked),
        ExportColumn("rail", lambda p: p.rail),
        ExportColumn("reference", lambda p: p.reference),
        ExportColumn("run", lambda p: p.run.public_id if p.run else ""),
        ExportColumn("built_at", lambda p: p.built_at),
        ExportColumn("paid_at", lambda p: p.paid_at),
    )
    id_shown = id_column()
    seller_shown = link_column("Seller", "seller", lambda seller: seller.legal_name)
    amount_money = money_column("Amount")
    state_shown = state_column()
    run_shown = link_column("Run", "run", lambda run: display.day(run.run_on))
    arrival = day_column("Expected", "expected_arrival_on")

    @admin.display(description="Why")
    def why(self, row: Payout) -> Any:
        return display.clamped(row.status_reason or row.status_code.replace("_", " "))

    @admin.display(description="To")
    def payee_shown(self, row: Payout) -> Any:
        return display.steady(row.payee_account.masked)

    def page_title(self, row: Payout) -> str:
        return f"Payout to {row.seller.legal_name}"

    def headline(self, row: Payout) -> Any:
        return display.money(row.amount_minor, row.currency)

    def standing(self, row: Payout) -> Any:
        """Say where the money is and what comes next; the bank's reason first where there is one."""
        told = f"{row.status_reason} " if row.status_reason else ""
        ahead = {
            PayoutStatus.NEEDS_APPROVAL: "The money is set aside until the run is approved.",
            PayoutStatus.APPROVED: "Approved; it leaves when its run is submitted.",
            PayoutStatus.HELD: "The money stays set aside. Release or cancel it.",
            PayoutStatus.PENDING: "Being handed to the rail.",
            PayoutStatus.IN_TRANSIT: _expected(row),
            PayoutStatus.PAID: _return_window(row),
            PayoutStatus.FAILED: "It never arrived; the money is available to the seller again.",
            PayoutStatus.RETURNED: "It came back; the money is available to the seller again.",
        }
        said = told + ahead.get(PayoutStatus(row.status), "The money is available to the seller again.")
        return format_html("{} {}", said, _about_account(row)) if row.status in BOUNCED else said

    def facts(self, row: Payout) -> list[tuple[str, Any]]:
        return [
            ("Seller", display.link(row.seller)),
            ("Run", display.link(row.run, display.day(row.run.run_on)) if row.run else ""),
            ("To", display.link(row.payee_account)),
            ("Rail", f"{row.rail}, instant" if row.instant else row.rail),
            ("Reference", display.copyable(row.reference, f"PAYOUT …{row.reference[-6:]}")),
            ("Code", display.coded(row.status_code)),
            ("Brought forward", display.money(row.brought_forward_minor, row.currency) if row.brought_forward_minor else ""),
            ("Carried forward", display.money(row.carried_forward_minor, row.currency) if row.carried_forward_minor else ""),
            ("Built", display.instant(row.built_at)),
            ("Built by", self.person(row, "maker")),
            ("Approved by", self.person(row, "checker")),
            ("Submitted", display.instant(row.submitted_at)),
            ("Expected", display.day(row.expected_arrival_on)),
            ("Paid", display.instant(row.paid_at)),
            ("May come back until", display.day(row.return_window_closes_on)),
            ("Final", display.instant(row.settled_final_at)),
        ]


def _about_account(payout: Payout) -> Any:
    """Say what is to be done about the account a payout bounced from; those who may do it are led there."""
    account = payout.payee_account
    if account.status == PayeeStatus.ACTIVE:
        return ""
    if account.status == PayeeStatus.SUPERSEDED:
        return "The account was replaced since."
    if not viewing.may("payouts.change_payee"):
        return "Compliance or a lead enters the new account on the seller's page."
    button = reverse("admin:payouts_seller_button", args=[payout.seller_id, "change_payee"])
    return display.anchor(button, "Change the payee account")


def _expected(payout: Payout) -> str:
    on = payout.expected_arrival_on
    return f"With the bank; expected on {display.day_text(on)}." if on else "With the bank."


def _return_window(payout: Payout) -> str:
    if payout.settled_final_at or payout.return_window_closes_on is None:
        return "Paid."
    return f"Paid; it may still come back until {display.day_text(payout.return_window_closes_on)}."
