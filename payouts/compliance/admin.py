"""The reviewer's desk: who waits, and on the seller's page everything one needs to decide, beside what it proves."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit import clock
from backoffice.kit.admin import Button, OperatorAdmin, Panel, display, fields, link_column, plug, queue, state_column
from backoffice.kit.approvals import Approval, ApprovalState
from payouts.compliance import content, operations, panels, seller_buttons
from payouts.compliance.buttons import REVIEW, agree, disagree, next_in_queue
from payouts.compliance.deciding import WAIVE
from payouts.compliance.models import Requirement
from payouts.compliance.operations import REACTIVATE, REJECT
from payouts.compliance.queries import waiting_for_review
from payouts.compliance.rating import OVERRIDE
from payouts.compliance.rows import MET, OPEN
from payouts.compliance.states import REQUIREMENT, RequirementState
from payouts.sellers.models import Seller

OPEN_DOCUMENTS = "payouts.open_documents"
_EXTENSIONS = {"application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg"}


def requirements_to_decide(at: datetime) -> QuerySet[Requirement]:
    """Return what was given and waits for a person."""
    return Requirement.objects.filter(state=RequirementState.PENDING_VERIFICATION, by_person=True)


def requirements_overdue(at: datetime) -> QuerySet[Requirement]:
    return Requirement.objects.filter(state=RequirementState.PAST_DUE)


def asked_of_a_second_person(at: datetime) -> QuerySet[Approval]:
    """Return what reviewers asked a second person for, and nobody has decided."""
    return Approval.objects.filter(action__in=[WAIVE, REJECT, REACTIVATE, OVERRIDE], state=ApprovalState.REQUESTED)


queue(
    name="sellers_to_review",
    title="Sellers to review",
    model=Seller,
    rows=waiting_for_review,
    age_field="created_at",
    help_text="Take the next one: the page shows what they gave beside what it proves.",
    order=30,
)
queue(
    name="requirements_to_decide",
    title="Requirements to decide",
    model=Requirement,
    rows=requirements_to_decide,
    age_field="provided_at",
    help_text="Accept what was given, or say to the seller what is missing.",
    order=31,
)
queue(
    name="requirements_overdue",
    title="Requirements overdue",
    model=Requirement,
    rows=requirements_overdue,
    age_field="deadline_at",
    help_text="These sellers are not paid: call them, or have it waived by two people.",
    order=62,
)
queue(
    name="review_approvals",
    title="Reviewers' requests to approve",
    model=Approval,
    rows=asked_of_a_second_person,
    age_field="requested_at",
    help_text="Waivers, rejections, reactivations and risk levels that a colleague asked for: another person says yes or no on the page they are about.",
    order=33,
)


# --- requirements ----------------------------------------------------------------------------------------------------------


def _effect(row: Requirement) -> list[tuple[str, Any]]:
    return [
        ("Requirement", row.title),
        ("Seller", row.seller.legal_name),
        ("Now", display.state(row, "state")),
        ("Given", row.value if row.evidence != "ownership" else ""),
        ("Keeps them from", panels.capabilities_text(row.capabilities)),
    ]


def _about(row: Requirement, asked: dict[str, Any]) -> dict[str, Any]:
    return {"requirement_id": row.pk, **asked}


@admin.register(Requirement)
class RequirementAdmin(OperatorAdmin):
    list_display = ("title", "seller_shown", "state_shown", "deadline_shown", "provided_shown", "error_shown")
    list_filter = (("state", ChoicesDropdownFilter),)
    list_select_related = ("seller", "person")
    machine = REQUIREMENT
    search_by = (lambda term: Q(seller__external_id=term), lambda term: Q(seller__public_id=term))
    search_help_text = "Id, or the seller's id"
    empty_text = "Requirements come with sellers, from the catalogue."
    list_links = (("Review queue", "admin:payouts_requirement_review_queue", "payouts.view_requirement"),)
    list_buttons = (next_in_queue(),)
    panels = (
        Panel(
            "documents", "Documents", panels.documents_of_requirement, permission="payouts.view_document", lazy=False, order=10
        ),
    )
    buttons = (
        Button(
            name="accept",
            label="Accept",
            verb=operations.accept_requirement,
            permission=REVIEW,
            arguments=_about,
            states=[RequirementState.PENDING_VERIFICATION],
            state_field="state",
            when=lambda row: row.by_person,
            fields=lambda row: {"reason": fields.reason()},
            effect=_effect,
            explain="What the requirement kept off is on again, if nothing else keeps it off.",
            done=lambda row, found: f"{found.title}: accepted.",
            order=10,
        ),
        Button(
            name="refuse",
            label="Refuse",
            verb=operations.refuse_requirement,
            permission=REVIEW,
            arguments=_about,
            states=[RequirementState.PENDING_VERIFICATION],
            state_field="state",
            fields=lambda row: {
                "seller_text": fields.long_text("What the seller has to do", "Sent to the seller as it stands."),
                "reason": fields.reason(),
            },
            effect=_effect,
            explain="The seller is asked again, and what it guards stays off until it is met.",
            done=lambda row, found: f"{found.title}: asked again.",
            order=20,
        ),
        Button(
            name="reopen",
            label="Ask again",
            verb=operations.reopen_requirement,
            permission=REVIEW,
            arguments=_about,
            states=MET,
            state_field="state",
            fields=lambda row: {
                "seller_text": fields.long_text("What the seller has to do", "Sent to the seller as it stands."),
                "at_once": fields.switch("Stop at once", f"Otherwise there are {row.grace_days} days."),
                "reason": fields.reason(),
            },
            effect=_effect,
            done=lambda row, found: f"{found.title}: asked again.",
            order=40,
        ),
        Button(
            name="ask_waiver",
            label="Ask for a waiver",
            verb=operations.ask_waiver,
            permission=REVIEW,
            arguments=_about,
            states=OPEN,
            state_field="state",
            fields=lambda row: {"until": fields.on_date("Until", "Empty: for good.", required=False), "reason": fields.reason()},
            effect=_effect,
            explain="A second person has to approve it.",
            done="A second person has to approve the waiver.",
            order=50,
        ),
        agree(
            WAIVE,
            "approve_waiver",
            "Approve the waiver",
            operations.approve_waiver,
            arguments=_about,
            effect=_effect,
            done=lambda row, found: f"{found.title}: waived.",
            order=51,
        ),
        disagree(
            WAIVE,
            "refuse_waiver",
            "Refuse the waiver",
            operations.refuse_waiver,
            arguments=_about,
            effect=_effect,
            done="The waiver is refused.",
            order=52,
        ),
        Button(
            name="upload",
            label="Upload a document",
            verb=operations.upload_document,
            permission=REVIEW,
            arguments=lambda row, asked: {"requirement_id": row.pk, "data": _bytes_of(asked["file"])},
            states=OPEN,
            state_field="state",
            when=lambda row: row.evidence.startswith("document:"),
            fields=lambda row: {
                "file": fields.upload("File", f"PDF, JPEG or PNG, up to {content.BYTES_MAX // 1024 // 1024} MB.")
            },
            effect=_effect,
            explain="For what came by post or mail. Another person has to accept it.",
            done="The document is in; another person has to accept it.",
            order=30,
        ),
    )
    state_shown = state_column(field="state")
    seller_shown = link_column("Seller", "seller")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [path("review-queue/", wrap(self.queue_view), name="payouts_requirement_review_queue"), *super().get_urls()]

    def queue_view(self, request: HttpRequest) -> HttpResponse:
        """Show who waits for a reviewer, in working order."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Review queue",
            "panel": {"title": "Review queue"},
            "table": panels.queue_table(clock.now()),
            "payees": panels.payee_table(clock.now()) if request.user.has_perm("payouts.view_payeeaccount") else None,
            "payees_panel": {"title": "Payee accounts that changed"},
            "take_next": reverse(self._url("list_button"), args=["claim_next"]) if request.user.has_perm(REVIEW) else "",
        }
        return TemplateResponse(request, "backoffice/review_queue.html", context)

    @admin.display(description="Deadline")
    def deadline_shown(self, row: Requirement) -> Any:
        return display.instant(row.deadline_at)

    @admin.display(description="Given")
    def provided_shown(self, row: Requirement) -> Any:
        return display.instant(row.provided_at)

    @admin.display(description="What is wrong")
    def error_shown(self, row: Requirement) -> Any:
        return display.clamped(row.error_text)

    def standing(self, row: Requirement) -> str:
        return row.error_text or row.seller_text

    def facts(self, row: Requirement) -> list[tuple[str, Any]]:
        return [
            ("Seller", display.link(row.seller, row.seller.legal_name)),
            ("Person", display.link(row.person, row.person.name) if row.person else "–"),
            ("Given", row.value if row.evidence != "ownership" else "see the ownership picture"),
            ("Keeps them from", panels.capabilities_text(row.capabilities)),
            ("Until it is met", "all of it is off" if row.gating else "off once the deadline has passed"),
            ("Deadline", display.instant(row.deadline_at)),
            ("Expires", display.instant(row.expires_at)),
            ("Why", row.why),
            ("Rule", row.source),
            ("Catalogue", row.catalogue),
        ]


def _bytes_of(upload: Any) -> bytes:
    """Return an upload's bytes, one more than allowed at most: the verb then refuses it as too large without all of it in memory."""
    return bytes(upload.read(content.BYTES_MAX + 1))


plug(Seller, *panels.SELLER_PANELS, *seller_buttons.SELLER_BUTTONS)
