"""Clipped sums of per-record gradients from one forward and one backward pass.

The model runs once on all rows, backward runs once, and every layer records on the way what is needed to know
each record's gradient norm (:mod:`privacy.dpsgd.layers`). Then one weighted weight-gradient a layer gives
``sum_r c_r g_r`` with ``c_r = min(1, C / |g_r|)``: book-keeping (Bu et al. 2023) with mixed ghost clipping
(Bu et al. 2022), without a second backward pass.

Guarantees, for records that enter the model only as rows of its inputs:

C1. Adding or removing one record moves the clipped sum by at most C in L2 norm, up to rounding (relative
    1e-6 for float32), whatever the record holds. One record is one person: ``stack`` consecutive rows, whose
    gradients are added before the norm is taken.
C2. A record whose loss or gradient is not finite contributes exactly zero.
C3. A module that mixes records or keeps statistics of them is refused, as is a parameter that is used in a
    way that escapes the book-keeping; nothing is silently left out of the norm.

Assumption: outside of refused modules the model treats rows independently. :func:`check_independence` tests it
on given inputs; no test proves it for code that, say, subtracts the mean of the batch only now and then.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from mien.errors import PrivacyError
from privacy.dpsgd.closed_form import ClosedForm
from privacy.dpsgd.layers.base import Gradient, Recorder, Tape, squared_norms, weighted_sum
from privacy.dpsgd.layers.chain import ChainRecorder
from privacy.dpsgd.layers.choose import normalisers, recorders_for, refuse_mixing
from privacy.dpsgd.losses import LogisticLosses


@dataclasses.dataclass
class ClippedGradients:
    """What a backward pass left: the records' norms, and the clipped sums, to be taken once.

    All of it is private to the device; only a noised sum may leave.
    """

    norms: NDArray[np.floating]
    """L2 norms of the records' gradients, [records]; NaN where a record was dropped."""
    coefficients: NDArray[np.floating]
    """What each record's gradient is multiplied by, [records], in [0, 1]."""
    mean_losses: NDArray[np.floating]
    """Weighted mean loss of each record, [records]."""
    non_finite: int
    """Number of records that were replaced by zero."""
    sums: Iterator[tuple[nn.Parameter, Gradient]]
    """The clipped sum, parameter by parameter, computed as it is taken. Parameters without one are unused."""
    joint: Tensor | None = None
    """The same sums side by side, flat, where all parameters have one and together they are few."""


class ClippingEngine:
    """Computes clipped sums for one model.

    ``stack`` is the number of rows a record has; a model must be called on all of them at once, record after
    record. ``autotune`` tries all ways to clip a convolution on the first batch and keeps the fastest: results
    then differ between runs by rounding; the default cost model gives the same bits each time.

    Raises PrivacyError for a model that cannot be clipped by record. The model is changed only inside
    :meth:`recording`.
    """

    def __init__(self, model: nn.Module, *, stack: int = 1, autotune: bool = False) -> None:
        if stack < 1:
            raise PrivacyError(f"private step: a record needs at least one row, got stack={stack}")
        self.model = model
        self._tape = Tape(stack)
        self._recorders: list[Recorder] = recorders_for(model, self._tape, autotune=autotune)
        self._normalisers = normalisers(model)
        self.parameters = tuple(p for p in model.parameters() if p.requires_grad)
        self._closed_form = self._find_closed_form()
        if not self.parameters:
            raise PrivacyError("private step: the model has no parameter to train")

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Let the model's layers record while the context is open."""
        refuse_mixing(self._normalisers)  # someone may have called model.train() on a frozen norm
        before = {}
        for recorder in self._recorders:
            recorder.start()
            before[recorder] = recorder.module.__dict__.get("forward")
            recorder.module.__dict__["forward"] = recorder.forward
        try:
            yield
        finally:
            for recorder, original in before.items():
                if original is None:
                    recorder.module.__dict__.pop("forward", None)
                else:
                    recorder.module.__dict__["forward"] = original

    def clip(
        self, losses: Callable[[], Tensor], norm: float, weights: Tensor | None = None
    ) -> ClippedGradients:
        """Run the model by ``losses()`` and return each parameter's clipped sum.

        ``losses`` returns one loss a row, shape [rows], rows = records * stack, each computed from its own row.
        ``weights`` [rows], not negative, is 0 for padding; a record's loss is the weighted mean over its rows,
        and a record of padding alone contributes zero. Raises PrivacyError for losses of another shape.
        """
        closed = self._closed_form
        if closed is not None and isinstance(losses, LogisticLosses) and closed.takes(losses):
            return _clip_in_closed_form(closed, self.parameters, losses, norm, weights)
        rows, share = self._measure(losses, weights)
        for gradients in self._tape.shared.values():
            self._tape.squared_norms.append(squared_norms(gradients))
        if not self._tape.squared_norms:
            raise PrivacyError("private step: the loss does not depend on any trained parameter")
        squares = torch.stack(self._tape.squared_norms).sum(0).numpy()
        counted = np.where(share > 0, rows * share, 0.0).reshape(len(squares), -1)
        mean_losses = counted.sum(axis=1) if counted.shape[1] > 1 else counted[:, 0]
        norms, coefficients, bad = _coefficients(squares, mean_losses, norm)
        if bad is not None:
            self._drop(torch.from_numpy(bad))
        dropped = 0 if bad is None else int(np.count_nonzero(bad))
        return ClippedGradients(
            norms, coefficients, mean_losses, dropped, self._sums(torch.from_numpy(coefficients))
        )

    def _measure(
        self, losses: Callable[[], Tensor], weights: Tensor | None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Fill the tape; return the rows' losses and what each counts within its record."""
        with self.recording():
            rows = losses()
            self._check_losses(rows)
            share = row_weights(rows, weights, self._tape.stack)
            self._tape.start(len(rows))
            torch.autograd.backward([rows], [share])
        self._check_escapes()
        return rows.detach().numpy(), share.numpy()

    def _find_closed_form(self) -> ClosedForm | None:
        """Return the program that can do without autograd, where one small chain has all trained parameters."""
        whole = self._recorders[-1] if self._recorders else None
        if not isinstance(whole, ChainRecorder):
            return None
        if [id(p) for p in whole.parameters] != [id(p) for p in self.parameters]:
            return None
        return ClosedForm.of(whole.module, self._tape.stack)

    def _drop(self, bad: Tensor) -> None:
        """Replace by zero what was recorded of the records in the mask ``bad``."""
        for recorder in self._recorders:
            recorder.drop(bad)
        for gradients in self._tape.shared.values():
            gradients[bad] = 0.0

    def _sums(self, coefficients: Tensor) -> Iterator[tuple[nn.Parameter, Gradient]]:
        """Yield each used parameter's weighted sum; what a layer kept is let go as soon as it was used."""
        for recorder in self._recorders:
            if recorder.calls and not recorder.shared:
                yield from zip(recorder.parameters, recorder.contract(coefficients), strict=True)
        for parameter in list(self._tape.shared):
            yield parameter, weighted_sum(coefficients, self._tape.shared.pop(parameter))

    def _check_losses(self, losses: Tensor) -> None:
        if losses.dim() != 1 or len(losses) == 0 or len(losses) % self._tape.stack:
            raise PrivacyError(
                f"private step: expected one loss a row, shape [records * {self._tape.stack}], got shape "
                f"{tuple(losses.shape)}. Use reduction='none' and flatten [rows, 1]; take step_empty() for an "
                "empty batch"
            )
        if not losses.requires_grad:
            raise PrivacyError("private step: the losses do not depend on any trained parameter")

    def _check_escapes(self) -> None:
        """Raise PrivacyError if autograd reached a parameter, which means it was used outside of its module."""
        if all(parameter.grad is None for parameter in self.parameters):
            return
        names = [name for name, p in self.model.named_parameters() if p.requires_grad and p.grad is not None]
        for parameter in self.parameters:
            parameter.grad = None
        raise PrivacyError(
            f"private step: {', '.join(names)}: used outside of the forward of the module that holds it (or it had "
            "a .grad before), so per-record gradients are unknown. Call the module, and clear gradients before"
        )


@functools.cache
def _eps(dtype: np.dtype[Any]) -> float:
    return float(np.finfo(dtype).eps)


@torch.no_grad()
def _clip_in_closed_form(
    closed: ClosedForm,
    parameters: Sequence[nn.Parameter],
    losses: LogisticLosses,
    norm: float,
    weights: Tensor | None,
) -> ClippedGradients:
    """Clip without autograd. Where a row is a record, its weight matters only where it is zero."""
    stack, share = closed.stack, None
    if weights is not None or stack > 1:
        share = row_weights(losses.labels, weights, stack).numpy()
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found, and dropped
        rows, squares = closed.measure(losses, share)
        mean_losses = rows if share is None else np.where(share > 0, rows * share, 0.0)
        if stack > 1:
            mean_losses = mean_losses.reshape(-1, stack).sum(axis=1)
        norms, coefficients, bad = _coefficients(squares, mean_losses, norm)
    if bad is not None:
        closed.drop(bad)
    dropped = 0 if bad is None else int(np.count_nonzero(bad))
    sums, joint = closed.sums(coefficients)
    return ClippedGradients(
        norms, coefficients, mean_losses, dropped, zip(parameters, sums, strict=True), joint
    )


def _coefficients(
    squares: NDArray[Any], mean_losses: NDArray[Any], norm: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_] | None]:
    """Return the norms, the coefficients that clip to ``norm``, and the mask of bad records, if there are any."""
    norms = np.sqrt(squares)
    # A few units of rounding below C, so that the product of coefficient and gradient stays within C.
    target = norm * (1.0 - 8 * _eps(norms.dtype))
    coefficients = target / np.maximum(norms, target)
    finite = np.isfinite(norms)
    finite &= np.isfinite(mean_losses)
    if finite.all():
        return norms, coefficients, None
    bad = ~finite
    norms[bad], coefficients[bad] = np.nan, 0.0
    return norms, coefficients, bad


def check_independence(model: Callable[[Any], Any], inputs: Any) -> None:
    """Raise PrivacyError if the first row of ``model(inputs)`` changes when the other rows do.

    ``inputs`` is a tensor [rows, ...], or a nest (mapping, list) of such, of at least two rows that differ. The
    model is called twice, without gradients, with the same state of torch's generator (for dropout).
    """
    leaves, layout = pytree.tree_flatten(inputs)
    others = [torch.cat((leaf[:1], leaf[:-1])) for leaf in leaves]
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        state = torch.random.get_rng_state()
        before = pytree.tree_leaves(model(inputs))
        torch.random.set_rng_state(state)
        after = pytree.tree_leaves(model(pytree.tree_unflatten(others, layout)))
    for one, other in zip(before, after, strict=True):
        tolerance = 64 * torch.finfo(one.dtype).eps * float(one[:1].abs().max())
        if not torch.allclose(one[:1], other[:1], rtol=0.0, atol=tolerance):
            raise PrivacyError(
                "private step: the model's output for one row changes with the other rows of the batch, so that no "
                "bound holds for one record's influence. Look for statistics over the batch dimension"
            )


def row_weights(losses: Tensor, weights: Tensor | None, stack: int) -> Tensor:
    """Return what each row's loss counts within its record, [rows]; they add up to 1, or 0 for padding."""
    if weights is None:
        return torch.full_like(losses, 1.0 / stack)
    if weights.numel() != losses.numel() or bool((weights < 0).any()):
        raise PrivacyError(
            f"private step: expected {losses.numel()} row weights that are not negative, got shape "
            f"{tuple(weights.shape)}"
        )
    of_records = weights.detach().to(losses.dtype).reshape(-1, stack)
    totals = of_records.sum(1, keepdim=True)
    return torch.where(totals > 0, of_records / totals, torch.zeros_like(of_records)).flatten()
