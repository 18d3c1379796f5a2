"""Read the prior from a trained model ``rule_prior``: a file of weights, or the folder of a run."""

from __future__ import annotations

from pathlib import Path

from faces.feedback import FEATURES
from mien.errors import ModelError
from recommend.feedback.taste import Prior

_MODEL = "rule_prior"


def prior_of(path: Path) -> Prior:
    """Return the prior that ``path`` holds: ``….safetensors``, or a run folder, whose last round is taken.

    Raises ModelError where there is no such file, it is damaged, or it is another model.
    """
    from models.weights import load_model  # torch takes a second to load, and only this needs it

    file = path
    if path.is_dir():
        rounds = sorted((path / "checkpoints").glob("round-*.safetensors"))
        if not rounds:
            raise ModelError(f"{path} has no checkpoints/round-*.safetensors: expected a run of {_MODEL}.")
        file = rounds[-1]
    model, about = load_model(file)
    tensors = dict(model.named_parameters())
    if about.model != _MODEL or tensors["output.weight"].shape[1] != len(FEATURES):
        raise ModelError(
            f"{file} is the model {about.model!r}: expected {_MODEL!r} with {len(FEATURES)} features. Train one "
            f"with `mien simulate {_MODEL}`, or name another file."
        )
    weights = tensors["output.weight"].detach().numpy()[0].tolist()
    bias = float(tensors["output.bias"].detach().numpy()[0])
    name = path.name if path.is_dir() else file.name
    return Prior(dict(zip(FEATURES, weights, strict=True)), bias, f"{name} (SHA-256 {about.weights[:12]})")
