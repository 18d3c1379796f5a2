"""Each piece does what its name says, to each row by itself, and nothing else."""

from __future__ import annotations

import math
import typing

import pytest
import torch

from configs.schema import Augmentation
from mien.errors import ModelError
from models.augmentation import (
    AUGMENTATIONS,
    BRIGHTNESS,
    OCCLUDED,
    augment,
    check_augmentation,
)
from models.registry import build

ROWS, SIDE = 400, 32


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    return torch.rand((ROWS, 3, SIDE, SIDE), generator=seeded()) * 1.6 - 0.8


def test_the_config_knows_every_piece_by_name() -> None:
    assert set(typing.get_args(Augmentation)) == set(AUGMENTATIONS)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_shape_range_repeatability_and_that_something_changes(name: str, faces: torch.Tensor) -> None:
    one, same, other = (augment({"face": faces}, [name], seeded(seed))["face"] for seed in (1, 1, 2))
    assert one.shape == faces.shape
    assert one.abs().max() <= 1
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert not torch.equal(one, faces)


def test_nothing_is_done_unless_asked_and_other_columns_pass(faces: torch.Tensor) -> None:
    inputs = {"face": faces, "jaw": torch.rand(ROWS, 8)}
    assert augment(inputs, [], seeded())["face"] is faces
    assert augment(inputs, list(AUGMENTATIONS), seeded())["jaw"] is inputs["jaw"]


def test_flip_mirrors_about_half_of_the_rows(faces: torch.Tensor) -> None:
    flipped = augment({"face": faces}, ["flip"], seeded())["face"]
    mirrored = (flipped == faces.flip(3)).flatten(1).all(1)
    kept = (flipped == faces).flatten(1).all(1)
    assert (mirrored ^ kept).all()
    assert 0.4 < mirrored.double().mean() < 0.6


def test_rotation_turns_a_vertical_edge_by_at_most_15_degrees_both_ways() -> None:
    """The slope of the edge between a dark and a bright half tells the angle."""
    half = torch.full((ROWS, 3, 64, 64), -1.0)
    half[..., 32:] = 1.0
    turned = augment({"face": half}, ["rotation"], seeded())["face"][:, 0]
    dark = (1 - turned).sum(2) / 2  # [ROWS, 64]: width of the dark part, by height
    slope = (dark[:, 48] - dark[:, 16]) / 32
    angles = torch.rad2deg(torch.atan(slope))
    assert angles.abs().max() <= 15.5
    assert angles.max() > 13
    assert angles.min() < -13


def test_crop_moves_and_scales_within_its_bounds() -> None:
    spot = torch.full((ROWS, 3, 64, 64), -1.0)
    spot[:, :, 28:36, 28:36] = 1.0
    light = (augment({"face": spot}, ["crop"], seeded())["face"][:, 0] + 1) / 2
    mass = light.sum((1, 2))
    place = (light.sum(1) * (torch.arange(64) + 0.5)).sum(1) / mass
    assert ((place - 32).abs() <= 64 * 0.08 / (1 - 0.12) + 0.6).all()
    assert place.std() > 1.5
    assert mass.min() >= 64 / 1.12**2 * 0.85
    assert mass.max() <= 64 / 0.88**2 * 1.15
    assert mass.max() / mass.min() > 1.3


def test_brightness_multiplies_the_light_of_a_row(faces: torch.Tensor) -> None:
    changed = augment({"face": faces}, ["brightness"], seeded())["face"]
    gain = ((changed + 1) / (faces + 1)).flatten(1)
    unclipped = torch.where(changed.flatten(1) < 1, gain, torch.nan)
    middle = unclipped.nanmedian(dim=1, keepdim=True).values
    assert torch.nan_to_num(unclipped - middle).abs().max() < 1e-3
    assert (middle - 1).abs().max() <= BRIGHTNESS + 1e-4
    assert middle.max() - middle.min() > BRIGHTNESS


@pytest.mark.parametrize("margin", [0.0, 0.25])
@pytest.mark.parametrize(("name", "eyes", "mouth"), [("glasses", True, False), ("mask", False, True)])
def test_occlusions_cover_their_part_of_some_rows_in_one_colour(
    name: str, eyes: bool, mouth: bool, margin: float, faces: torch.Tensor
) -> None:
    covered = augment({"face": faces, "skin": faces}, [name], seeded(), margin=margin)
    assert covered["skin"] is faces, "they only mean something on the whole face"
    changed = (covered["face"] != faces).any(1)
    rows = changed.flatten(1).any(1)
    assert abs(float(rows.double().mean()) - OCCLUDED) < 0.08
    where = changed[rows].double().mean(0)

    def at(x: float, y: float) -> bool:
        pixel = [math.floor((place + margin) / (1 + 2 * margin) * SIDE) for place in (x, y)]
        return bool(where[pixel[1], pixel[0]] > 0.99)

    assert (at(0.34, 0.46), at(0.66, 0.46), at(0.5, 0.8)) == (eyes, eyes, mouth)
    assert not at(0.5, 0.1), "the forehead stays"
    row = int(rows.nonzero()[0])
    assert covered["face"][row][:, changed[row]].std(dim=1).max() < 1e-5


def test_a_row_s_change_is_its_own(faces: torch.Tensor) -> None:
    """Other pictures in the batch do not reach it, so a person's gradient is a function of that person."""
    other = faces.clone()
    other[1:] = -other[1:]
    for name in AUGMENTATIONS:
        one, two = (augment({"face": each}, [name], seeded())["face"] for each in (faces, other))
        assert torch.equal(one[0], two[0]), name


def test_an_unknown_piece_is_refused_with_the_nearest(faces: torch.Tensor) -> None:
    with pytest.raises(ModelError, match="did you mean 'rotation'"):
        augment({"face": faces}, ["rotate"], seeded())


def test_pieces_that_would_do_nothing_are_refused() -> None:
    check_augmentation(["flip"], build("attributes"))
    check_augmentation(AUGMENTATIONS, build("face_cnn"))
    with pytest.raises(ModelError, match="'mask' changes face, but"):
        check_augmentation(["mask"], build("attributes"))
    with pytest.raises(
        ModelError, match="'flip' changes skin or nose or face, but PrivateHead reads embedding"
    ):
        check_augmentation(["flip"], build("private_head"))
