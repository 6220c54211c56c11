"""Whatever a file of a run holds, commands read it or name it: no other error, and no result that is damaged too."""

from __future__ import annotations

import json
import shutil
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner

import metasiren as ms
from metasiren.cli.commands import cli
from metasiren.json_files import json_object, read_json
from metasiren.results.comparison import write_metrics

FILES = (
    "environment.json",
    "status.json",
    "metrics.jsonl",
    "recipe.yaml",
    "results/metrics.json",
    "results/training.json",
)
DAMAGES = {
    "empty": b"",
    "list": b"[1]",
    "deep": b"[" * 100_000,
    "bytes": bytes(range(256)),
    "types": b'{"step": "x", "steps": [], "state": 3, "seed": {}, "rows": 5, "loss": null}\n' * 2,
}
COMMANDS = {
    "runs": ["runs", "."],
    "table": ["table", "run"],
    "report": ["report", "run", "-o", "page.html", "--overwrite"],
    "diff": ["diff", "run", "whole"],
    "evaluate": ["evaluate", "run"],
    "resume": ["run", "--resume", "run", "--no-report"],
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    overrides = {"data.size": 16, "train.steps": 3, "siren.hidden_features": 8, "train.log_every": 1}
    return ms.run(ms.load_recipe("image", preset="quick", overrides=overrides), out=folder, device="cpu").path


@pytest.mark.parametrize(("file", "damage"), list(product(FILES, DAMAGES)))
def test_a_damaged_file_ends_in_a_result_or_a_message(
    file: str, damage: str, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(whole, "whole")
    for name, command in COMMANDS.items():
        shutil.rmtree("run", ignore_errors=True)
        shutil.copytree(whole, "run")
        Path("run", file).write_bytes(DAMAGES[damage])
        result = CliRunner().invoke(cli, command)
        known = result.exception is None or isinstance(result.exception, ms.MetasirenError | SystemExit)
        assert known, f"{name}: {result.exception!r}"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "Expecting value"),
        ("[1, 2]", r"expected an object, found \[1, 2\]"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ', "Expecting value"),
    ],
)
def test_what_is_no_json_object_is_named(text: str, match: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=match):
        json_object(text)
    (tmp_path / "file.json").write_text(text)
    with pytest.raises(ms.RunError, match=rf"file\.json: not readable as JSON: .*{match}[\s\S]*Write it anew"):
        read_json(tmp_path / "file.json", "Write it anew.")


def test_a_missing_json_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ms.RunError, match="No such file"):
        read_json(tmp_path / "none.json", "Write it.")


def test_metrics_are_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed while it writes leaves the former file."""
    write_metrics(tmp_path, {"psnr_db": 30.0})

    def killed(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_metrics(tmp_path, {"psnr_db": 31.0, "ssim": 0.9})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"psnr_db": 30.0}
