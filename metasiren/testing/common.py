"""Checks and helpers that several kinds of parts share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
import yaml
from pydantic import ValidationError
from torch import Tensor, nn

from metasiren.nn.derivatives import ORDERS, SecondSums, UpTo
from metasiren.recipe import parse_yaml
from metasiren.registry.catalogue import options_model
from metasiren.registry.docstrings import argument_help, documentation
from metasiren.testing.part import Part, seeded, trainable
from metasiren.testing.report import NotApplicable, demand, fail

TOLERANCE = 1e-4
"""Difference, relative to the largest entry, that float32 arithmetic in another order may make."""


def options(part: Part) -> None:
    """Every option has a type that YAML can express; its default fits; unknown options are refused."""
    model = options_model(part.kind, part.loaded)
    for name, info in model.model_fields.items():
        demand(info.annotation is not Any, f"option {name!r} has no type.", f"Annotate it: {name}: int.")
    try:
        checked = model.model_validate(dict(part.options))
    except ValidationError as error:
        fail(f"the options {dict(part.options)} do not fit: {error}")
    demand(
        model.model_config.get("extra") != "allow",
        "any option is accepted, so that a misspelt one would pass in silence.",
        "Name the options in the signature instead of taking **kwargs.",
    )
    defaults = {k: info.default for k, info in model.model_fields.items() if not info.is_required()}
    for name, default in defaults.items():
        try:
            model.model_validate({**part.options, name: default})
        except ValidationError as error:
            fail(f"option {name!r}: the default {default!r} does not fit its type: {error.errors()[0]['msg']}")
    plain = checked.model_dump(mode="json")
    text = yaml.safe_dump(plain)
    again = model.model_validate(parse_yaml(text, "options"))
    demand(again.model_dump(mode="json") == plain, f"options change on their way through YAML:\n{text}")
    part.make(options=parse_yaml(text, "options"))


def documented(part: Part) -> None:
    """The docstring has a summary, and a line in `Args` for every option: `metasiren describe` shows both."""
    demand(documentation(part.loaded), "there is no docstring.", "Say in a line what the part does.")
    silent = sorted(set(options_model(part.kind, part.loaded).model_fields) - set(argument_help(part.loaded)))
    demand(not silent, f"the docstring's Args section does not name: {', '.join(silent)}.")


def known_order(order: Any) -> None:
    """Demand that derivatives are asked for by an order that there is."""
    known = isinstance(order, SecondSums | UpTo) or order in ORDERS
    demand(known, f"order is {order!r}.", f"Give SecondSums, UpTo, or one of {', '.join(ORDERS)}.")


def compare(found: Tensor, expected: Tensor, what: str, tolerance: float = TOLERANCE) -> None:
    """Demand equality up to rounding, relative to the largest entry."""
    demand(found.shape == expected.shape, f"{what}: shape {tuple(found.shape)} became {tuple(expected.shape)}.")
    if not found.numel():
        return
    scale = max(float(expected.detach().abs().max()), 1e-6)
    gap = float((found.detach().double() - expected.detach().double()).abs().max()) / scale
    demand(gap <= tolerance, f"{what}: differs by {gap:.1e} of the largest entry (allowed: {tolerance:.0e}).")


def finite(tensors: Iterable[Tensor], what: str) -> None:
    """Demand that there is no NaN or infinity."""
    demand(all(bool(torch.isfinite(t).all()) for t in tensors), f"{what}: not finite.")


def reach(module: nn.Module, loss: Callable[[int], Tensor], *, steps: int = 4) -> None:
    """Demand that a loss sends a gradient to every trainable parameter, within a few steps of training.

    One step is not enough: a last layer that starts at zero passes no gradient to the layers before it.
    """
    parameters = trainable(module)
    if not parameters:
        fail("there is nothing to train: no parameter requires a gradient.", "If that is meant, declare it.")
    # Steps of bounded size: the loss here is steeper than any in training.
    optimizer = torch.optim.Adam(parameters.values(), lr=1e-3)
    waiting = set(parameters)
    for step in range(steps):
        optimizer.zero_grad(set_to_none=True)
        value = loss(step)
        demand(value.requires_grad, "the output carries no gradient.", "Look for detach(), no_grad() or .data.")
        value.backward()  # type: ignore[no-untyped-call]
        finite([p.grad for p in parameters.values() if p.grad is not None], "gradients")
        waiting -= {name for name, p in parameters.items() if p.grad is not None and bool((p.grad != 0).any())}
        optimizer.step()
    advice = "Use the parameter in the forward pass, or do not register it as one that is trained."
    demand(not waiting, f"no gradient reaches: {', '.join(sorted(waiting))}.", advice)


def state_dict(part: Part) -> None:
    """Weights saved from one and loaded into another, built under another seed, give the same outputs."""
    first, second = part.make(seed=0).eval(), part.make(seed=1).eval()
    saved = {name: tensor.clone() for name, tensor in first.state_dict().items()}
    mismatch = second.load_state_dict(saved, strict=False)
    demand(not mismatch.missing_keys and not mismatch.unexpected_keys, f"state does not fit: {mismatch}.")
    before, after = outputs(part, first), outputs(part, second)
    for a, b in zip(before, after, strict=True):
        message = "the same weights give other outputs: something that matters is not in the state dict."
        demand(torch.equal(a, b), message, "Use nn.Parameter or register_buffer.")


def copies(part: Part) -> None:
    """A deep copy, as an average of the weights needs, gives the same outputs and shares no memory."""
    from copy import deepcopy

    original = part.make().eval()
    copied = deepcopy(original)
    for a, b in zip(outputs(part, original), outputs(part, copied), strict=True):
        demand(torch.equal(a, b), "a deep copy gives other outputs.")
    mine = {p.data_ptr() for p in original.parameters() if p.numel()}
    demand(not any(p.data_ptr() in mine for p in copied.parameters()), "a deep copy shares weights with the original.")


def determinism(part: Part) -> None:
    """In evaluation mode a second call gives the same bits, and so does a second part built under the same seed."""
    first, second = part.make(seed=3).eval(), part.make(seed=3).eval()
    with seeded(5):
        once = outputs(part, first)
    with seeded(6):
        twice = outputs(part, first)
    for a, b, c in zip(once, twice, outputs(part, second), strict=True):
        demand(torch.equal(a, b), "a second call gives other outputs.", "Draw nothing at random in evaluation mode.")
        message = "a part built under the same seed gives other outputs."
        demand(torch.equal(a, c), message, "Draw initial weights from torch's global generator alone.")


def device(part: Part) -> None:
    """On a GPU, outputs lie there and agree with the CPU's."""
    if not torch.cuda.is_available():
        raise NotApplicable("no GPU here")
    made = part.make().eval()
    expected = outputs(part, made)
    for a, b in zip(outputs(part, made.to("cuda"), "cuda"), expected, strict=True):
        demand(a.is_cuda, "outputs lie on the CPU although weights and inputs are on the GPU.", "Follow the inputs.")
        compare(a.cpu(), b, "outputs on the GPU", 1e-2)


def outputs(part: Part, module: nn.Module, place: str = "cpu") -> list[Tensor]:
    """The output of an encoder or a decoder for fixed inputs."""
    with torch.no_grad():
        if part.kind == "encoder":
            context = contexts(part).to(place)
            latent: Tensor = module(context, part.companion(module.latent_dim).to(place))  # type: ignore[arg-type]
            return [latent]
        return list(module(latents(part).to(place)).values())


def latents(part: Part, batch: int = 4) -> Tensor:
    """(batch, latent_dim), standard normal, the same every time."""
    return torch.randn(batch, part.latent_dim, generator=torch.Generator().manual_seed(2))


def contexts(part: Part, *, batch: int = 4, pairs: tuple[int, int] = (5, 60), seed: int = 0) -> Any:
    """A context of `batch` training items that observed between `pairs` points, the same every time."""
    random = torch.Generator().manual_seed(seed)
    items = torch.arange(batch) % part.dataset.splits["train"]
    return part.dataset.batch("train", items, context=pairs, generator=random).context
