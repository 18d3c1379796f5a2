"""The noisy update of the weights, in blocks that stay in the cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from mien.errors import PrivacyError
from privacy.dpsgd.layers.base import Gradient, OuterSum
from privacy.dpsgd.noise import BLOCK, GridGaussian

_SMALL = BLOCK // 8  # parameters below it share blocks


class NoisyUpdate:
    """SGD with momentum on ``(sum + noise) / divisor``: v = momentum v + that + decay w; w = w - rate v.

    Each block of a sum is formed, noised and applied before the next one, so a large layer's gradient, its
    noise and their total never exist whole.
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        noise: GridGaussian | None,
        *,
        divisor: float,
        learning_rate: float,
        momentum: float,
        weight_decay: float,
    ) -> None:
        for parameter in parameters:
            if parameter.device.type != "cpu" or not parameter.is_contiguous():
                raise PrivacyError(
                    f"private step: parameters must be contiguous and on the CPU, got one of shape "
                    f"{tuple(parameter.shape)} with strides {parameter.stride()} on {parameter.device}"
                )
        self.parameters = parameters
        self._noise = noise
        self._divisor = divisor
        self._rate = learning_rate
        self._momentum = momentum
        self._decay = weight_decay
        self._largest = 0.0
        if noise is not None:
            for dtype in {parameter.dtype for parameter in parameters}:
                noise.prepare(dtype, sum(p.numel() for p in parameters if p.dtype == dtype))
        self._velocity = {p: torch.zeros_like(p).view(-1) for p in parameters} if momentum else {}

    @torch.no_grad()
    def apply(self, sums: Iterable[tuple[nn.Parameter, Gradient]], largest: float) -> None:
        """Take one step; ``sums`` are clipped sums, and a parameter without one has the sum zero.

        No coordinate of a sum is larger than ``largest``, which only the noise asks for.
        """
        self._largest = largest
        small: list[tuple[nn.Parameter, Tensor]] = []
        left = {id(parameter): parameter for parameter in self.parameters}
        for parameter, gradient in sums:
            del left[id(parameter)]
            self._take(parameter, gradient, small)
        if self._noise is not None or self._momentum or self._decay:
            for parameter in left.values():
                self._take(parameter, torch.zeros_like(parameter), small)
        if small:
            self._step_jointly([p for p, _ in small], torch.cat([gradient for _, gradient in small]))
        if self._noise is not None:
            self._noise.settle()

    @torch.no_grad()
    def apply_jointly(self, sums: Tensor, largest: float) -> None:
        """Take one step; ``sums``: those of all parameters side by side, flat."""
        self._largest = largest
        self._step_jointly(self.parameters, sums)

    def _take(
        self, parameter: nn.Parameter, gradient: Gradient, small: list[tuple[nn.Parameter, Tensor]]
    ) -> None:
        if parameter.numel() < _SMALL:
            whole = gradient.whole() if isinstance(gradient, OuterSum) else gradient
            small.append((parameter, whole.reshape(-1)))
            return
        weights, start = parameter.view(-1), 0
        velocity = self._velocity.get(parameter)
        for block in _blocks(gradient):
            stop = start + len(block)
            if self._noise is not None and velocity is None and not self._decay:
                factor = -self._rate * self._unit
                self._noise.add_to(weights[start:stop], block, self._largest, factor)
            else:
                velocities = [] if velocity is None else [velocity[start:stop]]
                self._move([weights[start:stop]], [self._noisy(block)], velocities)
            start = stop

    def _step_jointly(self, parameters: list[nn.Parameter], total: Tensor) -> None:
        """Update parameters whose sums lie side by side: their noise is drawn together."""
        if len(total) <= BLOCK:
            total = self._noisy(total)
        else:  # each block's noise must be kept, as the next one reuses the buffer
            total = torch.cat([self._noisy(block).clone() for block in torch.split(total, BLOCK)])
        steps = torch.split_with_sizes(total, [parameter.numel() for parameter in parameters])
        velocities = [self._velocity[parameter] for parameter in parameters] if self._velocity else []
        self._move([parameter.view(-1) for parameter in parameters], list(steps), velocities)

    @property
    def _unit(self) -> float:
        """What one unit of a noisy sum moves the velocity by."""
        return (1.0 if self._noise is None else self._noise.grid) / self._divisor

    def _noisy(self, block: Tensor) -> Tensor:
        """Return a flat block of sums with noise, in multiples of the grid; it is valid until the next call."""
        return block if self._noise is None else self._noise.release(block, self._largest)

    def _move(self, weights: list[Tensor], steps: list[Tensor], velocities: list[Tensor]) -> None:
        """Take the step of SGD on flat tensors: noisy sums in, new weights and velocities in place."""
        unit = self._unit
        if not velocities and not self._decay:
            torch._foreach_add_(weights, steps, alpha=-self._rate * unit)
            return
        changes = list(torch._foreach_mul(steps, unit))
        if self._decay:
            torch._foreach_add_(changes, weights, alpha=self._decay)
        if velocities:
            torch._foreach_mul_(velocities, self._momentum)
            torch._foreach_add_(velocities, changes)
            changes = velocities
        torch._foreach_add_(weights, changes, alpha=-self._rate)


def _blocks(gradient: Gradient) -> Iterator[Tensor]:
    """Yield a gradient's elements in order, as flat tensors of at most BLOCK."""
    if isinstance(gradient, Tensor):
        yield from torch.split(gradient.reshape(-1), BLOCK)
        return
    height, width = gradient.left.shape[1], gradient.right.shape[1]
    step = max(1, BLOCK // width)
    for start in range(0, height, step):
        yield from torch.split(gradient.rows(start, min(height, start + step)).view(-1), BLOCK)
