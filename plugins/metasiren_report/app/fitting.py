"""Fit one signal step by step, with intermediate results."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metasiren import DataError, Domain, Field, Params, Siren, grid, load_catalogue

Pixels = NDArray[np.float64]
Task = Literal["values", "gradient", "inpaint"]
PARTS = ("finer", "finer_pp", "gaussian", "sinc", "wire")
"""Nonlinearities that a plugin offers; they keep their own scales."""
COMPARED = ("relu", "tanh", "softplus", "relu_pe", "relu_fourier", *PARTS)
OSCILLATING = ("sine", *PARTS)
"""Nonlinearities for which the coordinates of a sound are stretched, as for the paper's sounds."""
EVERY_SECONDS = 0.7
BATCH = 8192


@dataclass(frozen=True)
class Options:
    """The choices in the tab Fit.

    Attributes:
        task: fit `values`; `gradient`, from which the picture is recovered up to a constant; or `inpaint`: values at
            a random part of the pixels, and total variation everywhere.
        nonlinearity: `sine`, a torch nonlinearity of `Siren`, a name in `PARTS`, or ReLU with positional encoding
            (`relu_pe`) or Fourier features (`relu_fourier`).
        width: 8 to 256.
        depth: hidden layers after the first, 1 to 5.
        omega: of both kinds of layers, 1 to 200; the sine network only.
        rate: Adam's learning rate, 1e-6 to 0.1.
        steps: 1 to 5,000.
        seen: share of the pixels for `inpaint`, 0.01 to 1.
        tv: weight of total variation for `inpaint`, 0 to 1.
        seed: of weights, batches and the mask.

    Raises:
        DataError: a number out of range.
    """

    task: Task = "values"
    nonlinearity: str = "sine"
    width: int = 64
    depth: int = 2
    omega: float = 30.0
    rate: float = 1e-3
    steps: int = 300
    seen: float = 0.2
    tv: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        ranges = {
            "width": (8, 256), "depth": (1, 5), "omega": (1, 200), "rate": (1e-6, 0.1), "steps": (1, 5000),
            "seen": (0.01, 1), "tv": (0, 1),
        }  # fmt: skip
        for name, (least, most) in ranges.items():
            if not least <= getattr(self, name) <= most:
                raise DataError(f"app: {name}", f"{getattr(self, name)}.", f"Give {least} to {most}.")


@dataclass
class Fitting:
    """The state of a fit.

    Attributes:
        siren: the network.
        params: its weights.
        shape: of the signal's grid: (rows, columns), or (samples,).
        extent: coordinates run from -extent to extent.
        curve: (step, PSNR in dB) so far; the PSNR is over all samples; its peak is the width of the range.
        step: steps done.
        seconds: of training.
        seen: (samples,) bool for `inpaint`, else None.
        level: (channels,) mean of the signal for `gradient`, which determines a picture up to a constant; else None.
    """

    siren: Siren
    params: Params
    shape: tuple[int, ...]
    extent: float
    curve: list[tuple[float, float]] = field(default_factory=list)
    step: int = 0
    seconds: float = 0.0
    seen: Tensor | None = None
    level: Tensor | None = None

    @property
    def field(self) -> Field:
        """The fitted field."""
        return Field(self.siren, {name: value.detach() for name, value in self.params.items()})


def fit(signal: Pixels, options: Options) -> Iterator[Fitting]:
    """Train, giving the state at the start, every 0.7 seconds, and at the end.

    Args:
        signal: (rows, columns, channels) in [0, 1], or (samples,) in [-1, 1].
        options: the choices.
    """
    sound = signal.ndim == 1
    shape, extent = signal.shape[: 1 if sound else 2], 30.0 if sound and options.nonlinearity in OSCILLATING else 1.0
    truth = torch.from_numpy(signal.reshape(np.prod(shape), -1)).float()
    target = truth if sound else truth * 2 - 1
    coords, generator = grid(shape, extent=extent), torch.Generator().manual_seed(options.seed)
    siren = _network(len(shape), target.shape[1], options, max(shape))
    params = siren.init(instances=1, generator=generator)
    state = Fitting(siren, {k: v.clone().requires_grad_() for k, v in params.items()}, tuple(shape), extent)
    if options.task == "inpaint":
        state.seen = torch.rand(len(target), generator=generator) < options.seen
        state.seen[0] = True
    slopes = None
    if options.task == "gradient":
        slopes, state.level = _slopes(target, shape), target.mean(0)
    optimizer = torch.optim.Adam(state.params.values(), lr=options.rate)
    pool = torch.arange(len(target)) if state.seen is None else state.seen.nonzero()[:, 0]
    _measure(state, coords, target)
    yield state
    shown = time.monotonic()
    while state.step < options.steps:
        began = time.monotonic()
        batch = pool[torch.randint(len(pool), (min(BATCH, len(pool)),), generator=generator)]
        loss = _loss(state, options, coords, target, slopes, batch, generator)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        state.step += 1
        now = time.monotonic()
        state.seconds += now - began
        if now - shown > EVERY_SECONDS or state.step == options.steps:
            _measure(state, coords, target)
            yield state
            shown = time.monotonic()


def _network(d_in: int, d_out: int, options: Options, longest: int) -> Siren:
    extra: dict[str, Any] = {"nonlinearity": options.nonlinearity}
    if options.nonlinearity in PARTS:
        extra = {"nonlinearity": load_catalogue().make("activation", options.nonlinearity, where="app", options={})}
    elif options.nonlinearity == "relu_fourier":
        domain = Domain(d_in=d_in, d_out=d_out)
        features = load_catalogue().make("input_encoding", "fourier_features", domain, where="app", options={})
        extra = {"nonlinearity": "relu", "input_layer": features}
    elif options.nonlinearity == "relu_pe":
        extra = {"nonlinearity": "relu", "input_layer": {"name": "positional_encoding", "samples": max(8, longest)}}
    return Siren(
        in_features=d_in, out_features=d_out, hidden_features=options.width, hidden_layers=options.depth,
        first_omega=options.omega, hidden_omega=options.omega, **extra,
    )  # fmt: skip


def _loss(
    state: Fitting, options: Options, coords: Tensor, target: Tensor, slopes: Tensor | None, batch: Tensor,
    generator: torch.Generator,
) -> Tensor:  # fmt: skip
    if slopes is not None:
        jet = state.siren.jet(state.params, coords[batch], "gradient")
        assert jet.gradient is not None
        # Scaled so that the loss is of the size of one of values.
        return ((jet.gradient[0] - slopes[batch]) / slopes.std().clamp_min(1e-6)).square().mean()
    loss = (state.siren(state.params, coords[batch])[0] - target[batch]).square().mean()
    if options.task == "inpaint" and options.tv:
        points = torch.rand(min(BATCH // 4, len(target)), coords.shape[1], generator=generator) * 2 - 1
        jet = state.siren.jet(state.params, points, "gradient")
        assert jet.gradient is not None
        loss = loss + options.tv * (jet.gradient.square().sum(-1) + 1e-8).sqrt().mean()
    return loss


def _slopes(target: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Central differences per unit of the coordinates: (samples, channels, d_in)."""
    array = target.reshape(*shape, -1)
    spacing = [2 / (n - 1) for n in shape]
    parts = torch.gradient(array, spacing=spacing, dim=list(range(len(shape))))
    return torch.stack([p.reshape(-1, array.shape[-1]) for p in parts], -1)


def _measure(state: Fitting, coords: Tensor, target: Tensor) -> None:
    made = values_of(state, coords)
    if state.step and made.isnan().any():
        raise DataError("app: fit", "the loss is no longer finite.", "Give a smaller rate.")
    if state.level is not None:
        made = made + (state.level - made.mean(0))
    # Both kinds of values lie in [-1, 1], whose width is 2.
    error = float(((made - target) / 2).square().mean())
    state.curve.append((float(state.step), -10 * float(np.log10(max(error, 1e-12)))))


def values_of(state: Fitting, coords: Tensor) -> Tensor:
    """(points, channels)."""
    with torch.no_grad():
        return torch.cat([state.siren(state.params, part)[0] for part in torch.split(coords, 1 << 15)])
