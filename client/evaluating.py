"""A device's part of a federated evaluation: it scores its own photos, and only masked, "
"bounded counts leave it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faces.sample import UNKNOWN, FaceTable
from mien.errors import PolicyError
from models.network import Network
from models.scoring import score
from privacy.federated_evaluation import EvaluationPlan, contribute_counts
from privacy.randomness import RandomSource


def own_counts(
    model: Network, table: FaceTable, plan: EvaluationPlan, drawing: RandomSource, noise: RandomSource
) -> NDArray[np.int64]:
    """Return this device's counts, int64 [plan.length], ready to be masked.

    Attributes that the device has no labels of count as unknown: the vector's length tells nothing of them.
    Raises PolicyError where the plan asks for other attributes than the model gives, ModelError where the
    photos lack a column that the model reads.
    """
    if model.outputs != plan.attributes:
        raise PolicyError(
            f"evaluation: the plan asks for {', '.join(plan.attributes)}, "
            f"the model gives {', '.join(model.outputs)}"
        )
    missing = np.full(len(table), UNKNOWN, dtype=np.int8)
    labels = np.stack(
        [table.label(name) if name in table.attributes else missing for name in plan.attributes], axis=1
    )
    scores = score(model, table.columns(model.inputs))
    return contribute_counts(scores, labels, table.persons, plan, drawing, noise)
