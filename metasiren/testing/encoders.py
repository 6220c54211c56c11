"""Contract checks of encoders: Context -> latent (batch, latent_dim)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from metasiren.contracts import Batch, Context, Decoder, Encoder, Model
from metasiren.testing import common
from metasiren.testing.common import compare, contexts, finite, reach
from metasiren.testing.contexts import blank, item, join, pad, reorder, trim
from metasiren.testing.overfit import learns
from metasiren.testing.part import Part, seeded
from metasiren.testing.report import NotApplicable, demand
from metasiren.testing.signals import capacity

MOST_AT_START = 10
"""Norm of the change of the output that latents may make at the start, relative to the output's."""


def construction(part: Part) -> None:
    """The factory gives an `Encoder` with its latent's size, `latent_dim`."""
    made = part.make()
    demand(isinstance(made, Encoder), f"the factory gives {type(made).__name__}.", "Subclass metasiren.Encoder.")
    size = getattr(made, "latent_dim", None)
    advice = "Set self.latent_dim in the constructor."
    demand(isinstance(size, int) and size >= 0, f"latent_dim is {size!r}, not a whole number.", advice)


def context_sizes(part: Part) -> None:
    """0, 1 and 1024 observed points (a full grid, where that is smaller) give finite float32 latents."""
    made, most = _ready(part)
    for pairs in sorted({0, 1, most}):
        for batch in (1, 3):
            latent = _encode(part, made, contexts(part, batch=batch, pairs=(pairs, pairs)))
            _expect(latent, (batch, made.latent_dim), torch.float32, f"{pairs} points, batch of {batch}")
    unseen = blank(contexts(part, batch=2, pairs=(4, 4)))
    _expect(_encode(part, made, unseen), (2, made.latent_dim), torch.float32, "4 points, all of them masked")


def float64(part: Part) -> None:
    """In float64 the latent has float64, and agrees with float32."""
    made, _ = _ready(part)
    context = contexts(part)
    single = _encode(part, made, context)
    double = _encode(part, made.double(), context.cast(torch.float64))
    _expect(double, tuple(single.shape), torch.float64, "float64")
    compare(single, double, "float32 beside float64", 1e-2)


def permutation(part: Part) -> None:
    """The order of the observed points does not matter."""
    made = _invariant(part, "permutation")
    context = contexts(part, pairs=(20, 40))
    random = torch.Generator().manual_seed(1)
    # Padding stays at the end: its sort key is above those of all real pairs.
    order = (torch.rand(context.mask.shape, generator=random) + 2 * ~context.mask).argsort(1)
    compare(_encode(part, made, reorder(context, order)), _encode(part, made, context), "points in another order")


def padding(part: Part) -> None:
    """Padding (zeros at the end, masked) does not matter."""
    made = _invariant(part, "padding")
    context = contexts(part, pairs=(1, 20))
    for i, count in enumerate(context.mask.sum(1).tolist()):
        bare = trim(item(context, i), count)
        compare(_encode(part, made, pad(bare, count + 7)), _encode(part, made, bare), "with padding")


def independence(part: Part) -> None:
    """In evaluation mode each item's latent is the same alone as in a batch, whatever the others observed."""
    made, most = _ready(part)
    sizes = [0, 1, min(5, most), most]
    parts = [contexts(part, batch=4, pairs=(n, n)) for n in sizes]
    whole = join([item(c, i) for i, c in enumerate(parts)])
    together = _encode(part, made, whole)
    for i, size in enumerate(sizes):
        alone = _encode(part, made, trim(item(whole, i), max(1, size)))
        compare(together[i : i + 1], alone, f"an item of {size} points in a batch")


def untouched(part: Part) -> None:
    """The context is not written to."""
    made, _ = _ready(part)
    context = contexts(part)
    before = [tensor.clone() for tensor in (context.coords, context.values, context.mask)]
    _encode(part, made, context)
    after = (context.coords, context.values, context.mask)
    demand(all(map(torch.equal, before, after)), "the context changed.", "Work on copies; avoid in-place operations.")


def evaluation(part: Part) -> None:
    """Under `torch.no_grad`, as everything is evaluated, there is a latent, and it carries no graph."""
    made, _ = _ready(part)
    with torch.no_grad():
        latent = made(contexts(part), part.companion(made.latent_dim))
    demand(not latent.requires_grad, "the latent carries a graph.", "Detach it after an inner optimisation.")


def training_pair(part: Part) -> None:
    """A training step's latent and targets fit each other."""
    made = part.make().train()
    random = torch.Generator().manual_seed(0)
    batch = part.dataset.batch("train", torch.arange(4), context=(5, 60), generator=random)
    latent, targets = made.training_pair(batch, part.companion(made.latent_dim), random)
    _expect(latent.detach(), (4, made.latent_dim), torch.float32, "the latent of the training pair")
    demand(isinstance(targets, Batch), "training_pair gives no Batch beside the latent.")
    demand(
        set(targets.points) == set(batch.points), f"training_pair changes the point sets to {sorted(targets.points)}."
    )


def gradients(part: Part) -> None:
    """Every trainable parameter receives a finite gradient that is not zero."""
    made = part.make().train()
    weights = torch.randn(made.latent_dim, generator=torch.Generator().manual_seed(7))
    companion = part.companion(made.latent_dim)

    def loss(step: int) -> Tensor:
        latent: Tensor = made(contexts(part, pairs=(1, 60), seed=step), companion)
        return (latent * weights).square().sum()

    reach(made, loss)


def autocast(part: Part) -> None:
    """Under bfloat16 autocast latents are close to those of float32, and gradients are finite."""
    made = part.make()
    context, companion = contexts(part), part.companion(made.latent_dim)
    exact = made.eval()(context, companion).detach()
    with torch.autocast("cpu", torch.bfloat16):
        latent = made(context, companion)
    finite([latent], "latents under autocast")
    compare(latent.detach().float(), exact, "latents under autocast", 0.2)
    if latent.requires_grad:
        latent.float().square().sum().backward()
        finite([p.grad for p in made.parameters() if p.grad is not None], "gradients under autocast")


def start_size(part: Part) -> None:
    """At the start latents change the output by at most ten times its norm; from larger ones training diverges.

    Measured with a small decoder: the norm of the field's change from that of a zero latent, relative to the latter.
    """
    made, _ = _ready(part)
    if type(made).fit is not Encoder.fit:
        raise NotApplicable("the encoder computes its latents in closed form")
    context, companion = contexts(part), part.companion(made.latent_dim)
    latent, at = _encode(part, made, context), part.dataset.batch("train", context.items).points["pixels"].coords
    with torch.no_grad():
        without = companion.field(torch.zeros_like(latent))(at)
        effect = float((companion.field(latent)(at) - without).norm() / without.norm())
    found = f"at the start latents change the output by {effect:.3g} times its norm; expected at most {MOST_AT_START}."
    advice = "Take means over observed points, not sums; give the last layer small weights; do not scale the latent up."
    demand(effect <= MOST_AT_START, found, advice)


def overfit(part: Part) -> None:
    """50 steps with a small decoder separate four signals (or fit one, for a latent of size zero)."""
    made = part.make()
    items = 4 if made.latent_dim else 1
    learns(Model(made, part.companion(made.latent_dim)), part.dataset, items, at="pixels")


CHECKS = (
    common.options,
    common.documented,
    construction,
    context_sizes,
    float64,
    permutation,
    padding,
    independence,
    untouched,
    evaluation,
    training_pair,
    common.determinism,
    common.state_dict,
    common.copies,
    common.device,
    gradients,
    autocast,
    start_size,
    overfit,
)


def _ready(part: Part) -> tuple[Any, int]:
    return part.make().eval(), capacity(part.dataset)


def _invariant(part: Part, invariance: str) -> Any:
    made = part.make().eval()
    if invariance not in made.invariances:
        raise NotApplicable(f"not stated: {invariance!r} is not in the class attribute `invariances`")
    return made


def _encode(part: Part, made: Any, context: Context) -> Tensor:
    companion: Decoder = part.companion(made.latent_dim)
    if context.coords.dtype == torch.float64:
        companion = companion.double()
    with torch.no_grad(), seeded(0):
        latent: Tensor = made(context, companion)
    return latent


def _expect(latent: Tensor, shape: tuple[int, ...], dtype: torch.dtype, where: str) -> None:
    found = f"{where}: the latent is {tuple(latent.shape)}; expected {shape}."
    demand(tuple(latent.shape) == shape, found, "Give (batch, latent_dim), for a batch of one item too.")
    demand(latent.dtype == dtype, f"{where}: the latent has {latent.dtype}; expected {dtype}.")
    finite([latent], f"{where}: the latent")
