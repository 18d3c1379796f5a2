"""Run the command as a person would, in this process, and see its exit code and words."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def mien(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs ``mien ARGUMENTS`` and returns (exit code, everything it printed)."""
    from cli.main import run

    def start(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["mien", *map(str, arguments)])
        code = 0
        try:
            run()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capfd.readouterr()
        return code, captured.out + captured.err

    return start
