"""Which way a convolution's per-record gradients are clipped: by a cost model, or by trying all of them."""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from privacy.dpsgd.layers.base import squared_norms, weighted_sum
from privacy.dpsgd.layers.conv_kernels import KERNELS, Geometry, ghost, weight_gradient


@dataclasses.dataclass(frozen=True)
class Method:
    """How one layer is clipped.

    ``kernel`` names the entry of KERNELS that forms per-record gradients, or is "ghost". Formed gradients are
    either kept for the weighted sum (``keep``), or only measured, and the sum is one ordinary
    weight-gradient call on rescaled output gradients.
    """

    kernel: str
    keep: bool = False


@dataclasses.dataclass(frozen=True)
class Task:
    """A layer on a batch, as far as costs depend on it."""

    geometry: Geometry
    records: int
    stack: int
    positions: int

    @property
    def weights(self) -> int:
        """Number of weights."""
        return math.prod(self.geometry.weight_shape)

    @property
    def features(self) -> int:
        """Inputs that one output reads."""
        return self.weights // self.geometry.channels_out

    @property
    def products(self) -> int:
        """Multiplications of one ordinary weight gradient."""
        return self.records * self.stack * self.positions * self.weights


KEPT_BYTES = 256 << 20
"""Kept per-record gradients of one layer may be so large."""

# Nanoseconds on one core with AVX-512, fitted to the layers of AlexNet, ResNet-50 and a small CNN.
_PRODUCT = 1 / 55  # a multiplication and addition inside a large product
_GRAM_PRODUCT = 1 / 30  # inside many small ones
_NARROW_PRODUCT = 1 / 25  # inside a library call with few channels and rows for groups
_COPIED = 0.5  # an element of a patch matrix
_COPIED_NEAR = 0.2  # where the matrix of one row stays in the cache
_COPIED_SLOWLY = 0.8  # by the library, for one row at a time
_FORMED = 0.8  # an element of a per-record gradient: written, measured, summed up
_FORMED_FAR = 2.2  # where they do not fit the cache
_CACHE = 6_000_000  # elements
_CALL = 10_000.0  # one library call
_SMALL_ROW = 20_480  # elements of an input; torch hands smaller ones, one at a time, to its slow convolution


@functools.lru_cache(maxsize=4096)
def by_cost(task: Task) -> Method:
    """Return the method with the least modelled cost; the same on every machine and in every run."""
    g = task.geometry
    rows = task.records * task.stack
    formed = rows * task.weights * (_FORMED if rows * task.weights < _CACHE else _FORMED_FAR)
    gathered = 0 if g.pointwise else rows * task.positions * task.features * g.groups
    copied = gathered * _COPIED
    narrow = g.channels_in // g.groups <= 4
    per_product = _NARROW_PRODUCT if narrow else _PRODUCT
    slow = math.prod(g.stride) * task.positions * g.channels_in < _SMALL_ROW
    forming = {
        "patches": task.products * _PRODUCT + copied + formed,
        "groups": task.products * per_product + 2 * formed + _CALL,
        "rows": task.products * _PRODUCT
        + 2 * formed
        + rows * _CALL
        + (gathered * _COPIED_SLOWLY if slow else 0.0),
    }
    if g.groups == 1 and not g.pointwise:
        forming["tiles"] = task.products * _PRODUCT + gathered * _COPIED_NEAR + formed + rows * _CALL
    length = task.positions * task.stack
    width = task.features + g.channels_out // g.groups
    gram = task.records * g.groups * length**2 * (width * _GRAM_PRODUCT + 2 * _FORMED) + copied
    keep = task.records * task.weights * 4 <= KEPT_BYTES
    whole = task.products * _PRODUCT
    costs = {Method(name, keep): cost + (0.0 if keep else whole) for name, cost in forming.items()}
    costs[Method("ghost")] = gram + whole
    return min(costs, key=costs.__getitem__)


def by_trial(task: Task, x: Tensor, grad: Tensor) -> Method:
    """Return the method that is fastest on these tensors, here and now."""
    g, records = task.geometry, task.records
    weights = torch.ones(records, dtype=grad.dtype)
    whole = _seconds(lambda: weight_gradient(g, x, grad * 1.0))
    costs = {}
    if task.positions * task.stack <= 1024:
        costs[Method("ghost")] = whole + _seconds(lambda: ghost(g, x, grad, records))
    for name, kernel in KERNELS.items():
        formed = kernel(g, x, grad)
        forming = _seconds(lambda kernel=kernel: squared_norms(kernel(g, x, grad)))  # type: ignore[misc]
        costs[Method(name)] = forming + whole
        if records * task.weights * formed.element_size() <= KEPT_BYTES:
            per_record = formed.view(records, -1, *formed.shape[1:]).sum(1)
            costs[Method(name, keep=True)] = forming + _seconds(
                lambda kept=per_record: weighted_sum(weights, kept)  # type: ignore[misc]
            )
    return min(costs, key=costs.__getitem__)


def _seconds(work: Callable[[], object]) -> float:
    """Return the least processor time of five runs, after one to warm up."""
    work()
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    times = []
    for _ in range(5):
        start = clock()
        work()
        times.append(clock() - start)
    return min(times)
