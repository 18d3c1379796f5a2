"""The run config of a Flower app: from the scalars that ``flwr run -c "key=value"`` can carry."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

from configs.load import load_config, parse_config
from configs.schema import RunConfig
from mien.errors import ConfigError

RESOLVED = "resolved"
"""The key under which Mien's own engines pass a whole config, as JSON."""


def config_of_app(run_config: Mapping[str, object]) -> RunConfig:
    """Return the config that an app's run config stands for.

    ``config`` is a file or a shipped name, ``set`` holds overrides separated by spaces, ``data`` replaces
    ``data.source``. Raises ConfigError as :func:`configs.load.load_config` does.
    """
    resolved = run_config.get(RESOLVED)
    if isinstance(resolved, str):
        return parse_config(json.loads(resolved), where="resolved config")
    overrides = shlex.split(str(run_config.get("set", "")))
    data = str(run_config.get("data", ""))
    if data:
        overrides.append(f"data.source={data}")
    name = str(run_config.get("config", "demo"))
    if not name:
        raise ConfigError(
            'run config: "config" is empty; name a TOML file or a shipped config such as "demo"'
        )
    return load_config(name, overrides)


def home_of_app(run_config: Mapping[str, object]) -> Path:
    """Return where an app keeps its runs and its simulated devices: ``home``, else ``~/.mien``."""
    return Path(str(run_config.get("home") or Path.home() / ".mien"))
