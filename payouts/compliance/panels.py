"""What the reviewer sees: tables on the pages of sellers, requirements, persons and documents."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db.models import TextChoices
from django.utils.html import format_html, format_html_join

from backoffice.kit.admin import Column, Look, Panel, Table, display
from backoffice.kit.approvals import Approval, ApprovalState
from payouts.compliance import papers
from payouts.compliance.models import Document, Person, Requirement, RiskRating, Role
from payouts.compliance.queries import capabilities_of, linked_sellers, ownership_picture, review_queue, review_timeline
from payouts.compliance.rows import OPEN
from payouts.compliance.settling import live_persons
from payouts.compliance.sockets import screening
from payouts.compliance.states import Capability, CapabilityCode, DocumentState, RequirementState
from payouts.sellers.models import PayeeAccount, Seller
from payouts.sellers.states import PayeeStatus, SellerStatus

_DOCUMENTS = "payouts.view_document"


def _columns(*titles: str) -> list[Column]:
    return [Column(title) for title in titles]


def open_approval(action: str, subject: str) -> Approval | None:
    return Approval.objects.filter(action=action, subject=subject, state=ApprovalState.REQUESTED).first()


def asked_for(action: str, subject: str) -> list[tuple[str, Any]]:
    """Return who asked for an approval, why and until when, for the confirm page."""
    asked = open_approval(action, subject)
    if asked is None:
        return []
    who = display.people([asked.maker]).get(asked.maker, asked.maker)
    return [("Asked by", who), ("Why", asked.shown["reason"]), ("Until", asked.shown.get("until") or "for good")]


# --- on the seller's page ---------------------------------------------------------------------------------------------------


def why_off(code: str) -> str:
    return str(dict(CapabilityCode.choices).get(code, code.replace("_", " ")))


def _capabilities(seller: Seller, look: Look) -> Table:
    return Table(
        _columns("May", "Now", "Why not"),
        [
            (
                Capability(one.capability).label,
                display.label("yes", "good") if one.enabled else display.label("no", "bad"),
                why_off(one.code),
            )
            for one in capabilities_of(seller)
            # a consumer sells and earns nothing here, whatever no requirement keeps it from
            if not (seller.is_consumer and one.capability in (Capability.SELL, Capability.ACCRUE))
        ],
        note="Follows from the requirements; nobody sets it by hand.",
    )


def _requirements(seller: Seller, look: Look) -> Table:
    rows = Requirement.objects.filter(seller=seller).exclude(state="withdrawn").select_related("person")
    ranked = sorted(rows, key=lambda row: (row.state not in OPEN, row.state != "pending_verification", row.pk))
    papers: dict[int, list[Document]] = {}
    for document in Document.objects.filter(seller=seller).order_by("-pk"):
        papers.setdefault(document.requirement_id, []).append(document)
    may_see = look.user.has_perm(_DOCUMENTS)
    may_read = look.user.has_perm("payouts.view_person")
    return Table(
        _columns("Requirement", "State", "Given", "Documents", "Deadline", "What is wrong"),
        [
            (
                _titled(row, may_read),
                display.state(row, "state"),
                row.value if row.evidence != "ownership" and may_read else "",
                _papers(papers.get(row.pk, [])) if may_see else "",
                display.instant(row.deadline_at or row.expires_at),
                display.clamped(row.error_text),
            )
            for row in ranked
        ],
        empty="Nobody has said yet what this seller has to show.",
    )


def _titled(row: Requirement, may_read: bool) -> Any:
    """Return what is asked, and below it of whom."""
    if row.person is None or not may_read:
        return display.link(row, row.title)
    return format_html("{}<br>{}", display.link(row, row.title), row.person.name)


def _papers(documents: list[Document]) -> Any:
    return format_html_join(
        " ",
        "{} {}",
        ((display.link(one, papers.kind_text(one).capitalize()), display.state(one, "state")) for one in documents[:4]),
    )


def _persons(seller: Seller, look: Look) -> Table:
    return Table(
        _columns("Name", "Roles", "Born", "Country", "Screening"),
        [
            (
                display.link(one, one.name),
                roles_text(one.roles),
                born_text(one),
                one.country,
                _standing(screening.standing(one.public_id)),
            )
            for one in live_persons(seller)
        ],
        empty="Nobody is named yet.",
        note=f"The seller itself: {_STANDINGS.get(said := screening.standing(seller.public_id), said)}.",
    )


def born_text(person: Person) -> Any:
    """Return a date of birth, kept as ISO text, as people write it."""
    return display.day(date.fromisoformat(person.birth_on)) if person.birth_on else display.EMPTY


_STANDINGS = {
    "clean": "no open hit",
    "hits": "hits to judge",
    "never_screened": "not screened yet",
    "due": "to be screened",
    "not_screenable": "cannot be compared",
    "failed": "screening failed",
}


def _standing(said: str) -> Any:
    return display.label(_STANDINGS.get(said, said.replace("_", " ")), {"clean": "good", "hits": "bad"}.get(said, "warn"))


def roles_text(roles: list[str]) -> str:
    words = dict(Role.choices)
    return ", ".join(str(words.get(one, one)) for one in roles)


def capabilities_text(capabilities: list[str]) -> str:
    words = dict(Capability.choices)
    return ", ".join(str(words.get(one, one)) for one in capabilities)


def _hits(seller: Seller, look: Look) -> Table:
    subjects = [(seller.public_id, seller.legal_name), *((one.public_id, one.name) for one in live_persons(seller))]
    return Table(
        _columns("Party", "Resembles", "On the list", "Score", "State"),
        [
            (
                name,
                display.way_to(hit["id"], hit["name"]) if hit.get("id") else hit.get("name", ""),
                hit.get("list", ""),
                hit.get("score", ""),
                display.label(str(hit.get("words", "")), display.tone_of(str(hit.get("state", "")))),
            )
            for subject, name in subjects
            for hit in screening.hits(subject)
        ],
        empty="No hits.",
    )


def _ownership(seller: Seller, look: Look) -> Table:
    lines, problems = ownership_picture(seller)
    return Table(
        _columns("Owner", "Holds directly", "In the end", "Beneficial owner"),
        [
            (
                display.link(one.person, "· " * one.depth + one.person.name),
                f"{float(one.direct * 100):.2f} %",
                f"{float(one.effective * 100):.2f} %",
                display.label("yes", "busy") if one.is_beneficial else "",
            )
            for one in lines
        ],
        empty=" ".join(problems) or "No owners are named yet.",
        note=" ".join(problems) if lines else "",
    )


def level_label(level: str) -> Any:
    return display.label(level.replace("_", " "), {"high": "bad", "medium": "warn"}.get(level, "good"))


def _risk(seller: Seller, look: Look) -> Table:
    rows, older = look.slice_of(RiskRating.objects.filter(seller=seller))
    names = display.people(row.rated_by for row in rows)
    return Table(
        _columns("Since", "Level", "Points", "Scorecard", "By", "Until", "Next review", "Reason"),
        [
            (
                display.instant(row.rated_at),
                format_html("{} {}", level_label(row.level), row.score),
                ", ".join(f"{name.replace('_', ' ')} {points}" for name, points in row.points.items()),
                row.version,
                names.get(row.rated_by, ""),
                display.day(row.override_until),
                display.day(row.next_review_on),
                display.clamped(row.reason),
            )
            for row in rows
        ],
        empty="Not rated yet.",
        older=older,
    )


def queue_table(at: datetime) -> Table:
    """Return who waits for a reviewer, in working order."""
    rows = review_queue(at=at, limit=100)
    sellers = Seller.objects.in_bulk([row["id"] for row in rows])
    names = display.people(row["claimed_by"] or "" for row in rows)
    return Table(
        [
            *_columns("Seller", "To decide", "Deadline", "Stopped by it", "Risk"),
            Column("Money waiting", money=True),
            *_columns("Since", "Taken by"),
        ],
        [
            (
                display.link(sellers[row["id"]], row["legal_name"]),
                row["requirements"],
                display.instant(row["deadline_at"]),
                display.label("yes", "bad") if row["is_stopped"] else "",
                row["risk"] or "–",
                display.money(row["waiting_minor"], row["currency"]),
                display.age(row["since"], at),
                names.get(row["claimed_by"], "") if row["claimed_by"] else "",
            )
            for row in rows
        ],
        empty="Nobody waits.",
        note="By deadline, then who is stopped by it, then risk, money waiting and age.",
    )


def payee_table(at: datetime) -> Table:
    """Return the payee accounts that were changed and are not paid yet, whose cool-off ends first."""
    rows = PayeeAccount.objects.filter(status=PayeeStatus.ACTIVE, cool_off_until__gt=at).select_related("seller")
    shown = list(rows.order_by("cool_off_until", "pk")[:100])
    names = display.people(row.created_by for row in shown)
    return Table(
        _columns("Account", "Seller", "Name check", "Changed", "By", "Cool-off until"),
        [
            (
                display.link(row, display.steady(f"{row.masked} v{row.version}")),
                display.link(row.seller, row.seller.legal_name),
                display.state(row, "name_check"),
                display.instant(row.created_at),
                names.get(row.created_by, ""),
                display.instant(row.cool_off_until),
            )
            for row in shown
        ],
        empty="No account waits out its cool-off.",
        note="Nothing is paid to them before. Call the seller on a number known before the change; a name check stands on the account's page.",
    )


def _links(seller: Seller, look: Look) -> Table:
    return Table(
        _columns("Seller", "State", "Shares"),
        [
            (display.link(one.seller, one.seller.legal_name), display.state(one.seller), one.what)
            for one in linked_sellers(seller)
        ],
        empty="No other seller shares a bank account, person, phone or address.",
    )


def _messages(seller: Seller, look: Look) -> Table:
    rows, older = look.slice_of(seller.review_messages.select_related("requirement"))  # type: ignore[attr-defined]
    names = display.people(row.sent_by for row in rows)
    return Table(
        _columns("Sent", "By", "About", "Text"),
        [
            (display.instant(row.sent_at), names.get(row.sent_by, ""), row.requirement.title if row.requirement else "", row.text)
            for row in rows
        ],
        empty="Nothing was asked beyond the requirements.",
        older=older,
    )


_STATES: dict[str, type[TextChoices]] = {
    "seller": SellerStatus,
    "payee_account": PayeeStatus,
    "document": DocumentState,
    "requirement": RequirementState,
}


def _timeline(seller: Seller, look: Look) -> Table:
    moments = review_timeline(seller)
    names = display.people(change.actor for change, _ in moments)
    return Table(
        _columns("When", "What", "Became", "By", "Reason"),
        [
            (
                display.instant(change.at),
                title,
                display.state_of(_STATES[change.subject], change.to_state),
                names.get(change.actor, ""),
                display.clamped(change.reason) or display.coded(change.code),
            )
            for change, title in moments
        ],
    )


SELLER_PANELS = (
    Panel("capabilities", "What this seller may do", _capabilities, lazy=False, order=4),
    Panel(
        "requirements", "Requirements and documents", _requirements, permission="payouts.view_requirement", lazy=False, order=5
    ),
    Panel("persons", "Persons", _persons, permission="payouts.view_person", order=20),
    Panel(
        "ownership",
        "Ownership",
        _ownership,
        permission="payouts.view_stake",
        when=lambda seller: not seller.is_consumer,
        order=21,
    ),
    Panel("hits", "Screening hits", _hits, permission="payouts.view_person", order=22),
    Panel("risk", "Risk", _risk, permission="payouts.view_riskrating", order=24),
    Panel("links", "Linked sellers", _links, permission="payouts.view_person", order=23),
    Panel("messages", "Messages to the seller", _messages, permission="payouts.view_reviewmessage", order=65),
    Panel("review", "Review history", _timeline, permission="payouts.view_requirement", order=66),
)


# --- on other pages ---------------------------------------------------------------------------------------------------------


def documents_of_requirement(row: Requirement, look: Look) -> Table:
    documents = row.documents.order_by("-pk")  # type: ignore[attr-defined]
    names = display.people(one.uploaded_by for one in documents)
    return Table(
        _columns("Document", "State", "Pages", "Sent", "By", "Valid until", "Refused because"),
        [
            (
                display.link(one, papers.kind_text(one).capitalize()),
                display.state(one, "state"),
                one.pages,
                display.instant(one.uploaded_at),
                names.get(one.uploaded_by, ""),
                display.day(one.expires_on),
                display.clamped(one.refusal_text),
            )
            for one in documents
        ],
        empty="No document was sent for this.",
    )


def requirements_of_person(row: Person, look: Look) -> Table:
    rows = row.requirements.order_by("pk")  # type: ignore[attr-defined]
    return Table(
        _columns("Requirement", "State", "What is wrong"),
        [(display.link(one, one.title), display.state(one, "state"), display.clamped(one.error_text)) for one in rows],
        empty="Nothing is asked about this person.",
    )


def person_facts(row: Person) -> list[tuple[str, Any]]:
    return [
        ("Seller", display.link(row.seller, row.seller.legal_name)),
        ("Kind", row.get_kind_display()),
        ("Roles", roles_text(row.roles)),
        ("Born", born_text(row)),
        ("Country", row.country),
        ("Address", row.address or "–"),
        ("Phone", row.phone or "–"),
        ("Screening", _standing(screening.standing(row.public_id))),
        ("Since", display.instant(row.created_at)),
        ("Left", display.instant(row.removed_at)),
    ]


def document_effect(row: Document) -> list[tuple[str, Any]]:
    return [
        ("Document", papers.kind_text(row).capitalize()),
        ("Proves", row.requirement.title),
        ("Seller", row.seller.legal_name),
        *papers.proven_data(row),
    ]


def document_facts(row: Document) -> list[tuple[str, Any]]:
    person = row.requirement.person
    return [
        ("File", papers.file_link(row)),
        ("Proves", display.link(row.requirement, row.requirement.title)),
        ("About", display.link(person, person.name) if person else row.seller.legal_name),
        ("Seller", display.link(row.seller, row.seller.legal_name)),
        ("SHA-256", display.copyable(row.sha256, row.sha256[:12] + "…")),
        ("Valid until", display.day(row.expires_on)),
        ("Sent", display.instant(row.uploaded_at)),
    ]
