"""The family of waves: its equation is that of single problems, its truth the closed form; no solution trains it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import metasiren as ms
from metasiren_physics.constraints.helmholtz import Helmholtz, helmholtz_residual
from metasiren_physics.datasets.helmholtz import equation_points
from metasiren_physics.datasets.helmholtz_family import HelmholtzFamily


def family(**options: int) -> HelmholtzFamily:
    return HelmholtzFamily(train=5, test=3, points=40, **options)


def test_a_step_reads_no_tensor_of_the_device() -> None:
    """Those of the device meta have no contents that could be read."""
    items = torch.zeros(2, dtype=torch.long, device="meta")
    batch = HelmholtzFamily(train=4, test=2, points=6).to("meta").batch("train", items)
    assert all(tensor.device.type == "meta" for tensor in batch.tensors())


def test_the_points_are_those_of_single_problems() -> None:
    data = family()
    batch = data.batch("train", torch.arange(5), generator=torch.Generator().manual_seed(0)).cast(torch.float64)
    points = batch.points["interior"]
    for item in range(5):
        single = equation_points(
            points.coords[0],
            points.coords.new_ones(40),
            data.problem("train", item),
            [data.problem("train", item).source],
        )
        for name in ("source", "slowness"):
            torch.testing.assert_close(points.targets[name][item], single.targets[name][0], rtol=1e-4, atol=2e-5)
        torch.testing.assert_close(points.targets["operator"], single.targets["operator"], rtol=1e-4, atol=1e-4)


def test_the_closed_form_leaves_no_residual_in_the_physics() -> None:
    """Central differences of the truth, where nothing absorbs: u_xx + u_yy + k² m u - f."""
    data = family()
    for item in range(2):
        problem = data.problem("test", item)
        from metasiren_physics.reference.closed_form import closed_form

        h, centre = 1e-3, torch.tensor([[0.05, -0.1], [0.3, 0.2], [-0.2, 0.35]], dtype=torch.float64)
        shifts = {"0": (0, 0), "e": (h, 0), "w": (-h, 0), "n": (0, h), "s": (0, -h)}
        u = {k: torch.from_numpy(closed_form(problem, (centre + torch.tensor(v)).numpy())) for k, v in shifts.items()}
        laplacian = (u["e"] + u["w"] + u["n"] + u["s"] - 4 * u["0"]) / h**2
        points = equation_points(centre, torch.ones(3, dtype=torch.float64), problem, [problem.source])
        source = torch.view_as_complex(points.targets["source"])[0, :, 0]
        left = laplacian + problem.wavenumber**2 * points.targets["slowness"][0, :, 0] * u["0"] - source
        assert float(left.abs().max()) < 1e-2 * float(source.abs().max() + (laplacian.abs()).max())


def test_items_of_a_batch_have_their_own_residuals() -> None:
    """The constraint's loss over a batch is the mean of the items' own."""
    data = family()
    torch.manual_seed(0)
    siren = ms.Siren(in_features=2, out_features=2, hidden_features=8, hidden_layers=1, first_omega=5)
    field = ms.Field(siren, siren.init(3))
    constraint, losses = Helmholtz(scale=36), []
    whole = data.batch("test", torch.arange(3))
    for i in range(3):
        batch = data.batch("test", torch.tensor([i]))
        own = ms.Field(siren, {k: v[i : i + 1] for k, v in field.params.items()})
        jets = {"interior": own.jet(batch.points["interior"].coords, "hessian_diagonal")}
        losses.append(constraint(ms.Prediction(batch, torch.zeros(1, 0), own, jets)))
    jets = {"interior": field.jet(whole.points["interior"].coords, "hessian_diagonal")}
    found = constraint(ms.Prediction(whole, torch.zeros(3, 0), field, jets))
    torch.testing.assert_close(found, torch.stack(losses).mean())
    points = whole.points["interior"]
    assert helmholtz_residual(jets["interior"], points, points.targets["slowness"]).shape == (3, 160, 1)


def test_the_encoder_sees_source_and_medium_alone() -> None:
    data = family()
    batch = data.batch("train", torch.tensor([2, 0]))
    problem = data.problem("train", 2)
    assert batch.context.coords[0, 0].tolist() == pytest.approx(list(problem.source.position))
    assert 1 + float(batch.context.values[0, 0, 0]) == pytest.approx(
        problem.medium.speed(torch.zeros(1, 2).numpy())[0], abs=1e-6
    )
    assert set(batch.points) == {"interior"}
    assert "values" not in batch.points["interior"].targets, "training never sees a solution"


def test_the_recipe_runs_and_draws(tmp_path: Path) -> None:
    tiny = {
        "train.steps": 5, "train.batch": 2, "data.points": 16, "data.train": 8, "data.test": 1, "evaluate.items": 1,
        "siren.hidden_features": 8, "evaluate.steps": 5, "evaluate.most": 5,
    }  # fmt: skip
    made = ms.run(ms.load_recipe("helmholtz_family", preset="quick", overrides=tiny), tmp_path / "run", device="cpu")
    assert json.loads((made.results / "metrics.json").read_text())["items"] == 1
    assert (made.results / "figure.png").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": 0}, "points: 0 is below one"),
        ({"speeds": (0, 1)}, "speeds"),
        ({"reach": 0.9}, "absorbing layer begins"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ms.RecipeError, match=message):
        HelmholtzFamily(**options)  # type: ignore[arg-type]
