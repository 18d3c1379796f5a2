"""Words that the knowledge base never uses, and checks that both languages say the same amount.

Advice shows what is there; it does not grade it. A word that calls a face wrong, lacking, or made for one
kind of person is refused, in both languages, wherever a text stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import Formatter

from recommend.knowledge.model import Text

DENIED_EN = (
    r"flaws?", r"flawless", r"flawed", r"imperfect\w*", r"perfect\w*", r"ideal\w*", r"normal\w*",
    r"abnormal\w*", r"beautiful", r"beauty score", r"attractive\w*", r"ugl\w+", r"pretty", r"hides?",
    r"disguise\w*", r"camouflage\w*", r"correct your", r"fix", r"fixes", r"fixing", r"problem areas?",
    r"too (?:big|small|wide|long|short|fat|thin)", r"slim(?:s|ming)? (?:your|the)", r"slimming", r"whiten\w*",
    r"lighten your skin", r"anti-ag\w+", r"younger", r"old", r"youthful", r"feminine", r"masculine", r"womanly",
    r"manly", r"women should", r"men should", r"girls?", r"ladies", r"fat", r"chubby", r"overweight",
    r"defects?", r"blemish\w*", r"unsightly", r"score", r"ethnic\w*", r"exotic",
)  # fmt: skip
DENIED_ZH = (
    "缺陷", "缺点", "瑕疵", "完美", "无瑕", "理想", "标准脸", "正常", "美白", "变白", "显白", "瘦脸",
    "显瘦", "小脸", "遮丑", "丑", "漂亮", "颜值", "打分", "女人味", "女性应", "男性应", "男人味", "女生应",
    "少女", "减龄", "显老", "年轻", "胖", "肥", "塌鼻", "大饼脸", "矫正", "修正", "弥补", "不足", "问题",
    "种族", "异域",
)  # fmt: skip
# Sentences that say that none of it is done, or that the photo does not suffice, may name the thing.
ALLOWED_IN = {"label.no_score", "undecided.photo", "care-irritated.reason"}

_EN = re.compile(r"\b(" + "|".join(DENIED_EN) + r")\b", re.IGNORECASE)
_ZH = re.compile("|".join(DENIED_ZH))
_HAN = re.compile(r"[\u4e00-\u9fff]")


def faults(where: str, text: Text) -> Iterator[tuple[str, str]]:
    """Yield (kind, what is wrong) for one text: denied words, a missing translation, unlike places."""
    if where not in ALLOWED_IN:
        for pattern, words in ((_EN, text.en), (_ZH, text.zh)):
            found = pattern.search(words)
            if found:
                yield (
                    "denied word",
                    f"says {found.group(0)!r} in {words!r}. Say what is there instead.",
                )
    if _HAN.search(text.en):
        yield "language", f"the English text contains Chinese: {text.en!r}. Translate it."
    if not _HAN.search(text.zh):
        yield "language", f"the Chinese text has no Chinese in it: {text.zh!r}. Translate it."
    if places_in(text.en) != places_in(text.zh):
        yield "language", "the two languages have different places {…}. Use the same ones."


def places_in(words: str) -> set[str]:
    """Return the names of the places {…} that a text leaves to be filled in."""
    return {name for _, name, _, _ in Formatter().parse(words) if name}
