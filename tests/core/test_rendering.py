"""`metasiren render`: the run alone suffices, and errors come before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
import toys

import metasiren as ms
from metasiren.engine import running
from metasiren.engine.rendering import render
from metasiren.recipe import validate
from metasiren.registry.catalogue import Catalogue, load_catalogue
from metasiren.registry.extras import load_extra


class Tone(toys.Waves):
    """One wave that remembers its unit."""

    metadata: Mapping[str, Any] = {"peak": 2.0}
    renderer = "curve"

    def __init__(self) -> None:
        super().__init__(count=1)


class Curve(ms.Renderer):
    """Values, one a line."""

    suffixes: ClassVar[tuple[str, ...]] = (".txt",)

    def __init__(self, *, resolution: int = 4, size: tuple[int, ...] | None = None) -> None:
        self.samples = size[0] if size else resolution

    def render(self, field: ms.Field, domain: ms.Domain, metadata: Mapping[str, Any], path: Path) -> None:
        t = torch.linspace(-1, 1, self.samples).unsqueeze(-1)
        values = metadata["peak"] * field(t)[0, :, 0]
        assert not values.requires_grad
        path.write_text("".join(f"{v:.9g}\n" for v in values.tolist()))


@pytest.fixture
def catalogue() -> Catalogue:
    acme = toys.offering("acme", datasets={"tone": Tone}, renderers={"curve": Curve})
    return load_catalogue(extra=[toys.plugin(), acme])


def run(folder: Path, catalogue: Catalogue, data: str = "tone") -> ms.Run:
    tree = {
        "data": data,
        "siren": {"hidden_features": 4, "hidden_layers": 0},
        "constraints": {"squares": 1},
        "train": {"steps": 1, "optimizer": {"name": "toy_adam"}},
    }
    return running.run(validate(tree, "toy"), folder / data, device="cpu", catalogue=catalogue)


def test_a_field_is_sampled_at_any_resolution_in_its_own_unit(
    tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run(tmp_path, catalogue)
    monkeypatch.setattr("metasiren.runs.directory.load_catalogue", lambda: catalogue)
    for options, count in (({}, 4), ({"resolution": 9}, 9), ({"size": (7,)}, 7)):
        out = render(made.path, tmp_path / "out.txt", options=options, device="cpu", catalogue=catalogue)
        values = torch.tensor([float(line) for line in out.read_text().split()])
        assert len(values) == count
        expected = 2 * made.field()(torch.linspace(-1, 1, count).unsqueeze(-1))[:, 0]
        torch.testing.assert_close(values, expected)


def test_what_does_not_fit_is_said(tmp_path: Path, catalogue: Catalogue) -> None:
    made = run(tmp_path, catalogue)
    with pytest.raises(ms.RunError, match=r"\.txt"):
        render(made.path, tmp_path / "out.wav", catalogue=catalogue)
    with pytest.raises(ms.RunError, match="no folder"):
        render(made.path, tmp_path / "nowhere" / "out.txt", catalogue=catalogue)
    with pytest.raises(ms.RecipeError, match="resolution"):
        render(made.path, tmp_path / "out.txt", options={"resolutoin": 3}, catalogue=catalogue)
    many = run(tmp_path, catalogue, "waves")
    with pytest.raises(ms.RunError, match="names no renderer"):
        render(many.path, tmp_path / "out.txt", catalogue=catalogue)


def test_the_command_refuses_a_size_that_is_none(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from metasiren.cli.commands import cli

    outcome = CliRunner().invoke(cli, ["render", str(tmp_path), "-o", "x.png", "--size", "0x3"])
    assert isinstance(outcome.exception, ms.RecipeError)


def test_a_missing_extra_is_named() -> None:
    assert load_extra("json", extra="plots", where="here").loads("1") == 1
    with pytest.raises(ms.PluginError, match=r"metasiren\[plots\]"):
        load_extra("no_such_module_at_all", extra="plots", where="here")


def test_data_sets_of_the_former_name_facts_have_metadata(tmp_path: Path, catalogue: Catalogue) -> None:
    class OfTheClass(toys.Waves):
        facts: Mapping[str, Any] = {"peak": 3.0}  # type: ignore[assignment]

    class OfTheInstance(toys.Waves):
        def __init__(self) -> None:
            super().__init__(count=1)
            self.facts = {"peak": 3.0}

    for made in (OfTheClass(count=1), OfTheInstance()):
        assert made.metadata == made.facts == {"peak": 3.0}
    assert Tone().facts == {"peak": 2.0}
    made = run(tmp_path / "run", catalogue)
    assert made.metadata == made.facts == made.environment["facts"] == {"peak": 2.0}
