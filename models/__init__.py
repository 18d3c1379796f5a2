"""Networks, their losses, metrics and weights. Importing the package registers every network."""

from models import (
    attributes,
    backbones,
    face_cnn,
    face_shape,
    hsanet,
    multi_attribute,
    nose,
    private_head,
    public_head,
    resnet,
    rule_prior,
    skin,
)

__all__ = [
    "attributes",
    "backbones",
    "face_cnn",
    "face_shape",
    "hsanet",
    "multi_attribute",
    "nose",
    "private_head",
    "public_head",
    "resnet",
    "rule_prior",
    "skin",
]
