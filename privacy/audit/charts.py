"""Line charts as inline SVG: no script, no font, no network; colours follow the page's light or dark theme."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from xml.sax.saxutils import escape

Points = Sequence[tuple[float, float]]
_Place = Callable[[float, float], tuple[float, float]]  # data coordinates in, picture coordinates out

_WIDTH, _HEIGHT = 640, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 14, 40
COLOURS = 6
"""The page's style sheet names this many line colours, ``--line-0`` and on."""


def line_chart(
    lines: Mapping[str, Points],
    *,
    title: str,
    x_label: str,
    y_label: str,
    y_range: tuple[float, float] | None = None,
    limit: tuple[float, str] | None = None,
) -> str:
    """Return one SVG element with a line for each entry and a legend below.

    ``limit`` draws a dashed level with its name, for example a budget. Points with a NaN break their line.
    ``title`` is for screen readers; the page prints its own heading.
    """
    values = [y for points in lines.values() for _, y in points if not math.isnan(y)]
    xs = [x for points in lines.values() for x, _ in points]
    if not values:
        return f'<p class="quiet">{escape(title)}: nothing was measured.</p>'
    if limit:
        values.append(limit[0])
    low, high = y_range or (min(0.0, *values), max(values) * 1.05 or 1.0)
    first, last = min(xs), max(max(xs), min(xs) + 1)

    def place(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + (x - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT)
        clipped = min(max(y, low), high)
        return across, _HEIGHT - _BOTTOM - (clipped - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [_grid(low, high, first, last, place), _axis_labels(x_label, y_label)]
    if limit:
        _, y = place(first, limit[0])
        parts.append(f'<line class="limit" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text x="{_WIDTH - _RIGHT}" y="{y - 5:.1f}" text-anchor="end">{escape(limit[1])}</text>'
        )
    for index, points in enumerate(lines.values()):
        drawn = _path(points, place)
        parts.append(f'<path class="line" style="stroke: var(--line-{index % COLOURS})" d="{drawn}"/>')
    legend = "".join(
        f'<span><i style="background: var(--line-{index % COLOURS})"></i>{escape(name)}</span>'
        for index, name in enumerate(lines)
    )
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg><figcaption>{legend if len(lines) > 1 else ''}</figcaption></figure>"
    )


def _path(points: Points, place: _Place) -> str:
    drawn, pen_up = [], True
    for x, y in points:
        if math.isnan(y):
            pen_up = True
            continue
        across, down = place(x, y)
        drawn.append(f"{'M' if pen_up else 'L'}{across:.1f} {down:.1f}")
        pen_up = False
    return "".join(drawn)


def _grid(low: float, high: float, first: float, last: float, place: _Place) -> str:
    parts = []
    for y in _ticks(low, high):
        _, down = place(first, y)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{down:.1f}" y2="{down:.1f}"/>'
        )
        parts.append(f'<text x="{_LEFT - 6}" y="{down + 4:.1f}" text-anchor="end">{y:g}</text>')
    for x in _ticks(first, last):
        across, _ = place(x, low)
        parts.append(f'<text x="{across:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{x:g}</text>')
    return "".join(parts)


def _axis_labels(x_label: str, y_label: str) -> str:
    middle = (_WIDTH + _LEFT - _RIGHT) / 2
    return (
        f'<text x="{middle}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>'
        f'<text x="14" y="{_HEIGHT / 2 - 10}" text-anchor="middle" '
        f'transform="rotate(-90 14 {_HEIGHT / 2 - 10})">{escape(y_label)}</text>'
    )


def _ticks(low: float, high: float) -> list[float]:
    """Return four to eight round numbers between the ends."""
    step = 10 ** math.floor(math.log10((high - low) / 4))
    for factor in (1, 2, 5, 10):
        if (high - low) / (step * factor) <= 7:
            step *= factor
            break
    start = math.ceil(low / step - 1e-9)
    return [round(index * step, 10) for index in range(start, math.floor(high / step + 1e-9) + 1)]
