"""The tables on a dispute's page, and the queue by hours left."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from backoffice.kit.admin import Column, Look, Table, display
from billing.disputes import evidence
from billing.disputes.models import Dispute, DisputeMovement, DisputeSubmission
from billing.disputes.states import NEEDS_ANSWER, OPEN_WORK, DisputeStatus
from payouts.ledger.models import Posting

QUEUE_ROWS = 100


def to_answer(at: datetime) -> QuerySet[Dispute]:
    """Return the disputes that need an answer from us."""
    return Dispute.objects.filter(status__in=NEEDS_ANSWER, work_state__in=OPEN_WORK)


def warnings_to_decide(at: datetime) -> QuerySet[Dispute]:
    return Dispute.objects.filter(status=DisputeStatus.EARLY_WARNING, work_state__in=OPEN_WORK)


def time_left(row: Dispute, at: datetime) -> Any:
    """Return what is left until the provider's deadline; red below two days."""
    if row.due_by is None or row.status not in NEEDS_ANSWER:
        return display.EMPTY
    hours = int((row.due_by - at).total_seconds() // 3600)
    if hours < 0:
        return display.label("deadline passed", "bad")
    text = f"{hours} h" if hours < 96 else f"{hours // 24} days"
    return display.label(text, "bad" if hours < 48 else "warn" if hours < 120 else "plain")


def queue_table(at: datetime) -> Table:
    """Return who has to be answered, least time first."""
    rows = list(to_answer(at).select_related("seller").order_by("due_by", "id")[: QUEUE_ROWS + 1])
    people = display.people(row.owner for row in rows)
    columns = [Column("Dispute"), Column("Left"), Column("Seller's deadline"), Column("Seller"), Column("Reason"), Column("Work")]
    note = f"The {QUEUE_ROWS} with the least time left." if len(rows) > QUEUE_ROWS else ""
    return Table(
        [*columns, Column("Owner"), Column("Disputed", money=True)],
        [
            (
                display.link(row, display.short_id(row.public_id)), time_left(row, at), display.instant(row.seller_due_by),
                display.link(row.seller, row.seller.legal_name) if row.seller else display.EMPTY, row.reason.replace("_", " "),
                display.state(row, "work_state"), people.get(row.owner, display.EMPTY), display.money(row.amount_minor, row.currency),
            )
            for row in rows[:QUEUE_ROWS]
        ],
        empty="Nothing has to be answered.",
        note=note,
    )  # fmt: skip


def movements(row: Dispute, look: Look) -> Table:
    """What the provider took and gave back, each with its posting."""
    rows, older = look.slice_of(DisputeMovement.objects.filter(dispute=row))
    postings = Posting.objects.in_bulk([one.posting for one in rows])
    cells = [
        (
            display.link(postings[one.posting], one.provider_ref), display.instant(one.occurred_at),
            display.money(one.amount_minor, one.currency, signed=True), display.money(one.fee_minor, one.currency),
            display.money(one.net_minor, one.currency, signed=True),
        )
        for one in rows
    ]  # fmt: skip
    note = "Booked when the provider moved it, not when the dispute ended."
    if row.settled_minor:
        to = "the seller, as a chargeback" if row.purpose == "purchase" else "us"
        note += f" Lost: {to} bore it (round {row.settled_rounds})."
    columns = [Column("Balance transaction"), Column("On"), Column("Amount", money=True), Column("Fee", money=True)]
    return Table(
        [*columns, Column("Net", money=True)], cells, empty="The provider has moved no money yet.", older=older, note=note
    )


def pack_table(row: Dispute, look: Look) -> Table:
    """What would be sent, and how much of the limits it takes."""
    pack = evidence.pack_of(row)
    texts, size = evidence.texts_of(pack), evidence.measure(pack)
    cells: list[tuple[Any, ...]] = [(evidence.TEXT_FIELDS[field], display.clamped(text), "") for field, text in texts.items()]
    cells += [
        (evidence.FILE_FIELDS[one.field], one.media_type, f"{one.size_bytes / 1000:,.0f} kB, {one.pages} p.")
        for one in evidence.files_of(pack)
    ]
    note = (
        f"{size.bytes / 1_000_000:.1f} of {evidence.BYTES_MAX / 1_000_000:.1f} MB, {size.pages} of {evidence.PAGES_MAX} pages, "
        f"{size.texts:,} characters. Only the first submission counts."
    )
    empty = "No evidence yet. Write down what happened, and upload what proves it."
    return Table([Column("Field"), Column("Content"), Column("Size")], cells, empty=empty, note=note if cells else "")


def answers(row: Dispute, look: Look) -> Table:
    """What was sent, and what became of it."""
    rows, older = look.slice_of(DisputeSubmission.objects.filter(dispute=row))
    people = display.people(one.asked_by for one in rows)
    return Table(
        [Column("Answer"), Column("State"), Column("Asked"), Column("By"), Column("Code")],
        [
            (
                display.link(one, f"{one.get_kind_display()} no. {one.number}"), display.state(one, "state"), display.instant(one.asked_at),
                people.get(one.asked_by, one.asked_by), one.code,
            )
            for one in rows
        ],
        empty="Nothing was sent.",
        older=older,
    )  # fmt: skip


def pack_bytes(row: Dispute) -> tuple[bytes, str, str]:
    """Return the whole pack as one archive: the texts, and every file under the place it goes to."""
    pack = evidence.pack_of(row)
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("texts.json", json.dumps(evidence.texts_of(pack), ensure_ascii=False, indent=1))
        for one in evidence.files_of(pack):
            archive.writestr(f"{one.field}.{one.media_type.rpartition('/')[2]}", evidence.bytes_of(one))
    return kept.getvalue(), "application/zip", f"evidence-{row.public_id}.zip"
