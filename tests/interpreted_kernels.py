"""Jets by Triton's kernels beside plain ones, on a CPU: `TRITON_INTERPRET=1 python tests/interpreted_kernels.py`.

Prints, as JSON, relative differences in norm and how often kernels ran. The variable has to be set before triton is
imported, which is why this is a process of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from metasiren import Siren, load_recipe
from metasiren.nn.derivatives import SecondSums, elementwise, fused
from metasiren.nn.derivatives.orders import Order
from metasiren.registry.catalogue import load_catalogue
from metasiren_studies import selfcheck

# Outputs, of which fewer than the three coordinates take the reverse route for gradients; and the order.
CASES: dict[str, tuple[int, Order]] = {
    "gradient of one output": (1, "gradient"),
    "gradient of two outputs": (2, "gradient"),
    "gradient of four outputs": (4, "gradient"),
    "laplacian": (2, "laplacian"),
    "hessian_diagonal": (1, "hessian_diagonal"),
    "hessian": (2, "hessian"),
    "sums": (1, SecondSums(((1, 0, 0), (0, 1, -0.3)))),
}
# (instances, width, points): one program of a kernel; two for each instance, the last partly filled; none.
SHAPES = {torch.float32: ((1, 7, 5),), torch.float64: ((1, 7, 5), (2, 23, 31), (2, 6, 0))}


@contextmanager
def counted() -> Iterator[list[str]]:
    """The names of the kernels that are launched within the block."""
    names: list[str] = []
    launch = elementwise._launch

    def noted(kernel: str, *args: Any) -> None:
        names.append(kernel)
        launch(kernel, *args)

    with patch.object(elementwise, "_launch", noted):
        yield names


def distance(found: Tensor, truth: Tensor) -> float:
    """Relative error in norm."""
    return float(((found - truth).norm() / truth.norm().clamp(min=1e-6)).detach())


def net(out: int, width: int, instances: int, dtype: torch.dtype, **options: Any) -> tuple[Siren, dict[str, Tensor]]:
    """A SIREN of three coordinates and its parameters."""
    siren = Siren(in_features=3, out_features=out, hidden_features=width, hidden_layers=1, **options)
    params = siren.init(instances, dtype=dtype, generator=torch.Generator().manual_seed(0))
    return siren, {name: p.requires_grad_() for name, p in params.items()}


def fields(siren: Siren, params: dict[str, Tensor], x: Tensor, order: Order, kernels: bool) -> list[Tensor]:
    """All fields of a jet, evaluated by kernels or plainly."""
    with fused(kernels):
        return [field for field in vars(siren.jet(params, x, order)).values() if field is not None]


def jets(dtype: torch.dtype) -> Iterator[tuple[str, dict[str, Any]]]:
    """Differences of fields with and without gradients, of gradients, and launches of one jet with its gradient."""
    for name, (out, order) in CASES.items():
        for instances, width, points in SHAPES[dtype]:
            siren, params = net(out, width, instances, dtype)
            x = torch.rand(instances, points, 3, dtype=dtype, generator=torch.Generator().manual_seed(1)) * 2 - 1
            inputs = [x.requires_grad_(), *params.values()]
            truth = fields(siren, params, x, order, False)
            with counted() as launched:
                found = fields(siren, params, x, order, True)
                # Gradients are asked for outside of the block, and take the way of the jet.
                ours = torch.autograd.grad(sum(f.sin().square().sum() for f in found), inputs)
            theirs = torch.autograd.grad(sum(f.sin().square().sum() for f in truth), inputs)
            with torch.no_grad():
                bare = fields(siren, params, x, order, True)
            yield (
                f"{name} {instances} x {width} x {points}",
                {
                    "fields": max(distance(a, b) for a, b in zip(found, truth, strict=True)),
                    "without gradients": max(distance(a, b) for a, b in zip(bare, truth, strict=True)),
                    "gradients": max(distance(a, b) for a, b in zip(ours, theirs, strict=True)),
                    "launched": launched,
                },
            )


def twice() -> dict[str, float]:
    """A derivative of a gradient: the gradient is evaluated again, plainly."""
    siren, params = net(4, 7, 1, torch.float64)
    x = torch.rand(1, 5, 3, dtype=torch.float64).requires_grad_()
    found = []
    for kernels in (True, False):
        total = sum(f.square().sum() for f in fields(siren, params, x, "laplacian", kernels))
        assert isinstance(total, Tensor)
        (slope,) = torch.autograd.grad(total, x, create_graph=True)
        found.append(torch.autograd.grad(slope.square().sum(), params["1.weight"])[0])
    return {"gradients": distance(*found)}


def transformed() -> dict[str, float]:
    """A Jacobian by torch.func: plain operations, whatever is asked for."""
    siren, params = net(4, 7, 1, torch.float64)
    x = torch.rand(5, 3, dtype=torch.float64)

    def laplacian(weight: Tensor, kernels: bool) -> Tensor:
        return fields(siren, {**params, "1.weight": weight}, x, "laplacian", kernels)[2]

    jacobian, weight = torch.func.jacrev(laplacian), params["1.weight"].detach()
    with counted() as launched:
        return {"fields": distance(jacobian(weight, True), jacobian(weight, False)), "launched": len(launched)}


def other_activation() -> dict[str, float]:
    """Kernels compute sines; everything else is plain."""
    siren, params = net(4, 7, 1, torch.float64, nonlinearity="tanh")
    x = torch.rand(1, 5, 3, dtype=torch.float64)
    with counted() as launched:
        found = fields(siren, params, x, "laplacian", True)
    return {"fields": distance(found[2], fields(siren, params, x, "laplacian", False)[2]), "launched": len(launched)}


def trained() -> dict[str, Any]:
    """Steps of two small recipes by plain operations and by kernels, as `metasiren selfcheck` takes them on a GPU."""
    small = {"siren.hidden_features": 8, "train.dtype": "float64", "data.size": 8}
    with (
        counted() as launched,
        patch.multiple(
            selfcheck, STEPS=2, TIMED=1, SLOW=inf, _recipe=partial(load_recipe, preset="quick", overrides=small)
        ),
    ):
        rows = selfcheck._kernel_times(torch.device("cpu"), load_catalogue())
    return {"rows": rows, "launched": len(launched)}


def main() -> None:
    """Print all findings."""
    found = {
        "float32": dict(jets(torch.float32)),
        "float64": dict(jets(torch.float64)),
        "twice": twice(),
        "transformed": transformed(),
        "other activation": other_activation(),
        "trained": trained(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
