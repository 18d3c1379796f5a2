"""What devices count adds up to what one server would measure on all their photos together."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from client.evaluating import own_counts
from faces.federation import federate
from mien.errors import PolicyError
from models.registry import build
from privacy.federated_evaluation import EvaluationPlan, read_counts
from privacy.randomness import TestOnlySource
from server.evaluation import evaluate


@pytest.fixture(scope="module")
def setting(small_config):
    config = small_config()
    federation = federate(config.data, config.clients, config.seed)
    return federation, build("attributes", seed=3, **config.model.options)


def sources(number: int):
    return TestOnlySource(number, "draw"), TestOnlySource(number, "noise")


def test_the_sum_over_devices_is_the_pooled_result(setting) -> None:
    federation, model = setting
    plan = EvaluationPlan(model.outputs, photos=3)
    clients = range(len(federation.clients))
    total = sum(own_counts(model, federation.client(n), plan, *sources(n)) for n in clients)
    pooled = federation.table.select(np.concatenate(federation.clients))
    expected = evaluate(model, pooled)
    found = {quality.attribute: quality for quality in read_counts(total, plan)}
    measured = [name for name, area in expected.auc.items() if area is not None]
    assert measured
    for name in measured:
        assert abs(found[name].auc.value - expected.auc[name]) <= found[name].auc.error + 1e-9
        assert (found[name].yes, found[name].no) == tuple(
            (pooled.label(name) == mark).sum() for mark in (1, 0)
        )


def test_a_label_that_the_device_lacks_adds_nothing(setting) -> None:
    federation, model = setting
    table = federation.client(0)
    kept = [index for index, name in enumerate(table.attributes) if name != "Chubby"]
    fewer = dataclasses.replace(
        table, attributes=tuple(table.attributes[index] for index in kept), labels=table.labels[:, kept]
    )
    plan = EvaluationPlan(model.outputs, photos=3)
    counts = own_counts(model, fewer, plan, *sources(0)).reshape(len(model.outputs), -1)
    assert counts[model.outputs.index("Chubby")].sum() == 0
    assert counts.sum() > 0


def test_a_plan_for_another_model_is_refused(setting) -> None:
    federation, model = setting
    with pytest.raises(PolicyError, match="the plan asks for Bald, the model gives Chubby"):
        own_counts(model, federation.client(0), EvaluationPlan(("Bald",)), *sources(0))
