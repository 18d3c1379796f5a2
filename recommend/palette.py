"""The colours that stand for the parts of a face in pictures, on the page and in the terminal.

Muted, told apart by people who do not see red or green well (the pairs next to each other on a face differ in
lightness), and dark enough for white numbers: contrast of at least 4.5 with white.
"""

from __future__ import annotations

DOMAIN_COLOURS: dict[str, str] = {
    "base": "#8a6d4f",
    "blush": "#b8475f",
    "contour": "#5b4a8a",
    "highlight": "#94700f",
    "brows": "#3c5a78",
    "eyes": "#1f7a7a",
    "lips": "#a02c4f",
    "nose": "#5f6f3a",
    "finish": "#5a6b74",
    "care": "#3f7a4d",
}

PAPER = "#faf7f3"
INK = "#2f2a26"
LINE = "#cfc6bc"


def rgb(code: str) -> tuple[int, int, int]:
    """Return (red, green, blue), 0 to 255, of ``#rrggbb``."""
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)
