"""Commands that write files refuse one that exists, say how to replace it, and replace it with --overwrite."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import metasiren as ms
from metasiren.cli.commands import cli
from metasiren_priors.places import files

COMMANDS = {
    "render": ["render", "RUN", "-o", "out.png"],
    "report": ["report", "RUN", "-o", "out.html"],
    "export": ["export", "RUN", "-o", "out.glsl"],
    "schema": ["schema", "-o", "out.json"],
    "inspect": ["inspect", "init", "--layers", "2", "--width", "8", "--points", "8", "-o", "out.png"],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ms.Run:
    changes = {"data.size": 8, "siren.hidden_features": 4, "siren.hidden_layers": 1, "train.steps": 1}
    recipe = ms.load_recipe("image", preset="quick", overrides=changes)
    return ms.run(recipe, tmp_path_factory.mktemp("runs") / "run", device="cpu")


def typed(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_file_that_exists_is_replaced_only_where_that_is_asked_for(
    run: ms.Run, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [str(run.path) if word == "RUN" else word for word in words]
    out = Path(words[-1])
    out.write_bytes(b"mine")
    refused = typed(*words)
    assert refused.exit_code == 1
    assert f"{out} exists already" in str(refused.exception)
    assert "--overwrite" in str(refused.exception)
    assert out.read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert typed(*words, "--overwrite").exit_code == 0
    assert out.stat().st_size > 4


@pytest.mark.parametrize("command", [["inpaint"], ["zoo"], ["selfcheck"], *([w] for w in COMMANDS)])
def test_help_says_the_rule(command: list[str]) -> None:
    words = ["inspect", "init"] if command == ["inspect"] else command
    said = " ".join(typed(*words, "--help").output.split())
    assert "--overwrite" in said
    assert "exists is an error" in said
    assert "--overwrite replaces files" in " ".join(typed("--help").output.split())


def test_inpaint_looks_at_all_of_its_files_before_it_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"data.train": 32, "data.val": 4, "data.test": 0, "encoder.components": 1, "encoder.coordinates": 4,
               "siren.hidden_features": 16, "evaluate": {"protocol": None}}  # fmt: skip
    recipe = ms.load_recipe("celeba_mixture", preset="quick", overrides=changes)
    made = ms.run(recipe, tmp_path / "run", device="cpu")
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((40, 40, 3), 90, np.uint8)).save("photo.png")
    words = ["inpaint", str(made.path), "photo.png", "--pixels", "9", "--std", "-o"]
    before = Path("photo.png").read_bytes()
    assert "photo.png exists already" in str(typed(*words, "photo.png").exception)
    assert Path("photo.png").read_bytes() == before
    Path("new_std.png").write_bytes(b"mine")
    assert "new_std.png exists already" in str(typed(*words, "new.png").exception)
    assert not Path("new.png").exists()
    assert typed(*words, "new.png", "--overwrite").exit_code == 0
    assert Path("new_std.png").stat().st_size > 4


def test_inpaint_refuses_a_file_that_exists_before_it_imports_torch(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"mine")
    code = (
        "import sys; sys.argv = ['metasiren', 'inpaint', 'run', 'photo.png', '--pixels', '9', '-o', 'photo.png']\n"
        "from metasiren.cli.commands import main\n"
        "try:\n    main()\nfinally:\n    print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (1, "False")
    assert "photo.png exists already" in done.stderr


def test_files_of_inpainting_are_named_in_the_order_that_they_are_written() -> None:
    named = files(Path("a/out.png"), samples=2, deviation=True, panel=True)
    assert [path.name for path in named] == ["out.png", "out_panel.png", "out_sample1.png", "out_sample2.png",
                                             "out_std.png"]  # fmt: skip


def test_files_between_two_signals_are_looked_at_before_any_is_drawn(
    run: ms.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("path_3.png").write_bytes(b"mine")
    refused = typed("render", str(run.path), "--between", "0", "0", "--steps", "3", "-o", "path.png")
    assert "path_3.png exists already" in str(refused.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["path_3.png"]
