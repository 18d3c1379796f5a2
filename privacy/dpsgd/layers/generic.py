"""Any other module that owns parameters: per-record gradients by vectorised differentiation of it alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap
from torch.utils import _pytree as pytree
from typing_extensions import override

from mien.errors import PrivacyError
from privacy.dpsgd.layers.base import Recorder, Tape


class GenericRecorder(Recorder):
    """A module of unknown type, with everything below it, called on tensors [rows, ...].

    The module runs as it is, with its parameters out of autograd; in backward, one row's call is
    differentiated with respect to the parameters and vectorised over the rows. Its results may be a tensor or
    a nest of tensors, all with the rows first. Its parameters must be read by its own ``forward``.
    """

    def __init__(self, name: str, module: nn.Module, tape: Tape) -> None:
        super().__init__(name, module, tape)
        self._names, self.parameters = zip(
            *((n, p) for n, p in module.named_parameters() if p.requires_grad), strict=True
        )
        self._forward = module.forward

    @override
    def forward(self, *arguments: Any, **keywords: Any) -> Any:
        self.calls += 1
        detached = {name: p.detach() for name, p in self.module.named_parameters()}
        output = self._run(detached, arguments, keywords)
        leaves, layout = pytree.tree_flatten(output)
        places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
        tapped = _Tapped.apply(
            self, arguments, keywords, tuple(places), self.parameters[0], *(leaves[i] for i in places)
        )
        for place, tensor in zip(places, tapped, strict=True):
            leaves[place] = tensor
        return pytree.tree_unflatten(leaves, layout)

    def _run(
        self, parameters: dict[str, Tensor], arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:
        """Call the module with other parameters, past the patch that is in place during a step."""
        patch = self.module.__dict__.pop("forward", None)
        try:
            return functional_call(self.module, parameters, arguments, keywords)
        finally:
            if patch is not None:
                self.module.__dict__["forward"] = patch

    def capture_call(
        self,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        places: tuple[int, ...],
        grads: list[Tensor],
    ) -> None:
        """Take one call into account: its arguments, and the gradients of its floating-point results."""
        for tensor in grads:
            self.check_rows(tensor)
        gradients = self._gradients_of_call(arguments, keywords, places, grads)
        if self.shared:
            self.share(gradients)
        else:
            self.tape.squared_norms.append(self.keep(gradients))

    def _gradients_of_call(
        self,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        places: tuple[int, ...],
        grads: list[Tensor],
    ) -> tuple[Tensor, ...]:
        leaves, layout = pytree.tree_flatten((arguments, keywords))
        leaves = [leaf.detach() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        rows = self.tape.rows
        batched = [isinstance(leaf, Tensor) and leaf.dim() > 0 and leaf.shape[0] == rows for leaf in leaves]
        trained = {name: p.detach() for name, p in zip(self._names, self.parameters, strict=True)}
        frozen = {n: p.detach() for n, p in self.module.named_parameters() if n not in trained}

        def one_row(row_leaves: list[Tensor], row_grads: list[Tensor]) -> dict[str, Tensor]:
            row = iter(row_leaves)
            filled = [
                next(row).unsqueeze(0) if is_row else leaf
                for leaf, is_row in zip(leaves, batched, strict=True)
            ]
            positional, named = pytree.tree_unflatten(filled, layout)

            def results(parameters: dict[str, Tensor]) -> list[Tensor]:
                output = self._run({**frozen, **parameters}, positional, named)
                flat = pytree.tree_leaves(output)
                return [flat[place].squeeze(0) for place in places]

            found: dict[str, Tensor] = vjp(results, trained)[1](row_grads)[0]
            return found

        try:
            rows_only = [leaf for leaf, is_row in zip(leaves, batched, strict=True) if is_row]
            per_row = vmap(one_row, randomness="error")(rows_only, grads)
        except RuntimeError as error:
            raise PrivacyError(
                f"private step: no per-record gradients for module {self.name or 'model'!r} of type "
                f"{type(self.module).__name__}: {error}. Move its parameters into modules that are known "
                "(Linear, Conv, GroupNorm, LayerNorm, Embedding), or freeze it"
            ) from error
        return tuple(self.sum_rows(per_row[name]) for name in self._names)


def _versions(*nest: Any) -> list[int]:
    """Return how often each tensor in the nest has been changed in place."""
    return [leaf._version for leaf in pytree.tree_leaves(nest) if isinstance(leaf, Tensor)]


class _Tapped(torch.autograd.Function):
    """The identity; its backward hands the gradients of a module's results to the recorder."""

    @staticmethod
    def forward(
        ctx: Any,
        recorder: GenericRecorder,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        places: tuple[int, ...],
        _parameter: nn.Parameter,
        *results: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.call = (recorder, arguments, keywords, places)
        ctx.versions = _versions(arguments, keywords)
        return tuple(result.clone() for result in results)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        recorder, arguments, keywords, places = ctx.call
        if ctx.versions != _versions(arguments, keywords):
            raise PrivacyError(
                f"private step: an input of module {recorder.name or 'model'!r} was changed in place after the "
                "module was called, so its per-record gradients are unknown. Use out-of-place operations"
            )
        recorder.capture_call(arguments, keywords, places, list(grads))
        return (None, None, None, None, None, *grads)
