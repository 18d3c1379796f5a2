"""From a run config to round plans: noise calibrated to the promise, and parameters that cannot overflow."""

from __future__ import annotations

from configs.schema import RunConfig
from privacy.accounting.calibration import calibrate
from privacy.accounting.events import Composed
from privacy.accounting.of_plan import event_of
from privacy.plan import LocalTraining, RoundPlan, SecureAggregation, Update
from privacy.secagg.encoding import check_capacity
from privacy.secagg.graph import Neighbourhood, default_threshold, neighbours_for
from server.cohort import most_rounds

_FULL_GRAPH = 64
"""Cohorts up to this size use the full graph: it needs no argument about who chose whose neighbours."""
_DROPOUT = 0.1
"""Share of a cohort that may drop out before a sparse graph's rounds fail noticeably often."""


class Planner:
    """Makes the plans of one run.

    The noise multiplier is found once, before the first round, for the most rounds that any client can be
    asked for; a client that was asked oftener would be refused by its own ledger.
    """

    def __init__(self, config: RunConfig, run: str, vector_length: int) -> None:
        self._config, self._run, self._length = config, run, vector_length
        self.rounds_per_client = most_rounds(config.rounds.count, config.rounds.cohort, config.clients.count)
        self.noise_multiplier = self._calibrate()

    def plan(self, round_number: int, cohort: tuple[str, ...], model_hash: str | None) -> RoundPlan:
        """Return the plan of one round. Raises PolicyError where the field could overflow."""
        plan = self._plan(round_number, cohort, model_hash, self.noise_multiplier)
        check_capacity(plan)
        return plan

    def _calibrate(self) -> float:
        privacy = self._config.privacy
        if privacy.mode == "none":
            return 0.0
        names = tuple(f"client-{index:06d}" for index in range(self._config.rounds.cohort))
        return calibrate(
            lambda noise: [Composed((event_of(self._plan(1, names, None, noise)),), self.rounds_per_client)],
            privacy.epsilon,
            privacy.delta,
        )

    def _plan(
        self, round_number: int, cohort: tuple[str, ...], model_hash: str | None, noise: float
    ) -> RoundPlan:
        config, size = self._config, len(cohort)
        near = self._neighbourhood(size)
        return RoundPlan(
            run=self._run,
            round=round_number,
            purpose="attributes",
            mode=config.privacy.mode,
            model=config.model.name,
            model_hash=model_hash,
            cohort=cohort,
            training=self._training(noise),
            update=self._update(noise),
            secagg=SecureAggregation(
                vector_length=self._length,
                neighbours=near.neighbours,
                threshold=near.threshold,
                min_survivors=min(config.rounds.min_survivors, size),
            ),
            deadline_seconds=config.rounds.deadline_seconds,
        )

    def _neighbourhood(self, size: int) -> Neighbourhood:
        """Return the config's degree, or the full graph for a small cohort, or what the security bound needs."""
        asked = self._config.secagg.neighbours
        if not asked and size > _FULL_GRAPH:
            return neighbours_for(size, dropout=_DROPOUT, collusion=self._config.privacy.collusion)
        degree = min(asked or size - 1, size - 1)
        return Neighbourhood(degree, default_threshold(degree))

    def _training(self, noise: float) -> LocalTraining:
        training, privacy = self._config.training, self._config.privacy
        persons = training.sampling_rate * training.persons_per_client
        clips = privacy.mode in ("distributed", "silo")
        return LocalTraining(
            steps=training.local_steps,
            sampling_rate=training.sampling_rate,
            divisor=persons,
            photos_per_record=training.photos_per_person,
            learning_rate=training.learning_rate,
            momentum=training.momentum,
            clipping_norm=privacy.clipping_norm if clips else None,
            noise_multiplier=noise if privacy.mode == "silo" else 0.0,
        )

    def _update(self, noise: float) -> Update:
        """Return the encoding; its noise is told in units of its own bound, whatever ``noise`` is relative to."""
        privacy, rounds = self._config.privacy, self._config.rounds
        honest = max(1, int(rounds.min_survivors * (1 - privacy.collusion)))
        bound = privacy.clipping_norm if privacy.mode == "device" else privacy.update_clipping_norm
        shared = privacy.mode in ("distributed", "device")
        return Update(
            clipping_norm=bound,
            weight_bound=1.0,
            scale=1 << self._config.secagg.scale_bits,
            noise=privacy.noise if shared else "none",
            noise_multiplier=noise * privacy.clipping_norm / bound if shared else 0.0,
            honest_survivors=honest,
        )
