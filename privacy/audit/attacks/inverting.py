"""Two ways from a gradient back to the picture: by algebra, and by search.

*Algebra*: a malicious coordinator sends a model whose first layer sorts pictures by brightness into bins (Fowl et
al. 2022, "Robbing the Fed"). The gradients of neighbouring bins differ by the pictures between them, and the
gradient of a linear layer divided by that of its bias *is* the picture.

*Search*: for a convolutional network, find a picture whose gradient is the one that was seen (Zhu et al. 2019,
"Deep leakage from gradients"), with lengths normalised, so that clipping does not matter (Geiping et al. 2020).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from privacy.audit.attacks.faces import SIDE, Picture
from privacy.audit.attacks.views import Gradient

BINS = 96
_PIXELS = 3 * SIDE * SIDE


class Imprint(nn.Module):
    """The malicious model: brightness bins, then one logit."""

    def __init__(self, public: NDArray[np.float64]) -> None:
        super().__init__()
        self.bins = nn.Linear(_PIXELS, BINS)
        self.output = nn.Linear(BINS, 1)
        brightness = public.reshape(len(public), -1).mean(axis=1)
        levels = np.linspace(brightness.min() - 0.05, brightness.max() + 0.05, BINS)
        with torch.no_grad():
            self.bins.weight.fill_(1.0 / _PIXELS)
            self.bins.bias.copy_(torch.from_numpy(-levels))
            self.output.weight.fill_(1.0 / BINS)
            self.output.bias.zero_()

    def losses(self, pictures: Tensor, labels: Tensor) -> Tensor:
        """Return [rows] for pictures [rows, 3, SIDE, SIDE] and labels [rows] of 0 and 1."""
        logits = self(pictures)
        return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits [rows]."""
        found: Tensor = self.output(torch.relu(self.bins(pictures.flatten(1))))[:, 0]
        return found

    def read(self, seen: Gradient) -> NDArray[np.float64]:
        """Return a candidate picture for every bin from a gradient of this model, [BINS, 3, SIDE, SIDE]."""
        weights = seen[: BINS * _PIXELS].reshape(BINS, _PIXELS)
        biases = seen[BINS * _PIXELS : BINS * (_PIXELS + 1)]
        between = np.vstack((weights[:-1] - weights[1:], weights[-1:]))
        share = np.append(biases[:-1] - biases[1:], biases[-1])
        usable = np.abs(share) > 1e-5 * np.abs(biases).max()
        pictures = np.where(usable[:, None], between / np.where(usable, share, 1.0)[:, None], 0.0)
        return pictures.reshape(BINS, 3, SIDE, SIDE)


class SmallCnn(nn.Module):
    """The network of Zhu et al.: sigmoids, so that second derivatives exist everywhere."""

    def __init__(self, seed: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 12, 5, stride=2, padding=2), nn.Sigmoid(),
            nn.Conv2d(12, 12, 5, stride=2, padding=2), nn.Sigmoid(),
            nn.Conv2d(12, 12, 5, padding=2), nn.Sigmoid(), nn.Flatten(),
        )  # fmt: skip
        self.output = nn.Linear(12 * (SIDE // 4) ** 2, 4)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-0.5, 0.5, generator=generator)
        self.double()

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits [rows, 4]."""
        found: Tensor = self.output(self.features(pictures))
        return found

    def losses(self, pictures: Tensor, classes: Tensor) -> Tensor:
        """Return [rows] for classes int64 [rows]."""
        return functional.cross_entropy(self(pictures), classes, reduction="none")


def search(model: SmallCnn, seen: Gradient, label: int, start: Picture, steps: int) -> Picture:
    """Return the picture whose gradient points where ``seen`` does, from ``start`` by ``steps`` of L-BFGS.

    The label is given to the attacker (it can be read off the last layer's gradient).
    """
    goal = torch.from_numpy(seen / np.linalg.norm(seen))
    picture = torch.from_numpy(start[None].copy()).requires_grad_(True)
    classes = torch.tensor([label])
    parameters = list(model.parameters())
    optimizer = torch.optim.LBFGS(
        [picture], lr=1.0, max_iter=steps, max_eval=3 * steps, history_size=100, tolerance_grad=0,
        tolerance_change=0, line_search_fn="strong_wolfe",
    )  # fmt: skip
    best = [(float("inf"), picture.detach().clone())]

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = model.losses(picture, classes).sum()
        gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters, create_graph=True)])
        distance: Tensor = 1e4 * (gradient / gradient.norm() - goal).square().sum()
        picture.grad = torch.autograd.grad(distance, picture)[0]
        reached = float(distance.detach())
        if reached < best[0][0]:
            best[0] = (reached, picture.detach().clone())
        return distance.detach()

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    found = np.nan_to_num(best[0][1][0].numpy(), nan=0.5)
    return np.asarray(np.clip(found, 0.0, 1.0), np.float64)
