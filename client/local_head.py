"""A device's own parameters, which never leave it: a head of its own beside the shared trunk.

H1. Which parameters are local is the device's own config (``training.local``), not the plan's: a coordinator that
    asks for them sends a model of another length and is refused.
H2. They are not in the vector that the device uploads: it has no place for them
    (:class:`models.weights.ParameterLayout`, ``left_out``).
H3. They are kept in one file of this device, readable by its owner alone, whole or absent. A file that was made for
    other parameters is refused, so a parameter cannot turn from local to shared with its values in it.

What differential privacy says about them: client/training.py, A4.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
from safetensors import SafetensorError

from mien.errors import ModelError
from mien.files import write_atomic
from models.network import Network
from models.weights import ParameterLayout


class LocalHead:
    """The local parameters of one device, in ``path``."""

    def __init__(self, path: Path, layout: ParameterLayout) -> None:
        self._path, self._names = path, layout.left_out

    def load(self, model: Network) -> bool:
        """Copy what was kept into ``model``; return False where nothing was kept yet, so its first values stay.

        Raises ModelError for a file that is damaged or belongs to other parameters.
        """
        if not self._path.exists():
            return False
        try:
            kept = safetensors.numpy.load(self._path.read_bytes())
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{self._path}: not a readable file of local weights ({error})") from error
        own = {name: parameter for name, parameter in model.named_parameters() if name in self._names}
        wanted = {name: list(parameter.shape) for name, parameter in own.items()}
        found = {name: list(value.shape) for name, value in kept.items()}
        if wanted != found:
            raise ModelError(
                f"{self._path}: this device kept the parameters {sorted(found)} to itself, and training.local now "
                f"names {sorted(wanted)}; what was local stays local: restore training.local, or delete the file"
            )
        with torch.no_grad():
            for name, parameter in own.items():
                parameter.copy_(torch.from_numpy(kept[name]))
        return True

    def save(self, model: Network) -> None:
        """Keep the local parameters of ``model``. Raises ModelError where one is not finite."""
        values = {
            name: np.array(parameter.detach().numpy())
            for name, parameter in model.named_parameters()
            if name in self._names
        }
        for name, value in values.items():
            if not np.isfinite(value).all():
                raise ModelError(
                    f"local parameter {name!r} became infinite in training; lower the learning rate"
                )
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomic(self._path, safetensors.numpy.save(values), mode=0o600)
