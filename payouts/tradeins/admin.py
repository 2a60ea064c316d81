"""Screens of trade-ins: what was bought from whom, who decides, what was promised and not paid. On the consumer's page: admin_consumer."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit import clock
from backoffice.kit.admin import (
    Button,
    CurrencyFilter,
    ExportColumn,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    display,
    fields,
    instant_column,
    link_column,
    money_column,
    queue,
    state_column,
)
from backoffice.kit.crypto import blind_index
from backoffice.kit.money import Money, to_minor
from payouts.ledger.panels import postings_of
from payouts.runs.queries import eligibility
from payouts.runs.states import SkipCode
from payouts.sellers.models import Seller
from payouts.tradeins import operations, queries
from payouts.tradeins.agreeing import plain_serial
from payouts.tradeins.models import TradeIn
from payouts.tradeins.states import BOUGHT, OPEN, TRADE_IN, TradeInStatus

WORK, APPROVE, WITHDRAW = "payouts.work_trade_ins", "payouts.approve_trade_ins", "payouts.withdraw_trade_ins"
T = TradeInStatus

queue(
    name="trade_ins_to_approve",
    title="Trade-ins to approve",
    model=TradeIn,
    rows=lambda at: queries.to_approve(),
    age_field="received_at",
    help_text="Above what one person accepts for a consumer. Approve, or send back to be looked at again; not your own.",
    order=24,
)
queue(
    name="trade_ins_late",
    title="Trade-ins promised and not paid",
    model=TradeIn,
    rows=queries.late,
    age_field="accepted_at",
    help_text="Their promised day is over. Each page says what keeps the next run from paying.",
    tone="bad",
    order=31,
)


def _deal(row: TradeIn) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = [
        ("Consumer", display.link(row.consumer, row.consumer.legal_name)),
        ("Device", row.device),
        ("Price agreed", display.money(row.agreed_minor, row.currency)),
    ]
    if row.amount_minor != row.agreed_minor:
        rows += [("Price now", display.money(row.amount_minor, row.currency)), ("Because", row.reason)]
    return rows


def _approval(row: TradeIn) -> list[tuple[str, Any]]:
    asked = operations.open_request(row)
    rows = [*_deal(row), ("Becomes available", display.money(row.amount_minor, row.currency))]
    if asked is None:
        return rows
    who = display.people([asked.maker]).get(asked.maker, asked.maker)
    return [*rows, ("Accepted by", who), ("On", display.instant(asked.requested_at))]


def _taken_back(row: TradeIn) -> list[tuple[str, Any]]:
    where = "waits" if row.pending_minor else "was paid" if row.status == T.PAID else "is available"
    return [*_deal(row), ("The price", where), ("Leaves the consumer's balance", display.money(row.amount_minor, row.currency))]


def _accept_fields(row: TradeIn) -> dict[str, forms.Field]:
    price = fields.amount("Price", "At most what was agreed; lower where the consumer agreed to that.")
    price.initial = Money(row.agreed_minor, row.currency).decimal()
    return {"amount": price, "reason": fields.reason("Wanted for a lower price.", required=False)}


def _accepted(row: TradeIn, asked: dict[str, Any]) -> dict[str, Any]:
    return {"trade_in_id": row.pk, "amount_minor": to_minor(asked["amount"], row.currency), "reason": asked["reason"]}


def _approve_fields(row: TradeIn) -> dict[str, forms.Field]:
    return fields.approving(operations.open_request(row))


def _given(row: TradeIn, asked: dict[str, Any]) -> dict[str, Any]:
    return {"trade_in_id": row.pk, **asked}


def _why(row: Any) -> dict[str, forms.Field]:
    return {"reason": fields.reason()}


def _postings(row: TradeIn, look: Look) -> Table:
    return postings_of("trade_in", row, look, "Nothing is owed before the device was accepted.")


def keeps_from_paying(row: TradeIn) -> str:
    """Say what keeps the next run from paying an accepted trade-in, in the words of the run; '' where nothing does."""
    at = clock.now()
    found = [one for one in eligibility(row.consumer_id, at.date(), at) if one.currency == row.currency]
    return SkipCode(found[0].code).label if found and found[0].code else ""


@admin.register(TradeIn)
class TradeInAdmin(OperatorAdmin):
    list_display = ("device_shown", "consumer_shown", "state_shown", "promised", "why", "agreed", "amount_money")
    wide_only = ("agreed",)
    list_filter = (("status", ChoicesDropdownFilter), CurrencyFilter)
    list_select_related = ("consumer", "payout")
    actor_fields = ("agreed_by", "accepted_by", "checker")
    machine = TRADE_IN
    search_by = (
        lambda term: Q(external_id=term),
        lambda term: Q(order_ref=term),
        lambda term: Q(serial_index=blind_index(plain_serial(term))) & ~Q(serial_index=""),
        lambda term: Q(consumer__in=Seller.objects.filter(external_id=term)),
    )
    search_help_text = "Id, external id, order, serial number, or the consumer's external id"
    empty_title = "No device was bought yet"
    empty_text = "Trade-ins are agreed on by partners' programs, or on the page of a consumer."
    panels = (Panel("postings", "Postings", _postings, permission="payouts.view_posting", lazy=False),)
    buttons = (
        Button(
            name="receive", label="Device is here", verb=operations.receive_trade_in, permission=WORK, states=(T.AGREED,), arguments=_given,
            effect=_deal, explain="Nothing is owed yet.", done="Noted.", bulk=True, order=5,
        ),
        Button(
            name="accept", label="Accept", verb=operations.accept_trade_in, permission=WORK, states=(T.AGREED, T.RECEIVED), arguments=_accepted,
            fields=_accept_fields, effect=_deal, order=10,
            explain="The price is owed from now on. Above the limit of one person another one approves it first.",
            done=lambda row, made: f"It is {made.get_status_display()}.",
        ),
        Button(
            name="approve", label="Approve", verb=operations.approve_trade_in, permission=APPROVE, states=(T.NEEDS_APPROVAL,), arguments=_given,
            when=lambda row: operations.open_request(row) is not None, fields=_approve_fields, effect=_approval,
            explain="The price is owed from now on.", done="Approved.", order=5,
        ),
        Button(
            name="send_back", label="Send back", verb=operations.send_back_trade_in, permission=WORK, states=(T.NEEDS_APPROVAL,),
            arguments=_given, fields=_why, effect=_approval, explain="The device is looked at again; nothing is owed.", done="Sent back.", order=20,
        ),
        Button(
            name="refuse", label="Refuse", verb=operations.refuse_trade_in, permission=WORK, states=(T.RECEIVED, T.NEEDS_APPROVAL),
            arguments=_given, fields=_why, effect=_deal, danger=True, explain="The device goes back; nothing is owed.", done="Refused.", order=30,
        ),
        Button(
            name="cancel", label="Cancel", verb=operations.cancel_trade_in, permission=WORK, states=tuple(OPEN), arguments=_given, fields=_why,
            effect=_deal, danger=True, done="Cancelled; nothing was owed.", order=40,
        ),
        Button(
            name="withdraw", label="Take back", verb=operations.withdraw_trade_in, permission=WITHDRAW, states=tuple(BOUGHT), arguments=_given,
            fields=_why, effect=_taken_back, danger=True, order=50,
            explain="What was not paid yet is owed no more. What was paid already is owed to us, and the next trade-in repays it first.",
            done="Taken back.",
        ),
    )  # fmt: skip
    export_columns = (
        ExportColumn("id", lambda t: t.public_id),
        ExportColumn("external_id", lambda t: t.external_id),
        ExportColumn("consumer", lambda t: t.consumer.external_id),
        ExportColumn("order", lambda t: t.order_ref),
        ExportColumn("device", lambda t: t.device),
        ExportColumn("status", lambda t: t.get_status_display()),
        ExportColumn("code", lambda t: t.code),
        ExportColumn("agreed", lambda t: Money(t.agreed_minor, t.currency)),
        ExportColumn("price", lambda t: Money(t.amount_minor, t.currency)),
        ExportColumn("currency", lambda t: t.currency),
        ExportColumn("accepted_at", lambda t: t.accepted_at),
        ExportColumn("pay_by_on", lambda t: t.pay_by_on),
        ExportColumn("paid_at", lambda t: t.paid_at),
    )
    consumer_shown = link_column("From", "consumer", lambda consumer: consumer.legal_name)
    state_shown = state_column()
    agreed = instant_column("Agreed", "agreed_at")
    amount_money = money_column("Price")

    @admin.display(description="Device", ordering="id")
    def device_shown(self, row: TradeIn) -> Any:
        return display.clamped(row.device)

    @admin.display(description="Promised")
    def promised(self, row: TradeIn) -> Any:
        return display.day(row.pay_by_on) if row.status in BOUGHT else display.EMPTY

    @admin.display(description="Why")
    def why(self, row: TradeIn) -> Any:
        return display.clamped(row.reason) if row.reason else display.EMPTY

    def page_title(self, row: TradeIn) -> str:
        return row.device

    def headline(self, row: TradeIn) -> Any:
        return display.money(row.amount_minor, row.currency)

    def standing(self, row: TradeIn) -> str:
        if row.status == T.NEEDS_APPROVAL:
            return "Another person than who accepted the device decides."
        if row.status != T.ACCEPTED:
            return row.reason
        if row.pending_minor:
            return "The price waits until the days of the consumer's tier are over."
        why = keeps_from_paying(row)
        return f"Not paid by the next run: {why}." if why else "The next run pays it."

    def facts(self, row: TradeIn) -> list[tuple[str, Any]]:
        return [
            ("From", display.link(row.consumer, row.consumer.legal_name)),
            ("External id", row.external_id),
            ("Order", row.order_ref),
            ("Serial number", f"•••• {row.serial[-4:]}" if row.serial else ""),
            ("Price agreed", display.money(row.agreed_minor, row.currency)),
            ("Price", display.money(row.amount_minor, row.currency)),
            ("Still waits", display.money(row.pending_minor, row.currency) if row.pending_minor else ""),
            ("Code", row.code),
            ("Because", row.reason),
            ("Agreed by", self.person(row, "agreed_by")),
            ("Agreed", display.instant(row.agreed_at)),
            ("Device here", display.instant(row.received_at)),
            ("Accepted by", self.person(row, "accepted_by") if row.accepted_by else ""),
            ("Approved by", self.person(row, "checker") if row.checker else ""),
            ("Accepted", display.instant(row.accepted_at)),
            ("Available", display.instant(row.available_at)),
            ("Promised by", display.day(row.pay_by_on)),
            ("Paid by", display.link(row.payout, display.short_id(row.payout.public_id)) if row.payout else ""),
            ("Paid", display.instant(row.paid_at)),
            ("Ended", display.instant(row.ended_at)),
        ]
