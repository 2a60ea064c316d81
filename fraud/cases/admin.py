"""The screens an analyst works from: cases and their decisions."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.http import content_disposition_header
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit import clock
from backoffice.kit.actors import staff
from backoffice.kit.admin import (
    Button,
    OperatorAdmin,
    choice_column,
    display,
    fields,
    id_column,
    instant_column,
    link_column,
    number_column,
    person_column,
    queue,
    state_column,
)
from backoffice.kit.errors import Refusal
from fraud.cases import operations as cases
from fraud.cases import panels
from fraud.cases.buttons import BUTTONS, LIST_BUTTONS
from fraud.cases.models import Case, CaseDecision, CaseFile
from fraud.cases.queries import escalated_cases, overdue_cases, waiting_cases
from fraud.cases.states import CASE, CASE_DECISION, CaseDecisionState, CaseState

_EXTENSIONS = {"application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg"}
panels.plug_in()
queue(
    name="cases", title="Fraud cases", model=Case, rows=waiting_cases, age_field="opened_at", order=60,
    help_text="Nobody works on these: take the next one, decide, and close it with a label.",
)  # fmt: skip
queue(
    name="cases_overdue", title="Fraud cases past their deadline", model=Case, rows=overdue_cases, age_field="due_at", tone="bad", order=59,
    help_text="Their deadline has passed, whoever holds them: decide, or give them to somebody who can.",
)  # fmt: skip
queue(
    name="cases_escalated", title="Escalated fraud cases", model=Case, rows=escalated_cases, age_field="opened_at", order=61,
    help_text="An analyst wants somebody with more rights to look: take them and decide.",
)  # fmt: skip
queue(
    name="case_decisions", title="Decisions of cases to approve", model=CaseDecision, age_field="made_at", order=62,
    rows=lambda at: CaseDecision.objects.filter(state=CaseDecisionState.WAITING),
    help_text="They move money or a seller, and take a second person: look at the case, then approve or refuse.",
)  # fmt: skip


def subject_of(row: Case) -> str:
    return row.seller.legal_name if row.seller else row.subject


@admin.register(Case)
class CaseAdmin(OperatorAdmin):
    list_display = ("shown_id", "about", "urgency", "state_shown", "stake_money", "alerts_shown", "due", "holder")
    list_filter = (("state", ChoicesDropdownFilter), ("priority", ChoicesDropdownFilter), ("label", ChoicesDropdownFilter))
    list_select_related = ("seller",)
    machine = CASE
    actor_fields = ("owner", "closed_by")
    search_by = (lambda term: Q(subject=term), lambda term: Q(seller__external_id=term))
    search_help_text = "Id, subject, or the seller's id or reference"
    list_buttons = LIST_BUTTONS
    buttons = BUTTONS
    panels = panels.PANELS
    empty_title = "No cases yet"
    empty_text = "They open when a decision stops something, when exposure crosses a threshold, or by hand."
    shown_id = id_column()
    state_shown = state_column("State", "state")
    alerts_shown = number_column("Alerts", "alerts_count")
    due = instant_column("Decide by", "due_at")
    holder = person_column("With", "owner")

    @admin.display(description="About")
    def about(self, row: Case) -> str:
        return subject_of(row)

    @admin.display(description="Urgency")
    def urgency(self, row: Case) -> Any:
        return panels.priority_label(row.priority)

    @admin.display(description="At stake")
    def stake_money(self, row: Case) -> Any:
        return display.totals(row.at_stake)

    def page_title(self, row: Case) -> str:
        return f"Case: {subject_of(row)}"

    def headline(self, row: Case) -> Any:
        return display.totals(row.at_stake) if row.at_stake else ""

    def standing(self, row: Case) -> str:
        if row.state in (CaseState.CLOSED, CaseState.MERGED):
            return row.get_label_display() if row.label else "Its alerts lie in another case now."
        late = " The deadline has passed." if row.due_at < clock.now() else ""
        if row.state == CaseState.WORKING:
            return f"{display.people([row.owner])[row.owner]} works on it.{late}"
        return f"{'Escalated: somebody who approves decisions takes it.' if row.is_escalated else 'Take it to decide.'}{late}"

    def facts(self, row: Case) -> list[tuple[str, Any]]:
        return [
            ("Seller", display.link(row.seller, row.seller.legal_name) if row.seller else ""), ("Subject", "" if row.seller else row.subject),
            ("Urgency", panels.priority_label(row.priority)), ("Decide by", display.instant(row.due_at)), ("Opened", display.instant(row.opened_at)),
            ("Last alert", display.instant(row.last_alert_at)), ("Alerts", row.alerts_count), ("With", self.person(row, "owner") if row.owner else ""),
            ("Locked until", display.instant(row.locked_until)), ("Put off until", display.instant(row.snoozed_until)),
            ("Label", row.get_label_display()), ("Closed by", self.person(row, "closed_by") if row.closed_by else ""),
            ("Merged into", display.link(row.merged_into, row.merged_into.public_id) if row.merged_into else ""),
        ]  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        own = path("<str:object_id>/paper/<int:paper_id>/", self.admin_site.admin_view(self.paper_view), name="fraud_case_paper")
        return [own, *super().get_urls()]

    def paper_view(self, request: HttpRequest, object_id: str, paper_id: int) -> HttpResponse:
        """Answer a paper's bytes as a file to save, never to be shown by this origin; who opened it stands in the audit."""
        row = self._row(request, object_id)
        if not request.user.has_perm("fraud.work_cases"):
            raise PermissionDenied
        if request.method != "GET" or not CaseFile.objects.filter(case=row, pk=paper_id).exists():
            raise Http404
        try:
            paper, data = cases.open_paper(paper_id=paper_id, actor=staff(request.user.pk), at=clock.now())
        except Refusal as refusal:
            self.message_user(request, str(refusal), level="ERROR")
            return HttpResponseRedirect(reverse("admin:fraud_case_change", args=[row.pk]))
        return sealed_download(data, f"{paper.public_id}.{_EXTENSIONS.get(paper.media_type, 'bin')}")


def sealed_download(data: bytes, name: str) -> HttpResponse:
    """Return bytes to save under a name that says nothing of whom they are about; no cache keeps them, no page shows them."""
    response = HttpResponse(data, content_type="application/octet-stream")
    response["Content-Disposition"] = content_disposition_header(True, name)
    response["Content-Security-Policy"] = "sandbox; default-src 'none'; frame-ancestors 'none'"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-store"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


def _what(row: CaseDecision) -> list[tuple[str, Any]]:
    return [
        ("What", row.get_kind_display()), ("About", row.target), ("Amount", display.money(row.amount_minor, row.currency) if row.amount_minor else ""),
        ("Terms", ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in row.terms.items())), ("The seller reads", row.seller_text), ("Why", row.reason),
    ]  # fmt: skip


@admin.register(CaseDecision)
class CaseDecisionAdmin(OperatorAdmin):
    list_display = ("shown_id", "kind_shown", "of_case", "target", "amount_money", "state_shown", "by", "asked")
    list_filter = (("state", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter))
    list_select_related = ("case__seller",)
    machine = CASE_DECISION
    actor_fields = ("made_by", "approved_by")
    search_by = (lambda term: Q(target=term), lambda term: Q(case__public_id=term))
    search_help_text = "Id, what it is about, or the case"
    empty_title = "Nothing was decided in a case yet"
    buttons = (
        Button(
            name="approve", label="Approve", verb=cases.approve_case_decision, permission="fraud.approve_case_decisions", states=(CaseDecisionState.WAITING,),
            state_field="state", arguments=lambda row, asked: {"decision_id": row.pk, "reason": asked["reason"]}, effect=_what,
            fields=lambda row: {"reason": fields.reason(required=False)}, done="Approved and carried out.", explain="It is carried out at once.",
        ),
        Button(
            name="refuse", label="Refuse", verb=cases.refuse_case_decision, permission="fraud.work_cases", states=(CaseDecisionState.WAITING,),
            state_field="state", arguments=lambda row, asked: {"decision_id": row.pk, "reason": asked["reason"]}, danger=True, effect=_what,
            fields=lambda row: {"reason": fields.reason()}, done="Refused.", explain="Whoever asked may take it back this way, too.",
        ),
    )  # fmt: skip
    shown_id = id_column()
    kind_shown = choice_column("Decision", "kind")
    of_case = link_column("Case", "case", lambda case: subject_of(case))
    state_shown = state_column("State", "state")
    by = person_column("By", "made_by")
    asked = instant_column("Asked", "made_at")

    @admin.display(description="Amount")
    def amount_money(self, row: CaseDecision) -> Any:
        return display.money(row.amount_minor, row.currency) if row.amount_minor else ""

    def page_title(self, row: CaseDecision) -> str:
        return f"{row.get_kind_display().capitalize()}: {subject_of(row.case)}"

    def headline(self, row: CaseDecision) -> Any:
        return self.amount_money(row)

    def standing(self, row: CaseDecision) -> str:
        return row.reason

    def facts(self, row: CaseDecision) -> list[tuple[str, Any]]:
        return [
            ("Case", display.link(row.case, row.case.public_id)), *_what(row)[1:-1], ("Made", row.made), ("Takes two", "yes" if row.takes_two else "no"),
            ("Asked by", self.person(row, "made_by")), ("Approved by", self.person(row, "approved_by") if row.approved_by else ""),
            ("Carried out", display.instant(row.done_at)),
        ]  # fmt: skip
