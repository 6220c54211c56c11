"""What the tests of the first hour share: a person at the command line, on a machine without a GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from metasiren.cli.commands import cli
from metasiren.errors import MetasirenError


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Run a command line as typed in an empty folder; `error` of the result is the message that a person reads."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("METASIREN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("METASIREN_NO_REPORT", "1")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    def run(line: str, *more: str) -> Result:
        # No argument here holds a space of its own, but those in `more` may.
        result = CliRunner().invoke(cli, [*line.removeprefix("metasiren ").split(), *more])
        if result.exception is not None and not isinstance(result.exception, MetasirenError | SystemExit):
            raise result.exception
        return result

    return run
