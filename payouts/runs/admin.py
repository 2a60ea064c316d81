"""Screens of runs and payouts: the dry run, the run with its difference, the payout with its lines."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter

from backoffice.kit import clock
from backoffice.kit.admin import (
    Button,
    Column,
    ExportColumn,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    choice_column,
    day_column,
    display,
    fields,
    id_column,
    link_column,
    money_column,
    number_column,
    person_column,
    plug,
    queue,
    state_column,
)
from backoffice.kit.approvals import Approval
from backoffice.kit.errors import Refusal
from backoffice.kit.ids import new_id
from backoffice.kit.money import Money
from payouts.ledger.models import Posting
from payouts.runs import content, operations, queries
from payouts.runs.models import Payout, PayoutRun, RunKind, RunSkip
from payouts.runs.planning import Plan, plan_run
from payouts.runs.states import PAYOUT, RUN, PayoutStatus, RunStatus, SkipCode
from payouts.sellers.models import Seller
from payouts.sellers.states import SellerStatus

PLAN_ROWS_SHOWN = 200
DIFFERENCE_ROWS = 8
STUCK_AFTER = timedelta(hours=24)
BOUNCED = [PayoutStatus.FAILED, PayoutStatus.RETURNED]


# --- queues -------------------------------------------------------------------------------------------------------------


def runs_to_approve(at: datetime) -> QuerySet[PayoutRun]:
    return PayoutRun.objects.filter(status=RunStatus.NEEDS_APPROVAL)


def runs_to_submit(at: datetime) -> QuerySet[PayoutRun]:
    return PayoutRun.objects.filter(status=RunStatus.APPROVED)


def stuck_payouts(at: datetime) -> QuerySet[Payout]:
    """Return the payouts that were to be sent and did not move for a day; those held wait for a person and are another queue."""
    return Payout.objects.filter(status=PayoutStatus.PENDING, changed_at__lt=at - STUCK_AFTER) | Payout.objects.filter(
        status=PayoutStatus.IN_TRANSIT, expected_arrival_on__lt=at.date() - timedelta(days=2)
    )


def held_payouts(at: datetime) -> QuerySet[Payout]:
    return Payout.objects.filter(status=PayoutStatus.HELD)


def bounced_payouts(at: datetime) -> QuerySet[Payout]:
    """Return what came back or failed and was not followed by another payout of that seller in that currency."""
    later = Payout.objects.filter(seller_id=OuterRef("seller_id"), currency=OuterRef("currency"), pk__gt=OuterRef("pk"))
    return Payout.objects.filter(status__in=BOUNCED).filter(~Exists(later))


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
        "content_hash": forms.CharField(initial=run.content_hash, widget=forms.HiddenInput()),
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


def _reason_fields(row: Any) -> dict[str, Any]:
    return {"reason": fields.reason()}


def _difference(run: PayoutRun, look: Look) -> Table:
    """Compare with the run before: totals, who is new, gone, and whose amount moved far."""
    found = queries.run_difference(run)
    if found is None:
        return Table([Column("Difference")], [], empty="There is no earlier run of this kind to compare with.")
    rows: list[tuple[Any, ...]] = []
    for kind, group in (("new", found.new), ("gone", found.gone), ("changed far", found.changed)):
        for row in group[:DIFFERENCE_ROWS]:
            rows.append(
                (
                    kind,
                    display.anchor(reverse("admin:payouts_seller_change", args=[row.seller_id]), row.external_id),
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


def _run_totals(run: PayoutRun, look: Look) -> Table:
    before = run.previous.totals if run.previous else {}
    rows = [
        (
            currency,
            display.money(run.totals.get(currency, 0), currency),
            display.money(before.get(currency, 0), currency),
            display.money(run.totals.get(currency, 0) - before.get(currency, 0), currency, signed=True),
        )
        for currency in sorted(set(run.totals) | set(before))
    ]
    links = [("The run before", display.page_of(run.previous) or "")] if run.previous else []
    titles = (Column("Currency"), Column("This run", money=True), Column("Run before", money=True), Column("Change", money=True))
    return Table(titles, rows, empty="This run pays nothing.", links=links)


def _progress(run: PayoutRun, look: Look) -> Table:
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


def _payouts_of_run(run: PayoutRun, look: Look) -> Table:
    rows, older = look.slice_of(run.payouts.select_related("seller", "payee_account"))
    return Table(
        [Column("Seller"), Column("Amount", money=True), Column("State"), Column("To"), Column("Payout")],
        [
            (
                display.link(row.seller, row.seller.legal_name),
                display.money(row.amount_minor, row.currency),
                display.state(row),
                row.payee_account.masked,
                display.link(row, display.short_id(row.public_id)),
            )
            for row in rows
        ],
        older=older,
        older_label="More",
    )


def _skips(run: PayoutRun, look: Look) -> Table:
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
                display.day(row.next_on) if row.next_on else "when it is mended",
            )
            for row in rows
        ],
        empty="Nobody was skipped.",
        note=note,
        older=older,
        older_label="More",
        links=[("All skipped sellers of this run", display.list_url(RunSkip, run=run.pk))] if rows else [],
    )


def _approvals(run: PayoutRun, look: Look) -> Table:
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
        Panel("totals", "Totals", _run_totals, lazy=False, order=10),
        Panel("progress", "Progress", _progress, permission="payouts.view_payout", lazy=False, order=20),
        Panel("difference", "Difference from the run before", _difference, when=lambda run: run.kind != RunKind.SINGLE, order=30),
        Panel("payouts", "Payouts", _payouts_of_run, permission="payouts.view_payout", order=50),
        Panel(
            "skips",
            "Skipped sellers",
            _skips,
            permission="payouts.view_runskip",
            when=lambda run: run.skipped_count > 0,
            order=60,
        ),
        Panel("approvals", "Approvals", _approvals, permission="backoffice.view_approval", lazy=False, order=70),
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
            fields=_reason_fields,
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
            fields=_reason_fields,
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
                context |= _shown(plan, request.GET.get("code", ""))
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


def _shown(plan: Plan, code: str) -> dict[str, Any]:
    """Return the dry run as the page shows it: the first rows of each kind, all counts and totals."""
    skipped = [row for row in plan.skipped if not code or row.code == code]
    labels = dict(SkipCode.choices)
    difference = plan.difference
    return {
        "plan": plan,
        "on": display.day_text(plan.on),
        "totals": display.totals(plan.totals),
        "payouts": [
            (row, display.money(row.amount_minor, row.currency), reverse("admin:payouts_seller_change", args=[row.seller_id]))
            for row in plan.payouts[:PLAN_ROWS_SHOWN]
        ],
        "payouts_more": max(0, len(plan.payouts) - PLAN_ROWS_SHOWN),
        "codes": [(one, labels.get(one, one), count) for one, count in plan.skipped_by_code.items()],
        "code": code,
        "skipped": [
            (
                row,
                display.money(row.amount_minor, row.currency),
                labels.get(row.code, row.code),
                display.day(row.next_on) if row.next_on else "when it is mended",
                reverse("admin:payouts_seller_change", args=[row.seller_id]),
            )
            for row in skipped[:PLAN_ROWS_SHOWN]
        ],
        "skipped_more": max(0, len(skipped) - PLAN_ROWS_SHOWN),
        "difference": difference,
        "difference_totals": [
            (
                currency,
                display.money(before, currency),
                display.money(after, currency),
                display.money(after - before, currency, signed=True),
            )
            for currency, (before, after) in (difference.totals.items() if difference else [])
        ],
    }


@admin.register(RunSkip)
class RunSkipAdmin(OperatorAdmin):
    list_display = ("run_shown", "seller_shown", "amount_money", "why", "next_day")
    list_filter = (("code", ChoicesDropdownFilter), "currency")
    list_select_related = ("run", "seller")
    empty_text = "A built run keeps every seller it did not pay, with the reason."
    export_columns = (
        ExportColumn("run", lambda s: s.run.public_id),
        ExportColumn("seller", lambda s: s.seller.external_id),
        ExportColumn("stands there", lambda s: Money(s.amount_minor, s.currency)),
        ExportColumn("currency", lambda s: s.currency),
        ExportColumn("why", lambda s: s.get_code_display()),
        ExportColumn("next_on", lambda s: s.next_on),
    )
    run_shown = link_column("Run", "run", lambda run: display.day(run.run_on))
    seller_shown = link_column("Seller", "seller", lambda seller: seller.legal_name)
    amount_money = money_column("Stands there")
    why = choice_column("Why not", "code")
    next_day = day_column("Next day", "next_on")

    def facts(self, row: RunSkip) -> list[tuple[str, Any]]:
        return [
            ("Run", display.link(row.run)),
            ("Seller", display.link(row.seller)),
            ("Stands there", display.money(row.amount_minor, row.currency)),
            ("Why not", row.get_code_display()),
            ("Next day", display.day(row.next_on)),
        ]

    def page_title(self, row: RunSkip) -> str:
        return f"{row.seller.legal_name}: {row.get_code_display()}"


# --- payouts ------------------------------------------------------------------------------------------------------------


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
                display.anchor(reverse("go", args=[line.source]), line.text) if line.source else line.text,
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
    rows, older = look.slice_of(Posting.objects.filter(source_kind="payout", source_id=payout.pk))
    names = display.people(row.actor for row in rows)
    return Table(
        [Column("Posting"), Column("Recorded"), Column("Effective"), Column("By"), Column("Reason")],
        [
            (
                display.link(row, row.template.replace("_", " ")),
                display.instant(row.recorded_at),
                display.instant(row.effective_at),
                names.get(row.actor, row.actor),
                row.reason,
            )
            for row in rows
        ],
        older=older,
    )


def _payout_effect(payout: Payout) -> list[tuple[str, Any]]:
    return [
        ("Payout to", payout.seller.legal_name),
        ("Amount", display.money(payout.amount_minor, payout.currency)),
        ("Account", payout.payee_account.masked),
        ("Now", display.state(payout)),
    ]


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
    list_filter = (
        ("status", ChoicesDropdownFilter),
        "currency",
        "rail",
        ("built_at", RangeDateTimeFilter),
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
            fields=_reason_fields,
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
            fields=_reason_fields,
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
            fields=_reason_fields,
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
        return display.clamped(row.status_reason or row.status_code)

    @admin.display(description="To")
    def payee_shown(self, row: Payout) -> Any:
        return display.steady(row.payee_account.masked)

    def page_title(self, row: Payout) -> str:
        return f"Payout to {row.seller.legal_name}"

    def headline(self, row: Payout) -> Any:
        return display.money(row.amount_minor, row.currency)

    def standing(self, row: Payout) -> str:
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
        return told + ahead.get(PayoutStatus(row.status), "The money is available to the seller again.")

    def facts(self, row: Payout) -> list[tuple[str, Any]]:
        return [
            ("Seller", display.link(row.seller)),
            ("Run", display.link(row.run)),
            ("To", display.link(row.payee_account)),
            ("Rail", f"{row.rail}, instant" if row.instant else row.rail),
            ("On the seller's statement", display.copyable(row.reference, row.reference)),
            ("Code", row.status_code),
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


def _expected(payout: Payout) -> str:
    on = payout.expected_arrival_on
    return f"With the bank; expected on {display.day_text(on)}." if on else "With the bank."


def _return_window(payout: Payout) -> str:
    if payout.settled_final_at or payout.return_window_closes_on is None:
        return "Paid."
    return f"Paid; it may still come back until {display.day_text(payout.return_window_closes_on)}."


# --- on the seller's page -------------------------------------------------------------------------------------------------


def _eligibility(seller: Seller, look: Look) -> Table:
    """Ask the run's own statement what the next run would do."""
    at = clock.now()
    labels = dict(SkipCode.choices)
    return Table(
        [Column("Currency"), Column("Stands there", money=True), Column("The next run"), Column("To"), Column("Next day")],
        [
            (
                row.currency,
                display.money(row.amount_minor, row.currency),
                display.label("would pay it", "good") if not row.code else display.label(labels.get(row.code, row.code), "warn"),
                row.payee,
                "today" if not row.code else (display.day(row.next_on) if row.next_on else "when it is mended"),
            )
            for row in queries.eligibility(seller.pk, at.date(), at)
        ],
        empty="Nothing to pay in any currency.",
    )


def _payouts_of(seller: Seller, look: Look) -> Table:
    rows, older = look.slice_of(seller.payouts.select_related("payee_account", "run"))
    return Table(
        [Column("Payout"), Column("Amount", money=True), Column("State"), Column("Why"), Column("To"), Column("Built")],
        [
            (
                display.link(row, display.short_id(row.public_id)),
                display.money(row.amount_minor, row.currency),
                display.state(row),
                row.status_reason,
                row.payee_account.masked,
                display.instant(row.built_at),
            )
            for row in rows
        ],
        empty="Nothing was paid to this seller yet.",
        older=older,
        links=[("All payouts of this seller", display.list_url(Payout, seller=seller.pk))],
    )


def _payout_fields(seller: Seller) -> dict[str, Any]:
    at = clock.now()
    offered = [(row.currency, row.currency) for row in queries.eligibility(seller.pk, at.date(), at, on_request=True)]
    return {"currency": fields.choice("Currency", offered or [(seller.currency, seller.currency)], initial=seller.currency)}


def _would_pay(seller: Seller) -> list[tuple[str, Any]]:
    at, labels = clock.now(), dict(SkipCode.choices)
    return [
        (
            row.currency,
            display.money(row.amount_minor, row.currency) if not row.code else f"not possible: {labels.get(row.code, row.code)}",
        )
        for row in queries.eligibility(seller.pk, at.date(), at, on_request=True)
    ]


plug(
    Seller,
    Panel("eligibility", "What the next run would do", _eligibility, lazy=False, order=20),
    Panel("payouts", "Payouts", _payouts_of, permission="payouts.view_payout", order=40),
    Button(
        name="pay",
        label="Pay now",
        verb=operations.build_payout,
        permission="payouts.build_run",
        arguments=lambda seller, asked: {"seller_id": seller.pk, "currency": asked["currency"]},
        states=(SellerStatus.ACTIVE,),
        fields=_payout_fields,
        effect=_would_pay,
        explain="Builds a run of one payout, whatever the schedule. Another person approves it like any other.",
        done="The payout is built and waits for approval.",
        then=lambda seller, payout: display.page_of(payout.run),
        order=10,
    ),
)
