"""Networks, their losses, metrics and weights. Importing the package registers every network."""

from models import (
    attributes,
    face_cnn,
    face_shape,
    hsanet,
    nose,
    private_head,
    public_head,
    resnet,
    rule_prior,
    skin,
)

__all__ = [
    "attributes",
    "face_cnn",
    "face_shape",
    "hsanet",
    "nose",
    "private_head",
    "public_head",
    "resnet",
    "rule_prior",
    "skin",
]
