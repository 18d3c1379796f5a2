"""Small fully connected networks in closed form: one node of autograd instead of one a layer.

For a network such as 8-16-1 the arithmetic takes microseconds and the machinery around it most of the step. A
``nn.Sequential`` of linear layers and activations on [rows, features] is therefore run, differentiated and
measured as a whole. The numbers are those of the layers taken one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from privacy.dpsgd.layers.base import Gradient, OuterSum, Recorder, Tape

_Slope = Callable[[Tensor, Tensor], Tensor]
SLOPES: dict[type[nn.Module], _Slope] = {
    nn.Sigmoid: torch.ops.aten.sigmoid_backward.default,
    nn.Tanh: torch.ops.aten.tanh_backward.default,
    nn.ReLU: lambda grad, output: torch.ops.aten.threshold_backward.default(grad, output, 0),
}
"""(gradient of the output, output) -> gradient of the input."""


def is_chain(module: nn.Module) -> bool:
    """Return True for a Sequential of at least two trained linear layers, with activations between them."""
    if type(module) is not nn.Sequential:
        return False
    linear = [child for child in module if type(child).forward is nn.Linear.forward]
    trained = all(p.requires_grad for child in linear for p in child.parameters())
    return len(linear) > 1 and trained and all(child in linear or type(child) in SLOPES for child in module)


class ChainRecorder(Recorder):
    """A :func:`is_chain` module, on inputs [rows, features] with one row a record.

    For any other input, and where a layer has hooks, it steps aside: the module runs as usual, and the
    recorders of its layers do the work.
    """

    module: nn.Sequential

    def __init__(self, name: str, module: nn.Sequential, tape: Tape) -> None:
        super().__init__(name, module, tape)
        self._layers: list[Any] = list(module)
        self._affine: dict[int, tuple[Tensor, Tensor | None]] = {
            place: (layer.weight, layer.bias)
            for place, layer in enumerate(self._layers)
            if type(layer) not in SLOPES
        }
        self.parameters = tuple(module.parameters())

    @override
    def forward(self, x: Tensor) -> Tensor:
        if not self.takes(x):
            passed: Tensor = nn.Sequential.forward(self.module, x)  # type: ignore[no-untyped-call]
            return passed
        self.calls += 1
        output: Tensor = _Chain.apply(self, x, self.parameters[0])
        return output

    def takes(self, x: Tensor) -> bool:
        """Return True for inputs that the closed form holds for."""
        hooked = any(layer._forward_hooks or layer._forward_pre_hooks for layer in self._layers)
        return x.dim() == 2 and self.tape.stack == 1 and not hooked

    def run(self, x: Tensor) -> list[Tensor]:
        """Return the input and each layer's output, [rows, features] each."""
        values = [x]
        for place, layer in enumerate(self._layers):
            if place not in self._affine:
                values.append(layer.forward(values[-1]))
                continue
            weight, bias = self._affine[place]  # past the recorder that stands in for the layer's forward
            turned = weight.t()
            values.append(
                torch.mm(values[-1], turned) if bias is None else torch.addmm(bias, values[-1], turned)
            )
        return values

    def differentiate(self, values: Sequence[Tensor], grad: Tensor, wanted: bool) -> Tensor | None:
        """Record all layers from the values of :meth:`run`; return the gradient of the input where wanted."""
        self.check_rows(values[0])
        pairs: list[tuple[Tensor, Tensor]] = []
        total: Tensor | None = None
        for place in reversed(range(len(self._layers))):
            if place not in self._affine:
                grad = SLOPES[type(self._layers[place])](grad, values[place + 1])
                continue
            x = values[place]
            weight, bias = self._affine[place]
            pairs.append((x, grad))
            squares = _squares(x)
            if bias is not None:
                squares += 1.0
            squares *= _squares(grad)
            total = squares if total is None else total.add_(squares)
            if place or wanted:
                grad = torch.mm(grad, weight)
        pairs.reverse()
        if self.shared:
            self.share(self._per_record(pairs))
        elif total is not None:
            self._kept = [tensor for pair in pairs for tensor in pair]
            self.tape.squared_norms.append(total)
        return grad if wanted else None

    @override
    def contract(self, weights: Tensor) -> Sequence[Gradient]:
        kept, self._kept = self._kept, []
        result: list[Gradient] = []
        column = weights.unsqueeze(1)
        for (_, bias), x, grad in zip(self._affine.values(), kept[::2], kept[1::2], strict=True):
            scaled = grad * column
            result.append(OuterSum(scaled, x))
            if bias is not None:
                result.append(scaled.sum(0))
        return result

    def _per_record(self, pairs: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
        """Return per-record gradients, which are needed only where the chain is called several times."""
        result = []
        for (_, bias), (x, grad) in zip(self._affine.values(), pairs, strict=True):
            result.append(grad.unsqueeze(2) * x.unsqueeze(1))
            if bias is not None:
                result.append(grad.clone())
        return result


def _squares(matrix: Tensor) -> Tensor:
    """Return the squared norms of the rows, [rows]."""
    if matrix.shape[1] == 1:
        return matrix.square().view(-1)
    norms: Tensor = torch.linalg.vector_norm(matrix, dim=1)
    return norms.square_()


class _Chain(torch.autograd.Function):
    """The whole chain as one node."""

    @staticmethod
    def forward(ctx: Any, recorder: ChainRecorder, x: Tensor, _parameter: nn.Parameter) -> Tensor:
        values = recorder.run(x)
        ctx.recorder = recorder
        ctx.save_for_backward(*values)
        return values[-1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor | None, None]:
        return None, ctx.recorder.differentiate(ctx.saved_tensors, grad, ctx.needs_input_grad[1]), None
