"""The headline rows as an SVG: how much better than the anchor, on a logarithmic scale, with the goal as a mark."""

from __future__ import annotations

import math
from typing import Any
from xml.sax.saxutils import escape

LEFT, WIDTH, ROW, TOP = 430, 380, 30, 56
MET, MISSED = "#2f7d4f", "#b4532a"


def better(row: dict[str, Any], value: float) -> float:
    """A ratio turned so that more is better."""
    return 1 / value if row["less_is_better"] else value


def svg(rows: list[dict[str, Any]], caption: str) -> str:
    """One bar for each row that has a ratio."""
    bars = [row for row in rows if row["ratio"]]
    values = [better(row, row["ratio"]) for row in bars] + [better(row, row["goal"]) for row in bars if row["goal"]]
    low = min(-1, math.floor(math.log2(min(values, default=1))))
    high = max(1, math.ceil(math.log2(max(values, default=1))))

    def x(value: float) -> float:
        return LEFT + (math.log2(value) - low) / (high - low) * WIDTH

    height = TOP + ROW * len(bars) + 42
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 90} {height}" font-family="sans-serif" '
        'font-size="13">',
        f'<rect width="100%" height="{height}" fill="#ffffff"/>',
        '<text x="12" y="22" font-size="16" fill="#222">aeron-py beside its anchors: times as good</text>',
        f'<text x="12" y="40" font-size="11" fill="#666">{escape(caption)}</text>',
    ]
    step = max(1, (high - low) // 8)
    for power in range(low, high + 1, step):
        at = x(2.0**power)
        label = f"{2**power}x" if power >= 0 else f"1/{2**-power}"
        lines.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP - 4}" y2="{height - 38}" '
            f'stroke="{"#999" if power == 0 else "#e4e4e4"}"/>'
        )
        lines.append(f'<text x="{at:.1f}" y="{height - 22}" text-anchor="middle" fill="#666">{label}</text>')
    for index, row in enumerate(bars):
        top = TOP + index * ROW
        value = better(row, row["ratio"])
        begin, end = sorted((x(1.0), x(value)))
        colour = MISSED if row["met"] is False else MET
        size = f" {row['size']} B" if row["size"] else ""
        what = f"{row['what'].replace('`', '')}, {row['medium']}{size} / {row['anchor_name']}"
        lines.append(
            f'<text x="{LEFT - 10}" y="{top + 17}" font-size="12" text-anchor="end" fill="#222">{escape(what)}</text>'
        )
        lines.append(
            f'<rect x="{begin:.1f}" y="{top + 5}" width="{max(1.5, end - begin):.1f}" height="{ROW - 12}" '
            f'fill="{colour}"/>'
        )
        lines.append(f'<text x="{max(end, x(1.0)) + 6:.1f}" y="{top + 18}" fill="{colour}">{value:.2f}x</text>')
        if row["goal"]:
            at = x(better(row, row["goal"]))
            lines.append(
                f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top + 1}" y2="{top + ROW - 3}" '
                'stroke="#222" stroke-width="2"/>'
            )
    lines.append(f'<text x="12" y="{height - 6}" font-size="11" fill="#666">Black marks: the goals.</text>')
    return "\n".join([*lines, "</svg>\n"])
