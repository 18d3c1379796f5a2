"""A trained network as one ONNX file, with everything that is needed to use it.

* The graph takes what ``faces`` gives, uint8 pictures included, and standardises inside, so that nobody can
  feed it numbers in another range; a quarter of the bytes cross the boundary, too.
* Its batch size is free, picture sizes are fixed: those of the run, which the weights were trained for.
* Its metadata are those of :mod:`models.onnx_format`.
* It is checked before it is written: onnxruntime must give PyTorch's results on random inputs
  within ``FLOAT_TOLERANCE`` (float32), else ModelError. Int8 has no such bound; ``benchmarks/export.py``
  measures it.

Opset 18, by ``torch.onnx.export`` on top of ``torch.export``. Int8 is onnxruntime's dynamic quantisation
(Jacob et al. 2018 for the arithmetic): the weights of a layer as 8-bit integers with one scale, activations
quantised anew for every batch. It needs no calibration data, hence nobody's photos. Layers of fewer than
``SMALLEST_INT8`` weights stay float32: they are a few per cent of the file and most of the error. A network
that has no larger layer is refused.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import math
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mien.errors import ConfigError, ModelError
from mien.files import write_atomic
from models.inference import OnnxNetwork
from models.inputs import JAW_DISTANCES, PICTURES, to_input
from models.network import Network
from models.onnx_format import KEY, OPSET, RESULT, OnnxAbout
from models.weights import float_buffers, layout_of, to_vector, weights_hash

FLOAT_TOLERANCE = 1e-4
"""Largest difference of a result between PyTorch and the float32 file, over random inputs."""
SMALLEST_INT8 = 1 << 14
VECTOR_SIZES = {"jaw": JAW_DISTANCES, "embedding": 128, "advice": 29}
_CHECKED = 4  # records of the check; another number than the traced one


class _Graph(nn.Module):
    """Raw columns, in the order of ``model.inputs`` -> results: standardisation and network in one."""

    def __init__(self, model: Network) -> None:
        super().__init__()
        self.model = model

    def forward(self, *columns: Tensor) -> Tensor:
        """Return the network's results [B, K]."""
        named = zip(self.model.inputs, columns, strict=True)
        result: Tensor = self.model({name: to_input(name, column) for name, column in named})
        return result


def export_onnx(
    path: Path,
    model: Network,
    name: str,
    options: Mapping[str, Any],
    sides: Mapping[str, int],
    *,
    int8: bool = False,
    run: str = "",
    margins: Mapping[str, float] | None = None,
) -> OnnxAbout:
    """Write ``model``, registered as ``name``, to ``path``, whole or not at all, and return its metadata.

    ``sides`` gives the picture sizes in pixels by column, ``margins`` how much wider than ``faces.alignment``
    says they were cut. Raises ConfigError where the packages of the extra
    ``export`` are missing, ModelError where PyTorch and onnxruntime disagree, or int8 would gain nothing.
    """
    _require_packages()
    columns = {column: _shape(name, column, model, sides) for column in model.inputs}
    layout = layout_of(model, buffers=float_buffers(model))
    about = OnnxAbout(
        model=name,
        options=dict(options),
        columns=columns,
        outputs=model.outputs,
        weights=weights_hash(layout, to_vector(model, layout)),
        precision="float32",
        run=run,
        margins=dict(margins or {"face": 0.0, "skin": 0.0}),
    )
    training = model.training
    try:
        content = _with_metadata(_traced(model.eval(), about), about)
        _check_parity(model, about, content)
    finally:
        model.train(training)
    if int8:
        about = OnnxAbout(**{**vars(about), "precision": "int8"})
        content = _with_metadata(_quantised(content, about), about)
        OnnxNetwork(content)  # onnxruntime has no 8-bit kernel for every layer: find out now
    write_atomic(path, content)
    return about


def example(about: OnnxAbout, records: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Return random columns of the right shapes and types: noise for pictures, plausible jaw distances."""
    generator = np.random.default_rng(seed)
    made: dict[str, NDArray[Any]] = {}
    for name, shape in about.columns.items():
        if name in PICTURES:
            made[name] = generator.integers(0, 256, (records, *shape)).astype(np.uint8)
        elif name == "jaw":
            made[name] = generator.uniform(0.2, 1.1, (records, *shape)).astype(np.float32)
        else:
            made[name] = generator.normal(size=(records, *shape)).astype(np.float32)
    return made


def _shape(name: str, column: str, model: Network, sides: Mapping[str, int]) -> tuple[int, ...]:
    if column in PICTURES:
        if column not in sides:
            raise ModelError(f"model {name!r} reads pictures {column!r}, whose size in pixels was not given")
        return (3, sides[column], sides[column])
    own = getattr(model, "dimensions", None) if column == "embedding" else None
    return (own or VECTOR_SIZES[column],)


def _traced(model: Network, about: OnnxAbout) -> bytes:
    batch = torch.export.Dim("batch", min=1)
    columns = tuple(torch.from_numpy(column) for column in example(about, 2).values())
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            _Graph(model), columns, dynamo=True, opset_version=OPSET, verbose=False,
            input_names=list(about.columns), output_names=[RESULT],
            dynamic_shapes=(tuple({0: batch} for _ in columns),),
        )  # fmt: skip
    if program is None:
        raise ModelError(f"model {about.model!r}: torch.onnx.export gave no program")
    return bytes(program.model_proto.SerializeToString())


def _with_metadata(content: bytes, about: OnnxAbout) -> bytes:
    import onnx

    model = onnx.load_from_string(content)
    onnx.helper.set_model_props(model, {KEY: about.to_json()})
    model.producer_name = "mien"
    model.doc_string = f"{about.model}: {', '.join(about.outputs)}. {about.licence}"
    return bytes(model.SerializeToString())


def _check_parity(model: Network, about: OnnxAbout, content: bytes) -> None:
    columns = example(about, _CHECKED, seed=1)
    with torch.no_grad():
        expected = _Graph(model)(*(torch.from_numpy(column) for column in columns.values())).numpy()
    found = OnnxNetwork(content).results(columns)
    worst = float(np.abs(found - expected).max())
    if not worst <= FLOAT_TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise ModelError(
            f"model {about.model!r}: onnxruntime and PyTorch differ by {worst:.3g} on random "
            f"inputs, expected at most "
            f"{FLOAT_TOLERANCE:g}; no file was written. Report this with the versions that `mien "
            f"doctor` prints."
        )


def _quantised(content: bytes, about: OnnxAbout) -> bytes:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    small, large = _layers(content)
    if not large:
        raise ModelError(
            f"model {about.model!r} has no layer of {SMALLEST_INT8} weights or more, so int8 "
            f"would cost accuracy and save "
            f"next to nothing; export it without --int8"
        )
    with tempfile.TemporaryDirectory(prefix="mien-export-") as folder, _quiet():
        source, result = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(content)
        # onnxruntime's CPU kernel for convolutions takes unsigned weights only.
        quantize_dynamic(source, result, weight_type=QuantType.QUInt8, nodes_to_exclude=small)
        return result.read_bytes()


def _layers(content: bytes) -> tuple[list[str], list[str]]:
    """Return the names of the layers with few weights, and of those with many."""
    import onnx

    graph = onnx.load_from_string(content).graph
    sizes = {tensor.name: math.prod(tensor.dims) for tensor in graph.initializer}
    layers = [
        node for node in graph.node if node.op_type in ("Conv", "Gemm", "MatMul") and node.input[1] in sizes
    ]
    # The quantiser makes a product and a sum of each Gemm before it looks at names.
    small = [
        node.name + suffix
        for node in layers
        if sizes[node.input[1]] < SMALLEST_INT8
        for suffix in ("", "_MatMul")
    ]
    return small, [node.name for node in layers if sizes[node.input[1]] >= SMALLEST_INT8]


def _require_packages() -> None:
    """Raise ConfigError where the exporter's packages are missing; they are only needed to write files."""
    missing = []
    for name in ("onnx", "onnxscript"):
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    if missing:
        raise ConfigError(
            f"An export to ONNX needs {' and '.join(missing)}, not installed here: pip install 'mien[export]'."
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' advice to their own developers away from the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
