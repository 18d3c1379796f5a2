"""What the tests of private training share: a naive loop over records, and comparisons with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from privacy.dpsgd.clipping import ClippingEngine
from privacy.dpsgd.layers.base import OuterSum

Losses = Callable[[slice], Tensor]


class Reference:
    """Per-record gradients by one backward pass a record, and nothing clever."""

    def gradients(self, model: nn.Module, losses: Losses, records: int, stack: int = 1) -> list[list[Tensor]]:
        """Return for each record its gradient, parameter by parameter; ``losses(rows)`` gives row losses."""
        parameters = [p for p in model.parameters() if p.requires_grad]
        result = []
        for record in range(records):
            rows = slice(record * stack, (record + 1) * stack)
            found = torch.autograd.grad(losses(rows).mean(), parameters, allow_unused=True)
            result.append(
                [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=False)]
            )
        return result

    def norms(self, gradients: list[list[Tensor]]) -> Tensor:
        return torch.stack(
            [torch.sqrt(sum(g.double().square().sum() for g in record)) for record in gradients]
        )

    def clipped_sum(self, gradients: list[list[Tensor]], norm: float) -> Tensor:
        flat = torch.stack([torch.cat([g.flatten() for g in record]) for record in gradients])
        return (torch.clamp(norm / self.norms(gradients), max=1.0).to(flat.dtype)[:, None] * flat).sum(0)

    def ours(
        self,
        model: nn.Module,
        losses: Losses,
        norm: float,
        stack: int = 1,
        weights: Tensor | None = None,
        autotune: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Return the engine's clipped sum, flat, and its norms."""
        engine = ClippingEngine(model, stack=stack, autotune=autotune)
        clipped = engine.clip(lambda: losses(slice(None)), norm, weights)
        sums = {
            id(parameter): gradient.whole() if isinstance(gradient, OuterSum) else gradient
            for parameter, gradient in clipped.sums
        }
        flat = [sums.get(id(p), torch.zeros_like(p)).flatten() for p in engine.parameters]
        return torch.cat(flat).detach(), torch.from_numpy(clipped.norms)

    def error(
        self, model: nn.Module, losses: Losses, records: int, stack: int = 1, **options: object
    ) -> float:
        """Return the relative L2 error of our clipped sum; half of the records are clipped."""
        gradients = self.gradients(model, losses, records, stack)
        norm = float(self.norms(gradients).median())
        expected = self.clipped_sum(gradients, norm)
        found, _ = self.ours(model, losses, norm, stack, **options)
        return float((found - expected).norm() / expected.norm())


@pytest.fixture(scope="session")
def reference() -> Reference:
    return Reference()
