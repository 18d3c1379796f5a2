"""The attacks succeed where nothing protects, and not where noise or masks do; the pictures are synthetic."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import torch

from privacy.audit.attacks import faces, inversion, registry
from privacy.audit.attacks.inverting import Imprint, SmallCnn, search
from privacy.audit.attacks.target import Target
from privacy.audit.attacks.views import clipped_sum, noise_of, views
from privacy.audit.conformance.build import Build


@pytest.fixture(scope="module", autouse=True)
def _fewer_faces():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faces, "PUBLIC", 36)
        patch.setattr(inversion, "STEPS", 250)
        patch.setattr(inversion, "FEW_STEPS", 20)
        yield


@pytest.fixture(scope="module")
def result(small_config):
    return registry.perform(registry.find("inversion"), Target(small_config())).result


def test_control_plain_and_clipped_gradients_give_the_faces_back(result):
    assert min(result.result["psnr_algebra_plain"]) > 100
    assert min(result.result["psnr_algebra_clipped"]) > 100
    assert result.result["psnr_search_plain"][0] > result.result["mean_face_psnr"][0] + 8


def test_noise_and_masks_leave_nothing_better_than_the_mean_face(result):
    assert result.passed
    assert result.result["gain_over_mean_face"] < 0
    for name in ("algebra_noised", "algebra_masked", "search_noised", "search_masked"):
        found, guess = result.result[f"psnr_{name}"], result.result["mean_face_psnr"]
        assert all(one < base for one, base in zip(found, guess, strict=False)), name


def test_masks_without_noise_do_not_hide_faces_in_the_sum(result):
    assert max(result.result["psnr_algebra_summed"]) > 40


def test_the_gallery_shows_every_view(result):
    rows = {}
    for tile in result.figures.gallery:
        rows.setdefault(tile.group, []).append(tile.label)
        assert base64.b64decode(tile.png_base64).startswith(b"\x89PNG")
    assert [len(labels) for labels in rows.values()] == [7, 7, 5]
    assert sum(len(tile.png_base64) for tile in result.figures.gallery) < 400_000


def test_a_silo_and_a_run_without_privacy_have_their_own_views(small_config):
    model, picture = SmallCnn().float(), torch.from_numpy(faces.victims()[:1]).float()
    losses = lambda: model.losses(picture, torch.tensor([1]))  # noqa: E731
    before = [p.detach().clone() for p in model.parameters()]
    noise = noise_of(Target(small_config(privacy={"mode": "silo"})))
    assert noise.silo
    seen = views(Build(), model, losses, noise)
    spread = (seen["noised"] - seen["clipped"]).std()
    assert spread == pytest.approx(noise.multiplier * noise.clipping_norm, rel=0.05)
    assert all(torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))
    assert noise_of(Target(small_config(privacy={"mode": "none"}))) is None
    assert set(views(Build(), model, losses, None)) == {"plain", "clipped", "masked"}


def test_the_opened_sum_has_the_noise_of_the_plan(small_config):
    model, picture = SmallCnn().float(), torch.from_numpy(faces.victims()[:1]).float()
    noise = noise_of(Target(small_config()))
    seen = views(Build(), model, lambda: model.losses(picture, torch.tensor([1])), noise)
    spread = (seen["noised"] - seen["clipped"]).std()
    assert spread == pytest.approx(noise.multiplier * noise.clipping_norm, rel=0.05)


def test_the_bins_read_two_faces_from_one_gradient_but_not_two_of_one_brightness():
    model, truth = Imprint(faces.public_faces()), faces.victims()[:2]
    pictures = torch.from_numpy(truth).float()
    seen = clipped_sum(model, lambda: model.losses(pictures, torch.tensor([1.0, 0.0])), 1e9)
    assert min(max(faces.psnr(c, face) for c in model.read(seen)) for face in truth) > 100
    twice = torch.cat((pictures[:1], pictures[:1].flip(3)))
    seen = clipped_sum(model, lambda: model.losses(twice, torch.tensor([1.0, 1.0])), 1e9)
    assert max(faces.psnr(c, truth[0]) for c in model.read(seen)) < 60


def test_psnr_is_what_it_says():
    grey = np.full((3, 4, 4), 0.5)
    assert faces.psnr(grey, grey) == 150.0
    assert faces.psnr(grey + 0.1, grey) == pytest.approx(20.0)
    assert faces.psnr(grey * 100, grey) == pytest.approx(-10 * np.log10(0.25))


@pytest.mark.slow
def test_the_search_reaches_40_decibels():
    model, truth = SmallCnn(), faces.victims()[0]
    picture = torch.from_numpy(truth[None])
    seen = clipped_sum(model, lambda: model.losses(picture, torch.tensor([2])), 1e9)
    assert faces.psnr(search(model, seen, 2, faces.mean_face(), 2000), truth) > 40
