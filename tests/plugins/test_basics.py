"""What is true of the plain losses, metrics and optimisers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from metasiren import Batch, Context, Domain, Field, Jet, Points, Prediction, RecipeError, Siren, grid
from metasiren.runs.directory import checkpoints
from metasiren_basics.free import FreeDecoder
from metasiren_basics.metrics import MeanSquaredError, PsnrDb, RelativeL2
from metasiren_basics.optimizers import adam, adamw, muon, sgd, shampoo
from metasiren_basics.priors import LatentPrior, Mse, WeightPrior

SIREN = Siren(in_features=2, out_features=3, hidden_features=8, hidden_layers=1)


def fit(value: Tensor, known: Tensor, latent: Tensor | None = None) -> Prediction:
    """A fit whose field says `value` where `known` is true."""
    batch = value.shape[0]
    coords = grid((value.shape[1], 1), dtype=value.dtype).unsqueeze(0)
    context = Context.empty(torch.arange(batch), Domain(2, value.shape[2]), value.dtype)
    points = {"pixels": Points(coords, {"values": known}), "wall": Points(coords, {"normals": known})}
    params = SIREN.init(batch, dtype=value.dtype)
    jets = {"pixels": Jet(value), "wall": Jet(value)}
    return Prediction(
        Batch(context, points), value.new_zeros(batch, 0) if latent is None else latent, Field(SIREN, params), jets
    )


@pytest.fixture
def random_fit() -> Prediction:
    value, known = torch.randn(2, 4, 5, 3, dtype=torch.float64)
    return fit(value, known, torch.randn(4, 6, dtype=torch.float64))


def test_mse_is_a_mean_over_pixels_of_the_channels_mean_or_sum(random_fit: Prediction) -> None:
    difference = random_fit.jets["pixels"].value - random_fit.batch.points["pixels"].values
    expected = sum(difference[i, j, c] ** 2 for i in range(4) for j in range(5) for c in range(3)) / (4 * 5)
    torch.testing.assert_close(Mse(channels="sum")(random_fit), expected)
    torch.testing.assert_close(Mse()(random_fit), expected / 3)


def test_mse_of_the_truth_is_zero(random_fit: Prediction) -> None:
    known = random_fit.batch.points["pixels"].values
    assert Mse()(fit(known, known)) == 0


def test_mse_needs_values(random_fit: Prediction) -> None:
    with pytest.raises(RecipeError, match=r"mse: at: wall: .* they have normals"):
        Mse(at="wall")(random_fit)


def test_priors_are_mean_squares(random_fit: Prediction) -> None:
    latent, params = random_fit.latent, random_fit.field.params
    torch.testing.assert_close(LatentPrior()(random_fit), latent.square().mean())
    everything = torch.cat([p.flatten() for p in params.values()])
    assert len(everything) == 4 * SIREN.parameter_count
    torch.testing.assert_close(WeightPrior()(random_fit), everything.square().mean())


def test_a_weight_prior_pulls_every_weight_alike(random_fit: Prediction) -> None:
    """Its gradient is 2 theta / l, at zero too."""
    params = {name: p.detach().requires_grad_() for name, p in random_fit.field.params.items()}
    params["0.bias"] = torch.zeros_like(params["0.bias"]).requires_grad_()
    WeightPrior()(replace(random_fit, field=Field(SIREN, params))).backward()
    total = 4 * SIREN.parameter_count
    for p in params.values():
        assert p.grad is not None
        torch.testing.assert_close(p.grad, 2 * p.detach() / total)


def test_a_latent_of_no_size_costs_nothing(random_fit: Prediction) -> None:
    assert LatentPrior()(replace(random_fit, latent=torch.empty(4, 0))) == 0


def test_constraints_name_their_points_and_order() -> None:
    assert (Mse(at="boundary").at, Mse().order) == ("boundary", "value")
    assert LatentPrior().at is None
    assert WeightPrior().at is None


def test_metrics_do_not_mix_items(random_fit: Prediction) -> None:
    value, known = random_fit.jets["pixels"].value, random_fit.batch.points["pixels"].values
    for metric in (MeanSquaredError(), PsnrDb(), RelativeL2()):
        alone = torch.cat([metric(fit(value[i : i + 1], known[i : i + 1])) for i in range(4)])
        torch.testing.assert_close(metric(random_fit), alone)


def test_metrics_of_a_known_error() -> None:
    """An error of 0.2 on a range of 2 is 20 dB; of half the signal, 0.5 relative."""
    known = torch.full((1, 7, 3), 0.4, dtype=torch.float64)
    off = fit(known + 0.2, known)
    assert MeanSquaredError()(off).item() == pytest.approx(0.04)
    assert PsnrDb()(off).item() == pytest.approx(20)
    assert PsnrDb(low=0, high=1)(off).item() == pytest.approx(20 - 20 * torch.tensor(2.0).log10().item(), abs=1e-6)
    assert RelativeL2()(off).item() == pytest.approx(0.5)
    assert PsnrDb()(fit(known, known)).item() == float("inf")


def test_psnr_clips_the_field() -> None:
    known = torch.ones(1, 4, 3)
    assert PsnrDb()(fit(known + 5, known)).item() == float("inf")


def optimum(make: type | object, steps: int, **options: float) -> Tensor:
    """Where an optimiser gets on |x - 1|^2 from zero."""
    x = nn.Parameter(torch.zeros(3, dtype=torch.float64))
    optimizer = make([x], **options)  # type: ignore[operator]
    for _ in range(steps):
        optimizer.zero_grad()
        (x - 1).square().sum().backward()
        optimizer.step()
    return x.detach()


def test_adams_first_step_is_the_learning_rate() -> None:
    torch.testing.assert_close(optimum(adam, 1, lr=0.01), torch.full((3,), 0.01, dtype=torch.float64))


def test_optimisers_find_a_minimum() -> None:
    for make, options in ((adam, {}), (adamw, {"weight_decay": 0.0}), (sgd, {"momentum": 0.5})):
        torch.testing.assert_close(optimum(make, 400, lr=0.05, **options), torch.ones(3).double(), atol=1e-3, rtol=0)


def test_weight_decay_is_decoupled() -> None:
    """AdamW's first step shrinks by lr * decay, then moves by lr."""
    x = nn.Parameter(torch.full((1,), 2.0, dtype=torch.float64))
    optimizer = adamw([x], lr=0.1, weight_decay=0.5)
    x.sum().backward()
    optimizer.step()
    assert x.item() == pytest.approx(2 * (1 - 0.1 * 0.5) - 0.1)


@pytest.mark.parametrize("make", [adam, adamw, sgd])
def test_a_resumed_optimiser_equals_an_uninterrupted_one(make: object) -> None:
    """Bit for bit, on parameters of all sizes, none included."""

    def run(interrupt: bool) -> list[Tensor]:
        torch.manual_seed(0)
        xs = [nn.Parameter(torch.randn(n)) for n in (0, 1, 7, 1000)]
        optimizer = make(iter(xs), lr=0.01)  # type: ignore[operator]
        for step in range(6):
            if interrupt and step == 3:
                state = optimizer.state_dict()
                optimizer = make(xs, lr=0.01)  # type: ignore[operator]
                optimizer.load_state_dict(state)
            optimizer.zero_grad()
            torch.cat([x.sin() * x for x in xs]).sum().backward()
            optimizer.step()
        return [x.detach() for x in xs]

    for once, twice in zip(run(False), run(True), strict=True):
        assert torch.equal(once, twice)


def layers() -> list[nn.Parameter]:
    siren = Siren(in_features=2, out_features=1, hidden_features=24, hidden_layers=2)
    return list(FreeDecoder(siren, 0).weights)


def test_muon_moves_hidden_matrices_by_orthogonal_steps_and_all_else_as_adam_does() -> None:
    parameters, twins = layers(), layers()
    for p, twin in zip(parameters, twins, strict=True):
        twin.data.copy_(p.data)
        p.grad = torch.randn_like(p)
        twin.grad = p.grad.clone()
    before = [p.detach().clone() for p in parameters]
    muon(parameters, lr=0.01).step()
    adam(twins, lr=0.01).step()
    for p, twin, old in zip(parameters, twins, before, strict=True):
        if p.ndim == 2 and min(p.shape) > 12:
            sizes = torch.linalg.svdvals(p.detach() - old)
            assert sizes.max() / sizes.min() < 3  # Adam's step of a random gradient has a ratio of hundreds
        else:
            torch.testing.assert_close(p, twin)


def test_muon_takes_a_rate_that_is_a_tensor() -> None:
    moved = []
    for rate in (0.01, torch.tensor(0.01, dtype=torch.float64)):
        torch.manual_seed(0)
        weights = [nn.Parameter(torch.randn(14, 20, dtype=torch.float64)) for _ in range(2)]
        made = muon(weights, lr=0.01, weight_decay=0.1)
        made.param_groups[0]["lr"] = rate
        for _ in range(3):
            made.zero_grad()
            (weights[0] ** 2).sum().backward()  # the second has no gradient, and stays
            made.step()
        moved.append([w.detach() for w in weights])
        assert made.param_groups[0]["lr"] is rate
    for there, here in zip(*moved, strict=True):
        torch.testing.assert_close(there, here, rtol=1e-12, atol=1e-14)


def test_muon_resumes_where_it_was_and_heeds_the_schedule() -> None:
    def go(steps: int, state: Any = None, parameters: Any = None) -> tuple[Any, Any]:
        torch.manual_seed(1)
        parameters = parameters or layers()
        optimizer = muon(parameters, lr=0.01)
        if state is not None:
            optimizer.load_state_dict(state)
        for _ in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = 0.005
            optimizer.zero_grad()
            sum((p - 1).square().sum() for p in parameters).backward()  # type: ignore[union-attr]
            optimizer.step()
        return optimizer.state_dict(), parameters

    _, whole = go(6)
    state, half = go(3)
    restored = muon(half, lr=0.01)
    tensors, settings = checkpoints.optimizer_tensors(_loaded(restored, state))
    again = muon(half, lr=0.01)
    checkpoints.restore_optimizer(again, tensors, settings)
    _, rest = go(3, again.state_dict(), half)
    assert all(torch.equal(a, b) for a, b in zip(whole, rest, strict=True))
    zero = muon(rest, lr=0.01)
    for group in zero.param_groups:
        group["lr"] = 0.0
    kept = [p.detach().clone() for p in rest]
    zero.step()
    assert all(torch.equal(a, b) for a, b in zip(kept, rest, strict=True))


def _loaded(optimizer: torch.optim.Optimizer, state: Any) -> torch.optim.Optimizer:
    optimizer.load_state_dict(state)
    return optimizer


def test_muon_without_a_hidden_matrix_is_refused() -> None:
    with pytest.raises(RecipeError, match="muon"):
        muon([nn.Parameter(torch.ones(5))], lr=0.1)


def test_shampoos_first_step_is_orthogonal() -> None:
    """L = G G^T and R = G^T G leave the polar factor of G; where all gradients are equal, steps go as 1/sqrt(n)."""
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(5, 5, dtype=torch.float64))
    gradient = torch.randn(5, 5, dtype=torch.float64)
    left, _, right = torch.linalg.svd(gradient)
    made = shampoo([weight], lr=0.1, eps=0.0)
    moved = torch.zeros_like(gradient)
    for step in range(1, 4):
        weight.grad = gradient.clone()
        made.step()
        moved -= 0.1 / step**0.5 * left @ right
        torch.testing.assert_close(weight.detach(), moved, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("channels", ["mean", "sum"])
def test_the_loss_is_the_mean_over_points_of_the_squared_residuals(channels: Any) -> None:
    made, given = Mse(channels=channels), fit(torch.randn(2, 7, 3), torch.randn(2, 7, 3))
    torch.testing.assert_close(made.residuals(given).square().sum(-1).mean(), made(given))
