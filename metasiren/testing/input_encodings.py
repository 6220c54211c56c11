"""Contract checks of input encodings: coordinates to features, with their first and second derivatives."""

from __future__ import annotations

import torch
from torch import Tensor

from metasiren.nn.derivatives.jets import jet
from metasiren.nn.encodings import InputLayer
from metasiren.nn.siren import Siren
from metasiren.testing import common
from metasiren.testing.activations import EXACT
from metasiren.testing.common import compare, finite
from metasiren.testing.overfit import network_learns
from metasiren.testing.part import Part, seeded
from metasiren.testing.report import demand, fail


def construction(part: Part) -> None:
    """The factory gives an `InputLayer` of the domain; two made with the same options are equal."""
    made = part.make()
    demand(isinstance(made, InputLayer), f"the factory gives {type(made).__name__}.", "Subclass metasiren.InputLayer.")
    kept = getattr(made, "domain", None) == part.dataset.domain
    demand(kept, "its domain is not what was given.", "Call super().__init__(domain).")
    advice = "Keep options as plain attributes, and draw random numbers from a generator with a seed that is an option."
    demand(made == part.make(seed=1), "two layers of the same options differ.", advice)


def shapes(part: Part) -> None:
    """Features are (instances, points, features), finite, in the dtype of the coordinates; so are derivatives."""
    made: InputLayer = part.make()
    d = part.dataset.domain.d_in
    for dtype in (torch.float32, torch.float64):
        x = _points(d).to(dtype)
        found = made.expand(x, _params(made, dtype))
        expected = (2, x.shape[1], made.features)
        tensors = [("features", found.value)]
        tensors += [(f"first({i})", found.first(i)) for i in range(d)]
        tensors += [(f"second({i}, {j})", found.second(i, j)) for i in range(d) for j in range(d)]
        for what, each in tensors:
            demand(tuple(each.shape) == expected, f"{what}: shape {tuple(each.shape)}; expected {expected}.")
            demand(each.dtype == dtype, f"{what}: {each.dtype} for coordinates in {dtype}.")
            finite([each], what)


def pointwise(part: Part) -> None:
    """The features of a point do not depend on the other points, nor on those of other instances."""
    made: InputLayer = part.make()
    x, params = _points(part.dataset.domain.d_in), _params(made)
    whole = made.expand(x, params).value
    compare(made.expand(x[:, :3], params).value, whole[:, :3], "features of three points alone", EXACT)
    one = {name: p[1:] for name, p in params.items()}
    compare(made.expand(x[1:], one).value, whole[1:], "features of one instance alone", EXACT)


def derivatives(part: Part) -> None:
    """In float64 first and second derivatives are those of autograd."""
    made: InputLayer = part.make()
    d, params = part.dataset.domain.d_in, _params(made)
    x = _points(d).requires_grad_()
    found = made.expand(x, params)
    probe = torch.randn(found.value.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    weights = torch.ones_like(probe).requires_grad_()
    # The gradient by x of a weighted sum over features is linear in the weights: derived by them, it is the Jacobian.
    (slope,) = torch.autograd.grad((weights * found.value).sum(), x, create_graph=True)
    for i in range(d):
        (truth,) = torch.autograd.grad(slope[..., i].sum(), weights, retain_graph=True)
        compare(found.first(i), truth, f"first({i}) against autograd", EXACT)
        first = found.first(i)
        curved = torch.zeros_like(x)
        if first.requires_grad:
            (curved,) = torch.autograd.grad((probe * first).sum(), x, retain_graph=True, allow_unused=True)
            curved = torch.zeros_like(x) if curved is None else curved
        for j in range(d):
            second = (probe * found.second(i, j)).sum(-1)
            compare(second, curved[..., j], f"second({i}, {j}) against autograd of first({i})", EXACT)


def jets(part: Part) -> None:
    """In float64 the Laplacian of a small network, and its parameter gradients, are those of autograd."""
    made: InputLayer = part.make()
    d = part.dataset.domain.d_in
    siren = Siren(
        in_features=d, out_features=1, hidden_features=6, hidden_layers=0, first_omega=1.0, input_layer=made
    )  # fmt: skip
    with seeded(1):
        params = {k: p.requires_grad_() for k, p in siren.init(dtype=torch.float64).items()}
    coords = _points(d)[:1].requires_grad_()
    found = jet(siren, params, coords, "laplacian").laplacian
    if found is None:
        fail("the jet lacks the Laplacian.")
    (slope,) = torch.autograd.grad(siren(params, coords).sum(), coords, create_graph=True)
    rows = [torch.autograd.grad(slope[..., i].sum(), coords, create_graph=True)[0][..., i] for i in range(d)]
    truth = torch.stack(rows).sum(0).unsqueeze(-1)
    compare(found, truth, "Laplacians of a network", EXACT)
    pulls = []
    for u in (found, truth):
        grads = torch.autograd.grad(u.square().sum(), list(params.values()), retain_graph=True, materialize_grads=True)
        pulls.append(torch.cat([g.flatten() for g in grads]))
    compare(pulls[0], pulls[1], "parameter gradients of squared Laplacians of a network", EXACT)


def initialisation(part: Part) -> None:
    """Learnable parameters are named `input...`, drawn from the given generator, as widely as `init_std` states."""
    made: InputLayer = part.make()
    for name, shape in made.shapes.items():
        advice = "Start its name with `input.`, so that no other layer has the same."
        demand(name.startswith("input"), f"a parameter is called {name!r}.", advice)
        drawn = [torch.full((50, *shape), torch.nan) for _ in range(2)]
        for each in drawn:
            made.init(name, each, torch.Generator().manual_seed(5))
        demand(torch.equal(*drawn), f"{name}: two draws under one seed differ.", "Draw from the generator given.")
        finite(drawn, name)
        std, stated = float(drawn[0].std()), made.init_std(name)
        bad = drawn[0].numel() > 500 and abs(std - stated) > 0.15 * max(std, stated)
        demand(not bad, f"{name} has the standard deviation {std:.3g}; {stated:.3g} is stated.", "Define init_std.")


def overfit(part: Part) -> None:
    """A network with it fits a signal in fifty steps better than a constant does."""
    network_learns(part, nonlinearity="relu", input_layer=part.make())


CHECKS = (
    common.options,
    common.documented,
    construction,
    shapes,
    pointwise,
    derivatives,
    jets,
    initialisation,
    overfit,
)


def _points(d: int) -> Tensor:
    """(2, 20, d) in float64 within [-1, 1], the same every time."""
    return torch.rand(2, 20, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1


def _params(made: InputLayer, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    params = {}
    for name, shape in made.shapes.items():
        params[name] = torch.empty(2, *shape, dtype=dtype)
        made.init(name, params[name], torch.Generator().manual_seed(4))
    return params
