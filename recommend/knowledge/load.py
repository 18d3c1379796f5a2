"""Read the knowledge base from its JSON files into one typed object."""

from __future__ import annotations

import functools
import json
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mien.errors import ConfigError
from recommend.knowledge.model import DOMAINS, FILES, KnowledgeBase


@functools.cache
def shipped() -> KnowledgeBase:
    """Return the knowledge base that comes with the package, read once."""
    return load(resources.files("recommend") / "knowledge")


def load(folder: Traversable) -> KnowledgeBase:
    """Read a knowledge base from a folder with attributes.json, …, and rules/DOMAIN.json.

    Raises ConfigError, naming the file and the place in it, where a file is missing, is not JSON, or does
    not have the fields of ``recommend.knowledge.model``.
    """
    content = {name: _read(folder / f"{name}.json", name) for name in FILES if name != "rules"}
    rules = [_read(folder / "rules" / f"{domain}.json", "rules") for domain in DOMAINS]
    return KnowledgeBase(**content, rules=tuple(rule for part in rules for rule in part))


def _read(path: Traversable, kind: str) -> Any:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"The knowledge base lacks {path}: expected a JSON file of {kind}. Restore the file, or use the "
            "knowledge base of the package."
        ) from error
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{path} is not JSON at line {error.lineno}, column {error.colno}: {error.msg}. Correct the line."
        ) from error
    try:
        return TypeAdapter(FILES[kind]).validate_python(_with_tuples(raw))
    except ValidationError as error:
        first = error.errors()[0]
        place = " → ".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"{path} does not fit the schema of {kind} at {place}: {first['msg']}, got "
            f"{str(first['input'])[:80]!r} ({error.error_count()} such places). Correct the file and run the "
            "check again."
        ) from error


def _with_tuples(value: Any) -> Any:
    """Turn JSON arrays into tuples, as the frozen types want them."""
    if isinstance(value, list):
        return tuple(_with_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _with_tuples(item) for key, item in value.items()}
    return value
