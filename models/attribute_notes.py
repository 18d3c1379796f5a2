"""What is known of CelebA's labels, and what may be done with models that learnt them; model cards quote it.

The audit is Wu, Bezold, Günther, Boult, King and Bowyer 2022, *Consistency and Accuracy of CelebA Attribute
Values* (arXiv 2210.07356): two annotators agreed almost always on 12 of the 40 attributes only.
"""

from __future__ import annotations

from collections.abc import Sequence

NOT_ADVICE = ("Attractive", "Young", "Male", "Chubby", "Pale_Skin")
"""Labels that judge a person, guess gender or weight, or make light skin a property and dark "
"skin its absence."""

GEOMETRY = (
    "Arched_Eyebrows", "Narrow_Eyes", "Big_Lips", "Oval_Face", "High_Cheekbones", "Pointy_Nose", "Big_Nose",
    "Double_Chin",
)  # fmt: skip
"""Labels that landmarks measure better than annotators agree on them."""

_COIN_FLIP = "annotators agree on it about as often as a coin's flip, so no model can be good at it"
_AUDIT = (
    "The labels are CelebA's. An audit (Wu et al. 2022, arXiv 2210.07356) found annotators consistent, at 95 % "
    "or more, on only 12 of the 40 attributes: what is measured here is agreement with these labels, not truth."
)
_NOISE = {
    "Pointy_Nose": _COIN_FLIP,
    "Oval_Face": _COIN_FLIP,
    "High_Cheekbones": _COIN_FLIP,
    "No_Beard": "up to 40 % of the labels 'no' are wrong",
    "Mouth_Slightly_Open": "about 20 % of the labels 'yes' are wrong",
    "Heavy_Makeup": "strongly confounded with gender",
    "Wearing_Lipstick": "strongly confounded with gender",
}


def label_noise(attributes: Sequence[str], *, synthetic: bool) -> list[str]:
    """Return what a card says about the labels of these attributes."""
    if synthetic:
        return [
            "The labels are those that the faces were drawn with: they have no noise, and no real face has them."
        ]
    said = [_AUDIT]
    said += [f"{name}: {_NOISE[name]}." for name in attributes if name in _NOISE]
    return said


def excluded_uses(attributes: Sequence[str]) -> list[str]:
    """Return what a model of these attributes must not be used for."""
    said = [
        "Decisions about a person: access, hiring, credit, policing, health, age or identity checks.",
        "Surveillance, or sorting people by how they look.",
    ]
    judged = [name for name in attributes if name in NOT_ADVICE]
    if judged:
        said.append(
            f"{', '.join(judged)}: a benchmark of the learning machinery only. Never infer them "
            f"for a person, store them "
            "or show them: they are value judgements, guesses of gender or weight, or treat "
            "light skin as a property."
        )
    measured = [name for name in attributes if name in GEOMETRY]
    if measured:
        said.append(
            f"{', '.join(measured)}: not for advice. Landmarks measure such proportions better, "
            f"with an interval."
        )
    return said


_HINTS = ("Rosy_Cheeks", "Eyeglasses")
"""What is about the photo itself, so that advice may ask about it."""


def intended_uses(attributes: Sequence[str]) -> list[str]:
    """Return what a model of these attributes is for."""
    said = ["Research on federated and private learning: comparing methods on known labels."]
    hints = [name for name in attributes if name in _HINTS]
    if hints:
        said.append(
            f"{', '.join(hints)}: a hint that brings a question forward in makeup advice on its owner's device, "
            "told as a hint. It decides nothing."
        )
    return said
