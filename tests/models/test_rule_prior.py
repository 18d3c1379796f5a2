"""The prior over advice: a logistic model whose features are those that the adviser fills in."""

from __future__ import annotations

import pytest
import torch

from faces.feedback import FEATURES
from mien.errors import ModelError
from models.registry import build, spec


def test_it_reads_the_features_of_the_adviser() -> None:
    assert spec("rule_prior").options["features"] == len(FEATURES)
    model = build("rule_prior")
    assert sum(parameter.numel() for parameter in model.parameters()) == len(FEATURES) + 1
    assert model({"advice": torch.zeros(3, len(FEATURES))}).shape == (3, 1)


def test_rows_of_another_version_are_refused() -> None:
    with pytest.raises(ModelError, match="another version"):
        build("rule_prior")({"advice": torch.zeros(3, 5)})
    with pytest.raises(ModelError):
        build("rule_prior", features=0)
