"""Read the knowledge base from its JSON files into one typed object.

``shipped()`` is the one in the package; ``current()`` is the one in use: an artist's own folder where
``MIEN_KNOWLEDGE`` names one, else the shipped one. ``read`` collects everything that is wrong with the files.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mien.errors import ConfigError
from recommend.knowledge.model import DOMAINS, FILES, KnowledgeBase
from recommend.knowledge.problem import Problem

KNOWLEDGE_VARIABLE = "MIEN_KNOWLEDGE"
"""Environment variable: the folder of a knowledge base to use instead of the shipped one."""

SHOWN = 5  # problems named in one error

_in_proof: ContextVar[KnowledgeBase | None] = ContextVar("_in_proof", default=None)


def shipped_folder() -> Traversable:
    """Return the folder of the knowledge base that comes with the package."""
    return resources.files("recommend") / "knowledge"


@functools.cache
def shipped() -> KnowledgeBase:
    """Return the knowledge base that comes with the package, read once."""
    return load(shipped_folder())


def chosen_folder() -> Traversable:
    """Return the folder of the knowledge base in use."""
    chosen = os.environ.get(KNOWLEDGE_VARIABLE)
    return Path(chosen) if chosen else shipped_folder()


def current() -> KnowledgeBase:
    """Return the knowledge base in use; the folder that ``MIEN_KNOWLEDGE`` names is proven before use, once.

    Raises ConfigError where that folder is missing or its knowledge base does not hold together.
    """
    if (proving := _in_proof.get()) is not None:
        return proving
    chosen = os.environ.get(KNOWLEDGE_VARIABLE)
    return _proven(Path(chosen).resolve()) if chosen else shipped()


@contextmanager
def proving(knowledge: KnowledgeBase) -> Iterator[None]:
    """Let a knowledge base be the current one of this thread while it is proven: random people choose from it."""
    before = _in_proof.set(knowledge)
    try:
        yield
    finally:
        _in_proof.reset(before)


def use(folder: Path) -> KnowledgeBase:
    """Prove the knowledge base in a folder and use it in this process (and its children) from now on.

    Raises ConfigError as ``current`` does.
    """
    knowledge = _proven(folder.resolve())
    os.environ[KNOWLEDGE_VARIABLE] = str(folder.resolve())
    return knowledge


@functools.cache
def _proven(folder: Path) -> KnowledgeBase:
    from recommend.knowledge.validate import check_folder  # it reads knowledge bases with this module

    if not folder.is_dir():
        raise ConfigError(
            f"{folder} is not a folder: expected a knowledge base with attributes.json, …, and rules/. "
            "Name one, or make one with: mien kb copy FOLDER"
        )
    knowledge, problems = check_folder(folder)
    if knowledge is None or problems:
        raise _refused(folder, problems)
    return knowledge


def load(folder: Traversable) -> KnowledgeBase:
    """Read a knowledge base from a folder with attributes.json, …, and rules/DOMAIN.json.

    Raises ConfigError, naming file, entry and field, where a file is missing, is not JSON, or does not have
    the fields of ``recommend.knowledge.model``.
    """
    knowledge, problems = read(folder)
    if knowledge is None:
        raise _refused(folder, problems)
    return knowledge


def read(folder: Traversable) -> tuple[KnowledgeBase | None, list[Problem]]:
    """Read a folder; return the knowledge base, or None and everything that kept it from being read."""
    names = {f"{name}.json": name for name in FILES if name != "rules"}
    names |= {f"rules/{domain}.json": "rules" for domain in DOMAINS}
    content: dict[str, Any] = {"rules": ()}
    problems: list[Problem] = []
    for file, kind in names.items():
        found, faults = _read(folder, file, kind)
        problems.extend(faults)
        content[kind] = (*content["rules"], *(found or ())) if kind == "rules" else found
    return (None, problems) if problems else (KnowledgeBase(**content), [])


def _read(folder: Traversable, file: str, kind: str) -> tuple[Any, list[Problem]]:
    try:
        raw = json.loads((folder / file).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        advice = (
            f"the file does not exist: expected JSON with {kind}. Copy it from the shipped knowledge base."
        )
        return None, [Problem("file", file, "", "", advice)]
    except OSError as error:
        return None, [Problem("file", file, "", "", f"cannot be read: {error.strerror}. Check it.")]
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        return None, [Problem("json", file, "", where, f"is not JSON: {error.msg}. Correct the line.")]
    except UnicodeDecodeError as error:
        advice = f"is not UTF-8 at byte {error.start}. Save the file as UTF-8."
        return None, [Problem("json", file, "", "", advice)]
    try:
        found = TypeAdapter(FILES[kind]).validate_python(_with_tuples(raw))
    except ValidationError as error:
        return None, list(_schema_problems(file, raw, error))
    return found, list(_misplaced(file, kind, found))


def _schema_problems(file: str, raw: Any, error: ValidationError) -> Iterator[Problem]:
    """Turn pydantic's errors into places of the file; a place with many alternatives is named once."""
    said: set[tuple[str, str]] = set()
    for fault in error.errors():
        place = [*fault["loc"]]
        first, rest = (place[0], place[1:]) if place else ("", [])
        entry = str(first)
        if not isinstance(first, str):
            own = raw[first].get("id") if isinstance(raw[first], dict) else None
            entry = str(own or f"#{first + 1}")
        # Names of types appear in the path of a choice between types: they say nothing to an artist.
        field = ".".join(str(part) for part in rest if isinstance(part, int) or str(part).isidentifier())
        top = field.split(".")[0]
        if (entry, top) in said:
            continue
        said.add((entry, top))
        got = "" if fault["type"] == "missing" else f", got {str(fault['input'])[:80]!r}"
        advice = f"{fault['msg']}{got}. Correct it; `mien kb schema` prints what is expected."
        yield Problem("schema", file, entry, field, advice)


def _misplaced(file: str, kind: str, found: Any) -> Iterator[Problem]:
    if kind == "rules":
        for rule in found:
            if file != f"rules/{rule.domain}.json":
                advice = (
                    f"the domain is {rule.domain!r}: expected in rules/{rule.domain}.json. Move the rule."
                )
                yield Problem("file", file, rule.id, "domain", advice)


def _refused(folder: Traversable, problems: list[Problem]) -> ConfigError:
    shown = " ".join(str(problem) for problem in problems[:SHOWN])
    more = f" And {len(problems) - SHOWN} more." if len(problems) > SHOWN else ""
    return ConfigError(
        f"The knowledge base in {folder} cannot be used: {shown}{more} "
        f"Correct it and run: mien kb check {folder}"
    )


def _with_tuples(value: Any) -> Any:
    """Turn JSON arrays into tuples, as the frozen types want them."""
    if isinstance(value, list):
        return tuple(_with_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _with_tuples(item) for key, item in value.items()}
    return value
