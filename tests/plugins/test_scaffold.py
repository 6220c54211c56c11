"""`metasiren new`: what it writes installs, passes its own tests and trains, beside metasiren from a wheel."""

from __future__ import annotations

import json
import runpy
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from environments import Environment

from metasiren import PluginError, load_recipe
from metasiren.cli.commands import cli
from metasiren.registry.scaffold import KINDS, names_of, scaffold
from metasiren.testing import ContractError


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory, installed: Environment) -> dict[str, Path]:
    """One new package of each kind, written by the installed metasiren and installed as its README says."""
    out = tmp_path_factory.mktemp("packages")
    made = {}
    for kind in KINDS:
        written = installed.run(installed.folder / "bin/metasiren", "new", kind, f"acme-{kind}", "--out", out, cwd=out)
        made[kind] = Path(written.stdout.strip())
    installed.install(*(f"--editable={folder}" for folder in made.values()))
    return made


def test_the_wheel_is_what_runs(installed: Environment, tmp_path: Path) -> None:
    code = "import metasiren, metasiren_basics; print(metasiren.__file__); print(metasiren_basics.__file__)"
    for line in installed.run(installed.python, "-c", code, cwd=tmp_path).stdout.splitlines():
        assert Path(line).is_relative_to(installed.folder)


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_is_complete(kind: str, packages: dict[str, Path]) -> None:
    folder = packages[kind]
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and ".py" in path.name}
    assert {f"src/acme_{kind}/__init__.py", f"src/acme_{kind}/{kind}.py", f"tests/test_acme_{kind}.py"} <= files
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["metasiren"] == {f"acme_{kind}": f"acme_{kind}"}
    assert f"acme_{kind}" in (folder / "recipe.yaml").read_text()
    assert "pytest" in (folder / "README.md").read_text()
    assert not [path for path in folder.rglob("*") if path.is_file() and "$module" in path.read_text(errors="ignore")]


def test_the_packages_pass_their_own_tests(installed: Environment, packages: dict[str, Path], tmp_path: Path) -> None:
    """Contract checks, discovery, and two steps of training from the recipe, of every kind."""
    tests = [folder / "tests" for folder in packages.values()]
    options = ("-q", "-p", "no:cacheprovider", "-W", "error", "--rootdir", tmp_path)
    done = installed.run(installed.python, "-m", "pytest", *options, *tests, cwd=tmp_path)
    assert "failed" not in done.stdout
    assert "passed" in done.stdout


def test_two_steps_from_the_command_line_record_the_plugin(
    installed: Environment, packages: dict[str, Path], tmp_path: Path
) -> None:
    tiny = ["train.steps=2", "train.batch=4", "data.train=16", "data.val=4", "data.test=4", "evaluate.baselines=false"]
    settings = [word for pair in [*tiny, "evaluate.contexts=[10]"] for word in ("--set", pair)]
    command = (installed.folder / "bin/metasiren", "run", packages["encoder"] / "recipe.yaml", "--device", "cpu")
    done = installed.run(*command, *settings, "--out", tmp_path / "run", cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == str(tmp_path / "run")
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert environment["parts"]["encoder"] == {
        "name": "acme_encoder",
        "distribution": "acme-encoder",
        "version": "0.1.0",
    }
    facts = "from metasiren import open_run; print(open_run('run').checkpoint().metadata['plugins']['acme_encoder'])"
    assert installed.run(installed.python, "-c", facts, cwd=tmp_path).stdout.strip() == "acme-encoder 0.1.0"


def test_a_stranger_is_listed_and_described_like_a_built_in(
    installed: Environment, packages: dict[str, Path], tmp_path: Path
) -> None:
    metasiren = installed.folder / "bin/metasiren"
    listed = json.loads(installed.run(metasiren, "plugins", "--json", cwd=tmp_path).stdout)
    (row,) = [row for row in listed if row["name"] == "acme_decoder"]
    assert (row["distribution"], row["offers"], row["error"]) == ("acme-decoder", {"decoder": ["acme_decoder"]}, None)
    shown = installed.run(metasiren, "describe", "encoder", "acme_encoder", cwd=tmp_path).stdout
    assert "features: int  = 128\n      width of the hidden layer." in shown
    assert str(packages["encoder"] / "src/acme_encoder/encoder.py") in shown


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Acme", "lower-case"),
        ("acme gru", "lower-case"),
        ("../acme", "lower-case"),
        ("1acme", "lower-case"),
        ("class", "Python's own"),
        ("json", "Python's own"),
        ("torch", "installed already"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(name: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=expected):
        scaffold("encoder", name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_name_of_an_installed_part_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["new", "encoder", "cnn", "--out", str(tmp_path)])
    assert isinstance(done.exception, PluginError)
    assert "could not distinguish the two" in str(done.exception)


def test_an_encoding_is_short_for_an_input_encoding(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["new", "encoding", "acme-waves", "--out", str(tmp_path)])
    assert done.exit_code == 0
    source = (tmp_path / "acme-waves/src/acme_waves/__init__.py").read_text()
    assert "def metasiren_input_encodings()" in source
    assert '{"acme_waves": "acme_waves.input_encoding:AcmeWaves"}' in source


def test_the_name_of_an_installed_equation_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["new", "equation", "burgers", "--out", str(tmp_path)])
    assert isinstance(done.exception, PluginError)


def test_the_tests_of_a_new_equation_pass_and_find_a_wrong_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, without an installation: the written tests on the written equation, then on a broken one."""
    folder = scaffold("equation", "acme-fisher", tmp_path)
    monkeypatch.syspath_prepend(str(folder / "src"))
    # A cached module would be taken for the changed one: both have one size, and may be of one second.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for sign, passes in (("-", True), ("+", False)):
        source = folder / "src/acme_fisher/equation.py"
        source.write_text(source.read_text().replace("u_t - self.spread", f"u_t {sign} self.spread"))
        for name in ("acme_fisher.equation", "acme_fisher"):
            sys.modules.pop(name, None)
        written = runpy.run_path(str(folder / "tests/test_acme_fisher.py"))
        if passes:
            written["test_the_solution_leaves_no_residual_and_a_changed_sign_does"]()
            written["test_a_wrong_sign_is_found"]()
        else:
            with pytest.raises(ContractError, match="the solution leaves"):
                written["test_the_solution_leaves_no_residual_and_a_changed_sign_does"]()
    for name in ("acme_fisher.equation", "acme_fisher"):
        sys.modules.pop(name)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_python_and_yaml(kind: str, tmp_path: Path) -> None:
    folder = scaffold(kind, "acme-thing", tmp_path)
    for path in folder.rglob("*.py"):
        compile(path.read_text(), str(path), "exec")
    assert "acme_thing" in {part.name for part in load_recipe(folder / "recipe.yaml").parts()} or kind == "renderer"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    scaffold("metric", "acme", tmp_path)
    with pytest.raises(PluginError, match="is there already"):
        scaffold("metric", "acme", tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PluginError, match="cannot write there"):
        scaffold("metric", "acme", tmp_path / "file")


@pytest.mark.parametrize(
    ("name", "distribution", "module", "cls"),
    [
        ("acme-gru", "acme-gru", "acme_gru", "AcmeGru"),
        ("acme_gru2", "acme-gru2", "acme_gru2", "AcmeGru2"),
        ("domain", "domain", "domain", "DomainEncoder"),
    ],
)
def test_one_name_serves_package_module_part_and_class(name: str, distribution: str, module: str, cls: str) -> None:
    names = names_of("encoder", name)
    assert (names.distribution, names.module, names.cls) == (distribution, module, cls)
