"""The models by name: what each eats, what it gives, and how it is built.

A file registers its networks where it defines them::

    @register("skin", inputs=("skin",), outputs=("Pale_Skin", "Rosy_Cheeks"), summary="...")
    def skin(width: int = 16) -> SkinNetwork: ...

Importing any module of this package first runs ``models/__init__.py``, which imports every file that registers
something; so the list is complete before anyone can ask for it.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from mien.errors import ModelError
from models.initialise import initialise
from models.network import Network


@dataclass(frozen=True)
class ModelSpec:
    """One entry of the list.

    ``inputs`` are columns of a face table; ``outputs`` are those of the default options (a built model's own
    ``outputs`` are the truth for other options); ``private_ready`` says that no layer mixes records and no
    buffer is shared, so that clipping by record is sound.
    """

    name: str
    build: Callable[..., Network]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    summary: str
    private_ready: bool

    @property
    def options(self) -> dict[str, object]:
        """The options of ``build`` and their defaults."""
        return {name: option.default for name, option in inspect.signature(self.build).parameters.items()}


_SPECS: dict[str, ModelSpec] = {}
_Builder = TypeVar("_Builder", bound=Callable[..., Network])


def register(
    name: str, *, inputs: tuple[str, ...], outputs: tuple[str, ...], summary: str, private_ready: bool = True
) -> Callable[[_Builder], _Builder]:
    """Enter the decorated builder under ``name``. Raises ModelError when the name is taken."""

    def enter(builder: _Builder) -> _Builder:
        if name in _SPECS:
            raise ModelError(f"model name {name!r} is registered twice; choose another")
        _SPECS[name] = ModelSpec(name, builder, inputs, outputs, summary, private_ready)
        return builder

    return enter


def names() -> tuple[str, ...]:
    """Return every model name, sorted."""
    return tuple(sorted(_SPECS))


def spec(name: str) -> ModelSpec:
    """Return the entry of ``name``. Raises ModelError that lists the known names."""
    try:
        return _SPECS[name]
    except KeyError:
        near = difflib.get_close_matches(name, _SPECS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ModelError(f"unknown model {name!r}; {hint}known models: {', '.join(names())}") from None


def build(name: str, *, seed: int = 0, **options: Any) -> Network:
    """Return the model ``name`` with first weights that depend on ``seed`` alone (see models/initialise.py).

    The global random state of torch is left as it was. Raises ModelError for an unknown name, an unknown
    option, or an option's value that the model refuses.
    """
    entry = spec(name)
    unknown = sorted(options.keys() - entry.options.keys())
    if unknown:
        raise ModelError(
            f"model {name!r} has no option {', '.join(map(repr, unknown))}; "
            f"its options are {', '.join(entry.options) or '(none)'}"
        )
    with torch.random.fork_rng(devices=[]):  # torch's layers draw weights on creation; they are overwritten
        try:
            model = entry.build(**options)
        except (TypeError, ValueError) as error:
            raise ModelError(f"model {name!r} cannot be built with options {options}: {error}") from error
    return initialise(model, seed)
