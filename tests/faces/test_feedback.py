"""Opinions as a table, and the simulated people that ship with the package."""

from __future__ import annotations

import numpy as np
import pytest

from configs.load import load_config
from faces.federation import federate
from faces.feedback import FEATURES, LIKED, feedback_table, simulated_feedback
from mien.errors import DataError


def test_rows_are_opinions_in_order_and_unknown_features_are_left_out() -> None:
    table = feedback_table(
        {
            "a": [({"lips": 1.0, "visible": 0.5}, True), ({"of old": 1.0}, False)],
            "b": [({"eyes": 1.0}, False)],
        }
    )
    assert table.persons.tolist() == [0, 0, 1]
    assert table.label(LIKED).tolist() == [1, 0, 0]
    advice = table.columns(("advice",))["advice"]
    assert advice.shape == (3, len(FEATURES))
    assert advice[0, FEATURES.index("lips")] == 1.0
    assert advice[0, FEATURES.index("visible")] == 0.5
    assert not advice[1].any()
    kept = table.select([2])
    assert kept.columns(("advice",))["advice"][0, FEATURES.index("eyes")] == 1.0
    assert kept.content_hash != table.content_hash


def test_nobody_gives_an_empty_table() -> None:
    table = feedback_table({"owner": []})
    assert len(table) == 0
    assert table.columns(("advice",))["advice"].shape == (0, len(FEATURES))


def test_a_face_model_finds_no_label_to_train_on() -> None:
    with pytest.raises(DataError, match="Chubby"):
        feedback_table({"a": [({"lips": 1.0}, True)]}).label("Chubby")


def test_simulated_people_are_one_a_device_in_the_shipped_config() -> None:
    config = load_config("rule_prior", [])
    assert config.privacy.mode == "device"
    assert config.privacy.randomness == "system"
    federation = federate(config.data, config.clients, config.seed)
    assert federation.synthetic
    owners = [set(federation.table.persons[rows].tolist()) for rows in federation.clients]
    assert all(len(each) == 1 for each in owners)
    assert len(set.union(*owners)) == config.clients.count
    assert not set.union(*owners) & set(federation.table.persons[federation.test].tolist())


def test_simulated_opinions_are_neither_all_likes_nor_constant() -> None:
    table = simulated_feedback()
    share = table.label(LIKED).mean()
    assert 0.3 < share < 0.8
    assert len(table) == 18_000
    spread = np.ptp(table.columns(("advice",))["advice"], axis=0)
    silent = [name for name, width in zip(FEATURES, spread, strict=True) if width == 0]
    assert silent == ["nose"]  # advice on the nose is given only to who asks for it
