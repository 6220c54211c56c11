"""Files of fields from strangers: what does not fit is named, and nothing large is built before it is checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

import metasiren as ms
from metasiren_fields.architecture import describe
from metasiren_fields.export import read_folder
from metasiren_fields.export.hub import write_folder
from metasiren_fields.zoo import read_zoo
from metasiren_fields.zoo.file import KEY

SIREN = ms.Siren(in_features=2, out_features=1, hidden_features=8, hidden_layers=1)
WEIGHTS = SIREN.init(instances=3, generator=torch.Generator().manual_seed(0))
NAN = float("nan")

ARCHITECTURES: list[tuple[dict[str, Any], str]] = [
    ({"hidden_layers": 10**9}, "hidden_layers is 1000000000, and the file holds 6 tensors"),
    ({"hidden_layers": -1}, "hidden_layers: -1 is negative"),
    ({"hidden_features": 10**12}, r"0\.bias is \(.*8\), expected \(.*1000000000000\)"),
    ({"hidden_features": "8"}, "hidden_features: '8' is not an integer"),
    ({"first_omega": NAN}, "first_omega: nan is not a positive number"),
    ({"nonlinearity": "../../module"}, "no activation is called"),
    ({"nonlinearity": [1]}, "unhashable"),
    ({"other": 1}, "unexpected keyword argument 'other'"),
]
WRONG_WEIGHTS: list[tuple[torch.dtype | float, str]] = [
    (NAN, r"0\.weight holds numbers that are not finite"),
    (torch.float64, "weights of float32, float64"),
    (torch.int8, "weights of float32, int8"),
]


def changed(weight: Tensor, change: torch.dtype | float) -> Tensor:
    return weight * change if isinstance(change, float) else weight.to(change)


def zoo(path: Path, *, architecture: dict[str, Any] | None = None, text: str | None = None, **tensors: Tensor) -> Path:
    about = {"version": 1, "siren": {**describe(SIREN), **(architecture or {})}, "title": "signals"}
    held = {**WEIGHTS, "item": torch.arange(3), "mse": torch.ones(3), "steps": torch.full((3,), 10), **tensors}
    file = path / "zoo.safetensors"
    file.write_bytes(save(held, metadata={KEY: json.dumps(about) if text is None else text}))
    return file


def folder(path: Path, *, config: dict[str, Any] | None = None, text: str | None = None, **tensors: Tensor) -> Path:
    made = path / "field"
    write_folder(ms.Field(SIREN, {k: v[:1] for k, v in WEIGHTS.items()}, single=True), made)
    held = json.loads((made / "config.json").read_text("utf-8"))
    (made / "config.json").write_text(json.dumps({**held, **(config or {})}) if text is None else text, "utf-8")
    weights = load((made / "model.safetensors").read_bytes())
    (made / "model.safetensors").write_bytes(save({**weights, **tensors}))
    return made


def test_the_files_themselves_are_read(tmp_path: Path) -> None:
    assert torch.equal(read_zoo(zoo(tmp_path)).params["0.weight"], WEIGHTS["0.weight"])
    assert torch.equal(read_folder(folder(tmp_path)).params["0.weight"], WEIGHTS["0.weight"][:1])


@pytest.mark.parametrize(("change", "match"), ARCHITECTURES)
def test_an_architecture_that_does_not_fit_is_refused(change: dict[str, Any], match: str, tmp_path: Path) -> None:
    with pytest.raises(ms.MetasirenError, match=match):
        read_zoo(zoo(tmp_path, architecture=change))
    with pytest.raises(ms.MetasirenError, match=match):
        read_folder(folder(tmp_path, config={"siren": {**describe(SIREN), **change}}))


@pytest.mark.parametrize(("change", "match"), WRONG_WEIGHTS)
def test_weights_that_no_field_has_are_refused(change: torch.dtype | float, match: str, tmp_path: Path) -> None:
    with pytest.raises(ms.DataError, match=match):
        read_zoo(zoo(tmp_path, **{"0.weight": changed(WEIGHTS["0.weight"], change)}))
    with pytest.raises(ms.RunError, match=match):
        read_folder(folder(tmp_path, **{"0.weight": changed(WEIGHTS["0.weight"][0], change)}))


@pytest.mark.parametrize(
    ("tensors", "match"),
    [
        ({"item": torch.rand(3)}, r"item is \(3,\) of torch.float32, expected \(fields,\) integers"),
        ({"item": torch.tensor(3)}, r"item is \(\)"),
        ({"mse": torch.ones(2)}, "item, mse, steps differ in length"),
        ({"steps": torch.ones(3, 5, dtype=torch.int64)}, r"steps is \(3, 5\)"),
        ({k: v[:0] for k, v in {**WEIGHTS, "item": torch.arange(3), "mse": torch.ones(3)}.items()}, "differ in length"),
    ],
)
def test_columns_of_a_zoo_that_do_not_fit_are_refused(tensors: dict[str, Tensor], match: str, tmp_path: Path) -> None:
    with pytest.raises(ms.DataError, match=match):
        read_zoo(zoo(tmp_path, **tensors))


@pytest.mark.parametrize(
    ("instances", "match"), [("1", "'1' fields"), (0, "0 fields"), (10**9, "expected \\(1000000000, 8\\)")]
)
def test_a_number_of_fields_that_is_not_the_files(instances: object, match: str, tmp_path: Path) -> None:
    with pytest.raises(ms.RunError, match=match):
        read_folder(folder(tmp_path, config={"instances": instances}))


@pytest.mark.parametrize(
    ("text", "match"),
    [("[" * 100_000, "nested too deeply"), ("[1]", "not"), ("{}", "lacks '"), ("nothing", "Expecting value")],
)
def test_text_that_is_no_description_is_refused(text: str, match: str, tmp_path: Path) -> None:
    with pytest.raises(ms.DataError, match=match):
        read_zoo(zoo(tmp_path, text=text))
    with pytest.raises(ms.RunError, match=match):
        read_folder(folder(tmp_path, text=text))
