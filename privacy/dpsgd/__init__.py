"""Private local training: Poisson sampling, fast per-record clipping, noise."""
