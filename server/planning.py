"""From a run config to round plans: noise calibrated to the promise, and parameters that cannot overflow."""

from __future__ import annotations

import difflib
import functools
import math
from collections.abc import Sequence

from configs.schema import Data, Model, RunConfig, Training
from mien.errors import ConfigError
from privacy.accounting.calibration import calibrate
from privacy.accounting.events import Composed, Event
from privacy.accounting.of_plan import event_of
from privacy.contribution import layout_for
from privacy.mechanisms.adaptive import vote_sensitivity
from privacy.plan import LocalTraining, RoundPlan, SecureAggregation, Update
from privacy.secagg.encoding import check_capacity
from privacy.secagg.graph import Neighbourhood, default_threshold, neighbours_for
from server.clipping_norm import adaptive_rule
from server.cohort import most_rounds
from server.schedule import client_rate

_FULL_GRAPH = 64
"""Cohorts up to this size use the full graph: it needs no argument about who chose whose neighbours."""
_DROPOUT = 0.1
"""Share of a cohort that may drop out before a sparse graph's rounds fail noticeably often."""


class Planner:
    """Makes the plans of one run.

    The noise multiplier is found once, before the first round, for the most rounds that any client can be
    asked for; a client that was asked oftener would be refused by its own ledger. An adaptive clipping norm does
    not change it, since noise is in units of the norm.
    """

    def __init__(self, config: RunConfig, run: str, parameters: int, outputs: Sequence[str] = ()) -> None:
        self._config, self._run = config, run
        self._weights = _positive_weights(config, outputs)
        self._layout = layout_for(parameters, config.privacy.mode, _update(config, 0.0))
        self.noise_multiplier = _calibrated(_priced(config).model_dump_json(), self._layout.length)

    def plan(self, number: int, cohort: tuple[str, ...], clipping_norm: float) -> RoundPlan:
        """Return the plan of one round, without its model. Raises PolicyError where the field could overflow.

        ``clipping_norm`` is the round's where it adapts; a fixed one is in the config. The learning rate is what
        the schedule makes of it.
        """
        draft = _draft(self._config, self._layout.length, cohort, self.noise_multiplier)
        local = {"learning_rate": client_rate(self._config, number), "positive_weights": self._weights}
        update = draft.update
        if update.adaptive is not None:
            adaptive = update.adaptive.model_copy(update={"norm": clipping_norm})
            update = update.model_copy(update={"adaptive": adaptive})
        training = draft.training.model_copy(update=local)
        plan = draft.model_copy(
            update={"run": self._run, "round": number, "update": update, "training": training}
        )
        check_capacity(plan)
        self._layout.check(plan)
        return plan


def _priced(config: RunConfig) -> RunConfig:
    """Return the config with all that the price does not depend on at its default: what is learnt, how, and from
    whom; and patience, since the promise is made for all rounds.
    """
    names = ("local_steps", "sampling_rate", "photos_per_person", "persons_per_client")
    training = Training(**{name: getattr(config.training, name) for name in names})
    rounds = config.rounds.model_copy(update={"patience": 0})
    fresh = {"name": "run", "seed": 0, "data": Data(), "model": Model()}
    return config.model_copy(update={**fresh, "training": training, "rounds": rounds})


@functools.lru_cache(maxsize=32)
def _calibrated(config_json: str, vector_length: int) -> float:
    """Return the smallest noise multiplier that keeps the config's promise; it takes seconds, so it is kept."""
    config = RunConfig.model_validate_json(config_json)
    if config.privacy.mode == "none":
        return 0.0
    rounds = config.rounds
    most = most_rounds(rounds.count, rounds.cohort, config.clients.count)
    cohort = tuple(f"client-{index:06d}" for index in range(rounds.cohort))

    def events(noise: float) -> list[Event]:
        return [Composed((event_of(_draft(config, vector_length, cohort, noise)),), most)]

    needed = calibrate(events, config.privacy.epsilon, config.privacy.delta)
    # a device counts rounding as part of what a person adds, so its floor asks for a little more
    counted = event_of(_draft(config, vector_length, cohort, needed)).noise_multiplier / needed
    return max(needed, config.privacy.min_noise_multiplier / counted * (1 + 1e-9))


def _draft(config: RunConfig, vector_length: int, cohort: tuple[str, ...], noise: float) -> RoundPlan:
    """Return a plan that lacks only its run, round and model."""
    near = _neighbourhood(config, len(cohort))
    return RoundPlan(
        run="run",
        round=1,
        purpose="attributes",
        mode=config.privacy.mode,
        model=config.model.name,
        model_hash=None,
        cohort=cohort,
        training=_training(config, noise),
        update=_update(config, noise),
        secagg=SecureAggregation(
            vector_length=vector_length,
            neighbours=near.neighbours,
            threshold=near.threshold,
            min_survivors=min(config.rounds.min_survivors, len(cohort)),
        ),
        deadline_seconds=config.rounds.deadline_seconds,
    )


def _neighbourhood(config: RunConfig, size: int) -> Neighbourhood:
    """Return the config's degree, or the full graph for a small cohort, or what the security bound needs."""
    asked = config.secagg.neighbours
    if not asked and size > _FULL_GRAPH:
        return neighbours_for(size, dropout=_DROPOUT, collusion=config.privacy.collusion)
    degree = min(asked or size - 1, size - 1)
    return Neighbourhood(degree, default_threshold(degree))


def _training(config: RunConfig, noise: float) -> LocalTraining:
    training, privacy = config.training, config.privacy
    clips = privacy.mode in ("distributed", "silo")
    person = 1.0 if privacy.adaptive.enabled else privacy.clipping_norm  # in units of the adaptive norm
    return LocalTraining(
        steps=training.local_steps,
        sampling_rate=training.sampling_rate,
        divisor=training.sampling_rate * training.persons_per_client,
        photos_per_record=training.photos_per_person,
        learning_rate=training.learning_rate,
        momentum=training.momentum,
        clipping_norm=person if clips else None,
        noise_multiplier=noise if privacy.mode == "silo" else 0.0,
        augmentation=training.augmentation,
        label_smoothing=training.label_smoothing,
        proximal=training.proximal,
    )


def _positive_weights(config: RunConfig, outputs: Sequence[str]) -> tuple[float, ...]:
    """Return the config's weights in the order of the model's outputs. Raises ConfigError for a name it lacks."""
    weights = config.training.class_weights
    if weights == "none":
        return ()
    for name in weights:
        if name not in outputs:
            near = difflib.get_close_matches(name, outputs, n=1)
            hint = f"did you mean {near[0]}?" if near else f"its outputs are {', '.join(outputs)}"
            raise ConfigError(
                f"training.class_weights.{name}: the model {config.model.name} has no such output; {hint}"
            )
    return tuple(float(weights.get(name, 1.0)) for name in outputs)


def _update(config: RunConfig, noise: float) -> Update:
    """Return the encoding; its noise is told in units of its own bound, whatever ``noise`` is relative to.

    ``noise`` is the total multiplier of a round. Votes take their share of it, so the update's own is larger (Q2 of
    :mod:`privacy.mechanisms.adaptive`).
    """
    privacy, scale = config.privacy, 1 << config.secagg.scale_bits
    bound = privacy.clipping_norm if privacy.mode == "device" else privacy.update_clipping_norm
    shared = privacy.mode in ("distributed", "device")
    rule = adaptive_rule(privacy)
    adaptive = rule.in_plan(privacy.clipping_norm, scale) if rule else None
    joint = math.hypot(1.0, vote_sensitivity(adaptive) / scale)
    return Update(
        clipping_norm=bound / privacy.clipping_norm if rule else bound,
        weight_bound=1.0,
        scale=scale,
        noise=privacy.noise if shared else "none",
        noise_multiplier=noise * privacy.clipping_norm / bound * joint if shared else 0.0,
        honest_survivors=max(1, int(config.rounds.min_survivors * (1 - privacy.collusion))),
        adaptive=adaptive,
    )
