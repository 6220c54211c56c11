"""Fields fitted together are those fitted alone; the file gives them back, and so does the data set."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

import metasiren as ms
from metasiren.cli.commands import cli
from metasiren.runs.lock import locked
from metasiren.testing import check_dataset
from metasiren_basics.fixed import FixedEncoder
from metasiren_basics.free import FreeDecoder
from metasiren_fields.zoo import fit_from, fit_together, making, read_zoo
from metasiren_fields.zoo.starting import StartProtocol
from metasiren_fields.zoo.weights import Weights
from metasiren_priors.data.sketch_faces import SketchFaces

SIREN = ms.Siren(in_features=2, out_features=1, hidden_features=8, hidden_layers=1, first_omega=6.0)
OVERRIDES = {"siren.hidden_features": 8, "siren.hidden_layers": 1, "data.train": 12, "data.val": 2, "data.test": 0}


def signals(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    coords = ms.grid((6, 6)).double()[None]
    waves = torch.arange(1, count + 1, dtype=torch.float64)[:, None, None]
    return coords, torch.sin(waves * coords[..., :1]) * coords[..., 1:]


def stacked(count: int) -> dict[str, torch.Tensor]:
    return SIREN.init(count, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(("until", "points"), [(0.0, None), (0.02, None), (0.02, 9)])
def test_together_is_as_alone(until: float, points: int | None) -> None:
    coords, values = signals(4)
    start = stacked(4)
    options = {"steps": 40, "lr": 1e-2, "until": until, "points": points}
    made = fit_together(SIREN, start, coords, values, **options)
    for i in range(4):
        one = fit_together(SIREN, {k: p[i : i + 1] for k, p in start.items()}, coords, values[i : i + 1], **options)
        assert made.steps[i] == one.steps[0]
        for name, p in made.params.items():
            torch.testing.assert_close(p[i], one.params[name][0], rtol=1e-10, atol=1e-12)


def test_the_error_is_that_of_the_weights() -> None:
    coords, values = signals(3)
    made = fit_together(SIREN, stacked(3), coords, values, steps=25, lr=1e-2)
    torch.testing.assert_close(made.mse, (SIREN(made.params, coords) - values).square().mean((1, 2)))
    assert made.steps.tolist() == [25] * 3


def test_items_stop_one_by_one() -> None:
    coords, values = signals(4)
    values[2] = SIREN(stacked(4), coords)[2]
    made = fit_together(SIREN, stacked(4), coords, values, steps=200, lr=1e-2, until=1e-3)
    assert made.steps[2] == 0
    assert (made.mse <= 1e-3).any()
    assert all(steps == 200 or mse <= 1e-3 for steps, mse in zip(made.steps, made.mse, strict=True))


def test_an_error_that_is_not_finite_names_its_items() -> None:
    coords, values = signals(3)
    values[1] = float("nan")
    with pytest.raises(ms.TrainingError, match=r"\[1\]"):
        fit_together(SIREN, stacked(3), coords, values, steps=2, lr=1e-2)


@pytest.fixture(scope="module")
def recipe() -> ms.Recipe:
    return ms.load_recipe("celeba_gaussian", preset="quick", overrides=OVERRIDES)


@pytest.fixture(scope="module")
def zoo_file(recipe: ms.Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zoo") / "faces.safetensors"
    making.make_zoo(recipe, path, making.Plan(items=(2, 8), steps=3, together=4))
    return path


def test_the_file_holds_ordered_pairs(zoo_file: Path) -> None:
    zoo, tensors = read_zoo(zoo_file), load_file(zoo_file)
    assert zoo.item.tolist() == [2, 3, 4, 5, 6, 7]
    assert list(zoo.params) == ["0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias"]
    assert [tuple(w.shape) for w, _ in zoo.pairs()] == [(6, 8, 2), (6, 8, 8), (6, 3, 8)]
    assert torch.equal(zoo.pairs()[1][1], tensors["1.bias"])
    assert not zoo_file.with_name(zoo_file.name + ".groups").exists()


def test_a_zoo_goes_on_where_it_stopped(
    recipe: ms.Recipe, zoo_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, out, whole, done = making.Plan(items=(2, 8), steps=3, together=4), tmp_path / "z.safetensors", making._fit, []

    def once(*given: object) -> object:
        if done:
            raise KeyboardInterrupt
        done.append(1)
        return whole(*given)

    monkeypatch.setattr(making, "_fit", once)
    with pytest.raises(KeyboardInterrupt):
        making.make_zoo(recipe, out, plan)
    assert not out.exists()
    with pytest.raises(ms.DataError, match="other options"):
        making.make_zoo(recipe, out, making.Plan(items=(2, 8), steps=4, together=4))
    again: list[int] = []
    monkeypatch.setattr(making, "_fit", lambda *given: (again.append(len(given[2])), whole(*given))[1])
    making.make_zoo(recipe, out, plan)
    assert again == [2]
    assert all(torch.equal(p, read_zoo(zoo_file).params[name]) for name, p in read_zoo(out).params.items())


@pytest.mark.parametrize("steps", [3, 4])
def test_a_second_zoo_is_told_who_holds_the_file(recipe: ms.Recipe, tmp_path: Path, steps: int) -> None:
    out = tmp_path / "z.safetensors"
    folder = tmp_path / "z.safetensors.groups"
    folder.mkdir()
    with (
        locked(folder),
        pytest.raises(ms.RunError, match=rf"z\.safetensors\.groups: in use by process {os.getpid()} on"),
    ):
        making.make_zoo(recipe, out, making.Plan(items=(2, 8), steps=steps, together=4))
    made = making.make_zoo(recipe, out, making.Plan(items=(2, 8), steps=steps, together=4))
    assert len(made) == 6
    assert not folder.exists()


def test_the_lock_is_held_while_items_are_fitted(
    recipe: ms.Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, second = making._fit, []

    def fit(*given: object) -> object:
        with pytest.raises(ms.RunError, match="in use by process") as refused:
            making.make_zoo(recipe, tmp_path / "z", making.Plan(items=(0, 9), steps=1))
        second.append(refused)
        return whole(*given)

    monkeypatch.setattr(making, "_fit", fit)
    making.make_zoo(recipe, tmp_path / "z", making.Plan(items=(0, 2), steps=1))
    assert len(second) == 1


def test_a_file_that_another_process_wrote_meanwhile_is_not_replaced(
    recipe: ms.Recipe, zoo_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, model = tmp_path / "z.safetensors", making.make_model

    def slowly(*given: object) -> object:
        out.write_bytes(zoo_file.read_bytes())
        return model(*given)

    monkeypatch.setattr(making, "make_model", slowly)
    with pytest.raises(ms.RunError, match="exists already"):
        making.make_zoo(recipe, out, making.Plan(items=(0, 2), steps=1))
    assert out.read_bytes() == zoo_file.read_bytes()


def test_an_items_start_does_not_depend_on_its_group(recipe: ms.Recipe, zoo_file: Path, tmp_path: Path) -> None:
    making.make_zoo(recipe, tmp_path / "z", making.Plan(items=(4, 5), steps=3))
    for name, p in read_zoo(tmp_path / "z").params.items():
        torch.testing.assert_close(p[0], read_zoo(zoo_file).params[name][2])


def test_a_shared_start_is_shared(recipe: ms.Recipe, tmp_path: Path) -> None:
    making.make_zoo(recipe, tmp_path / "z", making.Plan(items=(0, 3), steps=1, lr=1e-9, shared=True))
    weight = read_zoo(tmp_path / "z").params["1.weight"]
    torch.testing.assert_close(weight, weight[:1].expand(3, -1, -1))


def test_the_data_set_keeps_the_contract(zoo_file: Path) -> None:
    check_dataset(Weights, options={"path": str(zoo_file), "val": 2})


def test_the_data_set_gives_fields_and_weights(zoo_file: Path) -> None:
    zoo, made = read_zoo(zoo_file), Weights(path=zoo_file, val=2, grid=(5, 7))
    batch = made.batch("val", torch.tensor([1]))
    torch.testing.assert_close(batch.points["pixels"].values[0], zoo.field(ms.grid((5, 7)))[5])
    assert torch.equal(made.params("val", torch.tensor([1]))["0.bias"][0], zoo.params["0.bias"][5])


@pytest.mark.parametrize("text", ["", "a:b", "5:5", "7:2", "1:2:3"])
def test_ranges_that_are_none(text: str) -> None:
    with pytest.raises(ms.RecipeError, match="--items"):
        making.parse_items(text)


def test_ranges() -> None:
    assert [making.parse_items(t) for t in ("0:64", "64", "3:", ":9")] == [(0, 64), (0, 64), (3, None), (0, 9)]


@pytest.mark.parametrize(
    "plan", [making.Plan("test"), making.Plan(items=(0, 10**9)), making.Plan(items=(0, 1), at="surface")]
)
def test_what_the_data_does_not_have(plan: making.Plan, recipe: ms.Recipe, tmp_path: Path) -> None:
    with pytest.raises(ms.RecipeError, match="zoo"):
        making.make_zoo(recipe, tmp_path / "z", plan)


def test_files_that_are_no_zoo(zoo_file: Path, tmp_path: Path) -> None:
    (tmp_path / "z").write_bytes(b"no zoo")
    with pytest.raises(ms.DataError, match="not a zoo"):
        read_zoo(tmp_path / "z")
    with pytest.raises(ms.DataError, match="not a zoo"):
        Weights(path=tmp_path / "none")
    with pytest.raises(ms.RecipeError, match="2 coordinates"):
        Weights(path=zoo_file, grid=(4,))
    with pytest.raises(ms.RecipeError, match="val"):
        Weights(path=zoo_file, val=6)


def test_the_command(tmp_path: Path) -> None:
    out = tmp_path / "z.safetensors"
    options = [part for key, value in OVERRIDES.items() for part in ("--set", f"{key}={value}")]
    command = ["zoo", "celeba_gaussian", "--preset", "quick", "--items", "0:2", "--steps", "2", "-o", str(out)]
    found = CliRunner().invoke(cli, [*command, *options])
    assert found.exit_code == 0, found.output
    assert len(read_zoo(out)) == 2
    assert "celeba_gaussian: preset quick; each item is fitted for 2 steps at most" in found.stderr
    with pytest.raises(ms.RecipeError, match="a zoo does not use this") as refused:
        CliRunner().invoke(cli, [*command, "--set", "train.steps=3"], catch_exceptions=False)
    assert "--steps, --lr and --points" in str(refused.value)
    again = CliRunner().invoke(cli, [*command, *options])
    assert isinstance(again.exception, ms.RunError)


def test_errors_are_kept_after_the_steps_asked_for_and_change_nothing() -> None:
    coords, values = signals(3)
    options = {"lr": 1e-2, "until": 0.05, "check_every": 10}
    plain = fit_together(SIREN, stacked(3), coords, values, steps=60, **options)
    made = fit_together(SIREN, stacked(3), coords, values, steps=60, marks=(0, 7, 60), **options)
    assert torch.equal(made.mse, plain.mse)
    assert torch.equal(made.steps, plain.steps)
    torch.testing.assert_close(made.marked[0], (SIREN(stacked(3), coords) - values).square().mean((1, 2)))
    seven = fit_together(SIREN, stacked(3), coords, values, steps=7, lr=1e-2)
    torch.testing.assert_close(made.marked[1], seven.mse)
    assert torch.equal(made.marked[2], made.mse), "an item that stopped keeps its last error"


def test_weights_are_kept_after_the_steps_asked_for_and_change_nothing() -> None:
    coords, values = signals(3)
    options = {"lr": 1e-2, "until": 0.005, "check_every": 5}
    plain = fit_together(SIREN, stacked(3), coords, values, steps=60, **options)
    seven = fit_together(SIREN, stacked(3), coords, values, steps=7, lr=1e-2)
    assert 0 < plain.steps.min() < plain.steps.max()
    for keep_at, like in ((7, seven), (60, plain), (None, plain)):
        made = fit_together(SIREN, stacked(3), coords, values, steps=60, keep_at=keep_at, **options)
        for name, p in like.params.items():
            torch.testing.assert_close(made.kept[name], p)
            assert torch.equal(made.params[name], plain.params[name])
    # The first item has stopped by then, another goes on: each has the weights of its own last step.
    between = int(plain.steps.max()) - 1
    made = fit_together(SIREN, stacked(3), coords, values, steps=60, keep_at=between, **options)
    cut = fit_together(SIREN, stacked(3), coords, values, steps=between, **options)
    for name, p in cut.params.items():
        torch.testing.assert_close(made.kept[name], p)


def test_items_that_begin_with_the_same_weights() -> None:
    coords, values = signals(3)
    start = stacked(1)
    before = {name: p.clone() for name, p in start.items()}
    with torch.no_grad():
        made = fit_from(SIREN, start, coords, values, steps=(0, 7), lr=1e-2)
    same = {name: p.expand(3, *p.shape[1:]) for name, p in start.items()}
    expected = fit_together(SIREN, same, coords, values, steps=7, lr=1e-2, marks=(0, 7))
    assert torch.equal(made.marked, expected.marked)
    assert all(torch.equal(start[name], p) for name, p in before.items()), "the start stays as it is"


def test_the_start_protocol_fits_from_the_model_and_from_drawn_weights(tmp_path: Path) -> None:
    data = SketchFaces(train=2, val=3, test=0, size=8)
    siren = ms.Siren(in_features=2, out_features=3, hidden_features=8, hidden_layers=1)
    model = ms.Model(FixedEncoder(data.domain), FreeDecoder(siren, 0))
    with torch.no_grad():
        drawn = siren.init(generator=torch.Generator().manual_seed(5))
        for weight, value in zip(model.parameters(), drawn.values(), strict=True):
            weight.copy_(value[0])
    frame = StartProtocol(steps=(0, 4), items=2, seed=5).evaluate(model.eval(), data, tmp_path, name="learned")
    # Drawn by the same seed, so that both rows are of the same fits.
    assert frame.loc["learned"].tolist() == frame.loc["drawn"].tolist()
    assert (tmp_path / "figure.png").is_file()
    values = data.batch("val", torch.arange(2)).points["pixels"].values
    first = ms.psnr((siren(dict(model.signal(data.domain).params), ms.grid((8, 8))) - values).square().mean((1, 2)))
    assert frame.loc["learned", "psnr_db_after_0"] == pytest.approx(float(first.mean().detach()), abs=1e-4)
    with pytest.raises(ms.DataError, match="test or val"):
        StartProtocol().evaluate(model, SketchFaces(train=2, val=0, test=0, size=8), tmp_path, name="learned")
    with pytest.raises(ms.RecipeError, match=r"start: steps: \[50, 10\]"):
        StartProtocol(steps=(50, 10))


def small_start() -> tuple[ms.Model, SketchFaces]:
    data = SketchFaces(train=2, val=3, test=0, size=8)
    siren = ms.Siren(in_features=2, out_features=3, hidden_features=8, hidden_layers=1)
    return ms.Model(FixedEncoder(data.domain), FreeDecoder(siren, 0)).eval(), data


def test_the_start_protocol_fits_in_the_dtype_of_the_model(tmp_path: Path) -> None:
    model, data = small_start()
    single = StartProtocol(steps=(0, 4)).evaluate(model, data, tmp_path, name="learned")
    double = StartProtocol(steps=(0, 4)).evaluate(model.double(), data, tmp_path, name="learned")
    assert double.to_numpy() == pytest.approx(single.to_numpy(), abs=1e-3)
    assert (double != single).all(axis=None), "float64 is another rounding"


@pytest.mark.parametrize(("at", "usable"), [("pixel", "pixels"), ("edges", "pixels")])
def test_the_start_protocol_says_which_point_sets_there_are(
    at: str, usable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data = small_start()
    whole = data.batch

    def with_edges(*given: object, **options: object) -> ms.Batch:
        batch = whole(*given, **options)
        return replace(batch, points={**batch.points, "edges": ms.Points(batch.points["pixels"].coords)})

    monkeypatch.setattr(data, "batch", with_edges)
    words = rf"evaluate: start: at: .*no point set '{at}' with values; it has edges, pixels\.\s+With values: {usable}\."
    with pytest.raises(ms.RecipeError, match=words):
        StartProtocol(at=at).evaluate(model, data, tmp_path, name="learned")


def test_a_start_at_a_missing_point_set_is_refused_before_training(tmp_path: Path) -> None:
    small = {"data.train": 2, "data.val": 0, "data.test": 2, "data.size": 8, "evaluate.at": "pixel"}
    recipe = ms.load_recipe("meta_start", preset="quick", overrides=small)
    with pytest.raises(ms.RecipeError, match=r"no point set 'pixel' with values; it has pixels\."):
        ms.run(recipe, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_a_run_may_be_called_drawn(tmp_path: Path) -> None:
    model, data = small_start()
    protocol = StartProtocol(steps=(0, 4), seed=5)
    other = protocol.evaluate(model, data, tmp_path, name="learned")
    expected = json.loads((tmp_path / "metrics.json").read_text("utf-8"))
    (tmp_path / "metrics.json").unlink()
    frame = protocol.evaluate(model, data, tmp_path, name="drawn")
    assert frame.to_numpy().tolist() == other.to_numpy().tolist()
    assert json.loads((tmp_path / "metrics.json").read_text("utf-8")) == expected
    assert expected["psnr_db_after_4"] != expected["drawn_psnr_db_after_4"]
    kinds = [row["kind"] for row in json.loads((tmp_path / "comparison.json").read_text("utf-8"))["rows"]]
    assert kinds == ["model", "baseline"]


def test_one_fit_from_each_start_gives_numbers_and_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = small_start()
    fits: list[int] = []
    adam = torch.optim.Adam.__init__
    monkeypatch.setattr(
        torch.optim.Adam, "__init__", lambda self, *args, **options: (fits.append(1), adam(self, *args, **options))[1]
    )
    StartProtocol(steps=(0, 4)).evaluate(model, data, tmp_path, name="learned")
    assert (tmp_path / "figure.png").is_file()
    assert len(fits) == 2
