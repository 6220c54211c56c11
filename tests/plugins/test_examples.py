"""The example plugins: separate distributions that install beside metasiren, and run from their recipes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from environments import REPOSITORY, Environment, build_wheel

from metasiren.registry.catalogue import load_catalogue

EXAMPLES = ("acme_attentive", "acme_lowrank")
TINY = ("train.steps=2", "train.batch=4", "data.train=16", "data.val=4", "data.test=4", "evaluate.baselines=false")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Copies of the examples, so that building them leaves nothing in the checkout."""
    folder = tmp_path_factory.mktemp("examples")
    return {name: Path(shutil.copytree(REPOSITORY / "plugins" / name, folder / name)) for name in EXAMPLES}


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory, installed: Environment, sources: dict[str, Path]) -> Path:
    """A folder with the installed examples, to be put on the path: the environment itself stays without them."""
    folder = tmp_path_factory.mktemp("beside")
    installed.install("--target", folder, *sources.values())
    return folder


def test_they_are_not_installed_with_metasiren() -> None:
    names = {plugin.name for plugin in load_catalogue().plugins if plugin.distribution == "metasiren"}
    assert not names & set(EXAMPLES)


def test_the_wheel_ships_templates_and_recipes_but_no_example(tmp_path: Path) -> None:
    files = zipfile.ZipFile(build_wheel(tmp_path)).namelist()
    assert "metasiren/registry/templates/common/pyproject.toml.tmpl" in files
    assert "metasiren/recipes/celeba_cnn.yaml" in files
    assert "metasiren_basics/plugin.py" in files
    assert not [file for file in files if "acme" in file]


def test_the_watching_example_passes_its_own_tests(tmp_path: Path) -> None:
    folder = REPOSITORY / "plugins" / "acme_wandb"
    options = ("-q", "-p", "no:cacheprovider", "-W", "error", "--rootdir", tmp_path, "-o", f"pythonpath={folder}/src")
    command = [sys.executable, "-m", "pytest", *map(str, options), str(folder / "tests")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_is_complete(name: str) -> None:
    folder = REPOSITORY / "plugins" / name
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["metasiren"] == {name: name}
    assert project["name"] == name.replace("_", "-")
    assert (folder / "recipe.yaml").is_file()
    assert (folder / "README.md").is_file()


def test_they_pass_their_own_tests(
    installed: Environment, beside: Path, sources: dict[str, Path], tmp_path: Path
) -> None:
    tests = [folder / "tests" for folder in sources.values()]
    options = ("-q", "-p", "no:cacheprovider", "-W", "error", "--rootdir", tmp_path, "-o", f"pythonpath={beside}")
    done = installed.run(installed.python, "-m", "pytest", *options, *tests, cwd=tmp_path)
    assert "failed" not in done.stdout
    assert "passed" in done.stdout


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory, installed: Environment, beside: Path, sources: dict[str, Path]
) -> dict[str, Path]:
    """Two steps of each example from its recipe."""
    folder = tmp_path_factory.mktemp("runs")
    settings = [word for pair in (*TINY, "evaluate.contexts=[10]") for word in ("--set", pair)]
    for name in EXAMPLES:
        command = ("-m", "metasiren", "run", sources[name] / "recipe.yaml", *settings, "--device", "cpu", "--out", name)
        done = installed.run("env", f"PYTHONPATH={beside}", installed.python, *command, cwd=folder)
        assert done.stdout.splitlines()[-1] == name
    return {name: folder / name for name in EXAMPLES}


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_runs_from_its_recipe(name: str, runs: dict[str, Path]) -> None:
    environment = json.loads((runs[name] / "environment.json").read_text())
    assert environment["plugins"][name] == f"{name.replace('_', '-')} 0.1.0"
    assert json.loads((runs[name] / "results" / "metrics.json").read_text())["psnr_db"] > 0


@pytest.mark.parametrize("words", [("evaluate",), ("run", "--resume")])
def test_a_run_whose_example_is_gone_names_the_package(
    words: tuple[str, ...], installed: Environment, runs: dict[str, Path]
) -> None:
    run = runs["acme_lowrank"]
    failed = installed.run(installed.python, "-m", "metasiren", *words, run, cwd=run.parent, ok=False)
    assert failed.returncode == 1
    assert "decoder 'lowrank' comes from acme-lowrank 0.1.0, which is not here" in failed.stderr
    assert "python -m pip install acme-lowrank==0.1.0" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_without_leaves_an_example_out(
    installed: Environment, beside: Path, sources: dict[str, Path], tmp_path: Path
) -> None:
    python = ("env", f"PYTHONPATH={beside}", installed.python, "-m", "metasiren")
    listed = installed.run(*python, "plugins", cwd=tmp_path).stdout
    assert re.search(r"acme_attentive  \(acme-attentive 0\.1\.0\)\n  encoders +attentive\n", listed)
    for word in ("acme_attentive", "acme-attentive"):
        assert "attentive" not in installed.run(*python, "--without", word, "plugins", cwd=tmp_path).stdout
    recipe = sources["acme_attentive"] / "recipe.yaml"
    failed = installed.run(*python, "--without", "acme_attentive", "run", recipe, cwd=tmp_path, ok=False)
    assert "no encoder is called 'attentive'" in failed.stderr


def test_the_schema_knows_an_installed_example(installed: Environment, beside: Path, tmp_path: Path) -> None:
    python = ("env", f"PYTHONPATH={beside}", installed.python, "-m", "metasiren")
    installed.run(*python, "schema", "-o", "schema.json", cwd=tmp_path)
    schema = json.loads((tmp_path / "schema.json").read_text())
    assert schema["definitions"]["encoder.attentive"]["properties"]["heads"]["default"] == 4
