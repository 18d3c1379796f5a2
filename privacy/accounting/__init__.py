"""From DP events to epsilon, and from a target epsilon to noise.

``events`` are what a ledger keeps; ``epsilon`` turns them into statements; ``calibration`` goes the other way;
``composition``, ``curve`` and ``integer_noise`` are the mathematics in between.
"""
