"""Small changes of a picture under which its labels stay true, each a named piece that a config lists.

::

    [training]
    augmentation = ["mask", "glasses", "flip", "rotation", "crop", "brightness"]

Pictures are float32 [B, 3, H, W] in [-1, 1], what ``models.inputs`` gives, before and after. Each row is changed
by itself, with its own draws, so a record's gradient still depends on that record alone. Pieces are applied in the
order of the list; what is painted on a face belongs before what moves the picture.

Occlusions know where eyes, nose and mouth of an aligned face are (``faces.alignment``), so they only mean something
on the column ``face``; the others are done to every picture. The draws decide nothing private: the device seeds the
generator, and what leaves it is protected by clipping and noise whatever was drawn.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from mien.errors import ModelError
from models.inputs import PICTURES
from models.network import Network

MAX_ANGLE = math.radians(15.0)
CROP_SHIFT, CROP_SCALE = 0.08, 0.12  # shares of the picture's width
BRIGHTNESS = 0.30
OCCLUDED = 0.25  # share of the rows that an occlusion touches

# Heights and half widths, as shares of the side of an aligned face without margin.
_EYES, _EYE_SIDE, _LENS = 0.461, 0.158, 0.115
_MASK_TOP, _MASK_END, _MASK_SIDE = 0.585, 1.05, 0.36


def augment(
    inputs: Mapping[str, Tensor], names: Sequence[str], generator: torch.Generator, *, margin: float = 0.0
) -> dict[str, Tensor]:
    """Return ``inputs`` with every picture changed by the named pieces; other columns are passed on.

    ``margin`` is that of the aligned faces (``PrepareOptions.face_margin``). Raises ModelError for an unknown name.
    """
    result = dict(inputs)
    for name in names:
        if name in OCCLUSIONS:
            if "face" in result:
                result["face"] = _occlude(name, result["face"], margin, generator)
            continue
        for column in PICTURES:
            if column in result:
                result[column] = _change(name, result[column], generator)
    return result


def flip(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the rows, left for right."""
    return torch.where(_some(pictures, 0.5, generator), pictures.flip(3), pictures)


def rotation(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Turn each row by up to 15 degrees either way."""
    angle = _between(len(pictures), -MAX_ANGLE, MAX_ANGLE, generator)
    zero = torch.zeros_like(angle)
    return _warp(pictures, angle.cos(), angle.sin(), zero, zero)


def crop(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Show each row from a little nearer or farther, a little off its place; edges are repeated outwards."""
    rows = len(pictures)
    scale = _between(rows, 1.0 - CROP_SCALE, 1.0 + CROP_SCALE, generator)
    shift_x = _between(rows, -2 * CROP_SHIFT, 2 * CROP_SHIFT, generator)
    shift_y = _between(rows, -2 * CROP_SHIFT, 2 * CROP_SHIFT, generator)
    return _warp(pictures, scale, torch.zeros_like(scale), shift_x, shift_y)


def brightness(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Multiply each row's light by 0.7 to 1.3; what becomes too bright is cut off, as in a photo."""
    gain = _between(len(pictures), 1.0 - BRIGHTNESS, 1.0 + BRIGHTNESS, generator)[:, None, None, None]
    return ((pictures + 1.0) * gain - 1.0).clamp(-1.0, 1.0)


def mask(x: Tensor, y: Tensor) -> Tensor:
    """Return where a face mask is: over nose, mouth and chin."""
    side = _MASK_SIDE * (1.0 - 0.25 * ((y - _MASK_TOP) / (1.0 - _MASK_TOP)).clamp(0, 1))
    return (y > _MASK_TOP + 0.05 * (x - 0.5).abs()) & ((x - 0.5).abs() < side) & (y < _MASK_END)


def glasses(x: Tensor, y: Tensor) -> Tensor:
    """Return where sunglasses are: two lenses, a bridge and the arms."""
    beside = (x - 0.5).abs() - _EYE_SIDE
    lenses = (beside / _LENS) ** 2 + ((y - _EYES) / (0.75 * _LENS)) ** 2 < 1
    frame = ((y - _EYES).abs() < 0.015) & ((x - 0.5).abs() < _EYE_SIDE + 1.6 * _LENS)
    return lenses | frame


CHANGES: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "flip": flip,
    "rotation": rotation,
    "crop": crop,
    "brightness": brightness,
}
OCCLUSIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mask": mask, "glasses": glasses}
AUGMENTATIONS = (*CHANGES, *OCCLUSIONS)


def check_augmentation(names: Sequence[str], model: Network) -> None:
    """Raise ModelError where a piece would do nothing, because the model reads no picture that it changes."""
    for name in names:
        needed = ("face",) if name in OCCLUSIONS else PICTURES
        if not set(needed) & set(model.inputs):
            raise ModelError(
                f"augmentation {name!r} changes {' or '.join(needed)}, but {type(model).__name__} reads "
                f"{', '.join(model.inputs)}; leave it out, or choose a model that reads pictures"
            )


def _change(name: str, pictures: Tensor, generator: torch.Generator) -> Tensor:
    try:
        return CHANGES[name](pictures, generator)
    except KeyError:
        near = difflib.get_close_matches(name, AUGMENTATIONS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ModelError(f"unknown augmentation {name!r}; {hint}known: {', '.join(AUGMENTATIONS)}") from None


def _occlude(name: str, pictures: Tensor, margin: float, generator: torch.Generator) -> Tensor:
    """Paint what the named thing covers, in a colour of its own for each row, on some rows."""
    rows, _, height, width = pictures.shape
    x = _in_template(width, margin)[None, :]
    y = _in_template(height, margin)[:, None]
    colour = torch.rand((rows, 3, 1, 1), generator=generator) * 2.0 - 1.0
    return torch.where(_some(pictures, OCCLUDED, generator) & OCCLUSIONS[name](x, y), colour, pictures)


def _in_template(pixels: int, margin: float) -> Tensor:
    """Return the pixel centres along one side in the unit square of a face without margin: [pixels]."""
    return (torch.arange(pixels) + 0.5) / pixels * (1.0 + 2.0 * margin) - margin


def _between(rows: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(rows, generator=generator) * (high - low) + low


def _some(pictures: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Choose about ``share`` of the rows: bool [B, 1, 1, 1]."""
    return (torch.rand(len(pictures), generator=generator) < share)[:, None, None, None]


def _warp(pictures: Tensor, cosine: Tensor, sine: Tensor, shift_x: Tensor, shift_y: Tensor) -> Tensor:
    """Sample each row through its own similarity; x and y run from -1 to 1."""
    matrix = torch.stack(
        [torch.stack([cosine, -sine, shift_x], dim=1), torch.stack([sine, cosine, shift_y], dim=1)], dim=1
    )
    grid = functional.affine_grid(matrix, list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures, grid, align_corners=False, padding_mode="border")
