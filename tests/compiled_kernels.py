"""Compile the kernels of jets for an NVIDIA H100 (sm_90) without one: `python tests/compiled_kernels.py`.

They are compiled from the calls that the evaluator makes, and not launched. Prints, as JSON, what is in the machine
code. Run as a process of its own, without TRITON_INTERPRET.
"""

from __future__ import annotations

import json
import re
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.runtime import driver

from metasiren.nn.derivatives import Columns, elementwise, kernels

SUM = Columns(2, (((0, 0, 1.0), (1, 1, -0.3)),))
HESSIAN = Columns(2, (((0, 0, 1.0),), ((1, 1, 1.0),), ((0, 1, 1.0),)))


class H100:
    """As much of a driver as compilation asks for."""

    def get_current_target(self) -> GPUTarget:
        """Compute capability 9.0, warps of 32 threads."""
        return GPUTarget("cuda", 90, 32)

    def get_current_device(self) -> int:
        """The first."""
        return 0

    def get_current_stream(self, device: int | None = None) -> int:
        """The default one."""
        return 0


class Compiled:
    """A kernel that is compiled where it would be launched, and keeps its code in `made`."""

    def __init__(self, kernel: Any, made: list[dict[str, Any]]) -> None:
        self.kernel, self.made = kernel, made

    def __getitem__(self, grid: tuple[int]) -> Any:
        """What would launch it."""
        return lambda *args: self.made.append(self.kernel.warmup(*args, grid=grid).asm)


def tensor(columns: int | None, points: int, width: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """(2, columns, points, width), or without columns."""
    shape = (2, points, width) if columns is None else (2, columns, points, width)
    return torch.zeros(shape, dtype=dtype)


def calls() -> None:
    """Every kernel, of the shapes and dtypes that the test names in this order."""
    columns, back = elementwise.sine_columns, elementwise.sine_columns_back
    for dtype, which in ((torch.float32, HESSIAN), (torch.float64, SUM)):
        z = tensor(which.count, 9, 16, dtype)
        columns(z, which)
        back(z, z.clone(), which)
    z, a, row = tensor(None, 9, 16), tensor(2, 9, 16), tensor(2, 1, 16)
    elementwise.sine_adjoint(z, a)
    elementwise.sine_adjoint_back(z, a, a.clone())
    elementwise.sine_back(z, z.clone(), z.clone())
    # The last layer's row; a gradient without second derivatives; odd sizes, and the size 1, which Triton takes apart.
    elementwise.sine_adjoint(z, row)
    elementwise.sine_adjoint_back(tensor(None, 5, 7), tensor(1, 1, 7), tensor(1, 5, 7))
    columns(tensor(4, 5, 7), Columns(3))
    back(tensor(2, 1, 1), tensor(2, 1, 1), Columns(1))
    elementwise.sine_adjoint(tensor(None, 1, 1), tensor(1, 1, 1))


def seen(code: dict[str, Any]) -> dict[str, Any]:
    """What the machine code of a kernel holds; `wide` are loads and stores of 16 bytes."""
    ptx, wide = code["ptx"], r"\.v(4\.b32|2\.b64)"
    return {
        "cubin": len(code["cubin"]),
        "accurate": "i2opi" in ptx,
        "fast": bool(re.search(r"\b(sin|cos)\.approx", ptx)),
        # Other loads are of the table of 2 / pi, for arguments above 10**5.
        "wide_loads": len(re.findall(rf"ld\.global{wide}", ptx)),
        "wide_stores": len(re.findall(rf"st\.global{wide}", ptx)),
        "stores": len(re.findall(r"st\.global", ptx)),
        "constants": sorted(set(re.findall(r"dense<(-?[\d.e+-]+)> : tensor<\d+xf", code["ttir"]))),
    }


def main() -> None:
    """Print all findings, in the order of the calls."""
    driver.set_active(H100())
    made: list[dict[str, Any]] = []
    names = ("sine_columns", "sine_columns_back", "sine_adjoint", "sine_adjoint_back", "sine_back")
    with patch.multiple(kernels, **{name: Compiled(getattr(kernels, name), made) for name in names}):
        calls()
    print(json.dumps([seen(code) for code in made]))


if __name__ == "__main__":
    main()
