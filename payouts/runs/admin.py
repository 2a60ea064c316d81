"""Screens of runs: the dry run, the run with its difference, progress and approvals, and who was skipped. Payouts: admin_payouts."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit import clock
from backoffice.kit.admin import (
    Button,
    ExportColumn,
    OperatorAdmin,
    Panel,
    choice_column,
    display,
    fields,
    number_column,
    person_column,
    queue,
    state_column,
)
from backoffice.kit.errors import Refusal
from backoffice.kit.ids import new_id
from backoffice.kit.money import Money
from payouts.runs import content, operations, run_panels
from payouts.runs.admin_payouts import reason_fields
from payouts.runs.models import PayoutRun, RunKind
from payouts.runs.plan_rows import plan_rows
from payouts.runs.planning import plan_run
from payouts.runs.states import RUN, RunStatus

# --- queues -------------------------------------------------------------------------------------------------------------


def runs_to_approve(at: datetime) -> QuerySet[PayoutRun]:
    return PayoutRun.objects.filter(status=RunStatus.NEEDS_APPROVAL)


def runs_to_submit(at: datetime) -> QuerySet[PayoutRun]:
    return PayoutRun.objects.filter(status=RunStatus.APPROVED)


queue(
    name="approve",
    title="Runs to approve",
    model=PayoutRun,
    rows=runs_to_approve,
    age_field="built_at",
    help_text="Compare with the last run, then approve or refuse. Nobody approves their own.",
    order=10,
)
queue(
    name="submit",
    title="Runs to submit",
    model=PayoutRun,
    rows=runs_to_submit,
    age_field="approved_at",
    help_text="Approved: hand them to their rails.",
    order=15,
)
# --- runs ---------------------------------------------------------------------------------------------------------------


def _build_fields(row: Any) -> dict[str, Any]:
    return {
        "on": fields.on_date("Day of the run", initial=timezone.localdate()),
        "currency": fields.choice(
            "Currency", [(code, code) for code in settings.CURRENCIES], "Empty: every currency.", required=False
        ),
        "all_schedules": fields.switch(
            "Whatever the schedule", "On: everybody with money is paid, except those paid on request."
        ),
    }


def _build(row: Any, asked: dict[str, Any]) -> dict[str, Any]:
    return {"on": asked["on"], "currency": asked["currency"] or None, "all_schedules": asked["all_schedules"]}


def _approve_fields(run: PayoutRun) -> dict[str, Any]:
    """Ask for the hash of what is shown as a hidden field: approval is for exactly this content."""
    asked: dict[str, Any] = {
        "content_hash": fields.shown_content(run.content_hash),
        "reason": fields.long_text("Note", "Optional; kept in the history.", required=False),
    }
    if content.needs_step_up(content.counts_and_totals(run)[1]):
        asked["confirmed_total"] = fields.text(
            "Type the total", "This run is above the limit for a plain approval. Type its total, such as 1234.50 EUR."
        )
    return asked


def _run_effect(run: PayoutRun) -> list[tuple[str, Any]]:
    names = display.people([run.maker])
    payouts, totals = content.counts_and_totals(run)
    return [
        ("Payouts", f"{payouts:,}"),
        ("Total", display.totals(totals)),
        ("Skipped sellers", f"{run.skipped_count:,}"),
        ("Built by", names.get(run.maker, run.maker)),
        ("Content", display.copyable(run.content_hash, run.content_hash[:12])),
    ]


@admin.register(PayoutRun)
class PayoutRunAdmin(OperatorAdmin):
    list_display = (
        "name",
        "state_shown",
        "total_money",
        "payouts_shown",
        "skipped_shown",
        "maker_shown",
        "checker_shown",
        "kind_shown",
    )
    wide_only = ("kind_shown", "skipped_shown")
    list_filter = (("status", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter))
    list_select_related = ("previous",)
    actor_fields = ("maker", "checker")
    machine = RUN
    refresh_while = (RunStatus.SUBMITTED,)
    search_by = (lambda term: Q(run_on=term) if _is_day(term) else Q(pk__in=[]),)
    search_help_text = "Id, or day such as 2026-11-21"
    empty_title = "No run was built yet"
    empty_text = "Plan a run first: it shows who would be paid, and why others would not, and writes nothing."
    list_links = (("Plan a run", "admin:payouts_payoutrun_plan", "payouts.view_payoutrun"),)
    list_buttons = (
        Button(
            name="build",
            label="Build a run",
            verb=operations.build_run,
            permission="payouts.build_run",
            arguments=_build,
            fields=_build_fields,
            explain="Takes the money of every due seller aside and freezes the lines. Nothing leaves before another person approves.",
            done=lambda row, run: f"The run is built: {run.payouts_count:,} payouts, {run.skipped_count:,} sellers skipped.",
            then=lambda row, run: display.page_of(run),
        ),
    )
    panels = (
        Panel("totals", "Totals", run_panels.run_totals, lazy=False, order=10),
        Panel("progress", "Progress", run_panels.progress, permission="payouts.view_payout", lazy=False, order=20),
        Panel(
            "difference",
            "Difference from the run before",
            run_panels.difference,
            when=lambda run: run.kind != RunKind.SINGLE,
            order=30,
        ),
        Panel("payouts", "Payouts", run_panels.payouts_of_run, permission="payouts.view_payout", order=50),
        Panel(
            "skips",
            "Skipped sellers",
            run_panels.skips,
            permission="payouts.view_runskip",
            when=lambda run: run.skipped_count > 0,
            order=60,
        ),
        Panel("approvals", "Approvals", run_panels.approvals, permission="backoffice.view_approval", lazy=False, order=70),
    )
    buttons = (
        Button(
            name="approve",
            label="Approve",
            verb=operations.approve_run,
            permission="payouts.approve_run",
            arguments=lambda run, asked: {"run_id": run.pk, **asked},
            states=(RunStatus.NEEDS_APPROVAL,),
            fields=_approve_fields,
            effect=_run_effect,
            explain="You approve exactly this content. If anything in it changes before it is sent, it is not sent.",
            done=lambda row, run: "Approved. It can be submitted now.",
            order=10,
        ),
        Button(
            name="refresh",
            label="Refresh",
            verb=operations.refresh_run,
            permission="payouts.build_run",
            arguments=lambda run, asked: {"run_id": run.pk},
            states=(RunStatus.NEEDS_APPROVAL,),
            effect=_run_effect,
            explain="Takes out the payouts whose seller, payee account or holds changed, gives their money back, and asks for approval again.",
            done=lambda row, run: f"Refreshed: {run.payouts_count:,} payouts are left.",
            order=40,
        ),
        Button(
            name="deny",
            label="Refuse",
            verb=operations.deny_run,
            permission="payouts.approve_run",
            arguments=lambda run, asked: {"run_id": run.pk, "reason": asked["reason"]},
            states=(RunStatus.NEEDS_APPROVAL,),
            fields=reason_fields,
            effect=_run_effect,
            explain="Every payout of the run is refused; the money is available to the sellers again.",
            danger=True,
            done="Refused. The money is available to the sellers again.",
        ),
        Button(
            name="cancel",
            label="Cancel the run",
            verb=operations.cancel_run,
            permission="payouts.cancel_payout",
            arguments=lambda run, asked: {"run_id": run.pk, "reason": asked["reason"]},
            states=(RunStatus.NEEDS_APPROVAL, RunStatus.APPROVED),
            fields=reason_fields,
            effect=_run_effect,
            explain="Every payout of the run is cancelled; the money is available to the sellers again.",
            danger=True,
            done="Cancelled. The money is available to the sellers again.",
        ),
    )
    export_columns = (
        ExportColumn("id", lambda r: r.public_id),
        ExportColumn("day", lambda r: r.run_on),
        ExportColumn("status", lambda r: r.get_status_display()),
        ExportColumn("payouts", lambda r: r.payouts_count),
        ExportColumn("skipped", lambda r: r.skipped_count),
        ExportColumn(
            "totals", lambda r: "; ".join(Money(total, currency).display() for currency, total in sorted(r.totals.items()))
        ),
        ExportColumn("built_at", lambda r: r.built_at),
        ExportColumn("approved_at", lambda r: r.approved_at),
    )
    kind_shown = choice_column("Pays", "kind")
    payouts_shown = number_column("Payouts", "payouts_count")
    skipped_shown = number_column("Skipped", "skipped_count")
    state_shown = state_column()
    maker_shown = person_column("Built by", "maker")
    checker_shown = person_column("Approved by", "checker")

    @admin.display(description="Run")
    def name(self, row: PayoutRun) -> Any:
        return display.steady(f"{display.day_text(row.run_on)} {row.currency}".strip())

    @admin.display(description="Total")
    def total_money(self, row: PayoutRun) -> Any:
        return display.totals(row.totals)

    def page_title(self, row: PayoutRun) -> str:
        return f"Run of {display.day_text(row.run_on)}"

    def headline(self, row: PayoutRun) -> Any:
        return display.totals(row.totals)

    def standing(self, row: PayoutRun) -> str:
        return {
            RunStatus.NEEDS_APPROVAL: "The money is set aside. Another person than the one who built it must approve it.",
            RunStatus.APPROVED: "Approved. Somebody submits it to its rails.",
            RunStatus.SUBMITTED: "Sent. Payouts settle as the banks answer; this page follows.",
            RunStatus.COMPLETED: "Every payout of this run has ended.",
        }.get(RunStatus(row.status), "Nothing of this run was paid; its money is available to the sellers again.")

    def facts(self, row: PayoutRun) -> list[tuple[str, Any]]:
        return [
            ("Kind", row.get_kind_display()),
            ("Currency", row.currency or "every"),
            ("Payouts", f"{row.payouts_count:,}"),
            ("Skipped sellers", f"{row.skipped_count:,}"),
            ("Built by", self.person(row, "maker")),
            ("Built", display.instant(row.built_at)),
            ("Approved by", self.person(row, "checker")),
            ("Approved", display.instant(row.approved_at)),
            ("Submitted", display.instant(row.submitted_at)),
            ("Approval expires", display.instant(row.expires_at)),
            ("Content", display.copyable(row.content_hash, row.content_hash[:12])),
        ]

    def plan_view(self, request: HttpRequest) -> HttpResponse:
        """Show a dry run: who would get how much, who would be skipped with which reason and next day. Writes nothing."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = forms.Form(request.GET if request.GET.get("on") else None)
        form.fields.update(_build_fields(None))
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Plan a run",
            "form": form,
        }
        if form.is_bound and form.is_valid():
            asked = form.cleaned_data
            try:
                plan = plan_run(
                    on=asked["on"], at=clock.now(), currency=asked["currency"] or None, all_schedules=asked["all_schedules"]
                )
            except Refusal as refusal:
                form.add_error(None, str(refusal))
            else:
                context |= plan_rows(plan, request.GET.get("code", ""))
                context["may_build"] = request.user.has_perm("payouts.build_run") and bool(plan.payouts)
                context["build_url"] = reverse(self._url("list_button"), args=["build"])
                context["key"] = new_id("frm")
                context["asked"] = request.GET
        return TemplateResponse(request, "backoffice/plan.html", context)

    def get_urls(self) -> list[URLPattern]:
        return [path("plan/", self.admin_site.admin_view(self.plan_view), name="payouts_payoutrun_plan"), *super().get_urls()]


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
