"""The picture of linked subjects: the seller in the middle, whom it shares something with around it. Drawn as text, without scripts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from backoffice.kit.admin import display
from fraud.cases.queries import LinkedSubject

WIDTH, HEIGHT = 720, 380
RADIUS_X, RADIUS_Y = 250, 140
LETTERS = 22
LEGEND = "Orange: it has an open case of its own. Being linked is a reason to look, and no suspicion by itself."


def drawing(name: str, links: Sequence[LinkedSubject]) -> SafeString:
    """Return the drawing: lines say what is shared, names lead to the seller."""
    lines, nodes = [], []
    for number, link in enumerate(links):
        turn = 2 * math.pi * number / len(links) - math.pi / 2
        x, y = WIDTH / 2 + RADIUS_X * math.cos(turn), HEIGHT / 2 + RADIUS_Y * math.sin(turn)
        lines.append((f"{x:.0f}", f"{y:.0f}", f"{(x + WIDTH / 2) / 2:.0f}", f"{(y + HEIGHT / 2) / 2:.0f}", link.what))
        address = display.page_of(link.seller) or ""
        nodes.append(
            (
                address,
                f"{x:.0f}",
                f"{y:.0f}",
                "#c2410c" if link.has_case else "#475569",
                f"{y + 26:.0f}",
                _short(link.seller.legal_name),
            )
        )
    edges = format_html_join(
        "",
        f'<line x1="{WIDTH / 2:.0f}" y1="{HEIGHT / 2:.0f}" x2="{{0}}" y2="{{1}}" stroke="currentColor" opacity="0.35"/>'
        '<text x="{2}" y="{3}" font-size="11" fill="currentColor" text-anchor="middle">{4}</text>',
        lines,
    )
    around = format_html_join(
        "",
        '<a href="{0}"><circle cx="{1}" cy="{2}" r="11" fill="{3}"/>'
        '<text x="{1}" y="{4}" font-size="12" fill="currentColor" text-anchor="middle">{5}</text></a>',
        nodes,
    )
    return format_html(
        '<svg viewBox="0 0 {0} {1}" width="100%" role="img" aria-label="Linked sellers">{2}{3}'
        '<circle cx="{4}" cy="{5}" r="15" fill="#7c3aed"/><text x="{4}" y="{6}" font-size="13" font-weight="600" fill="currentColor"'
        ' text-anchor="middle">{7}</text></svg>',
        WIDTH, HEIGHT, edges, around, WIDTH // 2, HEIGHT // 2, HEIGHT // 2 + 32, _short(name),
    )  # fmt: skip


def _short(name: str) -> str:
    return name if len(name) <= LETTERS else name[: LETTERS - 1] + "…"
