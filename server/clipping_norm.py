"""The clipping norm of a run's rounds: fixed, or moved by what the clients' votes say.

It is a function of released figures alone, so moving it costs nothing. The keys of a round are set up while the
round before it is being opened, and its plan, norm included, is fixed then: what a round's votes say is in the norm
of the next round but one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from configs.schema import Privacy
from mien.errors import RunError
from privacy.mechanisms.adaptive import AdaptiveClipping

STATE = "clipping_norm"
"""Name of the norm in a checkpoint: float64 [1]."""


def adaptive_rule(privacy: Privacy) -> AdaptiveClipping | None:
    """Return the rule that a run config states, or None for a fixed norm."""
    asked = privacy.adaptive
    if not asked.enabled:
        return None
    return AdaptiveClipping(
        asked.quantile, asked.learning_rate, asked.count_share, asked.lowest, asked.highest
    )


class ClippingNorm:
    """The norm that the next plan gets."""

    def __init__(self, privacy: Privacy) -> None:
        self._rule = adaptive_rule(privacy)
        self.value = self._rule.bounded(privacy.clipping_norm) if self._rule else privacy.clipping_norm

    def take(self, share_within: float | None) -> None:
        """Move the norm by the noised share of records that an opened round found within its own."""
        if self._rule is not None and share_within is not None:
            self.value = self._rule.next_norm(self.value, share_within)

    @property
    def state(self) -> dict[str, NDArray[np.float64]]:
        """What a checkpoint keeps of it; nothing where the norm is fixed."""
        return {} if self._rule is None else {STATE: np.array([self.value], np.float64)}

    def restore(self, state: dict[str, NDArray[np.float64]]) -> None:
        """Go on from a checkpoint's :attr:`state`. Raises RunError where it lacks a norm that this run needs."""
        if self._rule is None:
            return
        if STATE not in state or state[STATE].shape != (1,) or not state[STATE][0] > 0:
            raise RunError(
                f"checkpoint: expected one positive {STATE!r}, since privacy.adaptive is enabled; it is of a run "
                "with a fixed norm, or damaged"
            )
        self.value = self._rule.bounded(float(state[STATE][0]))
