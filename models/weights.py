"""Weights as one flat vector, and as a file.

Secure aggregation, clipping and noise work on one float32 vector; a :class:`ParameterLayout` says where each
tensor lies in it. Tensors are ordered by name, so two builds of one model agree whatever the order of their
layers' creation.

What may be in the vector: the parameters, and buffers that are listed by name. A buffer that is not listed is
refused rather than left out in silence: running statistics of BatchNorm are averages of private data that no
clipping norm covers.

Files are safetensors (a JSON header and raw numbers: loading one cannot run code) with the model's name, its
options, and the hashes of layout and weights in the metadata.
"""

from __future__ import annotations

import difflib
import fnmatch
import functools
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import Tensor, nn

from mien.errors import ModelError
from mien.files import canonical_json, write_atomic
from models.network import Network
from models.registry import build

Vector = NDArray[np.float32]
_FORMAT = "mien-weights-1"


@dataclass(frozen=True)
class ParameterLayout:
    """Where each named tensor lies in the flat vector: row-major, one behind the other, ordered by name."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    left_out: tuple[str, ...] = ()
    """Parameters of the model that are not in the vector: both directions leave them alone."""

    @functools.cached_property
    def sizes(self) -> tuple[int, ...]:
        """The number of elements of each tensor."""
        return tuple(math.prod(shape) for shape in self.shapes)

    @functools.cached_property
    def offsets(self) -> tuple[int, ...]:
        """The first element of each tensor in the vector."""
        return tuple(int(end) - size for end, size in zip(np.cumsum(self.sizes), self.sizes, strict=True))

    @property
    def length(self) -> int:
        """The number of elements of the vector."""
        return sum(self.sizes)

    @functools.cached_property
    def hash(self) -> str:
        """SHA-256 of names and shapes, 64 hexadecimal digits."""
        return hashlib.sha256(canonical_json([_FORMAT, self.names, self.shapes])).hexdigest()

    def views(self, vector: Vector) -> dict[str, Vector]:
        """Return each tensor as a view into ``vector``: no copy. Raises ModelError for a wrong vector."""
        self.check(vector)
        places = zip(self.names, self.shapes, self.offsets, self.sizes, strict=True)
        return {name: vector[start : start + size].reshape(shape) for name, shape, start, size in places}

    def check(self, vector: Vector) -> None:
        """Refuse what is not a contiguous float32 vector of this layout's length."""
        if vector.dtype != np.float32 or vector.shape != (self.length,) or not vector.flags.c_contiguous:
            raise ModelError(
                f"weights must be one contiguous float32 vector of {self.length} elements, got {vector.dtype} of "
                f"shape {list(vector.shape)}; was it made for another model?"
            )


def float_buffers(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the buffers that hold real numbers (running means and variances)."""
    return tuple(sorted(name for name, buffer in model.named_buffers() if buffer.is_floating_point()))


def layout_of(
    model: nn.Module, *, buffers: Sequence[str] = (), without: Sequence[str] = ()
) -> ParameterLayout:
    """Return the layout of all parameters but those that match ``without``, and of the listed ``buffers``.

    ``without`` holds names or shell patterns (``output.*``).

    Raises ModelError when the model has a buffer of real numbers that is not listed, when a listed buffer is
    not there, when a tensor is not float32, or when a pattern matches no parameter or all of them are left out.
    """
    present = float_buffers(model)
    for name in sorted(set(present) ^ set(buffers)):
        if name in present:
            raise ModelError(
                f"model {type(model).__name__} has the buffer {name!r}, which the shared weights would leave out; "
                f"use a model without running statistics (GroupNorm), or list the buffer if it may leave"
            )
        raise ModelError(f"model {type(model).__name__} has no buffer {name!r} of real numbers")
    tensors = _tensors(model, buffers)
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32:
            raise ModelError(f"tensor {name!r} must be float32 to be shared, got {tensor.dtype}")
    left_out = matching_parameters(model, without)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items() if name not in left_out}
    if not shapes:
        raise ModelError(f"no parameter is left to share: all match {', '.join(without)}; name fewer")
    return ParameterLayout(tuple(shapes), tuple(shapes.values()), left_out)


def to_vector(model: nn.Module, layout: ParameterLayout, out: Vector | None = None) -> Vector:
    """Copy the model's tensors into ``out`` (a new vector when None) and return it.

    Raises ModelError when the model has not the layout's names and shapes, or ``out`` has not its length.
    """
    out = np.empty(layout.length, dtype=np.float32) if out is None else out
    tensors = _matching(model, layout)
    with torch.no_grad():
        for name, view in layout.views(out).items():
            torch.from_numpy(view).copy_(tensors[name])
    return out


def from_vector(model: nn.Module, layout: ParameterLayout, vector: Vector) -> None:
    """Copy ``vector`` into the model's own tensors, in place.

    Raises ModelError, with the model untouched, when names, shapes, length or type do not fit. Values are not
    looked at: whoever receives a vector from elsewhere checks that it is finite.
    """
    tensors = _matching(model, layout)
    with torch.no_grad():
        for name, view in layout.views(vector).items():
            tensors[name].copy_(torch.from_numpy(view))


def weights_hash(layout: ParameterLayout, vector: Vector) -> str:
    """Return the SHA-256 (64 hexadecimal digits) of the layout and of the values as little-endian float32."""
    layout.check(vector)
    digest = hashlib.sha256(bytes.fromhex(layout.hash))
    digest.update(vector.astype("<f4", copy=False).data)
    return digest.hexdigest()


@dataclass(frozen=True)
class WeightsFile:
    """What a file of weights says about itself; ``options`` are those of the model's builder."""

    model: str
    options: Mapping[str, Any]
    layout: str
    weights: str
    notes: Mapping[str, str]


def save_model(
    path: Path,
    model: nn.Module,
    name: str,
    options: Mapping[str, Any] | None = None,
    notes: Mapping[str, str] | None = None,
) -> WeightsFile:
    """Write the weights of a registered model to ``path``, whole or not at all.

    Running statistics are written too: a file on one's own disk is not a release. BatchNorm's count of batches
    is not; no result depends on it. ``notes`` are free words for the reader.

    Raises ModelError when a weight is not a finite number.
    """
    layout = layout_of(model, buffers=float_buffers(model))
    vector = to_vector(model, layout)
    views = layout.views(vector)
    _refuse_not_finite(path, views)
    about = WeightsFile(
        name, dict(options or {}), layout.hash, weights_hash(layout, vector), dict(notes or {})
    )
    metadata = {
        "format": _FORMAT,
        "model": about.model,
        "options": canonical_json(about.options).decode(),
        "layout": about.layout,
        "weights": about.weights,
        "notes": canonical_json(about.notes).decode(),
    }
    write_atomic(path, save(views, metadata=metadata))
    return about


def load_model(path: Path) -> tuple[Network, WeightsFile]:
    """Build the model that ``path`` names, with the weights it holds.

    Raises ModelError when the file is absent, damaged or not ours, names an unknown model, or holds other
    tensors than the model has; the message names the tensor, what was expected and what was found.
    """
    about, tensors = _read(path)
    model = build(about.model, **about.options)
    _fill(model, path, about, tensors)
    return model, about


def load_weights(model: nn.Module, path: Path) -> WeightsFile:
    """Copy the weights that ``path`` holds into ``model``, which is left untouched when they are refused.

    Raises ModelError as :func:`load_model` does, and where the file's results have other names, or another order,
    than the model's: the shapes would fit, and one attribute would be taken for another.
    """
    about, tensors = _read(path)
    _refuse_other_tensors(model, path, about, tensors)
    if isinstance(model, Network):
        _refuse_other_outputs(model, path, about)
    _fill(model, path, about, tensors)
    return about


def _fill(model: nn.Module, path: Path, about: WeightsFile, tensors: Mapping[str, Vector]) -> None:
    """Copy the tensors of a file into the model, after every check."""
    layout = _refuse_other_tensors(model, path, about, tensors)
    vector = np.empty(layout.length, dtype=np.float32)
    for name, view in layout.views(vector).items():
        view[...] = tensors[name]
    _refuse_not_finite(path, tensors)
    if (found := weights_hash(layout, vector)) != about.weights:
        raise ModelError(f"{path}: the weights were changed: expected SHA-256 {about.weights}, found {found}")
    from_vector(model, layout, vector)


def _refuse_other_tensors(
    model: nn.Module, path: Path, about: WeightsFile, tensors: Mapping[str, Vector]
) -> ParameterLayout:
    """Return the model's layout; raise ModelError where the file has other names, shapes or types."""
    layout = layout_of(model, buffers=float_buffers(model))
    expected = dict(zip(layout.names, layout.shapes, strict=True))
    for name in sorted(expected.keys() | tensors.keys()):
        wanted = f"float32 {list(expected[name])}" if name in expected else "no such tensor"
        found = f"{tensors[name].dtype} {list(tensors[name].shape)}" if name in tensors else "no such tensor"
        if wanted != found:
            raise ModelError(
                f"{path}: tensor {name!r} does not fit the model: expected {wanted}, found {found} "
                f"(the file was written for model {about.model!r} with options {dict(about.options)})"
            )
    return layout


def _refuse_other_outputs(model: Network, path: Path, about: WeightsFile) -> None:
    outputs = build(about.model, **about.options).outputs
    if model.outputs != outputs:
        raise ModelError(
            f"{path}: its results are {', '.join(outputs)}; expected those of the model, in this order: "
            f"{', '.join(model.outputs)}"
        )


def _read(path: Path) -> tuple[WeightsFile, dict[str, Vector]]:
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file of weights") from None
    except (SafetensorError, OSError, TypeError) as error:
        raise ModelError(f"{path}: not a readable safetensors file ({error}); get it anew") from error
    if metadata.get("format") != _FORMAT:
        raise ModelError(f"{path}: expected format {_FORMAT!r}, found {metadata.get('format')!r}")
    try:
        about = WeightsFile(
            metadata["model"],
            dict(json.loads(metadata["options"])),
            metadata["layout"],
            metadata["weights"],
            dict(json.loads(metadata["notes"])),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{path}: its metadata are damaged ({error!r}); get it anew") from error
    return about, tensors


def _tensors(model: nn.Module, buffers: Sequence[str]) -> dict[str, Tensor]:
    named = dict(model.named_parameters()) | {
        name: buffer for name, buffer in model.named_buffers() if name in buffers
    }
    return dict(sorted(named.items()))


def matching_parameters(model: nn.Module, patterns: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the parameters that match a name or shell pattern, sorted.

    Raises ModelError for a pattern that matches none.
    """
    names = sorted(name for name, _ in model.named_parameters())
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            near = difflib.get_close_matches(pattern, names, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ModelError(f"no parameter matches {pattern!r}; {hint}the model has {', '.join(names)}")
    return tuple(name for name in names if any(fnmatch.fnmatchcase(name, each) for each in patterns))


def _matching(model: nn.Module, layout: ParameterLayout) -> dict[str, Tensor]:
    """Return the model's tensors that the layout names, or say which one differs."""
    parameters = {name for name, _ in model.named_parameters()}
    tensors = _tensors(model, [name for name in layout.names if name not in parameters])
    for name in sorted(tensors.keys() ^ {*layout.names, *layout.left_out}):
        where = "the model but not in the layout" if name in tensors else "the layout but not in the model"
        raise ModelError(f"tensor {name!r} is in {where}; make the layout from this model")
    for name, shape in zip(layout.names, layout.shapes, strict=True):
        if tuple(tensors[name].shape) != shape:
            raise ModelError(
                f"tensor {name!r}: the layout expects shape {list(shape)}, "
                f"the model has {list(tensors[name].shape)}"
            )
    return tensors


def _refuse_not_finite(path: Path, tensors: Mapping[str, Vector]) -> None:
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ModelError(f"{path}: tensor {name!r} holds values that are not finite numbers")
