"""What is sent is looked into before it is kept, kept sealed, judged by somebody else than who brought it, and never shown by our origin."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.conf import settings as configured
from django.test import Client
from django.urls import reverse

from backoffice.staff.models import AuditEntry
from payouts.compliance import content, vault
from payouts.compliance.documents import DocumentKnown, ExpiryPassed, ReviewerBroughtIt, unpack
from payouts.compliance.models import Document, DocumentBytes
from payouts.compliance.operations import keep_deadlines, move_out, open_document, refuse_document, validate_document
from tests.factories.compliance import AT, REVIEWER, deflated, make_image, make_newcomer, make_pdf, row, upload
from tests.factories.sellers import make_staff

EICAR = content._EICAR
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
BAD = {
    "nothing": (b"", content.FileEmpty),
    "svg with a script": (SVG, content.FileTypeNotAccepted),
    "html named .pdf": (b"<html><body>invoice.pdf</body></html>", content.FileTypeNotAccepted),
    "a zip": (b"PK\x03\x04" + b"\0" * 60, content.FileTypeNotAccepted),
    "a gif": (make_image("GIF"), content.FileTypeNotAccepted),
    "a program": (b"MZ" + b"\0" * 200, content.FileTypeNotAccepted),
    "eicar alone": (EICAR, content.FileHasVirus),
    "eicar inside a pdf": (make_pdf(objects=b"% " + EICAR + b"\n"), content.FileHasVirus),
    "pdf with a zip behind": (make_pdf(tail=b"PK\x03\x04junk PK\x05\x06" + b"\0" * 18), content.FileIsTwoThings),
    "pdf with a page behind": (make_pdf(tail=b"<html><script>1</script></html>"), content.FileIsTwoThings),
    "png with a zip behind": (make_image() + b"PK\x03\x04", content.FileIsTwoThings),
    "jpeg with html behind": (make_image("JPEG") + b"<script>alert(1)</script>", content.FileIsTwoThings),
    "jpeg with html inside": (make_image("JPEG").replace(b"\xff\xd8", b"\xff\xd8\xff\xfe\x00\x20<script>alert(1)</script>    ", 1), content.FileIsTwoThings),
    "script in a pdf": (make_pdf(objects=b"7 0 obj\n<< /S /JavaScript /JS (app.alert) >>\nendobj\n"), content.FileIsActive),
    "script by an escaped name": (make_pdf(objects=b"7 0 obj\n<< /S /J#61vaScript >>\nendobj\n"), content.FileIsActive),
    "script in an object stream": (
        make_pdf(stream=deflated(b"7 0 << /S /Launch >>"), stream_dict=b"/Type /ObjStm /Filter /FlateDecode"), content.FileIsActive,
    ),
    "attached file": (make_pdf(objects=b"7 0 obj\n<< /Type /EmbeddedFile >>\nendobj\n"), content.FileIsActive),
    "password": (make_pdf(objects=b"7 0 obj\n<< /Encrypt 8 0 R >>\nendobj\n"), content.FileIsEncrypted),
    "bomb in a pdf": (make_pdf(stream=deflated(b"\0" * (content.INFLATED_MAX + 1))), content.FileIsBomb),
    "bomb packed twice": (make_pdf(stream=deflated(b"\0" * (content.INFLATED_MAX + 1), 2)), content.FileIsBomb),
    "a zip as a stream": (make_pdf(stream=b"PK\x03\x04" + b"\0" * 40), content.FileIsTwoThings),
    "200 pages": (make_pdf(200), content.TooManyPages),
    "no page": (make_pdf(0), content.FileDamaged),
    "cut off pdf": (make_pdf()[:-10], content.FileDamaged),
    "cut off png": (make_image()[:-20], content.FileDamaged),
    "too large": (b"%PDF-" + b"0" * content.BYTES_MAX, content.FileTooLarge),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_its_reason(name):
    data, refusal = BAD[name]
    with pytest.raises(refusal) as raised:
        content.inspect(data)
    assert raised.value.code == refusal.code and len(str(raised.value)) > 10


def test_an_image_of_too_many_pixels_is_refused_undecoded():
    import struct
    import zlib

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    with pytest.raises(content.FileIsBomb):
        content.inspect(bomb)


@pytest.mark.parametrize(
    ("data", "media_type", "pages"),
    [
        (make_pdf(3), "application/pdf", 3),
        (make_pdf(1, stream=deflated(b"BT /F1 12 Tf (Kbis) Tj ET" * 500)), "application/pdf", 1),
        (make_image("PNG"), "image/png", 1),
        (make_image("JPEG", (800, 600)), "image/jpeg", 1),
    ],
)
def test_an_honest_file_passes_as_what_it_is(data, media_type, pages):
    assert content.inspect(data) == (media_type, pages)


def test_a_statement_of_our_own_making_passes():
    from io import BytesIO

    from reportlab.pdfgen.canvas import Canvas

    out = BytesIO()
    canvas = Canvas(out)
    for number in range(4):
        canvas.drawString(100, 700, f"page {number}")
        canvas.showPage()
    canvas.save()
    assert content.inspect(out.getvalue()) == ("application/pdf", 4)


def test_what_is_no_base64_is_refused():
    from payouts.compliance.documents import ContentNotBase64

    with pytest.raises(ContentNotBase64):
        unpack("%PDF-1.7")
    with pytest.raises(content.FileTooLarge):
        unpack("A" * 20_000_000)


@pytest.fixture
def paper(db):
    return upload(row(make_newcomer(), "registration_document"))


def test_the_stored_file_is_sealed_under_a_key_of_its_own(paper):
    assert move_out(at=AT) == 1 and move_out(at=AT) == 0
    paper.refresh_from_db()
    with vault.storage().open(paper.storage_name, "rb") as stream:
        stored = stream.read()
    assert b"%PDF" not in stored and b"Catalog" not in stored
    assert open_document(document_id=paper.pk, actor=REVIEWER, at=AT)[1].startswith(b"%PDF")
    raw = Document.objects.filter(pk=paper.pk).extra(select={"raw": "data_key"}).values_list("raw", flat=True)[0]
    assert raw.split(":")[0] in configured.FIELD_KEYS


def test_a_stored_file_that_was_exchanged_does_not_open(paper):
    other = upload(row(make_newcomer(), "registration_document"))
    move_out(at=AT)
    other.refresh_from_db()
    Document.objects.filter(pk=paper.pk).update(storage_name=other.storage_name)
    with pytest.raises(vault.DocumentUnreadable):
        open_document(document_id=paper.pk, actor=REVIEWER, at=AT)


def test_a_document_opens_before_and_after_it_was_put_into_storage_and_a_crashed_move_is_repeated(paper):
    before = open_document(document_id=paper.pk, actor=REVIEWER, at=AT)[1]
    sealed = bytes(DocumentBytes.objects.get(pk=paper.pk).sealed)
    assert move_out(at=AT) == 1
    DocumentBytes.objects.create(document=paper, sealed=sealed)  # as if the worker had died before its commit
    assert move_out(at=AT) == 1
    assert open_document(document_id=paper.pk, actor=REVIEWER, at=AT)[1] == before
    paper.refresh_from_db()
    vault.storage().delete(paper.storage_name)
    with pytest.raises(vault.DocumentGone):
        open_document(document_id=paper.pk, actor=REVIEWER, at=AT)


def test_opening_stands_in_the_audit_trail(paper):
    open_document(document_id=paper.pk, actor=REVIEWER, at=AT)
    assert AuditEntry.objects.filter(action="document.open", subject=paper.public_id, actor=str(REVIEWER)).count() == 1


def test_the_admin_gives_a_document_as_a_file_to_save_and_to_reviewers_only(paper):
    address = reverse("admin:payouts_document_file", args=[paper.pk])
    client = Client()
    client.force_login(make_staff("compliance"))
    answer = client.get(address)

    assert answer.status_code == 200 and answer.content.startswith(b"%PDF")
    assert answer["Content-Disposition"].startswith("attachment") and answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Security-Policy"].startswith("sandbox;") and answer["X-Content-Type-Options"] == "nosniff"
    for role, status in (("auditor", 403), ("finance", 403), ("support", 403)):
        client.force_login(make_staff(role))
        assert client.get(address).status_code == status
    assert AuditEntry.objects.filter(action="document.open").count() == 1


def test_a_refused_document_puts_the_requirement_back_to_the_seller_with_the_reason(paper):
    refuse_document(document_id=paper.pk, refusal="document_unreadable", actor=REVIEWER, at=AT, text="The photo is blurred.")

    due = row(paper.seller, "registration_document")
    assert (due.state, due.error_code, due.error_text) == ("currently_due", "document_unreadable", "The photo is blurred.")
    with pytest.raises(DocumentKnown):
        same = open_document(document_id=paper.pk, actor=REVIEWER, at=AT)[1]
        upload(due, same)


def test_a_bad_renewal_does_not_stop_what_the_old_paper_still_proves(paper):
    validate_document(document_id=paper.pk, actor=REVIEWER, at=AT, expires_on=(AT + timedelta(days=20)).date())
    keep_deadlines(actor=REVIEWER, at=AT)
    due = row(paper.seller, "registration_document")
    assert (due.state, due.error_code, due.gating) == ("currently_due", "expires_soon", False)
    renewal = upload(due, at=AT)
    refuse_document(document_id=renewal.pk, refusal="document_unreadable", actor=REVIEWER, at=AT)
    again = row(paper.seller, "registration_document")
    assert (again.state, again.gating, again.deadline_at) == ("currently_due", False, due.deadline_at)
    keep_deadlines(actor=REVIEWER, at=AT + timedelta(days=21))
    assert row(paper.seller, "registration_document").state == "past_due"
    paper.refresh_from_db()
    assert paper.state == "out_of_date"


def test_who_brought_a_document_does_not_accept_it(db):
    brought = upload(row(make_newcomer(), "registration_document"), actor=REVIEWER)
    with pytest.raises(ReviewerBroughtIt):
        validate_document(document_id=brought.pk, actor=REVIEWER, at=AT)


def test_a_paper_that_has_expired_already_is_not_accepted(paper):
    with pytest.raises(ExpiryPassed):
        validate_document(document_id=paper.pk, actor=REVIEWER, at=AT, expires_on=date(2025, 1, 1))
    accepted = validate_document(document_id=paper.pk, actor=REVIEWER, at=AT, expires_on=(AT + timedelta(days=90)).date())
    assert row(accepted.seller, "registration_document").expires_at.date() == accepted.expires_on
