"""One round of one device, in the only order that is safe: check, charge, train, bound, encode, add noise.

G1. The charge is on the disk before training starts; a crash after it wastes budget, never privacy.
G2. What is returned is a function of the plan, the global weights and this device's photos whose dependence on
    any one person is bounded as :func:`privacy.accounting.of_plan.event_of` says, noise share included.
G3. A charge that the coordinator witnessed and the ledger lacks stops the device: its ledger was rolled back, and
    would let people pay less than they have. A coordinator that lies about it can only make the device refuse.
G4. Count and loss are in the vector only where the plan promises no differential privacy.
G5. Parameters that the device's config names local (``training.local``) are in no vector that it returns
    (:mod:`client.local_head`); the plan has no say in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from client.device import PURPOSE, Device
from client.local_head import LocalHead
from client.training import LocalTraining
from mien.errors import PolicyError, ProtocolError
from models.registry import build
from models.weights import from_vector, layout_of, to_vector, weights_hash
from privacy.accounting.of_plan import event_of
from privacy.contribution import contribute
from privacy.plan import RoundPlan


@dataclass(frozen=True)
class Participation:
    """What one round of one device gave."""

    vector: NDArray[np.int32] | NDArray[np.int64]
    """int [vector_length], ready to be masked."""
    receipt: str | None
    """Hash of the ledger's charge, which the coordinator may keep; None where nothing was charged."""


def take_part(
    device: Device,
    plan: RoundPlan,
    weights: NDArray[np.generic],
    node_config: Mapping[str, object],
    witnessed: str | None = None,
) -> Participation:
    """Take part in one round. ``witnessed`` is the receipt that the coordinator kept of an earlier one.

    Raises ProtocolError where the weights are not those of the plan, BudgetExceededError where the device has
    spent its budget, LedgerError where its ledger lacks the witnessed charge, and what preparing its photos raises.
    """
    config = device.config
    model = build(plan.model, seed=config.seed, **config.model.options)
    layout, whole = layout_of(model, without=config.training.local), layout_of(model)
    if weights.dtype != np.float32 or weights.shape != (layout.length,):
        raise ProtocolError(
            f"global weights: expected float32 ({layout.length},) for {plan.model}, got "
            f"{weights.dtype} {weights.shape}"
        )
    vector = np.ascontiguousarray(weights, dtype=np.float32)
    from_vector(model, layout, vector)  # what is local has its first values here, as on the coordinator
    if weights_hash(whole, vector if layout == whole else to_vector(model, whole)) != plan.model_hash:
        raise ProtocolError(f"round {plan.round}: the global weights are not those that the plan names")

    table = device.table(node_config)
    receipt = _charge(device, plan, witnessed)
    number = str(plan.round)
    head = LocalHead(device.local_head, layout) if layout.left_out else None
    if head is not None:
        head.load(model)
    training = LocalTraining(
        model, layout, table, plan, device.source("train", number), margin=config.data.face_margin
    )
    result = training.run(vector)
    if head is not None:
        head.save(model)
    encoded = contribute(result, plan, device.source("rounding", number), device.source("noise", number))
    return Participation(encoded, receipt)


def _charge(device: Device, plan: RoundPlan, witnessed: str | None) -> str | None:
    """Pay for the round from a ledger that was not rolled back, and return the charge's hash.

    A plan without privacy is not paid for but has to be what the device was set to.
    """
    if plan.mode == "none":
        if device.config.privacy.mode != "none":
            raise PolicyError(
                "the plan has no differential privacy, and this device was not set to do without"
            )
        return None
    with device.ledger() as ledger:
        if witnessed is not None:
            ledger.confirm(witnessed)
        return ledger.charge(PURPOSE, plan.run, plan.round, plan.hash.hex(), event_of(plan)).hash
