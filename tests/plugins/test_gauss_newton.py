"""Gauss-Newton: its step is the damped least-squares step, with J in memory or without; L-BFGS beside it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from resuming import check_resumed_equals_uninterrupted
from torch import Tensor, nn

import metasiren as ms
from metasiren import (
    Batch,
    Constraint,
    Context,
    Dataset,
    Decoder,
    Domain,
    Jet,
    Model,
    Params,
    Points,
    Prediction,
    Problem,
    RecipeError,
    Siren,
    hookimpl,
)
from metasiren.contracts.optimizer import Weighted
from metasiren.engine.trainer import Objective
from metasiren.recipe import validate
from metasiren.registry.catalogue import Catalogue, load_catalogue
from metasiren_basics.damped_steps import Solve, damped_solutions, damped_steps
from metasiren_basics.dense_jacobian import DenseJacobian
from metasiren_basics.fixed import FixedEncoder
from metasiren_basics.free import FreeDecoder
from metasiren_basics.gauss_newton import GaussNewton
from metasiren_basics.lbfgs import Lbfgs
from metasiren_basics.linearised import Linearised, ResidualBlock, capturable, output_rows

F64 = torch.float64
ORDERS = ("value", "gradient", "laplacian", "hessian_diagonal", "hessian")


class Oscillation(Constraint):
    """u'' + 9 u = 0: a second-order constraint."""

    at, order = "inside", "laplacian"

    def residuals(self, prediction: Prediction) -> Tensor:
        jet = prediction.jets[self.at]
        assert jet.laplacian is not None
        return (jet.laplacian + 9 * jet.value) / 9

    def __call__(self, prediction: Prediction) -> Tensor:
        return self.residuals(prediction).square().sum(-1).mean()


class Slope(Constraint):
    """u' = 1 at the same points: a first-order one, with a component for each coordinate."""

    at, order = "inside", "gradient"

    def residuals(self, prediction: Prediction) -> Tensor:
        gradient = prediction.jets[self.at].gradient
        assert gradient is not None
        return gradient.flatten(2) - 1

    def __call__(self, prediction: Prediction) -> Tensor:
        return self.residuals(prediction).square().sum(-1).mean()


class Values(Constraint):
    """The known values at the ends."""

    at = "ends"

    def residuals(self, prediction: Prediction) -> Tensor:
        return prediction.jets[self.at].value - prediction.batch.points[self.at].values

    def __call__(self, prediction: Prediction) -> Tensor:
        return self.residuals(prediction).square().sum(-1).mean()


class Absolute(Constraint):
    """A loss that is no sum of squares."""

    at = "ends"

    def __call__(self, prediction: Prediction) -> Tensor:
        return (prediction.jets[self.at].value - prediction.batch.points[self.at].values).abs().mean()


class Everywhere(Constraint):
    """A prior, at no point set."""

    def __call__(self, prediction: Prediction) -> Tensor:
        return prediction.latent.sum()


class Line(Dataset):
    """Points of [-1, 1] and what a sine is at a few of them."""

    title, domain = "line", Domain(1, 1)

    def __init__(self) -> None:
        self.splits = {"train": 1}

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        draw = partial(torch.rand, generator=generator, dtype=F64)
        inside, ends = 2 * draw(1, 12, 1) - 1, 2 * draw(1, 5, 1) - 1
        points = {"inside": Points(inside), "ends": Points(ends, {"values": torch.sin(3 * ends)})}
        return Batch(Context.empty(items, self.domain), points)


def problem(
    *constraints: tuple[float, Constraint], hidden: int = 6, dtype: torch.dtype = F64, batch: Batch | None = None
) -> Problem:
    torch.manual_seed(0)
    siren = Siren(in_features=1, out_features=1, hidden_features=hidden, hidden_layers=1, first_omega=3)
    model = Model(FixedEncoder(Line.domain), FreeDecoder(siren, 0)).to(dtype)
    made = batch or Line().batch("train", torch.arange(1), generator=torch.Generator().manual_seed(1))
    weighted = tuple(Weighted(type(c).__name__, w, c) for w, c in constraints)
    made = made.cast(dtype)
    evaluate = partial(Objective(model, weighted), made, None)
    return Problem(model, weighted, made, None, evaluate)


def flat(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def residuals_of(order: str) -> Callable[[Jet], Tensor]:
    """Nonlinear residuals of everything that a jet of this order has."""

    def residuals(jet: Jet) -> Tensor:
        parts = [jet.value[0] ** 2]
        for name, size in (("gradient", 3), ("laplacian", 90), ("hessian_diagonal", 90), ("hessian", 90)):
            part = getattr(jet, name)
            if part is not None and ORDERS.index(name) <= ORDERS.index(order):
                parts.append(torch.sin(part[0].flatten(1) / size))
        return torch.cat(parts, -1)

    return residuals


@settings(deadline=None, max_examples=12, derandomize=True)
@given(
    order=st.sampled_from(ORDERS),
    d=st.integers(1, 3),
    out=st.integers(1, 3),
    hidden=st.sampled_from([3, 40]),
    nonlinearity=st.sampled_from(["sine", "tanh", "softplus"]),
    encoded=st.booleans(),
)
def test_without_a_jacobian_in_memory_all_is_the_same(
    order: str, d: int, out: int, hidden: int, nonlinearity: str, encoded: bool
) -> None:
    """The Gram matrix summed over columns, J^T w and J v agree with J itself to 1e-10."""
    generator = torch.Generator().manual_seed(d)
    siren = Siren(
        in_features=d, out_features=out, hidden_features=hidden, hidden_layers=2, nonlinearity=nonlinearity,
        first_omega=5, input_layer={"name": "positional_encoding", "frequencies": 2} if encoded else None,
    )  # fmt: skip
    params = siren.init(dtype=F64, generator=generator)
    coords = 2 * torch.rand(9, d, dtype=F64, generator=generator) - 1
    blocks = [
        ResidualBlock(coords, order, residuals_of(order)),
        ResidualBlock(coords[:4] / 2, "value", residuals_of("value")),
    ]
    thin, dense = Linearised(siren, params, blocks), DenseJacobian(siren, params, blocks)
    same = partial(torch.testing.assert_close, rtol=1e-10, atol=1e-10)
    same(thin.residual, dense.residual)
    scale = float(dense.gram().abs().max())
    same(thin.gram() / scale, dense.gram() / scale)
    w = torch.randn(len(dense.residual), dtype=F64, generator=generator)
    v = {n: torch.randn(s, dtype=F64, generator=generator) for n, s in siren.shapes.items()}
    same(thin.push(v) / scale, dense.push(v) / scale)
    for name, pulled in dense.pull(w).items():
        same(thin.pull(w)[name] / scale, pulled / scale)


@pytest.mark.parametrize("hidden", [3, 40])
def test_rows_of_pairs_are_differences_of_the_rows_of_points(hidden: int) -> None:
    """With r = u(x) - u(y) and its slope: rows of x minus rows of y, in both forms of the Jacobian."""
    siren = Siren(in_features=2, out_features=1, hidden_features=hidden, hidden_layers=2, first_omega=5)
    draw = torch.Generator().manual_seed(0)
    params = siren.init(dtype=F64, generator=draw)
    x, y = 2 * torch.rand(2, 6, 2, dtype=F64, generator=draw) - 1

    def both(jet: Jet) -> Tensor:
        assert jet.gradient is not None
        return torch.cat([jet.value, jet.gradient[..., 0]], -1)[0]

    def jump(jet: Jet) -> Tensor:
        first, second = both(jet).chunk(2)
        return first - second

    pair = ResidualBlock(torch.cat([x, y]), "gradient", jump)
    other = ResidualBlock(x, "value", residuals_of("value"))
    expected = [DenseJacobian(siren, params, [ResidualBlock(at, "gradient", both)]) for at in (x, y)]
    for kind in (Linearised, DenseJacobian):
        made = kind(siren, params, [pair])
        torch.testing.assert_close(made.residual, expected[0].residual - expected[1].residual)
        matrix = expected[0].matrix - expected[1].matrix
        torch.testing.assert_close(made.gram(), matrix @ matrix.mT)
    thin, dense = Linearised(siren, params, [pair, other]), DenseJacobian(siren, params, [pair, other])
    torch.testing.assert_close(thin.gram(), dense.gram())
    last = output_rows(siren, params, [pair])[1]
    torch.testing.assert_close(last, DenseJacobian(siren, params, [pair]).matrix[:, -last.shape[1] :])


def test_the_jacobian_is_autograds() -> None:
    siren = Siren(in_features=2, out_features=2, hidden_features=5, hidden_layers=1, first_omega=4)
    params = siren.init(dtype=F64, generator=torch.Generator().manual_seed(0))
    coords = torch.tensor([[0.1, -0.3], [0.7, 0.2], [-0.5, 0.9]], dtype=F64)
    block = ResidualBlock(coords, "hessian_diagonal", residuals_of("hessian_diagonal"))

    def residual(weights: Params) -> Tensor:
        return block.residuals(siren.jet(weights, coords, block.order)).mT.flatten()

    found = torch.func.jacrev(residual)(params)
    expected = torch.cat([found[name].flatten(1) for name in siren.shapes], 1)
    torch.testing.assert_close(DenseJacobian(siren, params, [block]).matrix, expected)


def test_learnable_inputs_need_rows() -> None:
    siren = Siren(in_features=2, out_features=1, hidden_features=4, input_layer={"name": "rbf_gaussian", "centres": 3})
    params = siren.init(dtype=F64)
    block = ResidualBlock(torch.zeros(2, 2, dtype=F64), "value", residuals_of("value"))
    assert not capturable(siren)
    with pytest.raises(ValueError, match="DenseJacobian"):
        Linearised(siren, params, [block])
    assert DenseJacobian(siren, params, [block]).matrix.shape == (2, siren.parameter_count)


@pytest.mark.parametrize(("momentum", "forget"), [(0.0, None), (0.8, None), (0.8, 1.5)])
@pytest.mark.parametrize("jacobian", ["columns", "rows"])
def test_a_step_is_the_damped_least_squares_step(jacobian: Any, momentum: float, forget: float | None) -> None:
    """delta minimises |r + J delta|^2 + lambda m |delta - mu p|^2, J and r being those of the weighted loss.

    With `forget`, mu is zero where the loss would be more than so many times that without; here it is not.
    """
    task = problem((2.0, Oscillation()), (0.5, Slope()), (3.0, Values()))
    optimizer = GaussNewton(
        task.model.parameters(),
        damping=100.0,
        trials=(1.0,),
        halvings=0,
        momentum=momentum,
        jacobian=jacobian,
        forget=forget,
    )
    optimizer.step_on(task)
    middle = flat(task.model)
    last = torch.cat([optimizer.state[p]["last"].flatten() for p in task.model.parameters()]) if momentum else 0.0
    damping = optimizer.param_groups[0]["damping"]

    def residual(theta: Tensor) -> Tensor:
        shapes = task.model.decoder.siren.shapes
        parts = torch.split(theta, [torch.Size(s).numel() for s in shapes.values()])
        params = {n: p.view(1, *shapes[n]) for n, p in zip(shapes, parts, strict=True)}
        field = ms.Field(task.model.decoder.siren, params)
        sets = task.batch.points
        jets = {
            "inside": field.jet(sets["inside"].coords, "laplacian"),
            "ends": field.jet(sets["ends"].coords, "value"),
        }
        prediction = Prediction(task.batch, torch.zeros(1, 0), field, jets)
        found = [(w.weight, w.constraint.residuals(prediction)) for w in task.constraints]
        return torch.cat([(weight / r.shape[1]) ** 0.5 * r.flatten() for weight, r in found if r is not None])

    r, j = residual(middle), torch.func.jacrev(residual)(middle)
    torch.testing.assert_close(r.square().sum(), task.losses()["loss"].detach())
    root = (damping * (j @ j.T).diagonal().mean()).sqrt()
    stacked = torch.cat([j, root * torch.eye(j.shape[1], dtype=F64)])

    def expected(mu: float) -> Tensor:
        target = torch.cat([-r, root * mu * last * torch.ones(j.shape[1], dtype=F64)])
        return torch.linalg.lstsq(stacked, target.unsqueeze(1)).solution[:, 0]

    steps = [expected(0.0), expected(momentum)]
    without, reached = (float(residual(middle + step).square().sum()) for step in steps)
    optimizer.step_on(task)
    torch.testing.assert_close(flat(task.model) - middle, steps[1], rtol=1e-7, atol=1e-9)
    assert reached <= 1.5 * without
    # Two solutions of one system may differ in their last bits.
    assert torch.allclose(steps[0], steps[1], rtol=1e-9, atol=1e-12) == (not momentum)


@pytest.mark.parametrize("solve", ["dual", "primal", "nystrom"])
def test_a_step_forgets_where_the_memory_leaves_the_linearisation(solve: Any) -> None:
    """A memory a few times as long as the next step counts; one of a hundred times gives the step of no momentum."""
    found: dict[str, tuple[float, Tensor]] = {}
    for name, size in (("none", None), ("near", 100.0), ("far", 1e4)):
        task = problem((2.0, Oscillation()), (3.0, Values()))
        optimizer = GaussNewton(
            task.model.parameters(), damping=1e3, trials=(0.5, 1.0), halvings=0, solve=solve, tolerance=1e-10,
            momentum=0.0 if size is None else 0.9, forget=1.5,
        )  # fmt: skip
        if size is not None:
            for weight, slope in zip(optimizer.param_groups[0]["params"], _slopes(task), strict=True):
                optimizer.state[weight]["last"] = -1e-5 * size * slope
        start = flat(task.model)
        optimizer.step_on(task)
        found[name] = float(task.losses()["loss"].detach()), flat(task.model) - start
        if size is not None:
            kept = torch.cat([optimizer.state[w]["last"].flatten() for w in optimizer.param_groups[0]["params"]])
            torch.testing.assert_close(kept, found[name][1])
    assert not torch.allclose(found["near"][1], found["none"][1], rtol=1e-2)
    # Without memory both trials are made where none is asked for, and only the most damped one where it is forgotten.
    assert found["none"][0] <= found["far"][0] <= 1.02 * found["none"][0]
    assert torch.nn.functional.cosine_similarity(found["far"][1], found["none"][1], 0) > 0.999


def _slopes(task: Problem) -> tuple[Tensor, ...]:
    return torch.autograd.grad(task.losses()["loss"], list(task.model.parameters()))


def test_one_step_solves_a_linear_problem() -> None:
    """With its last weights at zero a network is linear in what a first step changes: only these count then."""
    task = problem((1.0, Values()), hidden=3)
    weights = list(task.model.parameters())
    with torch.no_grad():
        weights[-2].zero_()
    features = torch.sin(30 * (torch.sin(3 * (task.batch.points["ends"].coords[0] @ weights[0].T + weights[1]))
                               @ weights[2].T + weights[3]))  # fmt: skip
    design = torch.cat([features, torch.ones_like(features[:, :1])], 1).detach()
    known = task.batch.points["ends"].values[0]
    least = (design @ torch.linalg.lstsq(design, known).solution - known).square().mean()
    GaussNewton(task.model.parameters(), damping=1e-13, trials=(1.0,), least_damping=1e-14).step_on(task)
    torch.testing.assert_close(task.losses()["loss"].detach(), least, rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"solve": "nystrom", "rank": 5}], ids=["factor", "nystrom"])
def test_it_fits_what_adam_would_take_long_for(options: dict[str, Any]) -> None:
    task = problem((1.0, Oscillation()), (1.0, Values()), hidden=24)
    optimizer = GaussNewton(task.model.parameters(), **options)
    first = float(optimizer.step_on(task)["loss"])
    for _ in range(25):
        optimizer.step_on(task)
    assert float(task.losses()["loss"].detach()) < 1e-7 * first


def test_single_precision_weights_learn_too() -> None:
    task = problem((1.0, Oscillation()), (1.0, Values()), hidden=24, dtype=torch.float32)
    optimizer = GaussNewton(task.model.parameters(), momentum=0.5)
    first = float(optimizer.step_on(task)["loss"])
    for _ in range(15):
        optimizer.step_on(task)
    assert float(task.losses()["loss"].detach()) < 1e-4 * first
    assert all(p.dtype == torch.float32 for p in task.model.parameters())


def test_where_nothing_helps_the_weights_stay_and_damping_grows() -> None:
    task = problem((1.0, Values()))
    truth = task.model.signal(Line.domain)(task.batch.points["ends"].coords).detach()
    batch = Batch(task.batch.context, {"ends": Points(task.batch.points["ends"].coords, {"values": truth})})
    solved = problem((1.0, Values()), batch=batch)
    before, optimizer = flat(solved.model), GaussNewton(solved.model.parameters(), damping=0.1)
    assert float(optimizer.step_on(solved)["loss"]) < 1e-25
    assert torch.equal(flat(solved.model), before)
    assert optimizer.param_groups[0]["damping"] == pytest.approx(0.5)


@pytest.mark.parametrize("solve", ["auto", "primal", "nystrom"])
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_with_residuals_that_are_not_finite_the_loss_is_returned(solve: Any, momentum: float) -> None:
    """The check of the step then acts on it as `train.on_nonfinite` says."""
    task = problem((1.0, Oscillation()), (1.0, Values()))
    optimizer = GaussNewton(task.model.parameters(), solve=solve, momentum=momentum)
    optimizer.step_on(task)
    with torch.no_grad():
        next(iter(task.model.parameters())).fill_(float("nan"))
    before = flat(task.model)
    assert not bool(optimizer.step_on(task)["loss"].isfinite())
    assert torch.equal(flat(task.model).isnan(), before.isnan())


@pytest.mark.parametrize("solve", ["auto", "primal", "nystrom"])
def test_with_a_weight_of_zero_the_weights_stay(solve: Any) -> None:
    task = problem((0.0, Values()))
    before = flat(task.model)
    assert float(GaussNewton(task.model.parameters(), solve=solve).step_on(task)["loss"]) == 0
    assert torch.equal(flat(task.model), before)


@pytest.mark.parametrize("kind", [Linearised, DenseJacobian])
def test_the_primal_step_is_the_dual_step(kind: Any) -> None:
    """(JᵀJ + c)⁻¹ Jᵀ = Jᵀ (JJᵀ + c)⁻¹, with the same damping, more rows than weights or fewer."""
    for hidden, points in ((3, 40), (8, 10)):
        siren = Siren(in_features=1, out_features=1, hidden_features=hidden, hidden_layers=1, first_omega=3)
        params = siren.init(generator=torch.Generator().manual_seed(0), dtype=F64)
        coords = torch.linspace(-1, 1, points, dtype=F64).unsqueeze(-1)
        linear = kind(siren, params, [ResidualBlock(coords, "laplacian", residuals_of("laplacian"))])
        target = torch.sin(torch.arange(len(linear.residual), dtype=F64)).unsqueeze(1)
        ways: tuple[Solve, ...] = ("dual", "primal", "auto")
        found = {s: {used: next(x) for used, x in damped_steps(linear, target, [1e-3, 1e-1], s)} for s in ways}
        for damping in (1e-3, 1e-1):
            (dual,) = (v for used, v in found["dual"].items() if used == pytest.approx(damping))
            (primal,) = (v for used, v in found["primal"].items() if used == pytest.approx(damping))
            (chosen,) = (v for used, v in found["auto"].items() if used == pytest.approx(damping))
            for name, change in dual.items():
                torch.testing.assert_close(primal[name], change, rtol=1e-7, atol=1e-10)
                torch.testing.assert_close(chosen[name], change, rtol=1e-7, atol=1e-10)


def test_a_matrix_that_rounding_broke_is_damped_until_it_can_be_factored() -> None:
    gram = torch.diag(torch.tensor([1.0, -1e-3], dtype=F64))
    [(used, x)] = damped_solutions(gram, torch.ones(2, dtype=F64), [1e-6])
    assert used >= 2e-3
    torch.testing.assert_close(gram @ x + used * gram.diagonal().mean() * x, torch.ones(2, dtype=F64))


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        ((1.0, Absolute()), r"constraints: Absolute: it gives no residuals.*\n.*adam or lbfgs"),
        ((1.0, Everywhere()), "constraints: Everywhere: it gives no residuals"),
        ((-1.0, Values()), "constraints: Values: weight -1.0 is negative"),
    ],
)
def test_what_is_no_sum_of_squares_is_named(constraint: tuple[float, Constraint], message: str) -> None:
    task = problem(constraint)
    with pytest.raises(RecipeError, match=message):
        GaussNewton(task.model.parameters()).step_on(task)


def test_other_decoders_are_refused() -> None:
    class Linear(Decoder):
        def __init__(self, siren: Siren) -> None:
            super().__init__(siren, 0)
            self.weights = nn.ParameterList(value[0] for value in siren.init(dtype=F64).values())

        def forward(self, latent: Tensor) -> Params:
            return {n: 2 * w.unsqueeze(0) for n, w in zip(self.siren.shapes, self.weights, strict=True)}

    task = problem((1.0, Values()))
    task.model.decoder = Linear(task.model.decoder.siren)
    with pytest.raises(RecipeError, match=r"gauss_newton: decoder Linear.*\n.*`free`"):
        GaussNewton(task.model.parameters()).step_on(task)


@pytest.mark.parametrize(
    ("option", "value"),
    [("lr", 0.0), ("damping", 0.0), ("trials", ()), ("trials", (-1.0,)), ("halvings", -1), ("momentum", 1.0),
     ("forget", 0.5), ("least_damping", 0.0)],
)  # fmt: skip
def test_options_have_ranges(option: str, value: Any) -> None:
    with pytest.raises(RecipeError, match=f"gauss_newton: {option}"):
        GaussNewton([nn.Parameter(torch.zeros(1))], **{option: value})


@pytest.mark.parametrize(("option", "value"), [("iterations", 0), ("history", 0), ("lr", 0.0), ("tolerance", -1.0)])
def test_lbfgs_options_have_ranges(option: str, value: Any) -> None:
    with pytest.raises(RecipeError, match="lbfgs"):
        Lbfgs([nn.Parameter(torch.zeros(1))], **{option: value})


def test_one_group_of_parameters() -> None:
    groups: Any = [{"params": [nn.Parameter(torch.zeros(1))]}, {"params": [nn.Parameter(torch.zeros(1))]}]
    with pytest.raises(RecipeError, match="2 groups"):
        GaussNewton(groups)


def test_lbfgs_descends_and_keeps_nothing() -> None:
    task = problem((1.0, Oscillation()), (1.0, Absolute()), hidden=24)
    optimizer = Lbfgs(task.model.parameters(), iterations=30)
    before = float(optimizer.step_on(task)["loss"])
    assert float(task.losses()["loss"].detach()) < 0.05 * before
    assert not optimizer.state


@pytest.fixture
def catalogue() -> Catalogue:
    module = ModuleType("line")
    module.metasiren_datasets = hookimpl(lambda: {"line": Line})  # type: ignore[attr-defined]
    module.metasiren_constraints = hookimpl(  # type: ignore[attr-defined]
        lambda: {"oscillation": Oscillation, "values": Values, "absolute": Absolute}
    )
    return load_catalogue(extra=[module])


@pytest.mark.parametrize(
    "optimizer",
    [
        {"name": "gauss_newton", "momentum": 0.7},
        {"name": "gauss_newton", "momentum": 0.7, "forget": 1.0},
        {"name": "gauss_newton", "solve": "nystrom", "rank": 5},
        {"name": "lbfgs", "iterations": 3},
        {"name": "balanced_adam", "lr": 1e-3, "every": 2},
        {"name": "soap", "lr": 1e-3, "precondition_frequency": 2},
        {"name": "shampoo", "lr": 1e-2},
    ],
    ids=lambda optimizer: " ".join(str(optimizer[key]) for key in ("name", "solve") if key in optimizer),
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_resumed_equals_uninterrupted(
    tmp_path: Path, catalogue: Catalogue, optimizer: dict[str, Any], dtype: str
) -> None:
    tree: dict[str, Any] = {
        "data": "line",
        "siren": {"hidden_features": 8, "hidden_layers": 1, "first_omega": 3},
        "constraints": {"oscillation": {}, "values": {"weight": 2}},
        "train": {"steps": 6, "optimizer": optimizer, "dtype": dtype, "log_every": 1, "checkpoint_every": 3},
    }
    check_resumed_equals_uninterrupted(validate(tree, "line", name="line"), tmp_path, catalogue)
