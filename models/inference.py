"""An exported network on the device, by onnxruntime: no PyTorch, one thread unless asked, nothing but this
file.

The file is refused where it is not ours, where graph and metadata do not agree, and where an input does not
fit; each time the message says what was expected and what was found. The file runs no code: a graph of ONNX's
own operators is all that onnxruntime loads here, and external data beside the file are not looked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from mien.errors import ModelError
from models.onnx_format import KEY, RESULT, OnnxAbout

MOST_BYTES = 512 << 20
_TYPES = {"uint8": "tensor(uint8)", "float32": "tensor(float)"}


class OnnxNetwork:
    """A file of ``mien export``, ready to be asked. ``about`` is what it says of itself.

    ``source`` is a path or the file's bytes; ``threads`` is how many one call may use (one is fastest for
    networks as small as these). Raises ModelError where the file is refused.
    """

    def __init__(self, source: Path | bytes, *, threads: int = 1) -> None:
        self._where = "the ONNX file" if isinstance(source, bytes) else str(source)
        if threads < 1:
            raise ModelError(f"{self._where}: threads is {threads}, expected at least 1")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 4  # what goes wrong is said by the exception
        content = source if isinstance(source, bytes) else self._read(source)
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises classes of its own, without a common public base
            raise ModelError(
                f"{self._where}: onnxruntime cannot load it ({error}); export it anew"
            ) from error
        self.about = self._about()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return tuple(self.about.columns)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of its results."""
        return self.about.outputs

    def results(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Return the results, float32 [B, K], of raw columns as a face table has them; others are ignored.

        Pictures are uint8 [B, 3, H, W], vectors float [B, D]. Raises ModelError where a column is missing or
        does not fit.
        """
        feed = {name: self._column(name, shape, columns) for name, shape in self.about.columns.items()}
        lengths = {name: len(column) for name, column in feed.items()}
        if len(set(lengths.values())) != 1:
            raise ModelError(f"{self._where}: columns must have one row per record, got rows {lengths}")
        result: NDArray[np.float32] = self._session.run([RESULT], feed)[0]
        return result

    def probabilities(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Return the logistic function of the results, for networks whose results are logits of attributes."""
        if self.outputs in (("logits",), ("embedding",)):
            raise ModelError(f"{self._where}: {self.about.model!r} gives {self.outputs[0]}, not attributes")
        logits = self.results(columns).astype(np.float64)
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)), dtype=np.float32)  # tanh cannot overflow

    def _read(self, path: Path) -> bytes:
        try:
            size = path.stat().st_size
            if size > MOST_BYTES:
                raise ModelError(f"{path}: {size} bytes, expected at most {MOST_BYTES}; it is not ours")
            return path.read_bytes()
        except OSError as error:
            raise ModelError(
                f"{path}: cannot be read ({error.strerror}); name a file of `mien export`"
            ) from None

    def _about(self) -> OnnxAbout:
        text = self._session.get_modelmeta().custom_metadata_map.get(KEY)
        if text is None:
            raise ModelError(
                f"{self._where}: an ONNX file without Mien's metadata, so nobody knows what it eats; "
                f"expected a file of `mien export`"
            )
        about = OnnxAbout.from_json(text, self._where)
        wanted = {name: (_TYPES[about.dtype(name)], shape) for name, shape in about.columns.items()}
        found = {entry.name: (entry.type, tuple(entry.shape[1:])) for entry in self._session.get_inputs()}
        if wanted != found:
            raise ModelError(f"{self._where}: its metadata say inputs {wanted}, its graph has {found}")
        given = [(entry.name, entry.shape[-1]) for entry in self._session.get_outputs()]
        named = len(about.outputs) == given[0][1] or about.outputs in (("logits",), ("embedding",))
        if len(given) != 1 or given[0][0] != RESULT or not named:
            raise ModelError(
                f"{self._where}: its metadata name {len(about.outputs)} results, its graph gives {given}"
            )
        return about

    def _column(self, name: str, shape: tuple[int, ...], columns: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        if name not in columns:
            raise ModelError(f"{self._where}: needs the column {name!r}, got {sorted(columns)}")
        column, dtype = np.asarray(columns[name]), self.about.dtype(name)
        fits = column.dtype == np.uint8 if dtype == "uint8" else column.dtype.kind == "f"
        if not fits or column.shape[1:] != shape or column.ndim == 0:
            raise ModelError(
                f"{self._where}: column {name!r} must be {dtype} [B, {', '.join(map(str, shape))}], got "
                f"{column.dtype} {list(column.shape)}"
            )
        return np.ascontiguousarray(column, dtype=dtype)
