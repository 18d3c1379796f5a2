"""Charts as inline SVG: no script, no font, no network; colours follow the page's light or dark theme.

Labels are in both languages; the page shows one. A colour is a class of the page's style sheet, never a style
attribute, so that the page's content security policy can name its one style sheet by hash.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

from scipy import special

from privacy.audit.words import Words, words

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 420, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 22, 14, 40
COLOURS: Final = 6
"""The page's style sheet names this many line colours, ``line-0`` and on."""
_LOWEST_RATE: Final = 1e-3


@dataclasses.dataclass(frozen=True)
class _Axis:
    """One axis: where a value is, from 0 to 1, and which values are marked."""

    low: float
    high: float
    logarithmic: bool = False
    whole: bool = False
    """Only whole numbers are marked: rounds have no halves."""

    def place(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        if self.logarithmic:
            return math.log(inside / self.low) / math.log(self.high / self.low)
        return (inside - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        if self.logarithmic:
            powers = range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)
            return [(10.0**power, _percent(10.0**power)) for power in powers]
        step = 10 ** math.floor(math.log10((self.high - self.low) / 4))
        step *= next(factor for factor in (1, 2, 5, 10) if (self.high - self.low) / (step * factor) <= 7)
        step = max(step, 1.0) if self.whole else step
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [(round(step * index, 10), f"{round(step * index, 10):g}") for index in range(first, last + 1)]


def line_chart(
    lines: Mapping[str, Points],
    *,
    title: Words,
    x_label: Words,
    y_label: Words,
    y_range: tuple[float, float] | None = None,
    limit: tuple[float, Words] | None = None,
    names: Mapping[str, Words] | None = None,
) -> str:
    """Return one figure with a line for each entry and a legend below.

    ``limit`` draws a dashed level with its name, for example a budget. Points with a NaN break their line.
    ``names`` are what the legend calls the entries. ``title`` is printed above.
    """
    values = [y for points in lines.values() for _, y in points if not math.isnan(y)]
    xs = [x for points in lines.values() for x, _ in points]
    if not values:
        nothing = words("Nothing was measured.", "没有测量数据。")
        return f'<figure><h3>{title.__html__()}</h3><p class="quiet">{nothing.__html__()}</p></figure>'
    highest = max([*values, limit[0]] if limit else values)
    low, high = y_range or (min(0.0, *values), highest * 1.08 or 1.0)
    first, last = min(xs), max(xs)
    across = _Axis(first, last, whole=True) if first < last else _Axis(first - 1, first + 1, whole=True)
    up = _Axis(low, high)
    parts = [_grid(across, up), _labels(x_label, y_label)]
    if limit:
        y = _y(up, limit[0])
        parts.append(f'<line class="limit" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(limit[1].svg(f'x="{_LEFT + 6}" y="{y - 5:.1f}"'))
    parts += [_path(points, across, up, index) for index, points in enumerate(lines.values())]
    shown = [(names or {}).get(name, Words(name, name)) for name in lines]
    return _figure(title, parts, shown if len(lines) > 1 else [])


def roc_chart(
    curves: Mapping[str, Points],
    *,
    title: Words,
    promise: float | None,
    names: Mapping[str, Words] | None = None,
) -> str:
    """Return ROC curves of attacks on logarithmic axes, below the line that the privacy profile forbids to cross.

    ``promise`` is the profile's μ. The dotted diagonal is guessing. Rates below 0.1 % are drawn at the edge.
    """
    axis = _Axis(_LOWEST_RATE, 1.0, logarithmic=True)
    parts = [
        _grid(axis, axis),
        _labels(words("false alarms", "误报率"), words("found", "找到的比例")),
        f'<line class="guess" x1="{_LEFT}" y1="{_HEIGHT - _BOTTOM}" x2="{_WIDTH - _RIGHT}" y2="{_TOP}"/>',
    ]
    legend = []
    if promise is not None:
        rates = [_LOWEST_RATE * 10 ** (step / 20) for step in range(61)]
        bound = [(rate, most_found(rate, promise)) for rate in rates]
        parts.append(_path(bound, axis, axis, 0, kind="bound"))
        legend.append(("bound", words("what the promise allows at most", "承诺允许的上限")))
    for index, (name, points) in enumerate(curves.items()):
        colour = index + 1  # the first colour is too near that of the promise
        parts.append(_path(points, axis, axis, colour))
        legend.append((f"line-{colour % COLOURS}", (names or {}).get(name, Words(name, name))))
    legend.append(("guess", words("guessing", "瞎猜")))
    return _figure(title, parts, [], legend)


def most_found(rate: float, mu: float) -> float:
    """Return the most that any test with false-positive ``rate`` can find under μ-GDP (Dong, Roth, Su, 2022)."""
    if rate >= 1:
        return 1.0
    return float(special.ndtr(special.ndtri(rate) + mu))


def bar_chart(bars: Sequence[tuple[Words, float | None, str]], *, title: Words) -> str:
    """Return horizontal bars: (name, value or None for no bound, class of the bar)."""
    known = [value for _, value, _ in bars if value is not None]
    top = max(known, default=1.0) or 1.0
    row, left = 30, 190
    parts = []
    for index, (name, value, kind) in enumerate(bars):
        y = 8 + index * row
        parts.append(name.svg(f'x="{left - 10}" y="{y + 15}" text-anchor="end"'))
        width = (_WIDTH - left - 60) * (1.0 if value is None else value / top)
        place = f'x="{left}" y="{y}" width="{max(width, 1):.1f}" height="20" rx="3"'
        parts.append(f'<rect class="bar {kind}" {place}/>')
        text = "∞" if value is None else f"{value:.2f}"
        parts.append(f'<text class="value" x="{left + width + 7:.1f}" y="{y + 15}">{text}</text>')
    return _figure(title, parts, [], height=len(bars) * row + 12)


def dot_grid(filled: int, guessed: int, title: Words) -> str:
    """Return a hundred dots: those an attacker finds at most, of which the first would be found by guessing."""
    parts = []
    for number in range(100):
        x, y = 9 + number % 20 * 18, 9 + number // 20 * 18
        kind = "guessed" if number < guessed else "found" if number < filled else "safe"
        parts.append(f'<circle class="{kind}" cx="{x}" cy="{y}" r="6"/>')
    opening = f'<svg class="dots" viewBox="0 0 360 90" role="img" aria-label="{escape(title.en)}">'
    return f"{opening}{''.join(parts)}</svg>"


def _figure(
    title: Words,
    parts: Sequence[str],
    names: Sequence[Words],
    legend: Sequence[tuple[str, Words]] = (),
    height: int = _HEIGHT,
) -> str:
    entries = [*legend, *((f"line-{index % COLOURS}", name) for index, name in enumerate(names))]
    shown = "".join(f'<span><i class="{kind}"></i>{name.__html__()}</span>' for kind, name in entries)
    return (
        f'<figure><h3>{title.__html__()}</h3><svg viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(title.en)}">{"".join(parts)}</svg><figcaption>{shown}</figcaption></figure>'
    )


def _x(axis: _Axis, value: float) -> float:
    return _LEFT + axis.place(value) * (_WIDTH - _LEFT - _RIGHT)


def _y(axis: _Axis, value: float) -> float:
    return _HEIGHT - _BOTTOM - axis.place(value) * (_HEIGHT - _TOP - _BOTTOM)


def _path(points: Points, across: _Axis, up: _Axis, index: int, kind: str = "line") -> str:
    """Return the line through the points, broken where one is missing, and a dot for a point that stands alone."""
    runs: list[list[str]] = [[]]
    for x, y in points:
        if math.isnan(y):
            runs.append([])
        else:
            runs[-1].append(f"{_x(across, x):.1f} {_y(up, y):.1f}")
    colour = f"{kind} line-{index % COLOURS}"
    lines = "".join(f"M{'L'.join(run)}" for run in runs if len(run) > 1)
    dots = "".join(f"M{run[0]}h0" for run in runs if len(run) == 1)
    drawn = f'<path class="{colour}" d="{lines}"/>' if lines else ""
    return drawn + (f'<path class="{colour} alone" d="{dots}"/>' if dots else "")


def _grid(across: _Axis, up: _Axis) -> str:
    parts = []
    for value, text in up.ticks():
        y = _y(up, value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for value, text in across.ticks():
        x = _x(across, value)
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{text}</text>')
    return "".join(parts)


def _labels(x_label: Words, y_label: Words) -> str:
    middle, height = (_WIDTH + _LEFT - _RIGHT) / 2, _HEIGHT / 2 - 10
    turned = f'x="11" y="{height}" text-anchor="middle" transform="rotate(-90 11 {height})"'
    return x_label.svg(f'x="{middle}" y="{_HEIGHT - 6}" text-anchor="middle"') + y_label.svg(turned)


def _percent(rate: float) -> str:
    return f"{rate * 100:g} %"
