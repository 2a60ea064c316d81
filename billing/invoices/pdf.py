"""Draw an invoice or credit note on A4 pages, for people; the XML inside says the same to machines."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate, Paragraph, Spacer, Table, TableStyle

from backoffice.kit.money import Money
from billing.invoices.paper import Paper, Party, tax_words

_PLAIN, _BOLD, _JAPANESE = "Vera", "VeraBd", "HeiseiKakuGo-W5"
_MARGIN = 48
_INK, _GREY, _RULE = colors.HexColor("#1b1f24"), colors.HexColor("#5b6470"), colors.HexColor("#c9ced6")
_WIDTH = A4[0] - 2 * _MARGIN
_COLUMNS = [_WIDTH - 270, 50, 75, 65, 80]
_TITLES = {"invoice": "Invoice", "credit_note": "Credit note"}


def draw(paper: Paper) -> bytes:
    """Return the PDF; equal papers give equal bytes."""
    _fonts()
    buffer = io.BytesIO()
    book = BaseDocTemplate(
        buffer, pagesize=A4, leftMargin=_MARGIN, rightMargin=_MARGIN, topMargin=_MARGIN, bottomMargin=_MARGIN + 14, invariant=1,
        title=f"{_TITLES[paper.kind]} {paper.number}", author=paper.seller.name,
    )  # fmt: skip
    frame = Frame(
        _MARGIN, _MARGIN + 14, _WIDTH, A4[1] - 2 * _MARGIN - 14, leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0
    )

    def foot(canvas: Any, document: Any) -> None:
        canvas.setFont(_PLAIN, 7)
        canvas.setFillColor(_GREY)
        canvas.drawString(_MARGIN, _MARGIN - 4, f"{_TITLES[paper.kind]} {paper.number} · {paper.seller.name}"[:120])
        canvas.drawRightString(A4[0] - _MARGIN, _MARGIN - 4, f"Page {document.page}")

    book.addPageTemplates([PageTemplate(frames=[frame], onPage=foot)])
    book.build([*_head(paper), _table(paper), Spacer(0, 8), _sums(paper), *_notes(paper)])
    return buffer.getvalue()


def _head(paper: Paper) -> list[Any]:
    facts = [("Number", paper.number), ("Issued on", _day(paper.issued_on))]
    if paper.refers_to:
        facts.append(("Corrects invoice", f"{paper.refers_to} of {_day(paper.refers_on)}"))
    if paper.period:
        facts.append(("Period", f"{_day(paper.period[0])} – {_day(paper.period[1])}"))
    if paper.due_on:
        facts.append(("Due on", _day(paper.due_on)))
    facts.append(("Currency", paper.currency))
    parties = Table(
        [[_party("From", paper.seller), _party("To", paper.buyer)]], colWidths=[_WIDTH / 2] * 2, style=_style([("VALIGN", (0, 0), (-1, -1), "TOP")])
    )  # fmt: skip
    rows = [[_text(name, colour=_GREY), _text(value)] for name, value in facts]
    table = Table(rows, colWidths=[110, _WIDTH - 110], style=_style([("BOTTOMPADDING", (0, 0), (-1, -1), 1)]))
    return [_text(_TITLES[paper.kind], size=20, bold=True), Spacer(0, 14), table, Spacer(0, 16), parties, Spacer(0, 18)]


def _party(title: str, party: Party) -> list[Any]:
    lines = [party.name, *party.lines, f"{party.postcode} {party.town}".strip(), party.country]
    if party.registration_number:
        lines.append(f"Registration {party.registration_number}")
    if party.vat_number:
        lines.append(f"VAT {party.vat_number}")
    shown = [_text(line, bold=number == 0) for number, line in enumerate(lines) if line]
    return [_text(title, size=7, colour=_GREY), *shown]


def _table(paper: Paper) -> Table:
    heads = [_text("Description", bold=True)] + [_text(one, bold=True, right=True) for one in ("Quantity", "Price", "VAT", "Net")]
    rows = [heads]
    for line in paper.lines:
        about: list[Any] = [_text(line.description)]
        if line.period:
            about.append(_text(f"{_day(line.period[0])} – {_day(line.period[1])}", size=7, colour=_GREY))
        rate = f"{line.basis_points / 100:g} %" if line.category == "S" else line.category
        rows.append(
            [about, *(_text(one, right=True) for one in (f"{line.quantity:f}", _amount(line.price_minor, paper), rate, _amount(line.amount_minor, paper)))]
        )  # fmt: skip
    rules = [
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, _INK),
        ("LINEBELOW", (0, 1), (-1, -1), 0.3, _RULE),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ]
    return Table(rows, colWidths=_COLUMNS, repeatRows=1, style=_style([*rules, ("BOTTOMPADDING", (0, 0), (-1, -1), 4)]))


def _sums(paper: Paper) -> Table:
    rows = [("Net", _amount(paper.net_minor, paper), False)]
    rows += [
        (f"{tax_words(tax.category, tax.basis_points)} on {_amount(tax.base_minor, paper)}", _amount(tax.tax_minor, paper), False)
        for tax in paper.taxes
    ]
    rows.append(
        ("Total" if paper.kind == "invoice" else "Total credited", f"{_amount(paper.total_minor, paper)} {paper.currency}", True)
    )
    if paper.prepaid_minor:
        rows.append(("Your credit used", _amount(-paper.prepaid_minor, paper), False))
        rows.append(("To be paid", f"{_amount(paper.due_minor, paper)} {paper.currency}", True))
    shown = [["", _text(name, bold=bold, right=True), _text(value, bold=bold, right=True)] for name, value, bold in rows]
    widths = [_WIDTH - 350, 210, 140]
    return Table(shown, colWidths=widths, style=_style([("BOTTOMPADDING", (0, 0), (-1, -1), 3)]))


def _notes(paper: Paper) -> list[Any]:
    texts = [*paper.texts, paper.note, paper.terms]
    return [Spacer(0, 14), *(_text(text, size=8, colour=_GREY) for text in texts if text)]


def _amount(amount_minor: int, paper: Paper) -> str:
    return Money(amount_minor, paper.currency).display().rpartition(" ")[0]


def _day(on: Any) -> str:
    return f"{on.day} {on:%b %Y}" if on else ""


def _style(more: Sequence[tuple[Any, ...]]) -> TableStyle:
    bare = [("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), 0), ("TOPPADDING", (0, 0), (-1, -1), 2)]
    return TableStyle([*bare, *more])


def _text(text: str, *, size: float = 8.5, bold: bool = False, right: bool = False, colour: Any = _INK) -> Paragraph:
    style = ParagraphStyle(
        "cell", fontName=_font_for(text, bold), fontSize=size, leading=size * 1.35, textColor=colour,
        alignment=TA_RIGHT if right else 0, splitLongWords=1,
    )  # fmt: skip
    return Paragraph(escape(text), style)


def _fonts() -> None:
    if _PLAIN not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(TTFont(_PLAIN, "Vera.ttf"))
        pdfmetrics.registerFont(TTFont(_BOLD, "VeraBd.ttf"))
    if _JAPANESE not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(UnicodeCIDFont(_JAPANESE))


def _font_for(text: str, bold: bool) -> str:
    """Return the library's own font, which is embedded, or the viewer's Japanese one where a letter is missing in it."""
    glyphs = pdfmetrics.getFont(_PLAIN).face.charToGlyph
    return (_BOLD if bold else _PLAIN) if all(ord(sign) in glyphs for sign in text) else _JAPANESE
