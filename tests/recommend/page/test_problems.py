"""What goes wrong is said in plain words with a way on, in both languages; nothing is a dead end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

CARD = "[data-card]"


@pytest.mark.parametrize(
    ("photo", "kind", "english", "chinese"),
    [
        ("nobody", "NoFaceError", "No face was found", "没有找到面部"),
        ("two", "SeveralFacesError", "more than one face", "不止一张脸"),
        ("broken", "UnreadableImageError", "could not be opened", "无法作为照片打开"),
        ("huge", "ImageTooLargeError", "too large", "太大"),
    ],
)
def test_a_photo_that_cannot_be_read(
    visit: Callable[..., Any], photo: str, kind: str, english: str, chinese: str
) -> None:
    visitor = visit("en").arrive().give(photo)
    page = visitor.page
    note = page.locator(".problem")
    note.wait_for()
    assert note.get_attribute("data-kind") == kind
    assert english in note.inner_text()
    assert page.evaluate("document.activeElement.matches('.problem')"), "the note has the focus"
    assert page.locator(".sheet-box .primary").is_disabled(), "no look without a face"
    page.click(".top .segment:has-text('中文')")
    assert chinese in note.inner_text()
    # The note's own button takes another photo, and the journey goes on.
    visitor.give("face").read().show()
    assert not page.locator(".problem").count()


def test_what_is_no_photo_is_said_before_anything_is_read(visit: Callable[..., Any]) -> None:
    visitor = visit("en").arrive().give("text")
    visitor.page.wait_for_selector(".problem")
    assert "This is not a photo." in visitor.page.inner_text(".problem")
    assert not [url for url in visitor.requests if url.endswith("/reading")]
    visitor.give("face").read()


def test_a_dark_photo_says_what_to_do(visit: Callable[..., Any]) -> None:
    visitor = visit("en").arrive().give("dark").read()
    page = visitor.page
    page.wait_for_selector("[data-notice=dark]")
    assert "Face a window" in page.inner_text("[data-notice=dark]")
    visitor.show()
    page.wait_for_selector(".tab-panel [data-notice=dark]")


def test_a_photo_that_the_adviser_let_go_is_read_again(visit: Callable[..., Any]) -> None:
    visitor = visit("en").at_look()
    page = visitor.page
    before = visitor.rules()
    page.evaluate(
        "fetch('/forget', {method: 'POST', body: '{}', headers: {'Content-Type': 'application/json',"
        " 'X-Mien-Token': sessionStorage.getItem('mien-token')}})"
    )
    visitor.tab(3)
    page.click(".chip:has-text('40 min')")
    page.wait_for_selector(".problem[data-kind=forgotten]")
    page.click(".problem .button.primary")
    page.wait_for_selector(".problem", state="detached")
    page.click(".chip:has-text('20 min')")
    page.wait_for_selector(".result:not(.busy) .tab-list")
    visitor.tab(0)
    page.wait_for_selector(CARD)
    visitor.settle()
    assert visitor.rules() == before


def test_without_the_token_the_page_says_how_to_get_in(visit: Callable[..., Any]) -> None:
    visitor = visit("zh")
    page = visitor.page
    page.goto(visitor.served.origin)
    page.wait_for_selector(".locked .note")
    notes = page.locator(".locked .note")
    assert notes.count() == 2
    assert notes.first.get_attribute("lang") == "zh-Hans"
    assert "mien serve" in notes.first.inner_text()
    page.goto(visitor.served.origin + "/#token=" + "0" * 64)
    page.reload()
    page.wait_for_selector(".problem[data-kind=locked]")


def test_a_server_that_is_gone(visit: Callable[..., Any], start_server: Callable[[], Any]) -> None:
    own = start_server()
    visitor = visit("en", served=own).arrive()
    page = visitor.page
    own.end()
    visitor.give("face")
    page.wait_for_selector(".problem[data-kind=gone]")
    assert "Start mien serve in the terminal again" in page.inner_text(".problem")
    # Trying again says it again, and the way back to the start is open.
    page.click(".problem .button.primary")
    page.wait_for_selector(".problem[data-kind=gone]")
    page.click(".problem .button:has-text('Back to the start')")
    assert page.locator(".drop").is_visible()
    # To forget works without the adviser: what the page holds goes.
    page.click(".badge")
    assert "not known" in page.inner_text("dialog")
    page.click("dialog .danger >> nth=-1")
    assert page.locator(".drop").is_visible()
