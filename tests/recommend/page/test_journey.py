"""A new user's way from the first screen to a look and out again, in both languages and by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CARD = "[data-card]"
SAID = {
    "en": {
        "welcome": "Nothing leaves this device.",
        "badge": "0 bytes sent",
        "heading": "Your look",
        "start": "Start here",
        "preview": "Placement preview",
        "undecided": "Undecided",
        "forgotten": "Forgotten.",
    },
    "zh": {
        "welcome": "任何数据都不会离开这台设备。",
        "badge": "已发送 0 字节",
        "heading": "你的妆容",
        "start": "先做这张",
        "preview": "位置预览",
        "undecided": "未定",
        "forgotten": "已全部忘记。",
    },
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_new_user_gets_a_look(visit: Callable[..., Any], language: str) -> None:
    said = SAID[language]
    visitor = visit(language).arrive()
    page = visitor.page
    assert page.evaluate("document.documentElement.lang") == {"en": "en", "zh": "zh-Hans"}[language]
    assert page.get_by_text(said["welcome"]).is_visible()
    assert said["badge"] in page.inner_text(".badge")

    visitor.give("face").read().show()
    assert page.inner_text("h1") == said["heading"]
    cards = page.locator(CARD)
    assert cards.count() >= 10
    assert page.get_by_text(said["start"], exact=True).count() == 3
    numbered = page.eval_on_selector_all(".figure .number", "all => all.map(one => Number(one.textContent))")
    drawn = page.eval_on_selector_all(
        "[data-card]",
        "cards => cards.filter(c => c.querySelector('.where strong')).map(c => Number(c.dataset.card))",
    )
    assert sorted(numbered) == drawn, "every card with a place has its number beside the photo"

    # Why: a value with its interval and percentile, how sure, the evidence, and its sources.
    measured = next(
        i
        for i in range(cards.count())
        if cards.nth(i).locator(".fold-button").count() and _opens_value(cards.nth(i))
    )
    panel = cards.nth(measured).locator(".why")
    assert "15" in panel.inner_text() or "70" in panel.inner_text()
    assert panel.locator("dd").count() == 3

    # Steps, one at a time, through to the end.
    visitor.tab(1)
    total = page.locator(".player-progress").get_attribute("aria-valuemax")
    for _ in range(int(total) - 1):
        page.click(".player .button.primary")
    assert page.locator(".player-progress").get_attribute("aria-valuenow") == total

    # The preview says what it is.
    visitor.tab(0)
    visitor.view(1)
    page.wait_for_selector("canvas[data-painted]", state="attached")
    assert said["preview"] in page.inner_text(".preview-label")

    # Forget: the page is as on arrival, and the adviser holds nothing.
    page.click(".badge")
    page.click("dialog .danger >> nth=-1")
    page.wait_for_selector(".drop")
    assert said["forgotten"] in page.inner_text("[role=status].unseen")
    assert page.locator("img, canvas, [data-card], image").count() == 0
    page.click(".badge")
    assert page.locator("dialog dd").last.inner_text() == "0"
    assert page.evaluate("JSON.stringify([{...localStorage}, document.cookie])") == '[{},""]'
    assert list(page.evaluate("({...sessionStorage})")) == ["mien-token"]
    assert visitor.complaints == []
    assert visitor.strangers() == []


def _opens_value(card: Any) -> bool:
    card.locator(".fold-button").click()
    return card.locator(".value-bar").count() > 0


def test_answers_change_the_cards_and_the_language_keeps_the_state(visit: Callable[..., Any]) -> None:
    visitor = visit("en").at_look()
    page = visitor.page
    everything = visitor.rules()
    visitor.tab(3)
    page.click(".chip:has-text('5 min')")
    visitor.settle()
    visitor.tab(0)
    short = visitor.rules()
    assert len(short) < len(everything)

    page.click(".top .segment:has-text('中文')")
    page.wait_for_selector("h1:has-text('你的妆容')")
    visitor.settle()
    page.wait_for_function("document.querySelector('[data-card] h2').innerText.match(/[\\u4e00-\\u9fff]/)")
    assert visitor.rules() == short
    text = page.inner_text(".cards")
    assert not [word for word in (" the ", " your ", " with ") if word in text], "no English is left"
    assert visitor.complaints == []


def test_an_undecided_measure_can_be_decided_by_the_person(visit: Callable[..., Any]) -> None:
    visitor = visit("en").at_look()
    page = visitor.page
    before = visitor.rules()
    visitor.tab(2)
    names = page.eval_on_selector_all(".measure.open", "rows => rows.map(row => row.dataset.attribute)")
    assert names, "the synthetic face has measures near a cut"
    for name in names:
        row = page.locator(f"[data-attribute={name}]")
        assert "Undecided" in row.inner_text()
        for option in (1, -1):
            row.locator("select").select_option(index=option % row.locator("option").count())
            visitor.settle()
            assert "as you say" in row.inner_text()
            visitor.tab(0)
            told = visitor.rules()
            visitor.tab(2)
            if told != before:
                row.locator("select").select_option(index=0)
                visitor.settle()
                assert "Undecided" in row.inner_text()
                visitor.tab(0)
                assert visitor.rules() == before, "what is taken back leaves no trace"
                return
        row.locator("select").select_option(index=0)
        visitor.settle()
    raise AssertionError(f"no answer to {names} changed a card")


def test_card_and_zone_light_each_other(visit: Callable[..., Any]) -> None:
    visitor = visit("en").at_look()
    page = visitor.page
    visitor.settle()
    page.hover(f"{CARD} >> nth=0 >> h2")
    page.wait_for_selector(".zone.lit")
    number = page.locator(".figure .number:not([aria-pressed=true])").last
    wanted = number.inner_text()
    number.click()
    page.wait_for_selector(f".card.active[data-card='{wanted}']")
    assert page.locator(".card.active").get_attribute("data-card") == wanted
    assert wanted in page.locator(".zone.lit").first.get_attribute("data-cards").split()
    # A part that is switched off in the key is neither drawn nor numbered; its card stays.
    cards = page.locator(CARD).count()
    page.locator(".legend-item").first.click()
    assert page.locator(".figure .number").count() < page.locator(CARD).count() == cards


def test_like_and_not_for_me_are_kept_here(visit: Callable[..., Any]) -> None:
    visitor = visit("en").at_look()
    page = visitor.page
    with page.expect_response("**/feedback") as answered:
        page.locator(f"{CARD} .react").first.click()
    assert answered.value.status == 200
    page.wait_for_selector(".react[data-selected]")
    page.click(".badge")
    panel = page.locator("dialog .feedback")
    assert "1 answer kept" in panel.inner_text()
    sharing = page.get_by_role("switch")
    assert not sharing.is_checked(), "nothing is shared unless it is switched on"
    with page.expect_download() as saved:
        panel.locator(".button").first.click()
    assert saved.value.suggested_filename == "mien-feedback.json"
    panel.locator(".button").nth(1).click()
    panel.locator(".danger").click()
    page.wait_for_selector("dialog .feedback:has-text('0 answers kept')")

    # "Forget the photo" keeps what was liked; "Forget everything" does not.
    page.keyboard.press("Escape")
    page.locator(f"{CARD} .react").nth(3).click()
    page.wait_for_selector(".react[data-selected]")
    for button, kept in (("Forget the photo", "1 answer kept"), ("Forget everything", "0 answers kept")):
        page.click(".badge")
        page.click(f"dialog .button:has-text('{button}')")
        page.wait_for_selector(".drop")
        page.click(".badge")
        page.wait_for_selector(f"dialog .feedback:has-text('{kept}')")
        page.keyboard.press("Escape")
    assert visitor.complaints == []


def test_the_sheet_opens_once_and_the_page_prints(visit: Callable[..., Any]) -> None:
    visitor = visit("en").at_look()
    page = visitor.page
    with page.expect_popup() as opened:
        page.click(".tools .button:has-text('sheet')")
    sheet = opened.value
    sheet.wait_for_selector("article")
    assert sheet.locator("article").count() == len(visitor.rules())
    sheet.close()
    page.emulate_media(media="print")
    assert not page.is_visible(".tools")
    assert not page.is_visible(".badge")
    assert page.is_visible(".cards")


def test_by_keyboard_alone(visit: Callable[..., Any]) -> None:
    visitor = visit("en").arrive()
    page, keys = visitor.page, visitor.page.keyboard

    def reach(wanted: str) -> None:
        """Press Tab until the focus is on what the selector names; every stop on the way must be visible."""
        for _ in range(120):
            keys.press("Tab")
            if page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
                assert _focus_is_seen(page), f"the focus on {wanted} cannot be seen"
                return
        raise AssertionError(f"{wanted} was not reached with Tab")

    reach(".skip")
    reach(".drop .button.primary")
    with page.expect_file_chooser() as chooser:
        keys.press("Enter")
    chooser.value.set_files(str(visitor.pictures["face"]))
    visitor.read()
    assert page.evaluate("document.activeElement.id") == "content", "a new step begins at its top"
    reach("input[type=radio]")
    keys.press("ArrowRight")
    assert page.inner_text(".chip[data-selected] >> nth=0") == "Work"
    reach(".fold-button")
    keys.press("Enter")
    reach("select")
    reach(".sheet-box .button.primary")
    keys.press("Enter")
    page.wait_for_selector(CARD)

    reach(".figure .number")
    keys.press("Enter")
    page.wait_for_selector(".zone.lit")
    reach(".tab[data-selected]")
    keys.press("ArrowRight")
    assert page.locator(".player").is_visible()
    first = page.inner_text(".player-step")
    reach(".player .button.primary")
    keys.press("Enter")
    shown = "text => document.querySelector('.player-step').textContent"
    page.wait_for_function(f"first => ({shown})() !== first", arg=first)
    keys.press("ArrowLeft")
    page.wait_for_function(f"first => ({shown})() === first", arg=first)

    page.evaluate("document.querySelector('.badge').focus()")
    keys.press("Enter")
    assert page.locator("dialog").is_visible()
    keys.press("Escape")
    assert not page.locator("dialog").is_visible()
    assert page.evaluate("document.activeElement.matches('.badge')"), "the focus returns to where it was"
    assert visitor.complaints == []


def _focus_is_seen(page: Any) -> bool:
    return page.evaluate(
        """() => {
          const seen = (one) => { const s = getComputedStyle(one);
            return (s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2) || s.boxShadow !== 'none'; };
          let one = document.activeElement;
          // A radio's own box is invisible; its label wears the outline.
          for (let up = 0; one && up < 3; up += 1, one = one.parentElement) if (seen(one)) return true;
          return false;
        }"""
    )


@pytest.mark.real_faces
def test_real_photos_get_a_look_or_a_named_reason(visit: Callable[..., Any], real_faces: Path) -> None:
    visitor = visit("en").arrive()
    page = visitor.page
    looks = 0
    for photo in sorted((real_faces / "photos" / "img_align_celeba").glob("*.jpg"))[:4]:
        page.set_input_files("input[type=file] >> nth=0", str(photo))
        page.wait_for_selector(".photo-read img, .problem")
        if page.locator(".problem").count():
            assert page.locator(".problem").get_attribute("data-kind") in ("NoFaceError", "SeveralFacesError")
            page.click(".problem .button:has-text('Back to the start')")
            continue
        visitor.show()
        assert len(visitor.rules()) >= 10
        looks += 1
        page.click(".tools .button:has-text('New photo')")
        page.wait_for_selector(".drop")
    assert looks >= 2
    assert visitor.strangers() == []
