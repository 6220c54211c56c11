"""The encoder that `metasiren new encoder` writes starts small, and trains at the rate of the shipped presets."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import metasiren as ms
from metasiren.recipe import validate
from metasiren.testing import Part, run_check


@pytest.fixture
def scaffolded(typed: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """The module of the plugin that a person has just written."""
    made = typed("metasiren new encoder acme-first-hour")
    assert made.exit_code == 0, made.exception
    monkeypatch.syspath_prepend(str(tmp_path / "acme-first-hour" / "src"))
    import acme_first_hour  # type: ignore[import-not-found]

    yield acme_first_hour
    for name in [name for name in sys.modules if name.startswith("acme_first_hour")]:
        del sys.modules[name]


def test_it_starts_small(scaffolded: object) -> None:
    factory = ms.load_catalogue(extra=[scaffolded]).factory("encoder", "acme_first_hour", "test")
    result = run_check(Part("encoder", factory, {"latent_dim": 64}), "start_size")
    assert result.status == "passed", result.message


def test_it_trains_at_the_preset_s_rate_without_a_tenfold_rise(scaffolded: object, tmp_path: Path) -> None:
    catalogue = ms.load_catalogue(extra=[scaffolded])
    changes = {"data.train": 64, "data.val": 4, "data.test": 0, "train.steps": 25, "train.log_every": 1}
    preset = ms.load_recipe("celeba_pconv", preset="quick", overrides=changes)
    tree = preset.model_dump() | {"encoder": {"name": "acme_first_hour", "latent_dim": 64}}
    tree["evaluate"] = {"protocol": None}
    rate = tree["train"]["optimizer"]["lr"]
    assert rate == 2e-3, "the preset's own"
    run = ms.run(validate(tree, "a test", name="acme", preset=None), tmp_path / "run", catalogue=catalogue)
    losses = [line["loss"] for line in run.losses()]
    assert len(losses) == 25
    assert max(losses) < 2 * losses[0], "the loss never rises far, let alone tenfold"
    assert losses[-1] < losses[0]
