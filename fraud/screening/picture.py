"""The policy's picture: recall and false alarms over thresholds, as a small drawing without scripts."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 240, 48, 28
# False alarms are drawn up to this share: the interesting part is the last percent.
ALARMS_FULL = 0.01


def drawing(points: list[dict[str, Any]], threshold: float, strong: float) -> SafeString:
    """Return the two curves with the policy's thresholds; each point has threshold, recall and false_alarm_rate."""
    low, high = points[0]["threshold"], points[-1]["threshold"]

    def across(value: float) -> str:
        return f"{LEFT + (value - low) / ((high - low) or 1) * (WIDTH - LEFT - 8):.1f}"

    def up(share: float) -> str:
        return f"{8 + (1 - min(1.0, share)) * (HEIGHT - BOTTOM - 8):.1f}"

    recall = " ".join(f"{across(one['threshold'])},{up(one['recall'])}" for one in points)
    alarms = " ".join(f"{across(one['threshold'])},{up(one['false_alarm_rate'] / ALARMS_FULL)}" for one in points)
    marks = format_html_join(
        "",
        '<line x1="{0}" x2="{0}" y1="8" y2="{1}" stroke="currentColor" stroke-dasharray="4 4" opacity="0.5"/>'
        '<text x="{0}" y="{2}" font-size="11" fill="currentColor" text-anchor="middle">{3}</text>',
        [
            (across(value), HEIGHT - BOTTOM, HEIGHT - 10, f"{value:g} {name}")
            for value, name in ((threshold, "hit"), (strong, "strong"))
        ],
    )
    axis = format_html_join(
        "",
        '<text x="4" y="{}" font-size="11" fill="currentColor">{}</text>',
        [(up(share), f"{share:.0%}") for share in (1.0, 0.5, 0.0)],
    )
    return format_html(
        '<svg viewBox="0 0 {} {}" width="100%" role="img" aria-label="Recall and false alarms over thresholds">{}{}'
        '<polyline points="{}" fill="none" stroke="#15803d" stroke-width="2"/>'
        '<polyline points="{}" fill="none" stroke="#b91c1c" stroke-width="2"/></svg>',
        WIDTH,
        HEIGHT,
        axis,
        marks,
        recall,
        alarms,
    )


LEGEND = "Green: recall on altered names, 0 to 100 %. Red: false alarms on clean names, 0 to 1 %."
