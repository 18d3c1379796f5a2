"""Words in both languages of the report, side by side: the page shows one of them, without any script."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from markupsafe import Markup, escape

_CODE = re.compile(r"`([^`]+)`")
_STRONG = re.compile(r"\*\*([^*]+)\*\*")


@dataclasses.dataclass(frozen=True)
class Words:
    """One text in English and Chinese. As HTML both are there; the style sheet hides one."""

    en: str
    zh: str

    def __html__(self) -> str:
        return (
            f'<span class="en" lang="en">{_marked(self.en)}</span>'
            f'<span class="zh" lang="zh">{_marked(self.zh)}</span>'
        )

    def svg(self, attributes: str) -> str:
        """Return two SVG text elements with the given attributes."""
        return (
            f'<text class="en" lang="en" {attributes}>{escape(self.en)}</text>'
            f'<text class="zh" lang="zh" {attributes}>{escape(self.zh)}</text>'
        )


def words(en: str, zh: str, **values: Any) -> Words:
    """Return a text with ``{name}`` filled in from ``values`` in both languages.

    Between backticks stands code, between double stars what matters; everything is escaped when shown.
    """
    if not values:
        return Words(en, zh)
    first, second = ({name: _in(value, which) for name, value in values.items()} for which in ("en", "zh"))
    return Words(en.format(**first), zh.format(**second))


def _in(value: Any, language: str) -> Any:
    return getattr(value, language) if isinstance(value, Words) else value


def same(text: object) -> Words:
    """Return a text that reads the same in both languages, such as a number or a name."""
    return Words(str(text), str(text))


def _marked(text: str) -> Markup:
    shown = str(escape(text))
    shown = _CODE.sub(r"<code>\1</code>", shown)
    return Markup(_STRONG.sub(r"<strong>\1</strong>", shown))  # noqa: S704 - escaped above


def size_text(count: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
