"""Read a run config: TOML file, then ``key=value`` overrides, then checks with paths in the errors."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from configs.schema import RunConfig
from mien.errors import ConfigError

HERE = Path(__file__).resolve().parent


def load_config(path: str | Path, overrides: Iterable[str] = ()) -> RunConfig:
    """Return the checked config of a TOML file with ``section.key=value`` overrides applied in order.

    ``path`` may also be the name of a config that Mien ships (``demo``). A value is read as TOML and, where it
    is none, as text, so ``--set data.source=celeba=/faces`` needs no quotes. Raises ConfigError with the file,
    the key, what was found and what is allowed.
    """
    file = _find(path)
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from None
    for override in overrides:
        _apply(content, override)
    return parse_config(content, where=str(file))


def parse_config(content: Mapping[str, Any], *, where: str) -> RunConfig:
    """Check plain data against the schema. Raises ConfigError that lists every fault."""
    try:
        return RunConfig.model_validate(content)
    except ValidationError as error:
        faults = "\n".join(f"  {_explain(fault)}" for fault in error.errors())
        raise ConfigError(f"{where}: {error.error_count()} fault(s):\n{faults}") from None


def to_toml(config: RunConfig) -> str:
    """Write a config back as TOML, every default spelled out."""
    content = config.model_dump(mode="json")
    plain = {key: value for key, value in content.items() if not isinstance(value, dict)}
    lines = [f"{key} = {_toml(value)}" for key, value in plain.items()]
    for section, values in content.items():
        if isinstance(values, dict):
            lines += ["", f"[{section}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _find(path: str | Path) -> Path:
    candidates = [Path(path), HERE / f"{path}.toml", HERE.parent / str(path)]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    shipped = ", ".join(sorted(file.stem for file in HERE.glob("*.toml")))
    raise ConfigError(f"{path}: no such config file. Give a path, or one of those shipped: {shipped}")


def _apply(content: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"--set {override}: expected key=value, for example rounds.count=5")
    *sections, last = key.strip().split(".")
    for section in sections:
        content = content.setdefault(section, {})
        if not isinstance(content, dict):
            raise ConfigError(f"--set {override}: {section} is a value, not a section")
    try:
        content[last] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        content[last] = text.strip()


def _explain(fault: Any) -> str:
    path = ".".join(str(part) for part in fault["loc"]) or "the whole config"
    if fault["type"] == "extra_forbidden":
        known = _known_keys(fault["loc"][:-1])
        close = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known keys: {', '.join(known)}"
        return f"{path}: unknown key; {hint}"
    found = "" if fault["type"] in ("missing", "value_error") else f"; found {fault['input']!r}"
    return f"{path}: {fault['msg'].removeprefix('Value error, ')}{found}"


def _known_keys(sections: Iterable[str | int]) -> list[str]:
    model: type[BaseModel] = RunConfig
    for section in sections:
        model = cast("type[BaseModel]", model.model_fields[str(section)].annotation)
    return list(model.model_fields)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)
