"""The dispute desk: what has to be answered by when, what it would cost, what is sent. Policy and answers: admin_around."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold import widgets
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit import clock
from backoffice.kit.admin import (
    Button,
    CurrencyFilter,
    Download,
    ExportColumn,
    OperatorAdmin,
    Panel,
    display,
    fields,
    id_column,
    link_column,
    money_column,
    person_column,
    queue,
    state_column,
)
from backoffice.kit.money import Money
from billing.disputes import admin_around, evidence, money, operations  # noqa: F401 - registers the screens around
from billing.disputes import panels as tables
from billing.disputes.models import Dispute, EvidencePack
from billing.disputes.states import DISPUTE, NEEDS_ANSWER, OPEN_WORK, DisputeStatus, WorkState

WORK, SUBMIT, ACCEPT = "billing.work_disputes", "billing.submit_disputes", "billing.accept_disputes"
_LONG = {
    "product_description",
    "uncategorized_text",
    "access_activity_log",
    "cancellation_rebuttal",
    "refund_refusal_explanation",
}

queue(
    name="disputes_to_answer",
    title="Disputes by hours left",
    model=Dispute,
    rows=tables.to_answer,
    age_field="opened_at",
    help_text="Answer with evidence, or accept, before the provider's deadline: an unanswered dispute is lost.",
    tone="bad",
    order=27,
)
queue(
    name="early_warnings",
    title="Early warnings to decide",
    model=Dispute,
    rows=tables.warnings_to_decide,
    age_field="opened_at",
    help_text="A bank suspects fraud: a refund now costs less than the dispute it saves.",
    order=28,
)


def _answerable(row: Dispute) -> bool:
    return row.status in NEEDS_ANSWER and row.work_state in OPEN_WORK


def _effect(row: Dispute) -> list[tuple[str, Any]]:
    return [
        ("Disputed", display.money(row.amount_minor, row.currency)),
        ("Seller", row.seller.legal_name if row.seller else "none"),
        ("Reason", row.reason.replace("_", " ")),
        ("Provider's deadline", display.instant(row.due_by)),
    ]


def _loss(row: Dispute) -> list[tuple[str, Any]]:
    taken = sum(money.claims(row).values())
    bears = "the seller, as a chargeback of the sale" if row.purpose == "purchase" and row.seller_id else "we, as an expense"
    return [
        *_effect(row),
        ("Taken by the provider so far", display.money(taken, row.currency)),
        ("Who bears the loss", bears),
        ("Way back", "none: the provider closes the dispute as lost"),
    ]


def _sending(row: Dispute) -> list[tuple[str, Any]]:
    size = evidence.measure(evidence.pack_of(row))
    return [
        *_effect(row),
        ("The pack", f"{size.texts:,} characters, {size.bytes / 1_000_000:.2f} MB, {size.pages} pages"),
        ("Way back", "none: only this one submission counts"),
    ]


def _hash_field(row: Dispute) -> dict[str, forms.Field]:
    return {"content_hash": fields.shown_content(evidence.measure(evidence.pack_of(row)).content_hash)}


def _text_fields(row: Dispute) -> dict[str, forms.Field]:
    kept = evidence.texts_of(EvidencePack.objects.filter(dispute=row).first())
    made: dict[str, forms.Field] = {}
    for name, label in evidence.TEXT_FIELDS.items():
        long = name in _LONG or len(kept.get(name, "")) > 100
        widget = widgets.UnfoldAdminTextareaWidget(attrs={"rows": 3}) if long else widgets.UnfoldAdminTextInputWidget()
        made[name] = forms.CharField(
            label=label, required=False, max_length=evidence.TEXT_MAX, initial=kept.get(name, ""), widget=widget
        )
    return made


def _add_file(*, dispute_id: int, field: str, file: Any, actor: Any, at: Any) -> Any:
    return operations.add_evidence_file(dispute_id=dispute_id, field=field, data=file.read(), actor=actor, at=at)


def _file_choices(row: Dispute) -> list[tuple[str, str]]:
    there = {one.field for one in evidence.files_of(evidence.pack_of(row))}
    return [(field, label) for field, label in evidence.FILE_FIELDS.items() if field in there]


def _given(row: Dispute, asked: dict[str, Any]) -> dict[str, Any]:
    return {"dispute_id": row.pk, **asked}


_TO = [(state.value, state.label.capitalize()) for state in OPEN_WORK]


@admin.register(Dispute)
class DisputeAdmin(OperatorAdmin):
    list_display = (
        "id_shown",
        "status_shown",
        "work_shown",
        "left",
        "seller_shown",
        "reason_shown",
        "owner_shown",
        "disputed_money",
    )
    list_filter = (("status", ChoicesDropdownFilter), ("work_state", ChoicesDropdownFilter), CurrencyFilter)
    list_select_related = ("seller", "partner")
    list_links = (("By hours left", "admin:billing_dispute_by_hours_left", "billing.view_dispute"),)
    actor_fields = ("owner",)
    machine = DISPUTE
    search_by = (
        lambda term: Q(provider_ref=term),
        lambda term: Q(warning_ref=term),
        lambda term: Q(charge_ref=term),
        lambda term: Q(payment=term),
        lambda term: Q(order_ref=term),
    )
    search_help_text = "Id, the provider's id of dispute or charge, payment, order"
    empty_title = "No dispute so far"
    empty_text = "Disputes come with the provider's events."
    panels = (
        Panel("evidence", "Evidence", tables.pack_table, permission="billing.view_evidencepack", lazy=False, order=10),
        Panel("money", "Money", tables.movements, permission="billing.view_disputemovement", lazy=False, order=20),
        Panel("answers", "Answers", tables.answers, permission="billing.view_disputesubmission", lazy=False, order=30),
    )
    downloads = (Download("pack", "Evidence pack", tables.pack_bytes, permission=WORK, when=lambda row: hasattr(row, "pack")),)
    buttons = (
        Button(
            name="take", label="Take it", verb=operations.take_dispute, permission=WORK, when=_answerable,
            arguments=lambda row, asked: {"dispute_id": row.pk}, effect=_effect, bulk=True,
            explain="You work on it from now on; an announced automatic acceptance is off.", done="It is yours.", order=5,
        ),
        Button(
            name="write", label="Write evidence", verb=operations.write_evidence, permission=WORK, when=_answerable,
            arguments=lambda row, asked: {"dispute_id": row.pk, "texts": asked}, fields=_text_fields, effect=_effect,
            explain="Kept sealed until it is sent. An empty field is left out.", done="Written.", order=10,
        ),
        Button(
            name="add_file", label="Add a file", verb=_add_file, permission=WORK, when=_answerable, arguments=_given, effect=_effect,
            fields=lambda row: {
                "field": fields.choice("What it proves", list(evidence.FILE_FIELDS.items()), "A file already there is replaced."),
                "file": fields.upload("File", "PDF, JPEG or PNG. All files together: 4.5 MB and 50 pages."),
            },
            done="The file is in the pack.", order=11,
        ),
        Button(
            name="remove_file", label="Remove a file", verb=operations.remove_evidence_file, permission=WORK, arguments=_given, effect=_effect,
            when=lambda row: _answerable(row) and bool(_file_choices(row)),
            fields=lambda row: {"field": fields.choice("Which", _file_choices(row))}, done="The file is gone.", order=12,
        ),
        Button(
            name="move_work", label="Say where it stands", verb=operations.move_work, permission=WORK, when=_answerable, arguments=_given,
            fields=lambda row: {"to": fields.choice("It is now", _TO), "reason": fields.reason()}, effect=_effect,
            explain="Waiting for the seller tells them what is wanted, by a deadline before the provider's.", done="Noted.", order=15,
        ),
        Button(
            name="submit", label="Send the evidence", verb=operations.submit_evidence, permission=SUBMIT, when=_answerable, arguments=_given,
            fields=_hash_field, effect=_sending, done="It is being sent.", order=20,
            explain="The pack is sent exactly as it stands, within seconds. Read it once more: nothing can be added afterwards.",
        ),
        Button(
            name="accept", label="Accept the dispute", verb=operations.accept_dispute, permission=ACCEPT, when=_answerable, arguments=_given,
            fields=lambda row: {"reason": fields.reason()}, effect=_loss, danger=True, bulk=True,
            explain="The buyer keeps the money.", done="The acceptance is being sent.", order=30,
        ),
        Button(
            name="decide_warning", label="Decide on the warning", verb=operations.decide_warning, permission=ACCEPT,
            states=[DisputeStatus.EARLY_WARNING], when=lambda row: row.work_state in OPEN_WORK, arguments=_given, effect=_effect,
            fields=lambda row: {
                "refund": fields.switch("Refund the whole payment", "Off: leave it, and answer a dispute if one comes."),
                "reason": fields.reason(),
            },
            done="Decided.", order=10,
        ),
    )  # fmt: skip
    export_columns = (
        ExportColumn("id", lambda d: d.public_id),
        ExportColumn("provider_ref", lambda d: d.provider_ref),
        ExportColumn("seller", lambda d: d.seller.external_id if d.seller else ""),
        ExportColumn("status", lambda d: d.get_status_display()),
        ExportColumn("work", lambda d: d.get_work_state_display()),
        ExportColumn("disputed", lambda d: Money(d.amount_minor, d.currency) if d.currency else None),
        ExportColumn("currency", lambda d: d.currency),
        ExportColumn("reason", lambda d: d.reason),
        ExportColumn("due_by", lambda d: d.due_by),
    )
    id_shown = id_column("Dispute")
    status_shown = state_column("Status", "status")
    work_shown = state_column("Work", "work_state")
    seller_shown = link_column("Seller", "seller", lambda seller: seller.legal_name)
    owner_shown = person_column("Owner", "owner")
    disputed_money = money_column("Disputed", "amount_minor")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [path("by-hours-left/", wrap(self.queue_view), name="billing_dispute_by_hours_left"), *super().get_urls()]

    def queue_view(self, request: HttpRequest) -> HttpResponse:
        """Show what has to be answered, least time first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Disputes by hours left",
            "panel": {"title": "Disputes by hours left"},
            "table": tables.queue_table(clock.now()),
        }
        return TemplateResponse(request, "backoffice/dispute_queue.html", context)

    @admin.display(description="Left")
    def left(self, row: Dispute) -> Any:
        return tables.time_left(row, clock.now())

    @admin.display(description="Reason")
    def reason_shown(self, row: Dispute) -> str:
        return row.reason.replace("_", " ")

    def page_title(self, row: Dispute) -> str:
        return f"Dispute of {row.order_ref or row.payment or row.charge_ref or row.provider_ref}"

    def headline(self, row: Dispute) -> Any:
        return display.money(row.amount_minor, row.currency)

    def standing(self, row: Dispute) -> str:
        if row.status == DisputeStatus.EARLY_WARNING and row.work_state in OPEN_WORK:
            return "A bank suspects fraud. A refund before the dispute saves its fee and its mark on our account."
        if row.auto_accept_at:
            return "The policy accepts this by itself soon, unless somebody takes it or writes evidence."
        if _answerable(row):
            return "Needs an answer before the deadline; unanswered it is lost."
        if row.work_state == WorkState.SUBMITTED:
            return "Answered; the bank decides."
        return ""

    def facts(self, row: Dispute) -> list[tuple[str, Any]]:
        return [
            ("Work", display.state(row, "work_state")),
            ("Time left", tables.time_left(row, clock.now())),
            ("Provider's deadline", display.instant(row.due_by)),
            ("Seller's deadline", display.instant(row.seller_due_by)),
            ("Accepted by itself", display.instant(row.auto_accept_at)),
            ("Reason", row.reason.replace("_", " ")),
            ("Network's code", row.network_code),
            ("Seller", display.link(row.seller, row.seller.legal_name) if row.seller else ""),
            ("For", row.get_purpose_display()),
            ("Order", row.order_ref),
            ("Payment", display.copyable(row.payment)),
            ("Charge", display.copyable(row.charge_ref, row.charge_ref)),
            ("At the provider", display.copyable(row.provider_ref, row.provider_ref)),
            ("Early warning", display.copyable(row.warning_ref, row.warning_ref)),
            ("Submissions there", str(row.submission_count)),
            ("Owner", self.person(row, "owner")),
            ("Opened", display.instant(row.opened_at)),
            ("Last looked at", display.instant(row.seen_at)),
        ]
