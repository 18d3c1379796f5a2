"""Per-record gradients, one kind of layer a file; :mod:`privacy.dpsgd.layers.choose` knows them all."""
