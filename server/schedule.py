"""Learning rates by round: a linear warm-up, then one of three ways down.

A schedule is a function of the round's number and of the config alone, so it costs no privacy. The client's rate
of a round is written into its plan; the server's multiplies the optimizer's step.
"""

from __future__ import annotations

import math

from configs.schema import RunConfig, Schedule


def client_rate(config: RunConfig, number: int) -> float:
    """Return the learning rate of the clients in round ``number`` (from 1); more than 0."""
    training = config.training
    return training.learning_rate * _share(config, number, training.schedule, training.warmup_rounds)


def server_share(config: RunConfig, number: int) -> float:
    """Return what the server's learning rate is multiplied by in round ``number`` (from 1)."""
    training = config.training
    return _share(config, number, training.server_schedule, training.server_warmup_rounds)


def _share(config: RunConfig, number: int, schedule: Schedule, warmup: int) -> float:
    """Return the share of the full rate, in (0, 1].

    The warm-up ends with the full rate in round ``warmup``. ``cosine`` (Loshchilov and Hutter 2017) then falls
    from it towards ``final_share``, which it would reach in the round after the last; ``step`` multiplies by
    ``step_factor`` every ``step_rounds``.
    """
    if number <= warmup:
        return number / warmup
    training, passed = config.training, number - max(warmup, 1)
    if schedule == "cosine":
        progress = passed / (config.rounds.count + 1 - max(warmup, 1))
        return training.final_share + (1 - training.final_share) * (1 + math.cos(math.pi * progress)) / 2
    if schedule == "step":
        return float(training.step_factor ** (passed // training.step_rounds))
    return 1.0
