"""Draw a statement on A4 pages. Drawn line by line on the canvas: a table object costs ten times as much at 1,500 rows."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence

from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

WIDTH, HEIGHT = A4
MARGIN = 42
SIZE, LEADING = 8, 12
# left edge of text columns, right edge of amounts
_COLUMNS = [("No.", MARGIN, "left", 24), ("Date", MARGIN + 26, "left", 58), ("What", MARGIN + 86, "left", 166),
            ("Order", MARGIN + 256, "left", 94), ("Gross", MARGIN + 405, "right", 52), ("Fee", MARGIN + 456, "right", 48),
            ("Amount", WIDTH - MARGIN, "right", 52)]  # fmt: skip
_PLAIN, _BOLD, _JAPANESE = "Vera", "VeraBd", "HeiseiKakuGo-W5"


def draw(
    *,
    title: str,
    facts: Sequence[tuple[str, str]],
    summary: Sequence[tuple[str, str, str]],
    rows: Sequence[Sequence[str]],
    total: str,
    currency: str,
    footer: str,
) -> bytes:
    """Return the PDF; `rows` are seven texts each, `summary` three. Equal input gives equal bytes."""
    prepare_fonts()

    def compose(pages: int) -> _Sheet:
        sheet = _Sheet(footer=footer, pages=pages, currency=currency)
        sheet.heading(title)
        for name, value in facts:
            sheet.fact(name, value)
        sheet.gap()
        sheet.summary_head()
        for label, count, amount in summary:
            sheet.summary(label, count, amount)
        sheet.rule()
        sheet.summary("Total", "", total, bold=True)
        sheet.gap()
        sheet.unit()
        sheet.table_head()
        for row in rows:
            sheet.row(row)
        sheet.total(total)
        return sheet

    # twice: the first pass only counts the pages, so that each foot can say of how many
    return compose(compose(0).page).finish()


class _Sheet:
    """Pages with a cursor that walks down and turns the page by itself; with `pages` 0 it only walks."""

    def __init__(self, *, footer: str, pages: int, currency: str) -> None:
        self._buffer = io.BytesIO()
        self._canvas = Canvas(self._buffer, pagesize=A4, invariant=1, pageCompression=1)
        self._canvas.setTitle(footer)
        self._footer, self._pages, self._currency, self.page = footer, pages, currency, 1
        self._y = HEIGHT - MARGIN
        self._in_table = False

    def heading(self, text: str) -> None:
        self._text(MARGIN, text, size=16, bold=True)
        self._down(3)

    def fact(self, name: str, value: str) -> None:
        self._text(MARGIN, name, grey=True)
        self._text(MARGIN + 160, value, width=WIDTH - 2 * MARGIN - 160)
        self._down()

    def summary_head(self) -> None:
        self._text(MARGIN, "Summary", bold=True)
        self._right(MARGIN + 360, "Lines", bold=True)
        self._right(WIDTH - MARGIN, f"Amount, {self._currency}", bold=True)
        self._down()
        self.rule()

    def rule(self) -> None:
        """Draw a line between the row above and the next one."""
        self._canvas.setLineWidth(0.4)
        self._canvas.line(MARGIN, self._y + LEADING - 3, WIDTH - MARGIN, self._y + LEADING - 3)

    def summary(self, label: str, count: str, amount: str, *, bold: bool = False) -> None:
        self._text(MARGIN, label, bold=bold, width=300)
        self._right(MARGIN + 360, count)
        self._right(WIDTH - MARGIN, amount, bold=bold, width=140)
        self._down()

    def gap(self) -> None:
        self._down()

    def unit(self) -> None:
        self._text(MARGIN, f"Amounts in {self._currency}", grey=True)
        self._down()

    def table_head(self) -> None:
        self._in_table = True
        for name, x, side, _ in _COLUMNS:
            (self._right if side == "right" else self._text)(x, name, bold=True)
        self._canvas.setLineWidth(0.4)
        self._canvas.line(MARGIN, self._y - 3, WIDTH - MARGIN, self._y - 3)
        self._down()

    def row(self, cells: Sequence[str]) -> None:
        for (_, x, side, width), text in zip(_COLUMNS, cells, strict=True):
            if text:
                (self._right if side == "right" else self._text)(x, text, width=width)
        self._down()

    def total(self, amount: str) -> None:
        self.rule()
        self._text(MARGIN + 86, "Total", bold=True)
        self._right(WIDTH - MARGIN, amount, bold=True)

    def finish(self) -> bytes:
        self._foot()
        self._canvas.save()
        return self._buffer.getvalue()

    def _down(self, lines: int = 1) -> None:
        self._y -= LEADING * lines
        if self._y < MARGIN + 2 * LEADING:
            self._foot()
            self._canvas.showPage()
            self.page, self._y = self.page + 1, HEIGHT - MARGIN
            if self._in_table:
                self.table_head()

    def _foot(self) -> None:
        self._draw(MARGIN, MARGIN - 14, self._footer, size=7)
        page = f"Page {self.page} of {self._pages}"
        self._draw(WIDTH - MARGIN - pdfmetrics.stringWidth(page, _PLAIN, 7), MARGIN - 14, page, size=7)

    def _text(
        self, x: float, text: str, *, size: int = SIZE, bold: bool = False, grey: bool = False, width: float | None = None
    ) -> None:
        if not self._pages:
            return
        text = writable(text)
        font = font_for(text, bold)
        self._canvas.setFillGray(0.4 if grey else 0)
        self._draw(x, self._y, _fit(text, font, size, width), size=size, font=font)
        self._canvas.setFillGray(0)

    def _right(self, x: float, text: str, *, bold: bool = False, width: float | None = None) -> None:
        if not self._pages:
            return
        font, size = font_for(text, bold), SIZE
        # an amount is never cut: it becomes smaller
        while width and size > 5 and pdfmetrics.stringWidth(text, font, size) > width:
            size -= 1
        self._draw(x - pdfmetrics.stringWidth(text, font, size), self._y, text, size=size, font=font)

    def _draw(self, x: float, y: float, text: str, *, size: int, font: str = _PLAIN) -> None:
        self._canvas.setFont(font, size)
        self._canvas.drawString(x, y, text)


def _fit(text: str, font: str, size: int, width: float | None) -> str:
    """Return the text, shortened in the middle where it is wider than its column: both ends of an order number tell."""
    if width is None or pdfmetrics.stringWidth(text, font, size) <= width:
        return text
    keep = len(text)
    while keep > 4 and pdfmetrics.stringWidth(text[: keep // 2] + "…" + text[-(keep // 2) :], font, size) > width:
        keep -= 2
    return text[: keep // 2] + "…" + text[-(keep // 2) :]


def prepare_fonts() -> None:
    if _PLAIN not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(TTFont(_PLAIN, "Vera.ttf"))
        pdfmetrics.registerFont(TTFont(_BOLD, "VeraBd.ttf"))
        pdfmetrics.registerFont(UnicodeCIDFont(_JAPANESE))


def font_for(text: str, bold: bool) -> str:
    """Return a font that has every character of the text: the one that comes with the library, else the viewer's Japanese one."""
    if text.isascii():
        return _BOLD if bold else _PLAIN
    return (_BOLD if bold else _PLAIN) if _has_glyphs(text) else _JAPANESE


def _has_glyphs(text: str) -> bool:
    glyphs = pdfmetrics.getFont(_PLAIN).face.charToGlyph
    return all(ord(sign) in glyphs for sign in text)


def writable(text: str) -> str:
    """Return the text with the few accents the font lacks left off, where that is enough: 'Łódź' becomes 'Łódz'; Japanese stays as it is."""
    if text.isascii() or _has_glyphs(text):
        return text
    plain = "".join(sign if _has_glyphs(sign) else unicodedata.normalize("NFKD", sign)[0] for sign in text)
    return plain if _has_glyphs(plain) else text
