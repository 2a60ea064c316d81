"""Copy B of Form 1099-K, the payee's: drawn from a frozen line, the same bytes every time. The number is truncated, as payee statements allow.

A substitute statement (IRS Publication 1179, part 4): the boxes with their names and the notice, not the look of the official form.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from textwrap import wrap

from django.conf import settings
from reportlab.lib.pagesizes import LETTER
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas

from backoffice.kit.errors import Refusal
from backoffice.kit.money import Money
from payouts.reporting.forms import MONTHS
from payouts.reporting.identity import Identity
from payouts.reporting.models import TaxReportLine
from payouts.reporting.states import Regime, ReportState
from payouts.statements.pdf import font_for, prepare_fonts, writable

WIDTH, HEIGHT = LETTER
MARGIN, SIZE, LEADING = 54, 9, 13
NOTICE = (
    "This is important tax information and is being furnished to the IRS. If you are required to file a return, a negligence penalty or other "
    "sanction may be imposed on you if taxable income results from this transaction and the IRS determines that it has not been reported."
)


class NoCopyB(Refusal):
    code = "no_copy_b"
    sentence = "A copy B is made of a reported line of a frozen Form 1099-K."


def copy_b(line: TaxReportLine) -> bytes:
    """Return the PDF. Refuses: NoCopyB."""
    report = line.report
    if report.regime != Regime.US_1099K or report.state not in (ReportState.FROZEN, ReportState.FILED) or line.code:
        raise NoCopyB()
    identity = Identity.opened(line.identity)
    return _drawn(
        f"Form 1099-K, {report.year}{' (corrected)' if line.corrects_ref else ''}: Payment Card and Third Party Network Transactions",
        f"{report.public_id} {line.public_id}",
        [
            ("Filer", settings.PLATFORM_NAME),
            ("Filer's address", settings.PLATFORM_ADDRESS),
            ("Filer's TIN", settings.PLATFORM_EIN),
            ("Filer is", "Payment settlement entity (PSE)"),
            ("Transactions reported", "Third party network"),
            ("Payee", identity.name),
            ("Payee's address", identity.address),
            (
                "Payee's TIN",
                f"{'XX-XXX' if identity.is_entity else 'XXX-XX-'}{identity.tin[-4:]}" if identity.tin else "not given",
            ),
            ("Account number", line.seller.public_id),
        ],
        _boxes(line),
    )


def _boxes(line: TaxReportLine) -> list[tuple[str, str]]:
    def money(amount_minor: int) -> str:
        return Money(amount_minor, line.currency).display()

    return [
        ("1a  Gross amount of payment card/third party network transactions", money(sum(line.gross))),
        ("3   Number of payment transactions", f"{sum(line.activities):,}"),
        ("4   Federal income tax withheld", money(0)),
        *[
            (f"5{letter}  {month.capitalize()}", money(amount))
            for letter, month, amount in zip("abcdefghijkl", MONTHS, line.gross, strict=True)
        ],
    ]


def _drawn(title: str, footer: str, facts: Sequence[tuple[str, str]], boxes: Sequence[tuple[str, str]]) -> bytes:
    prepare_fonts()
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=LETTER, invariant=1, pageCompression=1)
    canvas.setTitle(footer)
    y = HEIGHT - MARGIN
    _write(canvas, MARGIN, y, "Copy B for payee", bold=True, size=13)
    y -= 2 * LEADING
    _write(canvas, MARGIN, y, title, bold=True)
    y -= 2 * LEADING
    for name, value in facts:
        canvas.setFillGray(0.4)
        _write(canvas, MARGIN, y, name)
        canvas.setFillGray(0)
        for piece in wrap(value, 70) or [""]:
            _write(canvas, MARGIN + 150, y, piece)
            y -= LEADING
    y -= LEADING
    canvas.setLineWidth(0.4)
    canvas.setStrokeGray(0.7)
    for name, value in boxes:
        canvas.line(MARGIN, y + LEADING - 3, WIDTH - MARGIN, y + LEADING - 3)
        _write(canvas, MARGIN, y, name)
        _write(canvas, WIDTH - MARGIN, y, value, right=True)
        y -= LEADING + 2
    canvas.line(MARGIN, y + LEADING - 3, WIDTH - MARGIN, y + LEADING - 3)
    y -= LEADING
    for piece in wrap(NOTICE, 105):
        _write(canvas, MARGIN, y, piece)
        y -= LEADING
    _write(canvas, MARGIN, MARGIN - 20, footer, size=7)
    canvas.save()
    return buffer.getvalue()


def _write(canvas: Canvas, x: float, y: float, text: str, *, bold: bool = False, size: int = SIZE, right: bool = False) -> None:
    shown = writable(text)
    font = font_for(shown, bold)
    canvas.setFont(font, size)
    canvas.drawString(x - (pdfmetrics.stringWidth(shown, font, size) if right else 0), y, shown)
