"""The PDF itself: every row and the total stand in it, quickly, and the same bytes every time."""

import base64
import re
import time
import zlib

from payouts.statements.pdf import draw

ROWS = [(str(n), "2026-01-05", "Sale", f"order-{n}", "10.00", "1.00", "9.00") for n in range(1, 1_501)]
FACTS = [("Paid to", "Łódź Élan & Söhne GmbH"), ("Account", "FR •••• 0189"), ("Seller", "株式会社 テスト")]


def pages_of(pdf: bytes) -> list[str]:
    """Return what each page draws, as text with octal escapes resolved; subset fonts of plain text keep their ASCII codes."""
    pages = []
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.S):
        raw = stream.strip()
        try:
            content = zlib.decompress(
                base64.a85decode(raw, adobe=False) if not raw.endswith(b"~>") else base64.a85decode(b"<~" + raw, adobe=True)
            )
        except (ValueError, zlib.error):
            continue
        if b" Tj" in content:
            pages.append(" ".join(t.decode("latin-1") for t in re.findall(rb"\(((?:\\.|[^()\\])*)\) Tj", content)))
    return pages


def drawn(rows=ROWS) -> bytes:
    return draw(title="Payout statement", facts=FACTS, summary=[("Sales", str(len(rows)), "13500.00")], rows=rows,
                total="13,500.00 EUR", currency="EUR", footer="pay_1")  # fmt: skip


def test_fifteen_hundred_rows_are_drawn_within_a_second():
    drawn([])
    started = time.process_time()

    pdf = drawn()

    assert time.process_time() - started < 1
    assert pdf.startswith(b"%PDF-")


def test_every_row_and_the_total_stand_in_the_pdf():
    text = " ".join(pages_of(drawn()))

    assert all(f" order-{n} " in text for n in range(1, 1_501))
    assert text.count("13,500.00 EUR") == 2


def test_every_page_says_its_number_and_of_how_many():
    pages = pages_of(drawn())

    assert [re.search(r"Page (\d+) of (\d+)", page).groups() for page in pages] == [
        (str(n), str(len(pages))) for n in range(1, len(pages) + 1)
    ]


def test_equal_input_gives_equal_bytes():
    assert drawn() == drawn()
