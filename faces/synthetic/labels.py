"""What is true of a picture, under the names of CelebA's attributes (Liu et al., ICCV 2015).

Every label follows from numbers that drew the picture, by a fixed threshold. An attribute that the numbers do
not support is absent. Male and Young are benchmarks of learning only, as is everything here: no advice rests
on them. "Male" says which of MakeHuman's two shapes was used.
"""

from __future__ import annotations

from faces.synthetic.geometry import proportions
from faces.synthetic.identity import Identity
from faces.synthetic.photo import Photo

CHUBBY_JAW = 1.41
"""Jaw proportion above which a face is Chubby (see ``geometry.Proportions``)."""

POINTY_NOSE = 0.312
"""Nose proportion below which a nose is Pointy."""

BIG_NOSE = 0.42
BIG_LIPS = 0.335
NARROW_EYES = 0.30
PALE_DEPTH = 0.18
"""Skin depth below which skin is Pale; the lightest is 0, the darkest 1."""

ROSY_BLUSH = 0.46
"""Blush above which cheeks are Rosy; sampled blush leaves a gap around it."""

OLD = 0.68
OPEN_JAW = 0.10
BUSHY = 0.06


def labels_of(identity: Identity, photo: Photo) -> dict[str, int]:
    """Return 1 or 0 for every attribute that the ground truth supports."""
    truth = {**_of_person(identity), **_of_photo(identity, photo)}
    return {name: int(truth[name]) for name in sorted(truth)}


def _of_person(identity: Identity) -> dict[str, bool]:
    face, hair = proportions(identity), identity.hair
    return {
        "5_o_Clock_Shadow": 0 < identity.beard < 0.6,
        "Bald": hair.bald,
        "Bangs": hair.bangs,
        "Big_Lips": face.lips > BIG_LIPS,
        "Big_Nose": face.nose > BIG_NOSE,
        "Bushy_Eyebrows": identity.brows.thickness > BUSHY,
        "Chubby": face.jaw > CHUBBY_JAW,
        "Male": identity.male,
        "Mustache": identity.beard >= 0.6,
        "No_Beard": identity.beard == 0,
        "Pale_Skin": identity.skin.depth < PALE_DEPTH,
        "Pointy_Nose": face.nose < POINTY_NOSE,
        "Young": identity.age < OLD,
        # A bald head has hair of no colour.
        "Black_Hair": not hair.bald and hair.colour == "black",
        "Blond_Hair": not hair.bald and hair.colour == "blond",
        "Brown_Hair": not hair.bald and hair.colour in ("dark brown", "brown", "light brown"),
        "Gray_Hair": not hair.bald and hair.colour == "grey",
    }


def _of_photo(identity: Identity, photo: Photo) -> dict[str, bool]:
    units = dict(photo.units)
    return {
        "Mouth_Slightly_Open": units.get("jawOpen", 0.0) > OPEN_JAW,
        "Narrow_Eyes": proportions(identity).eye_opening < NARROW_EYES or photo.expression == "squint",
        "Rosy_Cheeks": identity.skin.blush * photo.flush > ROSY_BLUSH,
        "Smiling": photo.expression in ("smile", "laugh"),
    }
