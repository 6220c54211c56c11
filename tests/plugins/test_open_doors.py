"""A stranger's package adds an activation and an input encoding; recipes, schema, descriptions and runs know them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from environments import lay_distribution
from jsonschema import Draft7Validator
from pages import DOCS, blocks

import metasiren as ms
from metasiren.cli.commands import cli
from metasiren.registry.schema import recipe_schema

RECIPE = """
data: {{name: poisson, size: 16}}
siren: {{hidden_features: 8, hidden_layers: 1, {siren}}}
constraints: {{laplacian_mse: {{at: pixels}}}}
train: {{steps: 2, optimizer: {{name: adam, lr: 1e-3}}}}
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The plugins of both pages as one distribution, laid out as pip does."""
    site = tmp_path / "site"
    site.mkdir()
    sources = []
    for hook in ("metasiren_activations", "metasiren_input_encodings"):
        (block,) = [b for b in blocks(DOCS / "hooks" / f"{hook}.md") if b.language == "python"]
        sources.append(block.text)
    lay_distribution(site, "acme-doors", "1.5", "\n\n".join(sources))
    monkeypatch.syspath_prepend(str(site))
    yield tmp_path
    sys.modules.pop("acme_doors", None)


def run(folder: Path, siren: str, *before: str) -> Result:
    (folder / "r.yaml").write_text(RECIPE.format(siren=siren))
    command = ["run", str(folder / "r.yaml"), "--out", str(folder / "run"), "--device", "cpu"]
    return CliRunner().invoke(cli, [*before, *command])


def test_a_recipe_trains_with_both_and_the_run_names_their_package(package: Path) -> None:
    siren = "nonlinearity: {name: acme_finer, omega: 10}, input_layer: {name: acme_fourier, frequencies: 3, scale: 1}"
    done = run(package, siren)
    assert done.exit_code == 0, done.exception
    opened = ms.open_run(package / "run")
    parts = opened.environment["parts"]
    expected = {"distribution": "acme-doors", "version": "1.5"}
    assert parts["siren.nonlinearity"] == {"name": "acme_finer", **expected}
    assert parts["siren.input_layer"] == {"name": "acme_fourier", **expected}
    field = opened.field()
    assert field.siren.activation.omega == 10  # type: ignore[attr-defined]
    assert field.siren.layers[0].in_features == 6
    assert all(layer.omega == 1 for layer in field.siren.layers)


def test_a_run_says_which_package_is_missing(package: Path) -> None:
    assert run(package, "nonlinearity: acme_finer").exit_code == 0
    without = ms.load_catalogue(without=["acme-doors"])
    with pytest.raises(ms.PluginError, match=r"activation 'acme_finer' comes from acme-doors 1\.5"):
        ms.open_run(package / "run").check_plugins(without)


@pytest.mark.parametrize(
    ("siren", "match"),
    [
        ("nonlinearity: acme_fine", "no activation is called 'acme_fine'. Did you mean 'acme_finer'"),
        ("nonlinearity: {name: acme_finer, omeg: 3}", "Did you mean 'omega'"),
        ("input_layer: acme_forier", "no input_encoding is called 'acme_forier'. Did you mean 'acme_fourier'"),
        ("input_layer: {name: acme_fourier, scales: 3}", "Did you mean 'scale'"),
        ("input_layer: {frequencies: 3}", "no name"),
    ],
)
def test_mistakes_are_named_before_any_training(siren: str, match: str, package: Path) -> None:
    failed = run(package, siren).exception
    assert isinstance(failed, ms.RecipeError)
    assert match in str(failed)
    assert not (package / "run").exists()


def test_schema_and_descriptions_know_them(package: Path) -> None:
    known = Draft7Validator(recipe_schema(ms.load_catalogue()))
    base: dict[str, Any] = {"data": "picture", "constraints": {"mse": 1}, "train": {"steps": 1}}

    def fits(**siren: Any) -> bool:
        return known.is_valid({**base, "siren": siren})

    assert fits(nonlinearity="acme_finer", input_layer="acme_fourier")
    assert fits(nonlinearity={"name": "acme_finer", "omega": 3.0}, input_layer={"name": "acme_fourier", "scale": 2.0})
    assert not fits(nonlinearity="acme_fine")
    assert not fits(nonlinearity={"name": "acme_finer", "omeg": 3.0})
    assert not fits(input_layer={"name": "acme_fourier", "scales": 2.0})
    assert not fits(input_layer={"frequencies": 3})
    shown = CliRunner().invoke(cli, ["describe", "activation", "acme_finer"]).stdout
    assert "omega: float  = 30.0" in shown
    assert "scale: float  = 5.0" in CliRunner().invoke(cli, ["describe", "input_encoding", "acme_fourier"]).stdout
    (row,) = [r for r in json.loads(CliRunner().invoke(cli, ["plugins", "--json"]).stdout) if r["name"] == "acme_doors"]
    assert "acme_finer" in json.dumps(row)


def test_an_input_layer_for_other_coordinates_is_refused() -> None:
    catalogue = ms.load_catalogue()
    layer = catalogue.make("input_encoding", "rbf_gaussian", ms.Domain(3, 1), where="here", options={"centres": 4})
    with pytest.raises(ms.RecipeError, match="made for 3 coordinates; the network has 2"):
        ms.Siren(in_features=2, out_features=1, input_layer=layer)
    assert ms.Siren(in_features=3, out_features=1, input_layer=layer) == ms.Siren(
        in_features=3, out_features=1, input_layer={"name": "rbf_gaussian", "centres": 4}
    )


def test_names_and_objects_give_equal_networks() -> None:
    made = ms.Siren(in_features=2, out_features=1, nonlinearity=ms.Sine())
    assert made == ms.Siren(in_features=2, out_features=1)
    assert made.nonlinearity == "sine"
    assert made != ms.Siren(in_features=2, out_features=1, nonlinearity="tanh")
    assert [layer.omega for layer in made.layers] == [30, 30, 30, 30, 1]
