"""From images to tensors: detection, landmarks, crops, datasets, partitioning, cache."""
