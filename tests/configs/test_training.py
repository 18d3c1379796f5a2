"""Settings of training that do not fit together are refused with their path and what to do."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from configs.load import parse_config, to_toml
from mien.errors import ConfigError

Config = Callable[..., Any]


@pytest.mark.parametrize(
    ("mode", "training", "message"),
    [
        ("distributed", {"proximal": 0.1}, r"training.proximal is 0.1, but .* set proximal = 0"),
        ("distributed", {"local": ["output.*"]}, r"training.local is \['output.\*'\].* Set local = \[\]"),
        ("none", {"proximal": 20.0, "learning_rate": 0.1}, r"training.proximal 20 times .* lower one"),
        ("none", {"augmentation": ["flip", "flip"]}, r"training.augmentation names a piece twice"),
        ("none", {"augmentation": ["tilt"]}, r"training.augmentation.0: .*'rotation'.* found 'tilt'"),
        ("none", {"label_smoothing": 1.0}, r"training.label_smoothing: .*less than 1; found 1.0"),
        ("none", {"class_weights": {"Chubby": -1.0}}, r"training.class_weights.*greater than 0"),
        ("none", {"server_optimizer": "lion"}, r"training.server_optimizer: .*'yogi'.* found 'lion'"),
        ("none", {"server_tau": 0.0}, r"training.server_tau: .*greater than 0"),
        ("none", {"schedul": "cosine"}, r"training.schedul: unknown key; did you mean schedule"),
    ],
)
def test_refused(mode: str, training: dict[str, object], message: str, small_config: Config) -> None:
    with pytest.raises(ConfigError, match=message):
        small_config(privacy={"mode": mode}, training=training)


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("rounds", {"patience": -1}, "rounds.patience"),
        ("data", {"face_margin": 3.0}, "data.face_margin"),
        ("clients", {"alpha": "many"}, "clients.alpha"),
        ("clients", {"holdout": 1.0}, "clients.holdout"),
    ],
)
def test_out_of_range(section: str, values: dict[str, object], message: str, small_config: Config) -> None:
    with pytest.raises(ConfigError, match=message):
        small_config(**{section: values})


def test_patience_needs_a_model_that_the_coordinator_can_judge(small_config: Config) -> None:
    with pytest.raises(ConfigError, match=r"rounds.patience is 2 with training.local: .* set patience = 0"):
        small_config(rounds={"patience": 2}, training={"local": ["output.*"]}, privacy={"mode": "silo"})


def test_everything_new_survives_the_run_folder_s_toml(small_config: Config) -> None:
    config = small_config(
        privacy={"mode": "silo"},
        data={"face_margin": 0.25},
        clients={"alpha": "inf", "holdout": 0.2, "partition": "dirichlet"},
        rounds={"patience": 3},
        training={
            "augmentation": ["mask", "flip"],
            "class_weights": {"Chubby": 4.0, "5_o_Clock_Shadow": 2},
            "schedule": "cosine",
            "proximal": 0.01,
        },
    )
    assert parse_config(tomllib.loads(to_toml(config)), where="again") == config
