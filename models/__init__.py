"""Networks, their losses, metrics and weights. Importing the package registers every network."""

from models import attributes, face_shape, nose, skin

__all__ = ["attributes", "face_shape", "nose", "skin"]
