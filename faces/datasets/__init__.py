"""Where faces come from: the embedded synthetic ones, CelebA, or one folder a person."""

from faces.datasets.base import Dataset, FaceRecord
from faces.datasets.open import open_dataset

__all__ = ["Dataset", "FaceRecord", "open_dataset"]
