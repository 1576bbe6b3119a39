"""Two bars for each engine, on a logarithmic scale, as a small SVG: events per second, and per second of its CPU."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

from bench.report import Figure

WIDTH, ROW, LABELS, ROOM = 780, 34, 350, 80
OURS, THEIRS, PALE, TEXT = "#2563a8", "#6b7480", "0.45", "#6b7480"
RATE, CPU = "events/s", "µs CPU per event"


def draw(figures: Sequence[Figure], path: Path) -> Path:
    """Write it; of the figures, the rates."""
    rates = sorted((one for one in figures if one.unit == RATE), key=lambda one: -one.value)
    both = [rate for one in rates for rate in (one.value, _per_cpu_second(one))]
    least, most = 10 ** math.floor(math.log10(min(both, default=1))), max(both, default=10)
    rows = "".join(_row(number, one, least, most) for number, one in enumerate(rates))
    height = ROW * len(rates) + 24
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        f' font-family="system-ui, sans-serif" font-size="12">\n<title>Events per second by engine</title>\n{rows}'
        f'<text x="{LABELS}" y="{height - 6}" fill="{TEXT}">events/s on the wall (dark) and per second of the'
        f" engine's CPU (pale), logarithmic from {least:,}</text>\n</svg>\n"
    )
    return path


def _per_cpu_second(one: Figure) -> float:
    return 1e6 / float(one.conditions[CPU])


def _row(number: int, one: Figure, least: float, most: float) -> str:
    top, colour = number * ROW, OURS if one.name.startswith("Sightline") else THEIRS
    label = (
        f'<text x="{LABELS - 8}" y="{top + 20}" text-anchor="end" fill="{TEXT}">{escape(one.name)}</text>\n'
    )
    bars = ((top + 3, one.value, ""), (top + 17, _per_cpu_second(one), f' opacity="{PALE}"'))
    return label + "".join(_bar(y, rate, f'fill="{colour}"{more}', least, most) for y, rate, more in bars)


def _bar(top: int, rate: float, paint: str, least: float, most: float) -> str:
    length = max((WIDTH - LABELS - ROOM) * math.log(rate / least) / math.log(most / least), 1)
    return (
        f'<rect x="{LABELS}" y="{top}" width="{length:.0f}" height="12" {paint}/>'
        f'<text x="{LABELS + length + 6:.0f}" y="{top + 10}" font-size="10" fill="{TEXT}">{rate:,.0f}</text>\n'
    )
