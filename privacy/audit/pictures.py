"""Does any picture lie in these bytes? The search behind "no image left", over traffic and disk.

Two searches. :func:`embedded_pictures` finds any PNG or JPEG that a decoder opens, wherever it begins, also in
base64 text. :class:`PixelSearch` knows the pictures that must not be found, and finds any run of sixteen bytes of
their pixel rows: as uint8, as float32 in the ranges that networks eat, planes apart or colours interleaved.

Limits: a picture that was encrypted, compressed by other means, resampled or quantised otherwise is not found. That
nothing of the kind happens is what the allow-list and the masking are for; see docs/audit.md.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WINDOW: Final = 16
"""Bytes of one run: sixteen pixels of one colour as uint8, or four as float32."""
_CHUNK: Final = 1 << 20
_STARTS: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]{64,}={0,2}")
_MOST_BASE64: Final = 64 << 20


@dataclasses.dataclass(frozen=True)
class Found:
    """One find: where in the bytes, and what."""

    offset: int
    what: str


def embedded_pictures(data: bytes) -> list[Found]:
    """Return every PNG or JPEG in ``data`` that a decoder opens, whole or cut short, bare or in base64."""
    found = [Found(place, kind) for place, kind in _decodable(data)]
    for match in _BASE64.finditer(data[:_MOST_BASE64]):
        text = match.group()
        for shift in range(4):  # the text may begin in the middle of a group of four
            part = text[shift:].rstrip(b"=")
            part = part[:-1] if len(part) % 4 == 1 else part
            for _, kind in _decodable(base64.b64decode(part + b"=" * (-len(part) % 4))):
                found.append(Found(match.start() + shift, f"{kind} in base64"))
    return found


def _decodable(data: bytes) -> Iterator[tuple[int, str]]:
    for start in _STARTS:
        place = data.find(start)
        while place >= 0:
            try:
                with Image.open(io.BytesIO(data[place:]), formats=("PNG", "JPEG")) as picture:  # cut ones too
                    yield place, f"{picture.format} of {picture.width}x{picture.height}"
            except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
                pass  # the first bytes of a picture by chance
            place = data.find(start, place + 1)


class PixelSearch:
    """Finds runs of the pixels of known pictures in any bytes."""

    def __init__(self, pictures: Iterable[NDArray[np.uint8]]) -> None:
        """Take pictures as uint8 [N, 3, H, W], one array for each kind of crop."""
        hashes = [_windows_of(form) for array in pictures for form in _forms(array)]
        self._hashes = np.unique(np.concatenate(hashes))

    def __len__(self) -> int:
        return len(self._hashes)

    def search(self, data: bytes) -> list[Found]:
        """Return the first run found in each megabyte of ``data``."""
        found = []
        content = np.frombuffer(data, np.uint8)
        for start in range(0, max(len(content) - WINDOW + 1, 0), _CHUNK):
            piece = content[start : start + _CHUNK + WINDOW - 1]
            hashes = _hash(np.lib.stride_tricks.sliding_window_view(piece, WINDOW))
            places = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
            hits = np.flatnonzero(self._hashes[places] == hashes)
            if len(hits):
                found.append(Found(start + int(hits[0]), f"{len(hits)} runs of known pixels"))
        return found


def _forms(pictures: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Yield the bytes of pixel rows, [R, bytes], in every form that is searched for."""
    for array in (pictures, np.moveaxis(pictures, 1, -1)):  # planes apart, colours interleaved
        rows = np.ascontiguousarray(array).reshape(
            -1, array.shape[-1] if array is pictures else array.shape[-2] * 3
        )
        yield rows
        exact: NDArray[Any] = rows.astype(np.float32)
        for scaled in (exact, exact / np.float32(255), exact / np.float32(127.5) - np.float32(1)):
            yield np.ascontiguousarray(scaled).view(np.uint8).reshape(len(rows), -1)


def _windows_of(rows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the hashes of all windows of all rows that are no plain area, which any file may hold."""
    if rows.shape[1] < WINDOW:
        return np.zeros(0, np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(rows, WINDOW, axis=1).reshape(-1, WINDOW)
    varied = (np.diff(np.sort(windows, axis=1), axis=1) != 0).sum(axis=1) >= 7
    return np.unique(_hash(windows[varied]))


def _hash(windows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    halves = np.ascontiguousarray(windows).view(np.uint64)
    first, second = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
    mixed: NDArray[np.uint64] = halves[:, 0] * first ^ (halves[:, 1] * second >> np.uint64(7)) ^ halves[:, 1]
    return mixed
