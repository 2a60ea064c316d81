"""Documents at the desk: what a paper proves, its decision, and its bytes as a file to save."""

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
from backoffice.kit.admin import Button, OperatorAdmin, display, fields, instant_column, link_column, plug, state_column
from backoffice.kit.errors import Refusal
from payouts.compliance import operations, panels, papers
from payouts.compliance.buttons import REVIEW
from payouts.compliance.models import Document
from payouts.compliance.papers import OPEN_DOCUMENTS
from payouts.compliance.states import DOCUMENT, DocumentState, RefusalReason
from payouts.sellers.models import Seller

_EXTENSIONS = {"application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg"}


@admin.register(Document)
class DocumentAdmin(OperatorAdmin):
    list_display = ("kind_shown", "seller_shown", "about_shown", "requirement_shown", "state_shown", "type_shown", "sent")
    list_filter = (("state", ChoicesDropdownFilter),)
    list_select_related = ("seller", "requirement", "requirement__person")
    panels = papers.DOCUMENT_PANELS
    actor_fields = ("uploaded_by",)
    machine = DOCUMENT
    search_by = (lambda term: Q(seller__external_id=term), lambda term: Q(sha256=term))
    search_help_text = "Id, seller's external id, or SHA-256"
    empty_text = "Documents come by API, or are uploaded on a requirement's page."
    buttons = (
        Button(
            name="validate",
            label="Accept",
            verb=operations.validate_document,
            permission=REVIEW,
            arguments=lambda row, asked: {"document_id": row.pk, **asked},
            states=[DocumentState.VALIDATION_ASKED],
            state_field="state",
            fields=lambda row: {
                "expires_on": fields.on_date("Valid until", "As it stands on the paper; empty: for good.", required=False),
                "reason": fields.reason(required=False),
            },
            effect=lambda row: panels.document_effect(row),
            then=lambda row, found: papers.next_page(row),
            done="The document is accepted.",
            order=10,
        ),
        Button(
            name="refuse",
            label="Refuse",
            verb=operations.refuse_document,
            permission=REVIEW,
            arguments=lambda row, asked: {"document_id": row.pk, **asked},
            states=[DocumentState.VALIDATION_ASKED, DocumentState.VALIDATED],
            state_field="state",
            fields=lambda row: {
                "refusal": fields.choice("Why", RefusalReason.choices),
                "text": fields.long_text("To the seller", "Sent as it stands; empty: the reason in words.", required=False),
            },
            effect=lambda row: panels.document_effect(row),
            then=lambda row, found: papers.next_page(row),
            done="The document is refused and the seller is asked again.",
            order=20,
        ),
    )
    state_shown = state_column(field="state")
    seller_shown = link_column("Seller", "seller")
    requirement_shown = link_column("Proves", "requirement", lambda requirement: requirement.title)
    sent = instant_column("Sent", "uploaded_at")

    @admin.display(description="Document")
    def kind_shown(self, row: Document) -> str:
        return papers.kind_text(row).capitalize()

    @admin.display(description="About")
    def about_shown(self, row: Document) -> Any:
        person = row.requirement.person
        return display.link(person, person.name) if person else display.EMPTY

    @admin.display(description="File")
    def type_shown(self, row: Document) -> str:
        return papers.type_text(row)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [path("<str:object_id>/file/", wrap(self.file_view), name="payouts_document_file"), *super().get_urls()]

    def file_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer the bytes as a file to save, never to be shown by this origin; who opened it stands in the audit trail."""
        row = self._row(request, object_id)
        if not request.user.has_perm(OPEN_DOCUMENTS):
            raise PermissionDenied
        if request.method != "GET":
            raise Http404
        try:
            document, data = operations.open_document(document_id=row.pk, actor=staff(request.user.pk), at=clock.now())
        except Refusal as refusal:
            self.message_user(request, str(refusal), level="ERROR")
            return HttpResponseRedirect(reverse(self._url("change"), args=[row.pk]))
        response = HttpResponse(data, content_type="application/octet-stream")
        response["Content-Disposition"] = content_disposition_header(
            True, f"{document.public_id}.{_EXTENSIONS[document.media_type]}"
        )
        response["Content-Security-Policy"] = "sandbox; default-src 'none'; frame-ancestors 'none'"
        response["X-Content-Type-Options"] = "nosniff"
        response["Cache-Control"] = "no-store"
        response["Cross-Origin-Resource-Policy"] = "same-origin"
        return response

    def page_title(self, row: Document) -> str:
        person = row.requirement.person
        return f"{papers.kind_text(row).capitalize()} of {person.name if person and person.name else row.seller.legal_name}"

    def standing(self, row: Document) -> str:
        if row.state == DocumentState.VALIDATION_ASKED:
            return "Compare it with what it has to show, then accept or refuse it."
        if row.refusal:
            return f"{row.get_refusal_display().capitalize()}. To the seller: {row.refusal_text}"
        return ""

    def facts(self, row: Document) -> list[tuple[str, Any]]:
        return panels.document_facts(row)


plug(Seller, *papers.SELLER_PANELS)
