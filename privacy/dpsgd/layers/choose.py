"""From a model to its recorders; refuses what cannot be clipped by record."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import nn

from mien.errors import PrivacyError
from privacy.dpsgd.layers.base import Recorder, Tape
from privacy.dpsgd.layers.chain import ChainRecorder, is_chain
from privacy.dpsgd.layers.conv import ConvolutionRecorder
from privacy.dpsgd.layers.embedding import EmbeddingRecorder
from privacy.dpsgd.layers.generic import GenericRecorder
from privacy.dpsgd.layers.linear import LinearRecorder
from privacy.dpsgd.layers.norms import GroupNormRecorder, LayerNormRecorder

_LAYERS: dict[type[nn.Module], type[Recorder]] = {
    nn.Linear: LinearRecorder,
    nn.GroupNorm: GroupNormRecorder,
    nn.LayerNorm: LayerNormRecorder,
}
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_BATCH_NORMS = nn.modules.batchnorm._BatchNorm
_INSTANCE_NORMS = nn.modules.instancenorm._InstanceNorm
_MIXING = (_BATCH_NORMS, _INSTANCE_NORMS)


def recorders_for(model: nn.Module, tape: Tape, *, autotune: bool) -> list[Recorder]:
    """Return a recorder for every module of ``model`` that owns trained parameters, in the model's order.

    Raises PrivacyError for a module that mixes records or keeps statistics of them.
    """
    refuse_mixing(normalisers(model))
    recorders = [_recorder(name, module, tape, autotune) for name, module in _owners("", model, set())]
    holders: dict[int, int] = {}
    for recorder in recorders:
        for parameter in recorder.parameters:
            holders[id(parameter)] = holders.get(id(parameter), 0) + 1
    for recorder in recorders:
        recorder.tied = any(holders[id(parameter)] > 1 for parameter in recorder.parameters)
    untied = {id(p) for recorder in recorders if not recorder.tied for p in recorder.parameters}
    for name, module in model.named_modules():
        if is_chain(module) and all(id(p) in untied for p in module.parameters()):
            recorders.append(ChainRecorder(name, module, tape))
    return recorders


def normalisers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the modules that :func:`refuse_mixing` looks at, with their names."""
    return [(n, m) for n, m in model.named_modules() if isinstance(m, (*_MIXING, nn.Embedding))]


def refuse_mixing(modules: list[tuple[str, nn.Module]]) -> None:
    """Raise PrivacyError if a module computes with statistics of several records, and say what to use."""
    for name, module in modules:
        place = f"module {name or 'model'!r} ({type(module).__name__})"
        if isinstance(module, _INSTANCE_NORMS):
            if module.track_running_stats and module.training:
                raise PrivacyError(
                    f"private step: {place} keeps running statistics of the records without noise. "
                    "Use track_running_stats=False"
                )
        elif isinstance(module, nn.Embedding):
            if module.scale_grad_by_freq or module.max_norm is not None:
                raise PrivacyError(
                    f"private step: {place} scales gradients or vectors by what other records hold. "
                    "Use scale_grad_by_freq=False and max_norm=None"
                )
        elif isinstance(module, _BATCH_NORMS) and (module.training or _trained(module)):
            channels = module.num_features
            raise PrivacyError(
                f"private step: {place} normalises each record by statistics of the others, so that no bound "
                "holds for one record's influence, and keeps running statistics without noise. Replace it by "
                f"nn.GroupNorm({math.gcd(32, channels)}, {channels}), or freeze it in eval mode"
            )


def _trained(module: nn.Module) -> bool:
    return any(p.requires_grad for p in module.parameters(recurse=False))


def _owners(prefix: str, module: nn.Module, seen: set[int]) -> Iterator[tuple[str, nn.Module]]:
    """Yield modules that own trained parameters; what lies below one of unknown type belongs to it."""
    if id(module) in seen:
        return
    seen.add(id(module))
    if _trained(module):
        yield prefix, module
        if not _known(module):
            return
    for name, child in module.named_children():
        yield from _owners(f"{prefix}.{name}" if prefix else name, child, seen)


def _known(module: nn.Module) -> bool:
    """Return True for a layer, or a subclass of one that computes the same."""
    return any(
        isinstance(module, kind) and type(module).forward is kind.forward  # type: ignore[attr-defined]
        for kind in (*_LAYERS, *_CONVOLUTIONS, nn.Embedding)
    )


def _recorder(name: str, module: nn.Module, tape: Tape, autotune: bool) -> Recorder:
    if not _known(module):
        return GenericRecorder(name, module, tape)
    if isinstance(module, _CONVOLUTIONS):
        return ConvolutionRecorder(name, module, tape, autotune)
    if isinstance(module, nn.Embedding):
        return EmbeddingRecorder(name, module, tape)
    return next(recorder for kind, recorder in _LAYERS.items() if isinstance(module, kind))(
        name, module, tape
    )
