"""From the columns of a face table to what the networks eat.

Training, evaluation and the reader on the device all call :func:`to_inputs`, so a network never sees numbers in
another range than those it was trained on.

* Pictures (``skin``, ``nose``, ``face``): uint8 [B, 3, H, W], RGB, become ``value / 127.5 - 1`` in [-1, 1]. Float
  pictures are taken to be in [0, 1] and become ``2 * value - 1``.
* ``jaw``: eight distances between symmetric jaw points, in units of the distance between the eyes' outer corners,
  become ``(value - JAW_MEAN) / JAW_STD``.
* ``embedding`` and ``advice``: float [B, D], passed on.

All constants are published here and never computed from a client's data: statistics of private data would be a
release of their own, outside of the privacy account.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien.errors import ModelError

PICTURES = ("skin", "nose", "face")
VECTORS = ("embedding", "advice")
COLUMNS = (*PICTURES, "jaw", *VECTORS)
JAW_DISTANCES = 8

# Mean and standard deviation of faces.crops.jaw_distances over 1,162 faces of CelebA's train partition, rounded.
# Nobody on whom results are measured is among them.
JAW_MEAN: tuple[float, ...] = (1.00, 0.99, 0.96, 0.91, 0.81, 0.66, 0.47, 0.25)
JAW_STD: tuple[float, ...] = (0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.04, 0.02)


def to_inputs(columns: Mapping[str, Tensor | NDArray[Any]]) -> dict[str, Tensor]:
    """Return float32 tensors [B, ...] for the known columns among ``columns``.

    Takes torch tensors or numpy arrays; the result keeps a tensor's device and shares no memory with pictures.
    Columns that no network eats (names, labels) are left out.

    Raises ModelError for a wrong shape or type, and for columns of unequal length.
    """
    result = {
        name: to_input(name, _tensor(column) if isinstance(column, np.ndarray) else column)
        for name, column in columns.items()
        if name in COLUMNS
    }
    lengths = {name: len(tensor) for name, tensor in result.items()}
    if len(set(lengths.values())) > 1:
        raise ModelError(f"input columns must have one row per record, got rows {lengths}")
    return result


def to_input(name: str, column: Tensor) -> Tensor:
    """Return one known column, a tensor, as :func:`to_inputs` does; nothing but tensor operations on its values.

    Raises ModelError for a wrong shape or type.
    """
    if name in PICTURES:
        return _pictures(name, column)
    return _jaw(column) if name == "jaw" else _vectors(name, column)


def _tensor(column: NDArray[Any]) -> Tensor:
    """Share the array's memory where torch can; it cannot with read-only or reversed views (mapped files)."""
    return torch.from_numpy(np.require(column, requirements=("C", "W")))


def _pictures(name: str, pictures: Tensor) -> Tensor:
    if pictures.ndim != 4 or pictures.shape[1] != 3:
        raise ModelError(
            f"input {name!r} must be pictures [B, 3, H, W] (RGB, channels first), got {list(pictures.shape)}"
        )
    if pictures.dtype == torch.uint8:
        return pictures.to(torch.float32).div_(127.5).sub_(1.0)
    if pictures.is_floating_point():
        return pictures.to(torch.float32) * 2.0 - 1.0
    raise ModelError(f"input {name!r} must be uint8 or float in [0, 1], got {pictures.dtype}")


def _jaw(distances: Tensor) -> Tensor:
    if distances.ndim != 2 or distances.shape[1] != JAW_DISTANCES or not distances.is_floating_point():
        raise ModelError(
            f"input 'jaw' must be float distances [B, {JAW_DISTANCES}] between symmetric jaw points, "
            f"got {distances.dtype} {list(distances.shape)}"
        )
    mean = torch.tensor(JAW_MEAN, device=distances.device)
    std = torch.tensor(JAW_STD, device=distances.device)
    return (distances.to(torch.float32) - mean) / std


def _vectors(name: str, vectors: Tensor) -> Tensor:
    if vectors.ndim != 2 or not vectors.is_floating_point():
        raise ModelError(
            f"input {name!r} must be float vectors [B, D], got {vectors.dtype} {list(vectors.shape)}"
        )
    return vectors.to(torch.float32)
