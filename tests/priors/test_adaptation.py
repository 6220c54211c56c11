"""Latents found by gradient steps through the decoder, and the decoder that appends them to coordinates."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import metasiren as ms
from metasiren import Context, Decoder, Domain, Params, Points, RecipeError, Siren
from metasiren_priors.data.imageset import ImageSet
from metasiren_priors.decoders.concatenation import Concatenation
from metasiren_priors.encoders.adaptation import AutoDecoder, ContextAdaptation
from metasiren_priors.evaluation.refinement import observed_errors

DOMAIN = Domain(d_in=1, d_out=2, items=6)


class Constant(Decoder):
    """The field of value A z everywhere: a linear net whose only weight that is not zero is its bias."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__(Siren(in_features=1, out_features=2, hidden_features=1, hidden_layers=0), matrix.shape[1])
        self.matrix = nn.Parameter(matrix)

    def forward(self, latent: Tensor) -> Params:
        zeros = {k: latent.new_zeros(len(latent), *shape) for k, shape in self.siren.shapes.items()}
        return {**zeros, "1.bias": latent @ self.matrix.T}


def observed(values: Tensor, counts: list[int]) -> Context:
    """Contexts of `counts` points with the values (batch, points, 2)."""
    mask = torch.arange(values.shape[1]) < torch.tensor(counts)[:, None]
    coords = torch.zeros(*values.shape[:2], 1, dtype=values.dtype)
    return Context(torch.arange(len(values)), coords, values * mask.unsqueeze(2), mask)


@pytest.fixture
def values() -> Tensor:
    return torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_cavia_takes_the_steps_of_gradient_descent(values: Tensor) -> None:
    """On a linear decoder z_k = z_(k-1) - rate A^T (A z - mean value): the error is a mean over two channels."""
    matrix = torch.tensor([[1.0, 0.3], [0.2, 0.8]], dtype=torch.float64)
    context = observed(values, [5, 2, 0])
    found = ContextAdaptation(DOMAIN, latent_dim=2, steps=4, rate=0.5)(context, Constant(matrix))
    means = torch.stack([values[0].mean(0), values[1, :2].mean(0), torch.zeros(2, dtype=torch.float64)])
    z = torch.zeros_like(means)
    for _ in range(4):
        z = z - 0.5 * torch.where(torch.tensor([[1.0], [1.0], [0.0]]) > 0, (z @ matrix.T - means) @ matrix, 0.0)
    torch.testing.assert_close(found.detach(), z)


def test_cavia_s_gradient_goes_through_its_steps(values: Tensor) -> None:
    context, matrix = observed(values, [5, 5, 5]), torch.tensor([[1.0, 0.3], [0.2, 0.8]], dtype=torch.float64)
    encoder = ContextAdaptation(DOMAIN, latent_dim=2, steps=2, rate=0.5).train()

    def loss(matrix: Tensor) -> Tensor:
        # The loss itself does not use the matrix: only the inner steps do.
        return encoder(context, Constant(matrix)).square().sum()

    decoder = Constant(matrix)
    encoder(context, decoder).square().sum().backward()
    assert decoder.matrix.grad is not None
    step = 1e-6
    for i, j in ((0, 0), (0, 1), (1, 0)):
        bump = torch.zeros_like(matrix)
        bump[i, j] = step
        slope = (loss(matrix + bump) - loss(matrix - bump)).detach() / (2 * step)
        torch.testing.assert_close(decoder.matrix.grad[i, j], slope, rtol=1e-5, atol=1e-7)


def test_first_order_steps_give_the_same_latents_and_no_second_derivatives(values: Tensor) -> None:
    context, decoder = observed(values, [5, 5, 5]), Constant(torch.eye(2, dtype=torch.float64))
    whole, first = (ContextAdaptation(DOMAIN, latent_dim=2, first_order=o).train() for o in (False, True))
    torch.testing.assert_close(whole(context, decoder), first(context, decoder))
    assert whole(context, decoder).requires_grad
    with torch.no_grad():
        assert not whole(context, decoder).requires_grad


def test_auto_decoding_gives_training_items_their_own_latents(values: Tensor) -> None:
    encoder = AutoDecoder(DOMAIN, latent_dim=2).train()
    context = observed(values, [5, 5, 5])
    batch = ms.Batch(context, {"pixels": Points(context.coords, {"values": values})})
    latent, same = encoder.training_pair(batch, Constant(torch.eye(2)))
    assert same is batch
    torch.testing.assert_close(latent, encoder.speed * encoder.latents[:3])
    latent.sum().backward()
    assert encoder.latents.grad is not None
    assert encoder.latents.grad[:3].abs().min() > 0
    assert encoder.latents.grad[3:].abs().max() == 0, "items that were not seen are not touched"


def test_auto_decoding_finds_the_latent_of_an_unseen_signal(values: Tensor) -> None:
    """With no prior the best constant is the mean of the observed values."""
    matrix = torch.tensor([[1.0, 0.3], [0.2, 0.8]], dtype=torch.float64)
    encoder = AutoDecoder(DOMAIN, latent_dim=2, steps=600, prior=0.0).double().eval()
    context = observed(values, [5, 2, 0])
    found = encoder(context, Constant(matrix))
    assert not found.requires_grad
    torch.testing.assert_close(
        found[:2] @ matrix.T, torch.stack([values[0].mean(0), values[1, :2].mean(0)]), atol=5e-3, rtol=0
    )
    assert torch.equal(found[2], torch.zeros(2, dtype=torch.float64)), "nothing observed: the prior's mean"


def test_auto_decoding_refuses_data_that_are_shown_mirrored() -> None:
    encoder, images = AutoDecoder(DOMAIN, latent_dim=2), np.zeros((6, 2, 2, 1), dtype=np.uint8)
    encoder.fit(ImageSet("plain", {"train": images}, {}))
    with pytest.raises(RecipeError, match=r"encoder: autodecoder: the data are shown mirrored[\s\S]*mirror: false"):
        encoder.fit(ImageSet("mirrored", {"train": images}, {}, mirror=True))


def test_errors_count_observed_values_alone(values: Tensor) -> None:
    context = observed(values, [5, 2, 0])
    field = Constant(torch.eye(2, dtype=torch.float64)).field(torch.zeros(3, 2, dtype=torch.float64))
    found = observed_errors(field, context)
    expected = torch.stack(
        [values[0].square().mean(), values[1, :2].square().mean(), torch.zeros((), dtype=torch.float64)]
    )
    torch.testing.assert_close(found.detach(), expected)


def test_the_latent_is_appended_to_the_coordinates() -> None:
    """A plain ReLU network of (x, z) gives the same values."""
    torch.manual_seed(0)
    siren = Siren(in_features=2, out_features=3, hidden_features=7, hidden_layers=1, nonlinearity="relu")
    decoder = Concatenation(siren, 4)
    z, x = torch.randn(5, 4), torch.rand(9, 2)
    made = decoder.field(z)(x)
    params = dict(zip(siren.shapes, decoder.shared, strict=True))
    h = torch.cat([x.expand(5, -1, -1), z[:, None].expand(-1, 9, -1)], dim=2)
    h = F.linear(h, torch.cat([params["0.weight"][0], decoder.latent_weights[0]], dim=1), params["0.bias"][0]).relu()
    h = F.linear(h, params["1.weight"][0], params["1.bias"][0]).relu()
    torch.testing.assert_close(made, F.linear(h, params["2.weight"][0], params["2.bias"][0]))


def test_shifts_of_every_hidden_layer_leave_the_last() -> None:
    siren = Siren(in_features=2, out_features=1, hidden_features=5, hidden_layers=2)
    decoder = Concatenation(siren, 3, layers="hidden")
    one, other = decoder(torch.zeros(1, 3)), decoder(torch.ones(1, 3))
    changed = {name for name in siren.shapes if not torch.equal(one[name], other[name])}
    assert changed == {"0.bias", "1.bias", "2.bias"}
    plain = dict(zip(siren.shapes, decoder.shared, strict=True))
    assert all(torch.equal(one[name], plain[name]) for name in siren.shapes), "a latent of zero is the shared field"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ContextAdaptation(DOMAIN, steps=0), "cavia: steps: 0 is below 1"),
        (lambda: ContextAdaptation(DOMAIN, rate=0.0), "cavia: rate: 0.0 is not positive"),
        (lambda: AutoDecoder(DOMAIN, latent_dim=0), "autodecoder: latent_dim: 0 is below 1"),
        (lambda: AutoDecoder(DOMAIN, prior=-1.0), r"autodecoder: prior: -1.0 is below 0"),
        (lambda: AutoDecoder(DOMAIN, rate=0.0), "autodecoder: rate: 0.0 is not positive"),
    ],
)
def test_numbers_out_of_range_are_refused(make: object, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        make()  # type: ignore[operator]
