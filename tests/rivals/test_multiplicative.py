"""Multiplicative filter networks: exact derivatives, and a band that no weights can leave."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

import metasiren as ms
from metasiren.testing import check_input_encoding
from metasiren_rivals.multiplicative import BandLimitedMfn, Filter, FourierMfn, GaborMfn, Identity, Params

KINDS: list[tuple[Any, dict[str, float]]] = [
    (FourierMfn, {"omega": 4.0}),
    (GaborMfn, {"omega": 2.0}),
    (BandLimitedMfn, {"band": 6}),
]


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_the_contract_of_encodings(kind: Any, options: dict[str, float]) -> None:
    check_input_encoding(kind, options={"width": 8, "filters": 3, **options})


def test_the_identity_is_itself() -> None:
    z = torch.linspace(-2, 2, 9)
    value, slope, bend, third = Identity().derivatives(z, 3)
    assert torch.equal(value, z)
    assert torch.equal(slope, torch.ones(9))
    assert not bend.any()
    assert not third.any()


def network(layer: ms.InputLayer) -> ms.Field:
    siren = ms.Siren(
        in_features=2, out_features=1, hidden_features=8, hidden_layers=0, nonlinearity=Identity(), input_layer=layer
    )
    return ms.Field(siren, siren.init(generator=torch.Generator().manual_seed(0), dtype=torch.float64))


def test_one_filter_is_a_sum_of_sines() -> None:
    field = network(FourierMfn(ms.Domain(2, 1), width=5, filters=1, omega=3.0))
    jet = field.jet(torch.rand(1, 20, 2).double(), "laplacian")
    w = field.params["input.filter0.frequency"][0]
    mixed = (field.params["1.weight"] @ field.params["0.weight"])[0, 0]
    x = torch.tensor([[[0.3, -0.7]]]).double()
    terms = mixed * torch.sin(x[0] @ w.T + field.params["input.filter0.phase"])
    expected = -(w.square().sum(-1) * terms).sum()
    torch.testing.assert_close(field.jet(x, "laplacian").laplacian.squeeze(), expected)
    assert jet.laplacian.shape == (1, 20, 1)


@pytest.mark.parametrize("band", [6, 11])
def test_no_weights_leave_the_band_and_products_reach_beyond_one_filter(band: int) -> None:
    field = network(BandLimitedMfn(ms.Domain(2, 1), width=32, filters=3, band=band))
    n = 64
    axis = torch.arange(n, dtype=torch.float64) * 2 / n - 1  # one period, its end left out
    values = field(torch.cartesian_prod(axis, axis)).reshape(n, n)
    power = torch.fft.fft2(values).abs() / n**2
    k = torch.fft.fftfreq(n, 1 / n).abs()
    beyond = torch.maximum(k[:, None], k[None, :]) > band
    assert float(power[beyond].max()) < 1e-12
    reached = torch.maximum(k[:, None], k[None, :])[power > 1e-9].max()
    assert band // 3 < reached <= band


@pytest.mark.parametrize("order", ["gradient", "laplacian", "hessian"])
def test_each_filter_is_differentiated_once_along_each_axis(order: Any) -> None:
    asked: list[tuple[int, int]] = []

    class Counted(FourierMfn):
        def filter(self, i: int, x: torch.Tensor, params: Params) -> Filter:
            made = super().filter(i, x, params)

            def first(a: int) -> torch.Tensor:
                asked.append((i, a))
                return made.first(a)

            return replace(made, first=first)

    network(Counted(ms.Domain(2, 1), width=8, filters=3)).jet(torch.rand(1, 4, 2).double(), order)
    assert sorted(asked) == [(i, a) for i in range(3) for a in range(2)]


def test_numbers_out_of_range() -> None:
    domain = ms.Domain(2, 1)
    for make in (
        lambda: FourierMfn(domain, omega=0.0),
        lambda: GaborMfn(domain, width=0),
        lambda: BandLimitedMfn(domain, filters=4, band=3),
    ):
        with pytest.raises(ms.RecipeError, match="siren: input_layer"):
            make()


@pytest.mark.parametrize("name", ["fourier_mfn", "gabor_mfn", "band_limited_mfn"])
def test_a_recipe_trains_them(name: str, tmp_path: Any) -> None:
    overrides = {
        "siren.nonlinearity": "identity", "siren.hidden_layers": 0, "siren.hidden_features": 4,
        "siren.input_layer": {"name": name, "width": 8}, "data.size": 16, "data.points": None, "train.steps": 2,
    }  # fmt: skip
    made = ms.run(ms.load_recipe("image", preset="quick", overrides=overrides), tmp_path / "run", device="cpu")
    assert torch.isfinite(made.field()(ms.grid((4, 4)))).all()
