"""Charts: points land where the axes say, nothing is drawn of nothing."""

from __future__ import annotations

import itertools
import math
import re

import pytest

from privacy.audit.charts import bar_chart, line_chart, most_found, roc_chart
from privacy.audit.words import same, words


def points_of(figure: str, kind: str) -> list[tuple[float, float]]:
    drawn = re.search(rf'<path class="{kind}[^"]*" d="([^"]*)"', figure).group(1)
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", drawn)]


def test_a_chart_without_points_says_so() -> None:
    empty = line_chart({"a": []}, title=same("T"), x_label=same("x"), y_label=same("y"))
    assert "Nothing was measured" in empty
    assert "没有测量" in empty


def test_points_are_placed_in_proportion_and_a_gap_lifts_the_pen() -> None:
    figure = line_chart(
        {"a": [(0, 0.0), (5, 1.0), (7, math.nan), (10, 2.0)]},
        title=same("T"), x_label=same("x"), y_label=same("y"), y_range=(0.0, 2.0),
        limit=(1.5, words("budget", "预算")),
    )  # fmt: skip
    (x0, y0), (x1, y1) = points_of(figure, "line line-0")
    (x2, y2) = points_of(figure, "line line-0 alone")[0]
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)
    assert figure.count("M") == 2
    assert "预算" in figure


def test_the_roc_is_logarithmic_and_under_the_line_of_the_promise() -> None:
    figure = roc_chart(
        {"a": [(1e-3, 1e-3), (1e-2, 1e-2), (1e-1, 1e-1), (1, 1)]}, title=same("T"), promise=1.0
    )
    places = points_of(figure, "line line-1")
    steps = [b[0] - a[0] for a, b in itertools.pairwise(places)]
    assert steps == pytest.approx([steps[0]] * 3, abs=0.2)
    bound = points_of(figure, "bound")
    assert bound[0][1] < places[0][1], "the promise allows more than guessing"


@pytest.mark.parametrize(
    ("rate", "mu", "expected"), [(0.01, 0.0, 0.01), (0.01, 1.0, 0.0924), (1.0, 3.0, 1.0)]
)
def test_what_a_gaussian_promise_allows(rate: float, mu: float, expected: float) -> None:
    assert most_found(rate, mu) == pytest.approx(expected, abs=1e-3)


def test_bars_are_in_proportion_and_infinity_is_full() -> None:
    figure = bar_chart(
        [(same("a"), 2.0, "spent"), (same("b"), 4.0, "promised"), (same("c"), None, "over")], title=same("T")
    )
    widths = [float(width) for width in re.findall(r'<rect[^>]*width="([\d.]+)"', figure)]
    assert widths[1] == pytest.approx(2 * widths[0], abs=0.2)
    assert widths[2] == widths[1]
    assert "∞" in figure


def test_a_point_alone_is_a_dot_and_rounds_have_no_halves() -> None:
    chart = line_chart(
        {"AUC": [(3.0, 0.5)]}, title=words("a", "a"), x_label=words("round", "轮"), y_label=words("y", "y")
    )
    assert 'class="line line-0 alone"' in chart
    assert ">3<" in chart
    assert ">3.5<" not in chart
    broken = line_chart(
        {"AUC": [(1.0, 0.5), (2.0, float("nan")), (3.0, 0.6), (4.0, 0.7)]},
        title=words("a", "a"), x_label=words("round", "轮"), y_label=words("y", "y"),
    )  # fmt: skip
    assert broken.count("alone") == 1
