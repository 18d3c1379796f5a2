"""Nothing leaves: no request off the origin, a policy that would refuse one, and a counter that counts."""

from __future__ import annotations

from collections.abc import Callable
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
