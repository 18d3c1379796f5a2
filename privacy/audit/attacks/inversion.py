"""Gradient inversion: does what the coordinator sees of a client give its faces back?

A malicious coordinator attacks a client that trains on four synthetic faces, by algebra and by search
(:mod:`privacy.audit.attacks.inverting`), on every view from the plain gradient to the masked vector
(:mod:`privacy.audit.attacks.views`). A picture counts as no better than guessing where it is no nearer to the face
than the mean of other faces is. The judgement favours the attacker: of all candidates the nearest counts.

One more view shows what masks alone cannot do: the opened sum over 40 persons without noise. A malicious model
still finds single faces in it. Only noise helps against that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from privacy.audit.attacks import faces
from privacy.audit.attacks.faces import Picture
from privacy.audit.attacks.inverting import Imprint, SmallCnn, search
from privacy.audit.attacks.registry import attack
from privacy.audit.attacks.target import Progress, Target
from privacy.audit.attacks.views import Gradient, Noise, clipped_sum, noise_of, views
from privacy.audit.evidence import AttackResult, Figures
from privacy.audit.evidence import Picture as Tile

STEPS, FEW_STEPS = 2000, 200
"""Steps of the search on gradients that say something, and on those that do not."""
_SHOWN = 2
_LABEL = 2
_WORDS = {
    "plain": "plain gradient",
    "clipped": "clipped",
    "summed": "opened sum of 40, no noise",
    "noised": "opened sum, noised",
    "masked": "masked upload",
}

Found = Mapping[str, list[Picture]]
"""By view, the nearest picture that was found for each face."""


def by_algebra(target: Target, noise: Noise | None) -> Found:
    """Return what the brightness bins give, for every face of the client."""
    truth, public = faces.victims(), faces.public_faces()
    model = Imprint(public)
    pictures, labels = torch.from_numpy(truth).float(), torch.arange(len(truth)) % 2.0
    seen = dict(views(target.build, model, lambda: model.losses(pictures, labels), noise))
    seen["summed"] = _sum_of_many(model, noise)
    return {name: [_nearest(model.read(seen[name]), face) for face in truth] for name in _order(seen)}


def _sum_of_many(model: Imprint, noise: Noise | None) -> Gradient:
    """Return the opened sum of ten clients of four persons each, clipped, without noise."""
    crowd = np.concatenate((faces.victims(), faces.public_faces()[: 9 * faces.VICTIMS]))
    pictures, labels = torch.from_numpy(crowd).float(), torch.arange(len(crowd)) % 2.0
    norm = noise.clipping_norm if noise else 1.0
    return clipped_sum(model, lambda: model.losses(pictures, labels), norm)


def by_search(target: Target, noise: Noise | None, progress: Progress) -> Found:
    """Return what the search finds for the client's first face."""
    model, start, truth = SmallCnn(), faces.mean_face(), faces.victims()[:1]
    pictures, classes = torch.from_numpy(truth), torch.tensor([_LABEL])
    seen = views(target.build, model, lambda: model.losses(pictures, classes), noise)
    found = {}
    for place, name in enumerate(_order(seen)):
        steps = STEPS if name in ("plain", "clipped") else FEW_STEPS
        found[name] = [search(model, seen[name], _LABEL, start, steps)]
        progress(0.2 + 0.8 * (place + 1) / len(seen))
    return found


def _order(seen: Mapping[str, Gradient]) -> list[str]:
    return [name for name in _WORDS if name in seen]


def _nearest(candidates: NDArray[np.float64], truth: Picture) -> Picture:
    return np.asarray(max(candidates, key=lambda picture: faces.psnr(picture, truth)))


@attack("inversion", summary="faces from gradients, by algebra and by search", seconds=45)
def inversion(target: Target, progress: Progress) -> AttackResult:
    """Attack synthetic faces through this build at the run's noise."""
    noise = noise_of(target)
    algebra = by_algebra(target, noise)
    progress(0.2)
    searched = by_search(target, noise, progress)
    truth, mean = faces.victims(), faces.mean_face()
    guess = [faces.psnr(mean, face) for face in truth]
    scores = {
        f"{way}_{name}": [faces.psnr(picture, face) for picture, face in zip(found, truth, strict=False)]
        for way, views_found in (("algebra", algebra), ("search", searched))
        for name, found in views_found.items()
    }
    hidden = [values for name, values in scores.items() if name.endswith(("_noised", "_masked"))]
    gain = max(value - base for values in hidden for value, base in zip(values, guess, strict=False))
    judged = "noised" if noise else "masked"
    plain, seen = min(scores["algebra_plain"]), max(scores[f"algebra_{judged}"])
    result: dict[str, float | str | tuple[float, ...] | None] = {
        "mean_face_psnr": tuple(guess),
        "gain_over_mean_face": gain,
        "noise_multiplier": noise.multiplier if noise else None,
        **{f"psnr_{name}": tuple(values) for name, values in scores.items()},
    }
    return AttackResult(
        attack="inversion",
        title={"en": "Faces from gradients", "zh": "由梯度还原人脸"},
        threat_model="A malicious coordinator that chooses the model and knows what all other clients sent.",
        question="Can faces be drawn from what a client sends?",
        claim=target.claim,
        kind="measurement",
        method="brightness bins (Fowl et al. 2022); gradient matching (Zhu et al. 2019, Geiping et al. 2020)",
        result=result,
        power=f"the same attacks give the faces back from a plain gradient: {plain:.0f} dB and "
        f"{scores['search_plain'][0]:.0f} dB",
        passed=gain <= 0.0,
        figures=Figures(gallery=tuple(_gallery(algebra, searched))),
        headline=f"plain gradients give faces back ({plain:.0f} dB); what is sent does not ({seen:.0f} dB, "
        f"guessing the mean face {float(np.mean(guess)):.0f} dB)"
        if gain <= 0.0
        else f"FACES ARE VISIBLE: {gain:.1f} dB nearer than the mean face",
        notes=_notes(scores, guess, private=noise is not None),
    )


def _notes(scores: Mapping[str, list[float]], guess: list[float], *, private: bool) -> tuple[str, ...]:
    summed = sum(value > base + 10 for value, base in zip(scores["algebra_summed"], guess, strict=True))
    said = (
        "Pictures are of synthetic persons; peak signal-to-noise ratio in decibels, higher is nearer.",
        "Clipping alone protects no face: it only scales the gradient.",
        f"Masks alone do not either: {summed} of {len(guess)} faces were read from a sum of 40 without noise.",
    )
    if private:
        return said
    return (*said, "This run adds no noise, so that last view is what its coordinator could see.")


def _gallery(algebra: Found, searched: Found) -> Iterator[Tile]:
    truth, mean = faces.victims(), faces.mean_face()
    for index in range(_SHOWN):
        group = f"face {index + 1}, by algebra"
        yield _tile("the face", truth[index], group)
        for name, found in algebra.items():
            yield _tile(_WORDS[name], found[index], group, truth[index])
        yield _tile("mean face: a guess", mean, group, truth[index])
    yield _tile("the face", truth[0], "face 1, by search")
    for name, found in searched.items():
        yield _tile(_WORDS[name], found[0], "face 1, by search", truth[0])


def _tile(label: str, picture: Picture, group: str, truth: Picture | None = None) -> Tile:
    score = None if truth is None else round(faces.psnr(picture, truth), 1)
    return Tile(
        label=label,
        png_base64=faces.png_base64(picture),
        group=group,
        score=score,
        unit="dB" if truth is not None else "",
    )
