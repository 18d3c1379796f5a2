"""What every kind of layer does inside a private step: run forward, and remember what clipping needs.

Inside a step a layer's own parameters stay out of autograd. Its backward computes only the gradient of its
input and, from the same tensors, the per-record gradients or their norms; the parameters never get a
``.grad``. Rows are photos: a record is ``stack`` consecutive rows, and its gradient is the sum over them.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from mien.errors import PrivacyError


class Tape:
    """One step's measurements: the size of the batch, squared norms, and gradients of shared parameters."""

    def __init__(self, stack: int) -> None:
        self.stack = stack
        self.rows = 0
        self.squared_norms: list[Tensor] = []
        self.shared: dict[nn.Parameter, Tensor] = {}

    @property
    def records(self) -> int:
        """Number of records in the batch."""
        return self.rows // self.stack

    def start(self, rows: int) -> None:
        """Forget the last step."""
        self.rows = rows
        self.squared_norms.clear()
        self.shared.clear()

    def share(self, parameter: nn.Parameter, gradients: Tensor) -> None:
        """Add one use's per-record gradients, shape [records, *parameter.shape], to those of other uses."""
        known = self.shared.get(parameter)
        self.shared[parameter] = gradients if known is None else known.add_(gradients)


@dataclasses.dataclass(frozen=True)
class OuterSum:
    """The matrix sum_n left[n] right[n]^T, computed some rows at a time so that it need never exist whole."""

    left: Tensor
    """[terms, rows of the matrix]"""
    right: Tensor
    """[terms, columns of the matrix]"""

    def rows(self, start: int, stop: int) -> Tensor:
        """Return rows ``start`` to ``stop`` of the matrix."""
        return self.left[:, start:stop].t() @ self.right

    def whole(self) -> Tensor:
        """Return the matrix."""
        return self.left.t() @ self.right


Gradient = Tensor | OuterSum


class Recorder(ABC):
    """One module whose own parameters are trained, inside private steps."""

    def __init__(self, name: str, module: nn.Module, tape: Tape) -> None:
        self.name = name
        self.module = module
        self.tape = tape
        self.parameters = tuple(p for p in module.parameters(recurse=False) if p.requires_grad)
        self.tied = False
        """True where another module holds one of these parameters too."""
        self.calls = 0
        self._kept: list[Tensor] = []

    @abstractmethod
    def forward(self, *arguments: Any, **keywords: Any) -> Any:
        """Stand in for the module's ``forward`` during a step."""

    def start(self) -> None:
        """Forget the last step."""
        self.calls = 0
        self._kept.clear()

    def trains(self, parameter: Tensor | None) -> bool:
        """Return True for a trained parameter of this module."""
        return any(parameter is trained for trained in self.parameters)

    @property
    def shared(self) -> bool:
        """True where contributions must be added up before the norm: tied parameters, several calls."""
        return self.tied or self.calls > 1

    def share(self, gradients: Sequence[Tensor]) -> None:
        """Add one call's per-record gradients to those of the parameters' other uses."""
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            self.tape.share(parameter, gradient)

    def keep(self, gradients: Sequence[Tensor]) -> Tensor:
        """Keep per-record gradients, [records, *shape] for each parameter; return their squared norms."""
        self._kept = list(gradients)
        total = squared_norms(self._kept[0])
        for tensor in self._kept[1:]:
            total = total + squared_norms(tensor)
        return total

    def contract(self, weights: Tensor) -> Sequence[Gradient]:
        """Return the weighted sums of the kept per-record gradients, one a parameter, and let them go.

        ``weights``: [records]. Called once in a step, after everything was captured.
        """
        kept, self._kept = self._kept, []
        return [weighted_sum(weights, gradients) for gradients in kept]

    def drop(self, bad: Tensor) -> None:
        """Replace by zero what was kept of records whose mask ``bad`` [records] is set (it is not finite)."""
        for place, tensor in enumerate(self._kept):
            if tensor.is_floating_point():
                rows = bad.repeat_interleave(tensor.shape[0] // len(bad))
                self._kept[place] = tensor.masked_fill(rows.view(-1, *[1] * (tensor.dim() - 1)), 0.0)

    def sum_rows(self, per_row: Tensor) -> Tensor:
        """Return [rows, ...] summed over the rows of each record: [records, ...]."""
        stack = self.tape.stack
        return per_row if stack == 1 else per_row.view(-1, stack, *per_row.shape[1:]).sum(1)

    def check_rows(self, tensor: Tensor) -> None:
        """Raise PrivacyError unless the leading dimension of ``tensor`` is the batch."""
        if tensor.dim() == 0 or tensor.shape[0] != self.tape.rows:
            raise PrivacyError(
                f"private step: module {self.name or 'model'!r} met a tensor of shape {tuple(tensor.shape)}, "
                f"while the loss has {self.tape.rows} rows. Per-record gradients need the rows of the batch "
                "as the first dimension; reshape to [rows, positions, features] instead"
            )


class LayerRecorder(Recorder):
    """A layer with one input, whose mathematics is known.

    A subclass gives :meth:`compute`, :meth:`differentiate` and :meth:`per_record`; it may replace
    :meth:`observe` and :meth:`contract` by something cheaper than keeping all per-record gradients.
    """

    @abstractmethod
    def compute(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the layer's output, and further tensors that its backward needs."""

    @abstractmethod
    def differentiate(
        self, x: Tensor, saved: tuple[Tensor, ...], grad: Tensor, wanted: bool
    ) -> Tensor | None:
        """Call :meth:`capture` once, and return the gradient of ``x`` where it is ``wanted``."""

    @abstractmethod
    def per_record(self, x: Tensor, grad: Tensor) -> tuple[Tensor, ...]:
        """Return per-record gradients, [records, *shape], in the order of :attr:`parameters`."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        output: Tensor = _Recorded.apply(self, x, self.parameters[0])
        return output

    def capture(self, x: Tensor, grad: Tensor) -> None:
        """Take one call's input and output gradient into account."""
        self.check_rows(x)
        if self.shared:
            self.share(self.per_record(x, grad))
        else:
            self.tape.squared_norms.append(self.observe(x, grad))

    def observe(self, x: Tensor, grad: Tensor) -> Tensor:
        """Keep what :meth:`contract` will need, and return the squared norms of the records, [records]."""
        return self.keep(self.per_record(x, grad))


class _Recorded(torch.autograd.Function):
    """A layer whose backward captures instead of computing parameter gradients.

    The parameter is an argument only so that the output requires a gradient; its own gradient is None.
    """

    @staticmethod
    def forward(ctx: Any, recorder: LayerRecorder, x: Tensor, _parameter: nn.Parameter) -> Tensor:
        output, saved = recorder.compute(x)
        ctx.recorder = recorder
        ctx.save_for_backward(x, *saved)
        return output

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor | None, None]:
        x, *saved = ctx.saved_tensors
        return None, ctx.recorder.differentiate(x, tuple(saved), grad, ctx.needs_input_grad[1]), None


def squared_norms(gradients: Tensor) -> Tensor:
    """Return the squared L2 norm of each row of [records, ...], as [records]."""
    flat = in_memory_order(gradients).reshape(len(gradients), 1, -1)
    return torch.bmm(flat, flat.transpose(1, 2)).view(-1)


def weighted_sum(weights: Tensor, gradients: Tensor) -> Tensor:
    """Return sum_r weights[r] * gradients[r], of the shape of one record's gradient."""
    ordered = in_memory_order(gradients)
    total = torch.mv(ordered.reshape(len(ordered), -1).t(), weights).view(ordered.shape[1:])
    if ordered is gradients:
        return total
    order = _memory_order(gradients)
    return total.permute([order.index(place) - 1 for place in range(1, len(order))])


def in_memory_order(gradients: Tensor) -> Tensor:
    """Return [records, ...] with dimensions permuted as they lie in memory, so that a flat view costs no copy."""
    if gradients.is_contiguous():
        return gradients
    return gradients.permute(_memory_order(gradients))


def _memory_order(gradients: Tensor) -> list[int]:
    """Return the dimensions, records first and then from the largest stride to the smallest."""
    strides = gradients.stride()
    return [0, *sorted(range(1, gradients.dim()), key=lambda place: -strides[place])]
