"""Plugins as they lie on a disk: each way to be broken, by name, through the command line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from environments import lay_distribution

from metasiren import PluginError, RecipeError, open_run
from metasiren.cli.commands import cli
from metasiren.registry.catalogue import load_catalogue

Install = Callable[..., None]

GOOD = """
from metasiren import hookimpl

@hookimpl
def metasiren_encoders():
    return {"acme_gru": "metasiren_basics.fixed:FixedEncoder"}
"""
RECIPE = """
data: {{name: sketch_faces, train: 4, val: 2, test: 2, size: 8}}
encoder: {encoder}
constraints: {{mse: {{at: pixels}}}}
train: {{steps: 1, optimizer: {{name: adam, lr: 1e-3}}}}
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Lay a distribution out as pip does: a module, and metadata with an entry point."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    laid = []

    def lay(distribution: str, source: str, *, name: str | None = None, version: str = "1.0") -> None:
        module = lay_distribution(site, distribution, version, source, entry=name)
        sys.modules.pop(module, None)
        laid.append(module)

    yield lay
    # What was imported from here must not be found by tests of other names.
    for module in laid:
        sys.modules.pop(module, None)


def call(*words: str) -> Result:
    return CliRunner().invoke(cli, [*words])


def run(folder: Path, encoder: str, *before: str) -> Result:
    (folder / "r.yaml").write_text(RECIPE.format(encoder=encoder))
    return call(*before, "run", str(folder / "r.yaml"), "--out", str(folder / "run"), "--device", "cpu")


def test_a_plugin_is_found(install: Install, tmp_path: Path) -> None:
    install("acme-gru", GOOD)
    assert "acme_gru  (acme-gru 1.0)\n  encoders        acme_gru\n" in call("plugins").stdout
    assert run(tmp_path, "acme_gru").exit_code == 0
    assert open_run(tmp_path / "run").environment["plugins"]["acme_gru"] == "acme-gru 1.0"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import acme_libraries", "ModuleNotFoundError: No module named 'acme_libraries'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_plugin_that_fails_to_import_is_reported_and_breaks_nothing(
    source: str, reason: str, install: Install, tmp_path: Path
) -> None:
    install("acme-gru", source)
    listed = call("plugins")
    assert listed.exit_code == 0
    assert f"acme_gru  (acme-gru 1.0)  FAILED: {reason}" in listed.stdout
    assert re.search(r"encoders +.*\bcnn\b", listed.stdout)
    (row,) = [row for row in json.loads(call("plugins", "--json").stdout) if row["name"] == "acme_gru"]
    assert reason in row["error"]
    assert run(tmp_path, "fixed").exit_code == 0
    assert call("--help").exit_code == 0


@pytest.mark.parametrize("encoder", ["acme_gru", "gated"])
def test_a_recipe_that_names_it_gets_the_reason(encoder: str, install: Install, tmp_path: Path) -> None:
    install("acme-gru", "raise OSError('libacme.so is missing')")
    failed = run(tmp_path, encoder).exception
    assert isinstance(failed, PluginError | RecipeError)
    assert "OSError: libacme.so is missing" in str(failed)
    assert "acme-gru" in str(failed)


def test_two_plugins_that_offer_a_part_are_both_named(install: Install, tmp_path: Path) -> None:
    install("acme-gru", GOOD)
    install("rival-gru", GOOD)
    failed = run(tmp_path, "acme_gru").exception
    assert "acme_gru (acme-gru) and rival_gru (rival-gru)" in str(failed)
    assert run(tmp_path, "acme_gru", "--without", "rival_gru").exit_code == 0


def test_a_part_named_like_a_built_in_names_both_and_spares_the_built_in(install: Install, tmp_path: Path) -> None:
    install("acme-cnn", GOOD.replace('"acme_gru"', '"cnn"'))
    failed = run(tmp_path, "cnn").exception
    assert "acme_cnn (acme-cnn) and priors (metasiren)" in str(failed)
    assert "--without acme_cnn" in str(failed)


def test_two_plugins_of_one_name_are_told_apart_by_distribution(install: Install, tmp_path: Path) -> None:
    install("acme-gru", GOOD, name="gru")
    install("rival-gru", GOOD, name="gru")
    listed = call("plugins").stdout
    assert "acme-gru 1.0" in listed
    assert "rival-gru 1.0" in listed
    advice = str(run(tmp_path, "acme_gru").exception).partition("--without ")[2].partition(",")[0]
    assert advice in ("acme-gru", "rival-gru")
    assert run(tmp_path, "acme_gru", "--without", advice).exit_code == 0


def test_a_misspelt_hook_is_an_error_with_a_suggestion(install: Install) -> None:
    install("acme-gru", GOOD.replace("metasiren_encoders", "metasiren_encoder"))
    listed = call("plugins").stdout
    assert "FAILED: metasiren_encoder: no hook has that name." in listed
    assert "Did you mean 'metasiren_encoders'?" in listed


def test_a_hook_without_its_mark_is_an_error(install: Install) -> None:
    install("acme-gru", GOOD.replace("@hookimpl", ""))
    assert "Decorate it with @hookimpl" in call("plugins").stdout


@pytest.mark.parametrize("version", ["2", "0", "'1'", "None"])
def test_another_api_version_is_refused_with_both_numbers(version: str, install: Install, tmp_path: Path) -> None:
    install("acme-gru", f"METASIREN_API = {version}\n{GOOD}")
    listed = call("plugins").stdout
    assert f"written for plugin interface {version}, this metasiren has 1." in listed
    assert "Install versions of both that match" in str(run(tmp_path, "acme_gru").exception)


def test_the_api_version_may_be_declared(install: Install) -> None:
    install("acme-gru", f"METASIREN_API = 1\n{GOOD}")
    assert "FAILED" not in call("plugins").stdout


def test_a_hook_that_raises_is_reported_and_breaks_nothing(install: Install) -> None:
    install("acme-gru", GOOD.replace("return", "raise OSError('no licence')  #"))
    listed = call("plugins").stdout
    assert "FAILED: hook metasiren_encoders: OSError: no licence" in listed
    assert re.search(r"encoders +.*\bcnn\b", listed)


def test_a_part_whose_module_fails_names_plugin_and_reason(install: Install, tmp_path: Path) -> None:
    install("acme-gru", GOOD.replace("metasiren_basics.fixed:FixedEncoder", "acme_nowhere:Gru"))
    assert "FAILED" not in call("plugins").stdout
    for failed in (
        run(tmp_path, "acme_gru"),
        call("plugins", "--check", "acme_gru"),
        call("describe", "encoder", "acme_gru"),
    ):
        assert "plugin acme_gru (acme-gru 1.0)" in str(failed.exception)
        assert "No module named 'acme_nowhere'" in str(failed.exception)


def test_check_names_what_is_installed() -> None:
    assert call("plugins", "--check", "images").exit_code == 0
    assert "Did you mean 'images'?" in str(call("plugins", "--check", "image").exception)


def test_commands_that_fail_to_register_are_left_out_and_told(install: Install) -> None:
    source = "from metasiren import hookimpl\n@hookimpl\ndef metasiren_commands(cli):\n    raise OSError('no screen')\n"
    install("acme-app", source)
    shown = call("--help")
    assert shown.exit_code == 0
    assert "plugin acme_app: its commands are left out: no screen" in shown.stderr


@pytest.mark.parametrize(
    ("selection", "present"),
    [
        ("", set()),
        ("acme_gru", {"acme_gru"}),
        ("rival-gru", {"rival_gru"}),
        ("acme_gru,rival_gru", {"acme_gru", "rival_gru"}),
    ],
)
def test_metasiren_plugins_selects_strangers(
    selection: str, present: set[str], install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("acme-gru", GOOD)
    install("rival-gru", "this is broken")
    monkeypatch.setenv("METASIREN_PLUGINS", selection)
    rows = json.loads(call("plugins", "--json").stdout)
    assert {row["name"] for row in rows if row["distribution"] != "metasiren"} == present
    assert {"basics", "images"} <= {row["name"] for row in rows}


@pytest.mark.parametrize("word", ["acme_gru", "acme-gru"])
def test_without_leaves_a_plugin_out(word: str, install: Install, tmp_path: Path) -> None:
    install("acme-gru", GOOD)
    assert "acme_gru" not in call("--without", word, "plugins").stdout
    assert "no encoder is called 'acme_gru'" in str(run(tmp_path, "acme_gru", "--without", word).exception)


def test_without_can_leave_out_a_built_in() -> None:
    listed = call("--without", "images", "plugins").stdout
    assert "images" not in listed
    assert "basics" in listed


def test_a_run_whose_plugin_fails_now_gets_the_reason(install: Install, tmp_path: Path) -> None:
    install("acme-gru", GOOD)
    run(tmp_path, "acme_gru")
    (tmp_path / "site" / "acme_gru.py").write_text("raise OSError('no licence')")
    sys.modules.pop("acme_gru", None)
    with pytest.raises(PluginError, match=r"comes from acme-gru 1.0, which failed to load: OSError: no licence"):
        open_run(tmp_path / "run").model()


def test_a_run_resumed_without_the_plugin_of_its_constraint_names_the_package(install: Install, tmp_path: Path) -> None:
    loss = GOOD.replace("metasiren_encoders", "metasiren_constraints").replace("acme_gru", "acme_loss")
    install("acme-loss", loss.replace("metasiren_basics.fixed:FixedEncoder", "metasiren_basics.priors:Mse"))
    (tmp_path / "r.yaml").write_text(RECIPE.format(encoder="fixed").replace("mse", "acme_loss"))
    out = str(tmp_path / "run")
    assert call("run", str(tmp_path / "r.yaml"), "--out", out, "--device", "cpu").exit_code == 0
    failed = call("--without", "acme_loss", "run", "--resume", out).exception
    assert "constraint 'acme_loss' comes from acme-loss 1.0, which is not here" in str(failed)
    assert "python -m pip install acme-loss==1.0" in str(failed)
    assert open_run(out).model(catalogue=load_catalogue(without=["acme_loss"]))


HEAVY = ("torch", "numpy", "pandas", "scipy", "PIL", "skimage", "tensorboard", "metasiren.contracts", "pydantic")
HEAVIER = ("torchvision", "torch._dynamo", "sympy", "scipy.stats", "trimesh", "matplotlib")
"""What importing every part does without: two seconds more than torch itself takes."""


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        (["plugins"], HEAVY),
        (["--help"], HEAVY),
        (["--version"], HEAVY),
        (["new", "--help"], HEAVY),
        (["schema"], HEAVIER),
    ],
)
def test_looking_around_imports_nothing_heavy(words: list[str], absent: tuple[str, ...]) -> None:
    code = f"""
import sys
sys.argv = ["metasiren", *{words!r}]
from metasiren.cli.commands import main
try:
    main()
except SystemExit as stop:
    assert not stop.code
print([name for name in {absent!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
