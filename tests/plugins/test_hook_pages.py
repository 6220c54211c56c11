"""Every hook has a page, and the plugin that each page shows works."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import toys
from click.testing import CliRunner
from pages import DOCS, blocks

from metasiren import Recipe, Run
from metasiren.cli.commands import cli
from metasiren.engine import running
from metasiren.registry import hookspecs
from metasiren.registry.catalogue import Catalogue, load_catalogue
from metasiren.testing import CHECKS, Part, parametrize_with_checks

HOOKS = [name for name in vars(hookspecs) if name.startswith("metasiren_")]
DECLARED = {"metasiren_decoders": {"overfit": "a last bias changes brightness only"}}


def shown(hook: str) -> ModuleType:
    """The plugin on a hook's page."""
    (source,) = [block.text for block in blocks(DOCS / "hooks" / f"{hook}.md") if block.language == "python"]
    module = ModuleType("acme")
    exec(compile(source, f"{hook}.md", "exec"), vars(module))
    return module


def parts(hook: str) -> Mapping[str, Any]:
    offered: Mapping[str, Any] = getattr(shown(hook), hook)()
    return offered


def train(folder: Path, module: ModuleType, **changes: Any) -> Run:
    """Four steps of a toy recipe, with the plugin there."""
    options = {"evaluate": {}, **changes}
    recipe: Recipe = toys.recipe(options.pop("train", {"steps": 4, "log_every": 2}), "a page", **options)
    catalogue: Catalogue = load_catalogue(extra=[toys.plugin(), module])
    assert not [plugin.error for plugin in catalogue.plugins if plugin.error]
    return running.run(recipe, folder / "run", device="cpu", catalogue=catalogue)


def test_every_hook_has_a_page_that_the_overview_links() -> None:
    assert {path.stem for path in (DOCS / "hooks").glob("*.md")} == set(HOOKS)
    overview = (DOCS / "hooks.md").read_text()
    for hook in HOOKS:
        assert f"[{hook}](hooks/{hook}.md)" in overview
        assert (DOCS / "hooks" / f"{hook}.md").read_text().startswith(f"# {hook}\n")


@pytest.mark.parametrize("hook", HOOKS)
def test_the_plugin_on_the_page_loads(hook: str) -> None:
    loaded = load_catalogue(extra=[shown(hook)])
    assert not [plugin.error for plugin in loaded.plugins if plugin.error]


@parametrize_with_checks(
    *(
        Part(hook.removeprefix("metasiren_").removesuffix("s"), factory, expected_failures=DECLARED.get(hook, {}))
        for hook in HOOKS
        if hook.removeprefix("metasiren_").removesuffix("s") in CHECKS
        for factory in parts(hook).values()
    )
)
def test_the_part_on_the_page_keeps_its_contract(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize(
    ("hook", "changes"),
    [
        ("metasiren_encoders", {"encoder": {"name": "acme_mean", "latent_dim": 4}}),
        ("metasiren_decoders", {"decoder": {"name": "acme_bias", "scale": 0.2}}),
        ("metasiren_activations", {"siren": {"hidden_features": 8, "nonlinearity": "acme_finer"}}),
        (
            "metasiren_activations",
            {"siren": {"hidden_features": 8, "nonlinearity": {"name": "acme_finer", "omega": 9}}},
        ),
        ("metasiren_input_encodings", {"siren": {"hidden_features": 8, "input_layer": {"name": "acme_fourier"}}}),
        ("metasiren_constraints", {"constraints": {"squares": 1.0, "acme_smooth": {"weight": 0.1}}}),
        ("metasiren_metrics", {"evaluate": {"metrics": {"acme_bias": {"at": "pixels"}}}}),
        ("metasiren_optimizers", {"train": {"steps": 4, "optimizer": {"name": "acme_radam", "lr": 1e-3}}}),
        ("metasiren_protocols", {"evaluate": {"protocol": "acme_brief"}}),
        ("metasiren_datasets", {"data": {"name": "acme_chirps"}, "constraints": {"mse": {"at": "samples"}}}),
    ],
)
def test_a_recipe_trains_with_the_part_on_the_page(hook: str, changes: dict[str, Any], tmp_path: Path) -> None:
    run = train(tmp_path, shown(hook), **changes)
    assert list(run.losses())
    if hook == "metasiren_metrics":
        assert "acme_bias" in json.loads((run.results / "metrics.json").read_text())
    if hook == "metasiren_protocols":
        assert "mean_absolute_error" in json.loads((run.results / "brief.json").read_text())


def test_the_watchers_on_the_pages_watch(tmp_path: Path) -> None:
    started, stepped, ended = (shown(f"metasiren_{word}") for word in ("run_started", "step_ended", "run_ended"))
    module = ModuleType("acme")
    for each, hook in ((started, "run_started"), (stepped, "step_ended"), (ended, "run_ended")):
        setattr(module, f"metasiren_{hook}", getattr(each, f"metasiren_{hook}"))
    run = train(tmp_path, module)
    assert started.messages == [f"toy trains {run.environment['parameters']} parameters in run"]
    assert [step for step, _ in stepped.curve] == [line["step"] for line in run.losses()]
    assert "training.json" in ended.files


def test_the_command_on_the_page_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = shown("metasiren_commands")
    run = train(tmp_path, module)
    monkeypatch.setattr("metasiren.cli.commands.load_catalogue", lambda **_: load_catalogue(extra=[module]))
    assert "loudest" in CliRunner().invoke(cli, ["--help"]).stdout
    printed = CliRunner().invoke(cli, ["loudest", str(run.path)]).stdout
    assert float(printed) == max(line["loss"] for line in run.losses())
