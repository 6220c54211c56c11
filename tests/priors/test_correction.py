"""The learnt correction starts at the mixture, and leaves alone what was observed."""

from __future__ import annotations

import torch

from metasiren import Context, Siren, grid
from metasiren_priors.data.imageset import observe
from metasiren_priors.data.sketch_faces import SketchFaces
from metasiren_priors.decoders.last_layer import LastLayer
from metasiren_priors.encoders.cnn import CnnEncoder
from metasiren_priors.encoders.correction import MixtureCorrection
from metasiren_priors.evaluation.masks import cells_of

FACES = SketchFaces(train=120, val=8, test=0, size=12)


def encoder() -> MixtureCorrection:
    torch.manual_seed(0)
    made = MixtureCorrection(FACES.domain, features=8, blocks=2, components=2, coordinates=20, pooled=100, rounds=2)
    made.fit(FACES)
    return made


def context(count: int) -> tuple[Context, torch.Tensor]:
    values = FACES.values("val")
    seen = torch.rand(len(values), 144, generator=torch.Generator().manual_seed(0)).argsort(1) < count
    made = observe(values, *cells_of(seen), torch.arange(len(values)), grid((12, 12)), (12, 12))
    return made, torch.where(seen.unsqueeze(2), values, torch.nan)


def decoder() -> LastLayer:
    return LastLayer(Siren(in_features=2, out_features=3, hidden_features=32, hidden_layers=0), 432)


def test_it_starts_at_the_mixture() -> None:
    made, (seen, _) = encoder(), context(30)
    torch.testing.assert_close(made(seen, decoder()), made.base(seen, decoder()))


def test_observed_values_stay_whatever_was_learned() -> None:
    made, (seen, known) = encoder(), context(30)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0, 0.3)
        found = made(seen, decoder()).view(8, 144, 3)
    observed = ~known.isnan()
    assert torch.equal(found[observed], known[observed])
    assert float((found - made.base(seen, decoder()).view_as(found)).abs().max()) > 1e-2


def test_training_lowers_the_error_on_the_same_images_below_the_mixtures() -> None:
    made, net = encoder(), decoder()
    batch = FACES.batch("train", torch.arange(32))
    optimizer = torch.optim.Adam([p for p in made.parameters() if p.requires_grad], 3e-3)

    def loss() -> torch.Tensor:
        latent, targets = made.training_pair(batch, net, torch.Generator().manual_seed(1))
        return (latent.view(32, 144, 3) - targets.points["pixels"].values).square().mean()

    before = float(loss().detach())
    for _ in range(25):
        optimizer.zero_grad()
        found = loss()
        found.backward()
        optimizer.step()
    assert float(loss().detach()) < before


def test_the_cnn_with_a_mixture_starts_at_it_learns_and_keeps_what_was_observed() -> None:
    torch.manual_seed(0)
    made = CnnEncoder(
        FACES.domain, latent_dim=16, features=8, blocks=1, kernel_size=3, downsample=1, pooling="dense",
        base="mixture", components=2, coordinates=20,
    )  # fmt: skip
    made.fit(FACES)
    (seen, known), net = context(30), decoder()
    assert made.base is not None
    start = made.base(seen, net)
    torch.testing.assert_close(made(seen, net).detach(), start)
    batch = FACES.batch("train", torch.arange(32))
    optimizer = torch.optim.Adam([p for p in made.parameters() if p.requires_grad], 3e-3)
    losses = []
    for _ in range(25):
        latent, targets = made.training_pair(batch, net, torch.Generator().manual_seed(1))
        loss = (latent.view(32, 144, 3) - targets.points["pixels"].values).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]
    found = made(seen, net).detach().view(8, 144, 3)
    observed = ~known.isnan()
    assert torch.equal(found[observed], known[observed])
    assert float((found - start.view_as(found)).abs().max()) > 1e-3
