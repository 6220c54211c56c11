"""Compile the kernels of jets for an NVIDIA H100 (sm_90) without one: `python tests/compiled_kernels.py`.

Prints, as JSON, what is in the machine code of each. Run as a process of its own, without TRITON_INTERPRET.
"""

from __future__ import annotations

import json
import re
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from metasiren.nn.derivatives import Columns, kernels
from metasiren.nn.derivatives.elementwise import SIZE

TANGENTS = ("tangents", "ends", "first", "second", "weights")


def with_columns(columns: Columns) -> dict[str, Any]:
    """Constants of kernels of forward jets."""
    tangents, *lists = columns.terms
    return dict(zip(TANGENTS, (tangents, *map(tuple, lists)), strict=True))


SUM = Columns(2, (((0, 0, 1.0), (1, 1, -0.3)),))
HESSIAN = Columns(2, (((0, 0, 1.0),), ((1, 1, 1.0),), ((0, 1, 1.0),)))
ROUTE = {"outputs": 1, "row": False}
CASES = (
    # kernel, dtype, tensors, integers, constants, numbers read and written for each of the value's
    ("sine_columns", "fp32", ("z_at", "h_at"), (), with_columns(HESSIAN), 6, 6),
    ("sine_columns", "fp64", ("z_at", "h_at"), (), with_columns(SUM), 4, 4),
    ("sine_columns_back", "fp32", ("z_at", "g_at", "h_at"), (), with_columns(HESSIAN), 12, 12),
    ("sine_columns_back", "fp64", ("z_at", "g_at", "h_at"), (), with_columns(SUM), 8, 8),
    ("sine_adjoint", "fp32", ("z_at", "a_at", "p_at"), ("features",), ROUTE, 2, 1),
    ("sine_adjoint_back", "fp32", ("z_at", "a_at", "g_at", "p_at", "bend_at"), ("features",), ROUTE, 3, 3),
    (
        "sine_adjoint_back",
        "fp32",
        ("z_at", "a_at", "g_at", "p_at", "bend_at"),
        ("features",),
        ROUTE | {"row": True},
        3,
        3,
    ),
    ("sine_back", "fp32", ("z_at", "bend_at", "g_at", "h_at"), (), {}, 3, 2),
)


def compiled(kernel: str, dtype: str, tensors: Any, integers: Any, constants: Any, read: int, written: int) -> Any:
    """What the machine code of a kernel holds, for sizes that 16 divides."""
    constants = {**constants, "size": SIZE}
    numbers = ("numbers", *integers)
    signature = {
        **dict.fromkeys(tensors, f"*{dtype}"),
        **dict.fromkeys(numbers, "i32"),
        **dict.fromkeys(constants, "constexpr"),
    }
    aligned = {(i,): [["tt.divisibility", 16]] for i in range(len(tensors) + len(numbers))}
    source = ASTSource(getattr(kernels, kernel), signature, constants, aligned)
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm
    code = made["ptx"]
    wide, times = (r"\.v4\.b32", 1) if dtype == "fp32" else (r"\.v2\.b64", 2)
    return {
        "cubin": len(made["cubin"]),
        "accurate": "i2opi" in code,
        "fast": bool(re.search(r"\b(sin|cos)\.approx", code)),
        # Loads of single numbers are of the table of 2 / pi, for arguments above 10**5.
        "loads": len(re.findall(rf"ld\.global{wide}", code)),
        "stores": len(re.findall(rf"st\.global{wide}", code)),
        "all_stores": len(re.findall(r"st\.global", code)),
        "expected_loads": read * times,
        "expected_stores": written * times,
        "constants": sorted(set(re.findall(r"dense<(-?[\d.e+-]+)> : tensor<\d+xf", made["ttir"]))),
    }


def main() -> None:
    """Print all findings."""
    print(json.dumps({f"{number} {case[0]} {case[1]}": compiled(*case) for number, case in enumerate(CASES)}))


if __name__ == "__main__":
    main()
