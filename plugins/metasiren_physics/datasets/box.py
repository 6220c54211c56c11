"""Any equation on a box: named axes, named point sets, and targets given by formulas."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metasiren import Batch, Context, Dataset, Domain, ExactConditions, Points, RecipeError
from metasiren_physics.arrays import Real
from metasiren_physics.datasets.adaptive import Adaptive
from metasiren_physics.datasets.box_options import (
    WHERE,
    Formula,
    check_axes,
    check_names,
    check_noise,
    check_redraw,
    read_planes,
    read_targets,
)
from metasiren_physics.datasets.designs import Design, spread
from metasiren_physics.datasets.exact_sides import Exact, ExactSides
from metasiren_physics.datasets.kept_points import KeptPoints, Settle
from metasiren_physics.datasets.point_weights import Attention, Causal
from metasiren_physics.datasets.sourced import A_FEW, check_count
from metasiren_physics.expressions import Expression

READINGS_SEED = 20201


class BoxDataset(Dataset):
    """Points of a box for an equation. There is no signal: constraints state the conditions on the field.

    The point set `interior` covers the box; `initial` the start of the time axis; `boundary` the sides of the other
    axes that are not periodic, with outward `normals` (1, points, d). Further sets are planes, see `planes`.

    Args:
        axes: name of every coordinate and its interval, in the order of the field's inputs, such as
            {t: [0, 1], x: [-1, 1]}.
        points: how many points of each set a step draws; sets that are left out do not exist.
        targets: what is known at the points of a set: a number, a formula in the coordinates such as "-sin(pi*x)", or a
            list of them, one for each channel, which become the target `values`; or a mapping of target names to these.
            The target `weight` multiplies the squared residual of a point.
        channels: number of channels of the field.
        time: the axis that `initial` starts and `boundary` leaves out; no such axis, no `initial`.
        periodic: axes whose sides are no boundary.
        planes: further sets, by name, with the coordinates that are fixed there, such as {wall: {x: 1.0}}.
        design: `even` (a shifted lattice), `uniform`, `latin` or `sobol`; see `metasiren_physics.datasets.designs`.
        redraw: true draws new points at each step, a number of steps after so many; false keeps the same throughout.
        settle: late in training, more points that stay longer, see `metasiren_physics.datasets.kept_points`.
        noise: standard deviation, by point set, of normal noise on its `values`: readings. Such points
            and their noise are drawn once and stay.
        adaptive: points that follow the residual, see `metasiren_physics.datasets.adaptive`; {} for its defaults.
        exact: sides on which the field has given values whatever its weights; such sides need no constraint. See
            `metasiren_physics.datasets.exact_sides`.
        causal: later times gain weight once earlier residuals are small, see
            `metasiren_physics.datasets.point_weights`.
        attention: points whose residual stays large gain weight, see there; it needs `redraw: false`.

    Raises:
        RecipeError: an empty interval, an unknown axis or point set, a formula that cannot be read.
    """

    renderer = "equation"

    def __init__(
        self,
        *,
        axes: dict[str, tuple[float, float]],
        points: dict[str, int],
        targets: dict[str, Formula | dict[str, Formula]] | None = None,
        channels: int = 1,
        time: str = "t",
        periodic: Sequence[str] = (),
        planes: dict[str, dict[str, float]] | None = None,
        design: Design = "even",
        redraw: bool | int = True,
        settle: Settle | None = None,
        noise: dict[str, float] | None = None,
        adaptive: Adaptive | None = None,
        exact: Exact | None = None,
        causal: Causal | None = None,
        attention: Attention | None = None,
    ) -> None:
        self.axes = check_axes(axes)
        self.names, self.time = tuple(self.axes), time if time in self.axes else None
        check_names(f"{WHERE}: periodic", periodic, self.names, "axis")
        self.periodic = tuple(periodic)
        self.planes = read_planes(planes or {}, self.axes, self.time)
        self.sides = [n for n in self.names if n != self.time and n not in self.periodic]
        self.counts = self._checked_counts(points)
        check_count(f"{WHERE}: channels", channels)
        check_names(f"{WHERE}: targets", targets or {}, list(points), "point set")
        self.targets = {at: read_targets(at, given, self.names) for at, given in (targets or {}).items()}
        self.noise = dict(noise or {})
        check_noise(self.noise, self.targets)
        self.adaptive: Adaptive | None = adaptive
        self.causal: Causal | None = causal
        self.attention: Attention | None = attention
        if causal is not None and self.time is None:
            raise RecipeError(f"{WHERE}: causal", "there is no time axis.", "Name it by data.time.")
        check_redraw(redraw, adaptive=adaptive is not None, settle=settle is not None, attention=attention is not None)
        self._check_sets_of(adaptive=adaptive, causal=causal, attention=attention)
        self._levels: dict[str, Tensor] = {}
        self.errors: Callable[[str, Points], Tensor] | None = None
        self.design, self.redraw = design, redraw
        self._kept = None if isinstance(redraw, bool) else KeptPoints(check_count(f"{WHERE}: redraw", redraw))
        self.settle: Settle | None = settle
        self._settled = None if settle is None else KeptPoints(settle.redraw)
        span = ", ".join(f"{n} in [{a:g}, {b:g}]" for n, (a, b) in self.axes.items())
        self.exact_conditions(axes=self.axes, channels=channels, exact=exact)
        self.title, self.domain = f"Box {span}", Domain(len(self.axes), channels)
        self.splits = {"train": 1, "test": 1}
        self.metadata = {"axes": {name: list(ends) for name, ends in self.axes.items()}, "time": self.time}

    def _checked_counts(self, points: dict[str, int]) -> dict[str, int]:
        """The number of points of each set.

        Raises:
            RecipeError: an unknown set, or a count out of its range.
        """
        known = ["interior", *(["boundary"] if self.sides else []), *self.planes]
        check_names(f"{WHERE}: points", points, known, "point set")
        for name, count in points.items():
            check_count(f"{WHERE}: points: {name}", count, A_FEW)
        return dict(points)

    def _check_sets_of(self, **options: Adaptive | Attention | Causal | None) -> None:
        """Refuse options that name point sets which do not exist."""
        for option, given in options.items():
            if given is not None:
                check_names(f"{WHERE}: {option}: sets", given.sets, list(self.counts), "point set")

    def batch(
        self,
        split: str,
        items: Tensor,
        *,
        context: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Batch:
        """`train` draws points; `test`, and `train` with `redraw: false`, give the same points at every call.

        In training (`at_errors`), points stay for as many steps as `redraw` says.
        """
        if split != "train" or self.redraw is False:
            generator = torch.Generator(items.device).manual_seed(0 if split == "train" else 1)
        if split != "train" or self.errors is None:
            sets = self._sets(generator, items.device, None)
        else:
            draw = partial(self._sets, generator, items.device, self.errors)
            sets = draw() if self._kept is None else self._kept.serve(draw, items.device)
            sets = {at: self._weighted(at, points, partial(self.errors, at)) for at, points in sets.items()}
        return Batch(Context.empty(items, self.domain), sets)

    def _sets(
        self, generator: torch.Generator | None, device: torch.device, errors: Callable[[str, Points], Tensor] | None
    ) -> dict[str, Points]:
        """Points of every set; where errors are given, those of `adaptive` follow them."""
        sets = {}
        for at, count in self.counts.items():
            if errors and self.adaptive and at in self.adaptive.sets:
                pool = self.draw(at, self.adaptive.candidates * count, generator, device)
                sets[at] = self.adaptive.choose(pool, partial(errors, at), count, generator)
            else:
                sets[at] = self.draw(at, count, generator, device)
        return sets

    def at_progress(self, progress: float) -> BoxDataset:
        """The same, or from `settle.after` on with more points that stay longer."""
        if self.settle is None or progress < self.settle.after:
            return self
        late = copy.copy(self)
        late.counts = {at: n if at in self.noise else self.settle.factor * n for at, n in self.counts.items()}
        late._kept = self._settled
        return late

    def at_errors(self, errors: Callable[[str, Points], Tensor]) -> BoxDataset:
        """The same in training: with points that are kept, and points or weights that depend on residuals."""
        if self.adaptive is None and self.causal is None and self.attention is None and self._kept is None:
            return self
        seeing = copy.copy(self)
        seeing.errors = errors
        return seeing

    @classmethod
    def exact_conditions(cls, **options: Any) -> ExactConditions | None:
        """The conditions of `exact`; see `Dataset.exact_conditions`.

        Raises:
            RecipeError: sides or values that do not fit the axes and channels.
        """
        exact: Exact | None = options.get("exact")
        return ExactSides(exact, options["axes"], options.get("channels", 1)) if exact is not None else None

    def state(self) -> dict[str, Tensor]:
        """The attention of each point by its set, and points that stay for some steps."""
        found = {f"attention.{at}": level.clone() for at, level in self._levels.items()}
        for part, kept in (("kept", self._kept), ("settled", self._settled)):
            found |= {f"{part}.{name}": value for name, value in (kept.state() if kept else {}).items()}
        return found

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """See `Dataset.restore`."""
        parts: dict[str, dict[str, Tensor]] = {"attention": {}, "kept": {}, "settled": {}}
        for name, value in state.items():
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = value
        self._levels.clear()
        self._levels.update({at: level.clone() for at, level in parts["attention"].items()})
        for part, kept in (("kept", self._kept), ("settled", self._settled)):
            if kept is not None:
                kept.restore(parts[part])

    def _weighted(self, at: str, points: Points, errors: Callable[[Points], Tensor]) -> Points:
        """The points with the weights that `causal` and `attention` give them, times those that they have."""
        causal = self.causal if self.causal is not None and at in self.causal.sets else None
        attention = self.attention if self.attention is not None and at in self.attention.sets else None
        if causal is None and attention is None:
            return points
        sizes = errors(points)[0].double()
        weight = torch.ones_like(sizes)
        if causal is not None:
            assert self.time is not None, "causal needs it"
            low, high = self.axes[self.time]
            times = (points.coords[0, :, self.names.index(self.time)] - low) / (high - low)
            weight = weight * causal.weights(times, sizes)
        if attention is not None:
            self._levels[at] = attention.updated(self._levels.get(at), sizes)
            weight = weight * self._levels[at].square()
        given = points.targets.get("weight", weight.new_ones(()))
        return Points(points.coords, {**points.targets, "weight": weight[None, :, None] * given})

    def draw(self, at: str, count: int, generator: torch.Generator | None, device: torch.device) -> Points:
        """New points of one set, with their targets; coordinates (1, count, d) in float64."""
        if at == "boundary":
            coords, normals = self._boundary(count, generator, device)
            return self.known(at, coords, {"normals": normals})
        fixed = {} if at == "interior" else self.planes[at]
        if at not in self.noise:
            return self.known(at, self._free(count, fixed, generator, device))
        once = torch.Generator(device).manual_seed(READINGS_SEED)
        exact = self.known(at, self._free(count, fixed, once, device))
        error = torch.randn(exact.values.shape, generator=once, dtype=torch.float64, device=device)
        return Points(exact.coords, {**exact.targets, "values": exact.values + self.noise[at] * error})

    def known(self, at: str, coords: Tensor, more: Mapping[str, Tensor] | None = None) -> Points:
        """Points at coords (count, d), with the targets that the set `at` has there."""
        found = {name: torch.stack([f(coords) for f in formulas], -1) for name, formulas in self.targets_of(at).items()}
        both = {**found, **(more or {})}
        return Points(coords.unsqueeze(0), {name: value.unsqueeze(0) for name, value in both.items()})

    def grid(self, nodes: int) -> list[Real]:
        """Coordinates (nodes,) of each axis from end to end; fewer where there are more than two axes."""
        count = nodes if len(self.axes) < 3 else max(8, round(nodes ** (2 / len(self.axes))))
        return [np.linspace(low, high, count) for low, high in self.axes.values()]

    def targets_of(self, at: str) -> Mapping[str, Sequence[Expression]]:
        """The formulas of a set by the target's name."""
        return self.targets.get(at, {})

    def _free(
        self, count: int, fixed: Mapping[str, float], generator: torch.Generator | None, device: torch.device
    ) -> Tensor:
        """Points (count, d) with some coordinates fixed and the others spread over their intervals."""
        free = iter(spread(self.design, count, len(self.names) - len(fixed), generator, device).unbind(-1))
        columns = []
        for name, (low, high) in self.axes.items():
            if name in fixed:
                columns.append(torch.full((count,), float(fixed[name]), dtype=torch.float64, device=device))
            else:
                columns.append(low + (high - low) * next(free))
        return torch.stack(columns, -1)

    def _boundary(self, count: int, generator: torch.Generator | None, device: torch.device) -> tuple[Tensor, Tensor]:
        """Points (count, d) that are shared evenly among the sides, and outward normals (count, d)."""
        ends = [(name, end) for name in self.sides for end in (0, 1)]
        coords, normals = [], []
        for k, (name, end) in enumerate(ends):
            share = count * (k + 1) // len(ends) - count * k // len(ends)
            if share == 0:
                continue
            coords.append(self._free(share, {name: self.axes[name][end]}, generator, device))
            normal = torch.zeros_like(coords[-1])
            normal[:, self.names.index(name)] = 2 * end - 1
            normals.append(normal)
        return torch.cat(coords), torch.cat(normals)
