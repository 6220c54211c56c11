"""Contract checks of decoders: latent (batch, latent_dim) -> SIREN parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from metasiren.contracts import Decoder, Model
from metasiren.nn.layers import Params
from metasiren.nn.siren import Siren
from metasiren.testing import common
from metasiren.testing.common import compare, finite, latents, reach
from metasiren.testing.overfit import Centred, Memory, learns
from metasiren.testing.part import Part, seeded
from metasiren.testing.report import demand


def construction(part: Part) -> None:
    """The factory gives a `Decoder` that keeps its SIREN and the latent's size."""
    made = part.make()
    demand(isinstance(made, Decoder), f"the factory gives {type(made).__name__}.", "Subclass metasiren.Decoder.")
    kept = getattr(made, "siren", None) == part.siren and getattr(made, "latent_dim", None) == part.latent_dim
    demand(kept, "siren or latent_dim is not what was given.", "Call super().__init__(siren, latent_dim).")


def shapes(part: Part) -> None:
    """Every parameter of the SIREN is there, with leading size `batch` (or 1 for all), finite, in float32."""
    made = part.make().eval()
    for batch in (1, 3):
        _expect(_decode(made, latents(part, batch)), part.siren, batch, torch.float32)


def architectures(part: Part) -> None:
    """SIRENs of other sizes, nonlinearities and input layers are served too."""
    layer = {"name": "rbf_gaussian", "centres": 8}
    others = (
        Siren(in_features=1, out_features=1, hidden_features=8, hidden_layers=0),
        replace(part.siren, hidden_features=12, hidden_layers=3),
        replace(part.siren, nonlinearity="relu"),
        replace(part.siren, nonlinearity="relu", input_layer=layer),
    )
    for siren in others:
        with seeded(0):
            made = part.loaded(siren, part.latent_dim, **part.given())
        _expect(_decode(made.eval(), latents(part, 2)), siren, 2, torch.float32)


def zero_latent(part: Part) -> None:
    """A latent of size zero, as for a single signal, is served too."""
    with seeded(0):
        made = part.loaded(part.siren, 0, **part.given())
    _expect(_decode(made.eval(), torch.zeros(2, 0)), part.siren, 2, torch.float32)


def field(part: Part) -> None:
    """The decoded field gives finite values (batch, points, d_out)."""
    made = part.make().eval()
    domain = part.dataset.domain
    coords = torch.rand(2, 5, domain.d_in, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        values = made.field(latents(part, 2))(coords)
    demand(tuple(values.shape) == (2, 5, domain.d_out), f"values are {tuple(values.shape)}.")
    finite([values], "values")


def float64(part: Part) -> None:
    """In float64 the weights have float64, and agree with float32."""
    made = part.make().eval()
    single = _decode(made, latents(part))
    double = _decode(made.double(), latents(part).double())
    _expect(double, part.siren, len(latents(part)), torch.float64)
    for name, tensor in double.items():
        compare(single[name], tensor, f"{name}: float32 beside float64", 1e-2)


def independence(part: Part) -> None:
    """In evaluation mode each item's weights are the same alone as in a batch."""
    made, latent = part.make().eval(), latents(part)
    together = _decode(made, latent)
    for i in range(len(latent)):
        for name, tensor in _decode(made, latent[i : i + 1]).items():
            compare(together[name].expand(len(latent), *tensor.shape[1:])[i : i + 1], tensor, f"{name} in a batch")


def gradients(part: Part) -> None:
    """Every trainable parameter receives a finite gradient that is not zero; so does the latent."""
    made, latent = part.make().train(), latents(part).requires_grad_()
    reach(made, lambda _: _energy(made(latent)))
    if part.latent_dim:
        demand(
            latent.grad is not None and bool((latent.grad != 0).any()),
            "no gradient reaches the latent, not even after some steps.",
        )


def autocast(part: Part) -> None:
    """Under bfloat16 autocast the emitted weights stay float32 and close, and gradients are finite."""
    made, latent = part.make(), latents(part)
    exact = _decode(made.eval(), latent)
    with torch.autocast("cpu", torch.bfloat16):
        params = made(latent)
    for name, tensor in params.items():
        found = f"{name} has {tensor.dtype} under autocast; the arguments of sines need float32."
        demand(tensor.dtype == torch.float32, found, "Emit weights inside torch.autocast(device_type, enabled=False).")
        compare(tensor.detach(), exact[name], f"{name} under autocast", 0.2)
    _energy(params).backward()  # type: ignore[no-untyped-call]
    finite([p.grad for p in made.parameters() if p.grad is not None], "gradients under autocast")


def overfit(part: Part) -> None:
    """50 steps with free latents separate four signals (or fit one, for a latent of size zero)."""
    made = part.make()
    with seeded(0):
        memory = Memory(part.dataset.domain, part.latent_dim)
    items = 4 if part.latent_dim else 1
    batch = part.dataset.batch("train", torch.arange(items), generator=torch.Generator().manual_seed(0))
    learns(Model(memory, made), Centred(part.dataset, batch, "pixels"), items, at="pixels")


CHECKS = (
    common.options,
    common.documented,
    construction,
    shapes,
    architectures,
    zero_latent,
    field,
    float64,
    independence,
    common.determinism,
    common.state_dict,
    common.copies,
    common.device,
    gradients,
    autocast,
    overfit,
)


def _decode(made: Any, latent: Tensor) -> Params:
    with torch.no_grad():
        params: Params = made(latent)
    return params


def _expect(params: Params, siren: Siren, batch: int, dtype: torch.dtype) -> None:
    wanted = siren.shapes
    found = f"the parameters are {sorted(params)}; expected {sorted(wanted)}."
    demand(set(params) == set(wanted), found, "siren.shapes names them all.")
    leading = {tensor.shape[0] for tensor in params.values()}
    found = f"the leading sizes are {sorted(leading)} for a batch of {batch}."
    demand(leading in ({batch}, {1}), found, "Expand shared parameters to the batch: p.expand(batch, ...).")
    for name, tensor in params.items():
        expected = (*leading, *wanted[name])
        demand(tuple(tensor.shape) == expected, f"{name} is {tuple(tensor.shape)}; expected {expected}.")
        demand(tensor.dtype == dtype, f"{name} has {tensor.dtype}; expected {dtype}.")
        finite([tensor], name)


def _energy(params: Params) -> Tensor:
    """A number that depends on every entry, to differentiate."""
    random = torch.Generator().manual_seed(4)
    total = torch.zeros((), dtype=torch.float64)
    for tensor in params.values():
        aim = torch.randn(tensor.shape, generator=random)
        total = total + (tensor - aim).square().mean().double()
    return total
