"""Points that were found wrong can be moved, by pointer and by keyboard, and the cards follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def _drag(visitor: Any, handle: Any, dx: float, dy: float) -> None:
    box = handle.bounding_box()
    mouse = visitor.page.mouse
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + dx / 2, y + dy / 2, steps=4)
    mouse.move(x + dx, y + dy, steps=4)
    mouse.up()
    visitor.settle()


def _at_points(visit: Callable[..., Any], group: str) -> Any:
    visitor = visit("en").at_look()
    visitor.view(2)
    visitor.page.select_option(".points-panel select", group)
    return visitor


def test_dragging_landmarks_scores_anew_and_resets(visit: Callable[..., Any]) -> None:
    visitor = _at_points(visit, "brow_right")
    page = visitor.page
    before = visitor.rules()
    asked: list[dict[str, Any]] = []
    page.on(
        "request",
        lambda request: asked.append(request.post_data_json) if request.url.endswith("/look") else None,
    )
    _drag(visitor, page.locator(".handle.whole"), 0, 90)
    page.select_option(".points-panel select", "brow_left")
    _drag(visitor, page.locator(".handle.whole"), 0, 90)
    after = visitor.rules()
    assert after != before, "brows that lie lower get other cards"
    assert len(asked[-1]["landmarks"]) == 68
    assert len(asked) > 2, "the cards follow while the point is dragged"
    assert page.inner_text(".unseen[role=status]"), "the change is said to screen readers"
    page.click(".points-panel .button:has-text('Put all back')")
    visitor.settle()
    assert visitor.rules() == before
    assert visitor.complaints == []


def test_arrow_keys_move_a_point(visit: Callable[..., Any]) -> None:
    visitor = _at_points(visit, "chin")
    page = visitor.page
    handle = page.locator(".handle").nth(2)
    label = handle.get_attribute("aria-label")
    assert "Chin, point 3 of 5" in label
    handle.focus()
    with page.expect_request("**/look") as asked:
        page.keyboard.press("ArrowDown")
    landmarks = asked.value.post_data_json["landmarks"]
    read = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert read != label
    page.keyboard.press("Shift+ArrowDown")
    visitor.settle()
    farther = page.evaluate("document.activeElement.getAttribute('aria-label')")
    down = [int(text.split("across, ")[1].split(" down")[0]) for text in (label, read, farther)]
    assert down[0] < down[1] < down[2]
    assert down[2] - down[1] > down[1] - down[0]
    assert landmarks[8][1] > landmarks[7][1]
    page.click(".points-panel .button:has-text('Put this part back')")
    visitor.settle()
    assert handle.get_attribute("aria-label") == label


@pytest.mark.slow
def test_the_hairline_moves_the_zones_of_the_forehead(visit: Callable[..., Any]) -> None:
    visitor = _at_points(visit, "hairline")
    page = visitor.page
    visitor.tab(3)
    page.click(".fold-button")
    page.get_by_label("What the look should do").select_option("widen")
    visitor.tab(2)
    page.get_by_label("What do you say: face shape?").select_option("oblong")
    visitor.settle()
    visitor.view(0)
    zone = page.locator("[data-zone=hairline_band]").locator(".edge").first
    before = zone.get_attribute("d")
    visitor.view(2)
    page.locator(".handle").focus()
    for _ in range(6):
        page.keyboard.press("Shift+ArrowDown")
    visitor.settle()
    visitor.view(0)
    assert zone.get_attribute("d") != before
    assert visitor.complaints == []


@pytest.mark.slow
def test_points_that_no_face_has_are_refused_and_the_cards_stay(visit: Callable[..., Any]) -> None:
    visitor = _at_points(visit, "eye_right")
    page = visitor.page
    before = visitor.rules()
    page.locator(".handle.whole").focus()
    with page.expect_response(lambda response: response.url.endswith("/look") and response.status == 422):
        for _ in range(20):  # onto the other eye
            page.keyboard.press("Shift+ArrowRight")
    visitor.settle()
    assert not page.locator(".problem").count()
    assert len(visitor.rules()) >= 10
    page.click(".points-panel .button:has-text('Put all back')")
    visitor.settle()
    assert visitor.rules() == before
