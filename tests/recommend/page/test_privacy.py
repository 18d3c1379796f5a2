"""Nothing leaves: no request off the origin, a policy that would refuse one, and a counter that counts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_the_policy_is_strict_and_nothing_breaks_it(visit: Callable[..., Any]) -> None:
    visitor = visit("en")
    page = visitor.page
    answer = page.goto(visitor.served.link)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy
    visitor.give("face").read().show()
    for view in (1, 2, 0):
        visitor.view(view)
    for tab in (1, 2, 3, 0):
        visitor.tab(tab)
    page.click(f"{'[data-card]'} .fold-button >> nth=0")
    assert page.locator("style").count() == 0, "the component library adds no style element"
    assert visitor.complaints == []
    assert visitor.strangers() == []


def test_the_token_is_hidden_from_the_address(visit: Callable[..., Any]) -> None:
    visitor = visit("en").arrive()
    assert "token" not in visitor.page.url
    assert not [url for url in visitor.requests if "token" in url.split("#")[0]]
    visitor.page.reload()
    visitor.page.wait_for_selector(".drop")


def test_the_counter_counts_what_is_refused(visit: Callable[..., Any]) -> None:
    visitor = visit("en").arrive()
    page = visitor.page
    assert page.evaluate("fetch('http://127.0.0.1:9/out').then(() => 'sent', () => 'refused')") == "refused"
    page.click(".badge")
    rows = page.locator("dialog .facts dd").all_inner_texts()
    assert rows[3] == "1", "a refusal by the policy is counted and shown"
    assert "connect-src" in page.inner_text("dialog")
    local = rows[4]
    page.keyboard.press("Escape")
    visitor.give("face").read()
    page.click(".badge")
    assert page.locator("dialog .facts dd").nth(4).inner_text() != local, (
        "answers from this device are counted"
    )


def test_the_counter_counts_what_gets_out(visit: Callable[..., Any]) -> None:
    """Without the policy a request does get out: then the badge must say so."""
    visitor = visit("en", bypass_csp=True)
    page = visitor.page
    page.route(
        "http://elsewhere.test/**",
        lambda route: route.fulfill(
            body="x" * 500, headers={"Access-Control-Allow-Origin": "*", "Timing-Allow-Origin": "*"}
        ),
    )
    visitor.arrive()
    assert page.get_attribute(".badge", "data-remote") == "0"
    page.evaluate("fetch('http://elsewhere.test/out').then(answer => answer.text())")
    page.wait_for_selector(".badge.alarm")
    assert int(page.get_attribute(".badge", "data-remote")) >= 1
    assert "left this page" in page.inner_text(".badge")


def test_the_adviser_answers_with_its_own_count(visit: Callable[..., Any]) -> None:
    """The number in the badge is the adviser's, not a constant of the page."""
    visitor = visit("en")
    page = visitor.page

    def raised(route: Any) -> None:
        answer = route.fetch()
        body = answer.json()
        body["data"]["bytes_sent_off_device"] = 512
        route.fulfill(response=answer, json=body)

    page.route("**/status", raised)
    visitor.arrive()
    page.wait_for_selector(".badge.alarm")
    assert "512 bytes sent" in page.inner_text(".badge")


def test_a_preview_changes_colours_and_nothing_else(visit: Callable[..., Any]) -> None:
    """Outside the zones every pixel of the two pictures is the same; inside, none has moved."""
    visitor = visit("en").at_look()
    page = visitor.page
    visitor.view(1)
    page.wait_for_selector("canvas[data-painted]", state="attached")
    same, changed, whole = page.evaluate(
        """() => {
          const [a, b] = [...document.querySelectorAll('.compare canvas')].map(one =>
            one.getContext('2d').getImageData(0, 0, one.width, one.height).data);
          let same = 0, changed = 0;
          for (let i = 0; i < a.length; i += 4)
            if (a[i] === b[i] && a[i+1] === b[i+1] && a[i+2] === b[i+2]) same += 1; else changed += 1;
          return [same, changed, a.length / 4];
        }"""
    )
    assert same + changed == whole
    assert 0.01 * whole < changed < 0.5 * whole
    slider = page.locator(".divider input")
    slider.focus()
    page.keyboard.press("Home")
    assert slider.get_attribute("aria-valuetext") or slider.input_value() == "0"


def test_the_browser_is_started_by_a_link_that_works_once(
    visit: Callable[..., Any], start_server: Callable[..., Any], tmp_path: Path
) -> None:
    """What stands in a process's arguments, where others see it, is not the token and is soon worth nothing."""
    opener, given = tmp_path / "opener", tmp_path / "given"
    opener.write_text(f'#!/bin/sh\nprintf "%s" "$1" > "{given}.part" && mv "{given}.part" "{given}"\n')
    opener.chmod(0o700)
    served = start_server(opener)
    for _ in range(300):
        if given.exists():
            break
        time.sleep(0.1)
    link = given.read_text()
    token = served.link.partition("#token=")[2]
    assert link.startswith(f"{served.origin}/#code=")
    assert token not in link
    visitor = visit("en", served=served)
    for _ in range(2):  # the second time as a reload: the session stays with the tab
        visitor.page.goto(link) if visitor.page.url == "about:blank" else visitor.page.reload()
        visitor.page.wait_for_selector(".drop")
    assert "code" not in visitor.page.url
    assert token not in json.dumps(visitor.page.evaluate("({...sessionStorage})"))
    assert visitor.complaints == []
    other = visit("en", served=served)
    other.page.goto(link)
    other.page.wait_for_selector(".locked")
    visitor.give("face")
    visitor.page.wait_for_selector(".problem")
    assert visitor.page.locator(".problem").get_attribute("data-kind") == "locked", (
        "two had it: it opens no more"
    )
    visitor.page.goto("about:blank")
    visitor.page.goto(served.link)
    visitor.page.wait_for_selector(".drop")
    visitor.give("face").read()
    served.end()
