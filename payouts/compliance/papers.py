"""Papers beside the data they prove: on the seller's page those that wait, on a paper's own page its picture and what it has to show."""

from __future__ import annotations

import base64
from datetime import date
from typing import Any

from django.urls import reverse
from django.utils.html import format_html, format_html_join

from backoffice.kit import clock
from backoffice.kit.actors import staff
from backoffice.kit.admin import Column, Look, Panel, Table, display, viewing
from backoffice.kit.errors import Refusal
from payouts.compliance import operations, previews
from payouts.compliance.models import Document, Requirement
from payouts.compliance.states import DocumentState
from payouts.sellers.models import PayeeAccount, Seller
from payouts.sellers.states import PayeeStatus

OPEN_DOCUMENTS = "payouts.open_documents"
_KINDS = {"application/pdf": "PDF", "image/jpeg": "JPEG image", "image/png": "PNG image"}


def kind_text(row: Document) -> str:
    """Return what a paper is in words, such as 'identity' or 'proof of address'."""
    return {"address": "proof of address", "bank_account": "bank proof", "registration": "registration document"}.get(
        row.kind, row.kind.replace("_", " ")
    )


def type_text(row: Document) -> str:
    pages = f", {row.pages} pages" if row.pages > 1 else ""
    return f"{_KINDS.get(row.media_type, row.media_type)}{pages}, {max(1, row.size_bytes // 1024):,} kB"


def proven_data(row: Document) -> list[tuple[str, str]]:
    """Return what a paper has to show: of the person it is about, of the account, or of the seller with the numbers it gave."""
    person = row.requirement.person
    if person is not None:
        facts = [
            ("Name", person.name),
            ("Born", display.day(date.fromisoformat(person.birth_on)) if person.birth_on else ""),
            ("Country", person.country),
        ]
        return [*facts, ("Address", person.address)] if row.kind == "address" else facts
    if row.kind == "bank_account":
        accounts = PayeeAccount.objects.filter(seller=row.seller).exclude(status=PayeeStatus.SUPERSEDED).order_by("-pk")[:3]
        return [
            (f"Account {one.masked}", f"{one.account_holder}; name check: {one.get_name_check_display()}") for one in accounts
        ]
    given = Requirement.objects.filter(seller=row.seller, person__isnull=True).exclude(value="").order_by("pk")
    facts = [
        ("Legal name", row.seller.legal_name),
        ("Form", row.seller.get_entity_type_display()),
        ("Country", row.seller.country),
    ]
    return [*facts, *((one.title, one.value) for one in given if one.evidence.startswith(("number:", "text")))]


def _shown(facts: list[tuple[str, str]]) -> Any:
    lines = [(name, value) for name, value in facts if value]
    return format_html('<dl class="proven">{}</dl>', format_html_join("", "<div><dt>{}</dt><dd>{}</dd></div>", lines))


def file_link(row: Document) -> Any:
    """Return the way to the file; to those who may not open papers, what it is and who may."""
    if not viewing.may(OPEN_DOCUMENTS):
        return f"{type_text(row)}, for reviewers only"
    return display.anchor(reverse("admin:payouts_document_file", args=[row.pk]), f"Save the {type_text(row)}")


def _waiting(seller: Seller) -> Any:
    rows = Document.objects.filter(seller=seller, state=DocumentState.VALIDATION_ASKED)
    return rows.select_related("seller", "requirement", "requirement__person").order_by("pk")


def next_page(row: Document) -> str | None:
    """Return where a reviewer goes on after deciding a paper: the seller's next one, else the seller."""
    return display.page_of(_waiting(row.seller).first() or row.seller)


def _papers_to_decide(seller: Seller, look: Look) -> Table:
    may_open, may_read = look.user.has_perm(OPEN_DOCUMENTS), look.user.has_perm("payouts.view_person")
    return Table(
        [Column("Paper"), Column("Proves"), Column("Has to show"), Column("Sent"), Column("File", wide=True)],
        [
            (
                display.link(one, kind_text(one).capitalize()),
                display.link(one.requirement, one.requirement.title),
                _shown(proven_data(one)) if may_read else "",
                display.instant(one.uploaded_at),
                file_link(one) if may_open else type_text(one),
            )
            for one in _waiting(seller)[: look.limit]
        ],
        note="Open a paper to see it beside its data and to accept or refuse it; the next one follows.",
    )


def _the_paper(row: Document, look: Look) -> Table:
    """The picture is drawn anew by the worker; that somebody looked stands in the audit trail."""
    try:
        drawn = operations.preview_document(document_id=row.pk, actor=staff(look.user.pk), at=clock.now())
    except Refusal as refusal:
        drawn, why = None, str(refusal)
    else:
        why = _why_no_picture(row)
    picture: Any = why
    if drawn is not None:
        address = f"data:{previews.MEDIA_TYPE};base64,{base64.b64encode(drawn).decode()}"
        picture = format_html('<img class="paper" src="{}" alt="{}">', address, f"The {kind_text(row)} as it was sent")
    return Table([Column("The paper"), Column("Has to show")], [(picture, _shown(proven_data(row)))])


def _why_no_picture(row: Document) -> Any:
    if row.erased_at is not None:
        return "The paper was erased."
    if row.media_type.startswith("image/"):
        return format_html("The picture is drawn within a minute of the upload. {}", file_link(row))
    return format_html("A PDF is never shown by this site: {} and read it there.", file_link(row))


SELLER_PANELS = (
    Panel(
        "papers",
        "Papers to decide",
        _papers_to_decide,
        permission="payouts.view_document",
        when=lambda seller: _waiting(seller).exists(),
        lazy=False,
        order=6,
    ),
)
DOCUMENT_PANELS = (Panel("paper", "The paper beside its data", _the_paper, permission=OPEN_DOCUMENTS, order=10),)
