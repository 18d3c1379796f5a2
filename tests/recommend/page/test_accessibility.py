"""WCAG 2.2 A and AA in every state, both languages, light and dark, by axe; and what axe does not see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

CARD = "[data-card]"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def _states(visitor: Any) -> Iterator[str]:
    """Walk through the page and name each state in which it now is."""
    page = visitor.page
    visitor.arrive()
    yield "welcome"
    visitor.give("nobody")
    page.wait_for_selector(".problem")
    yield "problem"
    visitor.give("face").read()
    page.click(".fold-button")
    yield "questions"
    visitor.show()
    page.hover(f"{CARD} >> nth=1 >> h2")
    page.locator(f"{CARD} .fold-button").nth(1).click()
    yield "cards"
    visitor.tab(1)
    page.click(".player .button.primary")
    yield "steps"
    visitor.tab(2)
    yield "measures"
    visitor.view(1)
    page.wait_for_selector("canvas[data-painted]", state="attached")
    yield "preview"
    visitor.view(2)
    for group in ("jaw_right", "eye_right", "lips"):
        page.select_option(".points-panel select", group)
        yield f"points: {group}"
    page.click(".badge")
    page.wait_for_selector("dialog[open] dd")
    yield "privacy"


@pytest.mark.parametrize(
    ("language", "width"), [("en", 320), pytest.param("zh", 1280, marks=pytest.mark.slow)]
)
def test_no_violation_in_any_state(visit: Callable[..., Any], language: str, width: int) -> None:
    axe_module = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not here"
    )
    axe = axe_module.Axe()
    visitor = visit(language, viewport={"width": width, "height": 800})
    page = visitor.page
    found: list[str] = []
    for state in _states(visitor):
        page.set_viewport_size({"width": 320, "height": 800})
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        page.set_viewport_size({"width": width, "height": 800})
        if over > 0:
            found.append(f"{state}: {over} px wider than the window")
        # Colours differ between light and dark; all else is the same.
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            options: dict[str, Any] = {"runOnly": TAGS, "resultTypes": ["violations"]}
            if scheme == "dark":
                options["runOnly"] = ["color-contrast"]
            for violation in axe.run(page, options=options).response["violations"]:
                nodes = "; ".join(node["html"][:160] for node in violation["nodes"][:3])
                found.append(f"{state}, {scheme}: {violation['id']}: {violation['help']}: {nodes}")
        page.emulate_media(color_scheme="light")
    assert not found, "\n".join(found)


def test_text_can_grow_and_motion_can_rest(visit: Callable[..., Any]) -> None:
    visitor = visit("en", viewport={"width": 640, "height": 800}).at_look()
    page = visitor.page
    assert page.evaluate("getComputedStyle(document.querySelector('.zoom')).transitionDuration") == "0s"
    assert page.evaluate("getComputedStyle(document.querySelector('.result')).animationName") == "none"
    # Text at twice its size (WCAG 1.4.4) needs no sideways scrolling.
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_every_card_can_be_read_without_the_picture(visit: Callable[..., Any]) -> None:
    page = visit("en").at_look().page
    for index in range(page.locator(CARD).count()):
        card = page.locator(CARD).nth(index)
        assert card.get_attribute("aria-labelledby")
        assert len(card.locator(".where").inner_text()) > 15, "where, in words"
        assert card.locator(".steps li").count() >= 1
    assert page.get_attribute("svg.photo", "role") == "img"
    assert "Your photo" in page.get_attribute("svg.photo", "aria-label")
