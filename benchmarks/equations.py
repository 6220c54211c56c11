"""Error of equations against seconds: variants of a recipe, a classical solver and DeepXDE, in turns in one run.

    python benchmarks/equations.py burgers --seconds 100
    python benchmarks/equations.py burgers --variant gauss_newton --variant broyden=train.optimizer=self_scaled
    python benchmarks/equations.py burgers --deepxde --classical

A variant is the recipe under overrides: NAME=KEY=VALUE[;KEY=VALUE]. Each contender trains for some processor seconds,
then the next does, so that other work on the machine disturbs all alike. Processor seconds of training alone count.
The error is the relative L2 error over the recipe's own evaluation grid. DeepXDE's is that of its example
`pinn_forward/Burgers.py`: three hidden layers of 20 tanh, 2,540 points, 80 and 160 on the conditions, Adam at 1e-3 for
15,000 iterations, then L-BFGS; it needs `pip install deepxde`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from training import advance, trainer_of

from metasiren import Model, Recipe, read_overrides
from metasiren.engine.allocation import keep_freed_memory
from metasiren.recipe import load_recipe
from metasiren.registry.catalogue import Catalogue, load_catalogue
from metasiren_physics.protocols.equation import EquationProtocol
from metasiren_physics.protocols.measures import sample, single
from metasiren_physics.reference.cole_hopf import burgers_wave
from metasiren_physics.reference.etdrk4 import allen_cahn, kdv, solve

MARKS = (5, 10, 20, 40, 60, 80, 120, 180, 240, 300, 360, 480, 600, 900, 1800, 3600)


class Ours:
    """A variant of a recipe in training."""

    def __init__(self, recipe: Recipe, catalogue: Catalogue) -> None:
        self.trainer = trainer_of(recipe, catalogue, torch.device("cpu"))
        self.task = self.trainer.experiment
        assert isinstance(self.task.protocol, EquationProtocol)
        self.protocol: EquationProtocol = self.task.protocol
        grid = self.task.dataset.grid(129)  # type: ignore[attr-defined]
        self.points = np.stack(np.meshgrid(*grid, indexing="ij"), -1)
        known = self.protocol.known(self.task.dataset, grid)  # type: ignore[arg-type]
        assert known is not None, "this recipe has no known solution"
        self.truth = known[0]

    def advance(self, seconds: float) -> None:
        end = time.process_time() + seconds
        advance(self.trainer, lambda: time.process_time() >= end)

    @property
    def done(self) -> bool:
        return self.trainer.step >= self.task.steps

    def error(self) -> float:
        model: Model = self.trainer.best_model
        training = model.training
        found = sample(single(model.eval(), self.task.dataset), self.points)
        model.train(training)
        error = found[..., : self.truth.shape[-1]] - self.truth
        return float(np.sqrt((error**2).sum() / (self.truth**2).sum()))

    @property
    def note(self) -> str:
        weights = sum(p.numel() for p in self.task.model.parameters())
        return f"{self.trainer.step} steps, {weights:,} weights"


class DeepXde:
    """DeepXDE's own Burgers example, in parts of so many iterations."""

    def __init__(self, seed: int) -> None:
        os.environ["DDE_BACKEND"] = "pytorch"
        try:
            import deepxde as dde
        except ImportError:
            raise SystemExit("--deepxde needs DeepXDE: pip install deepxde") from None

        dde.config.set_random_seed(seed)
        self.dde, self.iterations = dde, 0
        geometry = dde.geometry.GeometryXTime(dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 0.99))

        def residual(x: Any, y: Any) -> Any:
            y_x, y_t = dde.grad.jacobian(y, x, i=0, j=0), dde.grad.jacobian(y, x, i=0, j=1)
            return y_t + y * y_x - 0.01 / math.pi * dde.grad.hessian(y, x, i=0, j=0)

        sides = dde.icbc.DirichletBC(geometry, lambda x: 0, lambda _, on: on)
        start = dde.icbc.IC(geometry, lambda x: -np.sin(np.pi * x[:, 0:1]), lambda _, on: on)
        data = dde.data.TimePDE(geometry, residual, [sides, start], num_domain=2540, num_boundary=80, num_initial=160)
        self.model = dde.Model(data, dde.nn.FNN([2] + [20] * 3 + [1], "tanh", "Glorot normal"))
        self.model.compile("adam", lr=1e-3)
        self.second = False
        t, x = np.linspace(0, 0.99, 129), np.linspace(-1, 1, 129)
        self.grid = np.stack(np.meshgrid(x, t, indexing="ij"), -1).reshape(-1, 2)
        self.truth = burgers_wave(self.grid[:, 1], self.grid[:, 0])

    def advance(self, seconds: float) -> None:
        end = time.process_time() + seconds
        dde = self.dde

        class Pause(dde.callbacks.Callback):  # type: ignore[name-defined,misc]
            def on_epoch_end(self) -> None:
                self.model.stop_training = time.process_time() >= end

        before = self.model.train_state.step
        options: dict[str, Any] = {"display_every": 10**9, "verbose": 0, "callbacks": [Pause()]}
        if not self.second:
            self.model.train(iterations=15_000 - self.iterations, **options)
            self.iterations += self.model.train_state.step - before
            if self.iterations >= 15_000:
                dde.optimizers.set_LBFGS_options(maxiter=15_000)
                dde.optimizers.LBFGS_options["iter_per_step"] = 100
                self.model.compile("L-BFGS")
                self.second = True
        else:
            self.model.train(**options)
            # Without a pause it has converged.
            ended = time.process_time() < end
            self.iterations = 30_000 if ended else self.iterations + self.model.train_state.step - before

    @property
    def done(self) -> bool:
        return self.iterations >= 30_000

    def error(self) -> float:
        found = self.model.predict(self.grid)[:, 0]
        return float(np.linalg.norm(found - self.truth) / np.linalg.norm(self.truth))

    @property
    def note(self) -> str:
        return f"{self.iterations} iterations, 921 weights, float32"


Contender = Ours | DeepXde


def race(contenders: dict[str, Contender], seconds: float, share: float) -> dict[str, list[tuple[float, float]]]:
    """Errors (seconds, error) of each contender."""
    curves: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    spent = dict.fromkeys(contenders, 0.0)
    marks = [m for m in MARKS if m <= seconds]
    for mark in marks:
        while open_ones := [n for n, c in contenders.items() if spent[n] < mark and not c.done]:
            for name in open_ones:
                began = time.process_time()
                contenders[name].advance(min(share, mark - spent[name]))
                spent[name] += time.process_time() - began
        for name, contender in contenders.items():
            if not curves[name] or spent[name] > curves[name][-1][0]:
                curves[name].append((spent[name], contender.error()))
                print(f"  {name}: {spent[name]:.0f} s, {curves[name][-1][1]:.2e}, {contender.note}", flush=True)
    return curves


def classical(equation: str) -> list[str]:
    """Lines on the spectral solver: error and seconds by resolution, on the same grid."""
    t, x = np.linspace(0, 1, 129), np.linspace(-1, 1, 129)
    makers: dict[str, Callable[..., Any]] = {"allen_cahn": allen_cahn, "kdv": kdv, "burgers": _burgers}
    finest = {"allen_cahn": (2048, 1e-3), "kdv": (512, 5e-5), "burgers": (2048, 1e-4)}[equation]
    truth = solve(makers[equation](*finest), t, x)
    lines = []
    for factor in (8, 4, 2):
        points, step = finest[0] // factor, finest[1] * factor
        began = time.process_time()
        error = solve(makers[equation](points, step), t, x) - truth
        took = time.process_time() - began
        relative = np.linalg.norm(error) / np.linalg.norm(truth)
        lines.append(f"| Fourier series and ETDRK4, {points} points, step {step:g} | {took:.2f} | {relative:.1e} |")
    return lines


def _burgers(points: int, step: float) -> Any:
    from metasiren_physics.reference.etdrk4 import Semilinear

    k = np.arange(points // 2 + 1)
    ik, kept = 1j * np.pi * k, k < points / 3

    def nonlinear(u: Any) -> Any:
        return -0.5 * ik * np.fft.rfft(np.fft.irfft(u * kept, points) ** 2) * kept

    start = np.fft.rfft(-np.sin(np.pi * (-1 + 2 * np.arange(points) / points)))
    return Semilinear((0.01 / math.pi * ik**2).astype(complex), nonlinear, start, points, step)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("equation", help="a recipe on the data set box, with a known solution")
    parser.add_argument("--preset", default="cpu")
    parser.add_argument("--variant", action="append", default=[], help="NAME or NAME=KEY=VALUE[;KEY=VALUE]")
    parser.add_argument("--seconds", type=float, default=60.0, help="processor seconds for each")
    parser.add_argument("--share", type=float, default=5.0, help="of a turn, in seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--deepxde", action="store_true", help="with DeepXDE's Burgers example")
    parser.add_argument("--classical", action="store_true", help="with a spectral solver")
    parser.add_argument("--json", type=Path, help="write the curves there too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    catalogue = load_catalogue()
    contenders: dict[str, Contender] = {}
    for variant in options.variant or ["recipe"]:
        name, _, settings = variant.partition("=")
        changes = read_overrides([s for s in settings.split(";") if s])
        changes |= {"train.seed": options.seed, "train.log_every": 10**9}
        torch.manual_seed(options.seed)
        contenders[name] = Ours(load_recipe(options.equation, preset=options.preset, overrides=changes), catalogue)
    if options.deepxde:
        contenders["DeepXDE"] = DeepXde(options.seed)
        torch.set_default_dtype(torch.float32)
    print(f"torch {torch.__version__}, 1 thread, seed {options.seed}")
    curves = race(contenders, options.seconds, options.share)
    marks = [m for m in MARKS if m <= options.seconds]
    print("| | " + " | ".join(f"{m} s" for m in marks) + " |\n|---|" + "---:|" * len(marks))
    for name, curve in curves.items():
        row = [next((f"{e:.1e}" for s, e in curve if s >= m - 1), "") for m in marks]
        print(f"| {name} ({contenders[name].note}) | " + " | ".join(row) + " |")
    if options.classical:
        print("| | seconds | relative L2 |\n|---|---:|---:|")
        print("\n".join(classical(options.equation)))
    if options.json:
        options.json.write_text(json.dumps(curves, indent=2) + "\n")


if __name__ == "__main__":
    main()
