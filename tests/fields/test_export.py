"""Every exported format is read by the other program, and has the field's values."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner

import metasiren as ms
from metasiren.cli.commands import cli
from metasiren_fields.export import formats, program, read_folder
from metasiren_fields.export.hub import write_folder
from metasiren_physics.datasets.exact_sides import Exact, ExactSides

from .conftest import small_field

ONNX_COUNTS = (1, 7, 300)


def random_coords(count: int, size: int) -> torch.Tensor:
    return torch.rand(count, size, generator=torch.Generator().manual_seed(count)) * 2 - 1


def onnx_values(path: Path, coords: torch.Tensor) -> np.ndarray:
    runtime = pytest.importorskip("onnxruntime", reason="NO ONNX: onnxruntime is not installed")
    session = runtime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return session.run(["values"], {"coords": coords.numpy()})[0]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"nonlinearity": "tanh"},
        {"nonlinearity": "relu", "input_layer": {"name": "positional_encoding", "frequencies": 3}},
    ],
)
def test_onnxruntime_agrees_for_any_number_of_points(options: dict[str, object], tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="NO ONNX: onnxscript is not installed")
    u = small_field(outputs=3, **options)
    program.save(u, tmp_path / "u.onnx")
    for count in ONNX_COUNTS:
        coords = random_coords(count, 2)
        np.testing.assert_allclose(onnx_values(tmp_path / "u.onnx", coords), u(coords)[0], atol=1e-5)


def test_an_onnx_model_names_its_sizes() -> None:
    pytest.importorskip("onnxscript", reason="NO ONNX: onnxscript is not installed")
    graph = program.onnx_model(small_field(outputs=3)).graph
    sizes = [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*graph.input, *graph.output)]
    assert sizes == [["points", 2], ["points", 3]]


def test_torch_export_is_read_back(tmp_path: Path) -> None:
    u = small_field(3, 2)
    program.save(u, tmp_path / "u.pt2")
    loaded = torch.export.load(tmp_path / "u.pt2").module()
    for count in ONNX_COUNTS:
        coords = random_coords(count, 3)
        torch.testing.assert_close(loaded(coords), u(coords)[0], rtol=0, atol=1e-5)


def test_programs_of_a_field_that_meets_conditions_exactly_have_its_values(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="NO ONNX: onnxscript is not installed")
    sides = ExactSides(Exact({"t": "start", "x": "both"}, "-sin(pi*x)"), {"t": (0.0, 1.0), "x": (-1.0, 1.0)}, 1)
    siren = replace(small_field().siren, exact=sides)
    u = ms.Field(siren, siren.init(generator=torch.Generator().manual_seed(0)))
    for name in ("u.onnx", "u.pt2"):
        program.save(u, tmp_path / name)
    loaded = torch.export.load(tmp_path / "u.pt2").module()
    for count in ONNX_COUNTS:
        coords = random_coords(count, 2)
        torch.testing.assert_close(loaded(coords), u(coords)[0], rtol=0, atol=1e-5)
        np.testing.assert_allclose(onnx_values(tmp_path / "u.onnx", coords), u(coords)[0], atol=1e-5)


@pytest.mark.parametrize("out", ["u.glsl", "hub/"])
def test_formats_of_layers_alone_refuse_conditions(out: str, tmp_path: Path) -> None:
    overrides = {"siren.hidden_features": 4, "train.stages": None, "train.steps": 0, "evaluate": {"protocol": None}}
    made = ms.run(ms.load_recipe("burgers", preset="quick", overrides=overrides), tmp_path / "run", device="cpu")
    with pytest.raises(ms.RunError, match=r"meets conditions exactly[\s\S]*ends in \.onnx or \.pt2"):
        formats.write(made.path, f"{tmp_path}/{out}")
    assert not (tmp_path / out).exists()


def test_a_folder_is_read_back_to_the_bit(tmp_path: Path) -> None:
    u = small_field(input_layer={"name": "rbf_gaussian", "centres": 8}, nonlinearity="relu")
    back = read_folder(write_folder(u, tmp_path / "hub", label="A test"))
    assert back.siren == u.siren
    assert all(torch.equal(back.params[name], value) for name, value in u.params.items())


def test_a_folder_is_as_readable_as_any_file(tmp_path: Path) -> None:
    """safetensors' own files can be read by their owner alone."""
    folder = write_folder(small_field(), tmp_path / "hub")
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1


def test_a_folder_holds_several_instances(tmp_path: Path) -> None:
    u = small_field()
    many = ms.Field(u.siren, {n: torch.cat([factor * v for factor in (1, 2, 3)]) for n, v in u.params.items()})
    back, coords = read_folder(write_folder(many, tmp_path / "hub")), random_coords(20, 2)
    assert all(torch.equal(back.params[name], value) for name, value in many.params.items())
    assert back(coords).shape == (3, 20, 1)
    assert torch.equal(back(coords), many(coords))
    card = (tmp_path / "hub" / "README.md").read_text("utf-8")
    assert "3 neural fields: 2 coordinates" in card
    assert "(points, 2) -> (3, points, 1)" in card


def test_the_card_has_a_header_that_hubs_read(tmp_path: Path) -> None:
    text = (write_folder(small_field(), tmp_path / "hub", label="A test") / "README.md").read_text("utf-8")
    _, header, body = text.split("---\n", 2)
    assert yaml.safe_load(header)["library_name"] == "metasiren"
    assert "# A test" in body
    assert "A neural field: 2 coordinates" in body
    assert "to 1 value, " in body
    assert "(points, 2) -> (points, 1)" in body


@pytest.mark.parametrize("damage", ["config", "weights", "shape", "missing"])
def test_a_damaged_folder_says_so(damage: str, tmp_path: Path) -> None:
    folder = write_folder(small_field(), tmp_path / "hub")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    if damage == "config":
        config["format"] = 2
    if damage == "shape":
        config["siren"]["hidden_features"] = 31
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    if damage == "weights":
        (folder / "model.safetensors").write_bytes(b"no weights")
    if damage == "missing":
        (folder / "model.safetensors").unlink()
    with pytest.raises(ms.RunError, match="hub"):
        read_folder(folder)


@pytest.mark.parametrize("out", ["u.onnx", "u.glsl", "u.pt2", "hub/", "plain"])
def test_the_command_writes_each_format(out: str, photograph_run: Path, tmp_path: Path) -> None:
    if out.endswith("onnx"):
        pytest.importorskip("onnxscript", reason="NO ONNX: onnxscript is not installed")
    target = f"{tmp_path}/{out}"
    found = CliRunner().invoke(cli, ["export", str(photograph_run), "-o", target])
    assert found.exit_code == 0, found.output
    assert Path(target).exists()


def test_a_runs_folder_is_its_field(photograph_run: Path, tmp_path: Path) -> None:
    formats.write(photograph_run, f"{tmp_path}/hub/")
    run, coords = ms.open_run(photograph_run), random_coords(20, 2)
    assert torch.equal(read_folder(tmp_path / "hub")(coords), run.field()(coords))
    assert "metasiren run image" in (tmp_path / "hub" / "README.md").read_text("utf-8")


def test_many_signals_have_no_one_field(tmp_path: Path) -> None:
    overrides = {
        "siren.hidden_features": 8, "encoder.latent_dim": 4, "data.train": 4,
        "data.val": 2, "data.test": 0, "data.size": 8, "train.steps": 1, "train.batch": 2, "evaluate.protocol": None,
    }  # fmt: skip
    made = ms.run(ms.load_recipe("celeba_cavia", preset="quick", overrides=overrides), tmp_path / "run", device="cpu")
    with pytest.raises(ms.RunError, match=r"learned 4 signals[\s\S]*single signal"):
        formats.write(made.path, tmp_path / "u.glsl")


def test_what_cannot_be_written_is_refused(photograph_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ms.RunError, match=r"\.png"):
        formats.write(photograph_run, tmp_path / "u.png")
    with pytest.raises(ms.RunError, match="no folder"):
        formats.write(photograph_run, tmp_path / "none" / "u.glsl")
    formats.write(photograph_run, tmp_path / "u.glsl")
    with pytest.raises(ms.RunError, match=r"u\.glsl exists already"):
        formats.write(photograph_run, tmp_path / "u.glsl")
    with pytest.raises(ms.RunError, match="not an empty folder"):
        write_folder(small_field(), tmp_path)
