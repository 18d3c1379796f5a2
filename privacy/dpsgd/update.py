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
        self._velocity = {p: torch.zeros_like(p).view(-1) for p in parameters} if momentum else {}

    @torch.no_grad()
    def apply(self, sums: Iterable[tuple[nn.Parameter, Gradient]], largest: float) -> None:
        """Take one step; ``sums`` are clipped sums, and a parameter without one has the sum zero.

        No coordinate of a sum is larger than ``largest``, which only the noise asks for.
        """
        self._largest = largest
        small: list[tuple[nn.Parameter, Tensor]] = []
        left = dict.fromkeys(self.parameters)
        for parameter, gradient in sums:
            del left[parameter]
            self._take(parameter, gradient, small)
        if self._noise is not None or self._momentum or self._decay:
            for parameter in left:
                self._take(parameter, torch.zeros_like(parameter), small)
        if small:
            self._step_small(small)

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
            self._step(weights[start:stop], block, None if velocity is None else velocity[start:stop])
            start = stop

    def _step_small(self, small: list[tuple[nn.Parameter, Tensor]]) -> None:
        """Update small parameters through joint copies, so that they share blocks."""
        sizes = [parameter.numel() for parameter, _ in small]
        views = [parameter.view(-1) for parameter, _ in small]
        velocities = [self._velocity[parameter] for parameter, _ in small if parameter in self._velocity]
        weights = torch.cat(views)
        velocity = torch.cat(velocities) if velocities else None
        total = torch.cat([gradient for _, gradient in small])
        for start in range(0, len(total), BLOCK):
            part = slice(start, start + BLOCK)
            self._step(weights[part], total[part], None if velocity is None else velocity[part])
        torch._foreach_copy_(views, torch.split(weights, sizes))
        if velocity is not None:
            torch._foreach_copy_(velocities, torch.split(velocity, sizes))

    def _step(self, weights: Tensor, block: Tensor, velocity: Tensor | None) -> None:
        """Noise and apply one block: flat tensors of at most BLOCK elements."""
        unit = 1.0 / self._divisor
        if self._noise is not None:
            block = self._noise.release(block, self._largest)
            unit *= self._noise.grid
        if velocity is None and not self._decay:
            weights.add_(block, alpha=-self._rate * unit)
            return
        change = block * unit if not self._decay else torch.add(weights * self._decay, block, alpha=unit)
        if velocity is not None:
            change = velocity.mul_(self._momentum).add_(change)
        weights.sub_(change, alpha=self._rate)


def _blocks(gradient: Gradient) -> Iterator[Tensor]:
    """Yield a gradient's elements in order, as flat tensors of at most BLOCK."""
    if isinstance(gradient, Tensor):
        yield from torch.split(gradient.reshape(-1), BLOCK)
        return
    height, width = gradient.left.shape[1], gradient.right.shape[1]
    step = max(1, BLOCK // width)
    for start in range(0, height, step):
        yield from torch.split(gradient.rows(start, min(height, start + step)).view(-1), BLOCK)
