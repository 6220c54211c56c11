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

COLUMNS = {
    "weighted sum": Columns(2, (((0, 0, 1.0), (1, 1, -0.3)),)),
    "hessian": Columns(2, (((0, 0, 1.0),), ((1, 1, 1.0),), ((0, 1, 1.0),))),
}
KERNELS = {"sine_columns": ("z_at", "h_at"), "sine_columns_back": ("z_at", "g_at", "h_at")}


def compiled(kernel: str, columns: Columns, dtype: str) -> dict[str, Any]:
    """What the machine code of a kernel holds, for sizes that 16 divides; `expected` loads: each column once."""
    tangents, *lists = columns.terms
    names = ("tangents", "ends", "first", "second", "weights", "size")
    constants = dict(zip(names, (tangents, *map(tuple, lists), SIZE), strict=True))
    tensors = KERNELS[kernel]
    signature = {**dict.fromkeys(tensors, f"*{dtype}"), "numbers": "i32", **dict.fromkeys(names, "constexpr")}
    aligned = {(i,): [["tt.divisibility", 16]] for i in range(len(tensors) + 1)}
    source = ASTSource(getattr(kernels, kernel), signature, constants, aligned)
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm
    code = made["ptx"]
    wide = r"\.v4\.b32" if dtype == "fp32" else r"\.v2\.b64"
    # Loads of single numbers are of the table of 2 / pi, for arguments above 10**5.
    return {
        "cubin": len(made["cubin"]),
        "accurate": "i2opi" in code,
        "fast": bool(re.search(r"\b(sin|cos)\.approx", code)),
        "expected": columns.count * (len(tensors) - 1) * (1 if dtype == "fp32" else 2),
        "wide_loads": len(re.findall(rf"ld\.global{wide}", code)),
        "stores": len(re.findall(r"st\.global", code)),
        "wide_stores": len(re.findall(rf"st\.global{wide}", code)),
        "constants": sorted(set(re.findall(r"dense<(-?[\d.e+-]+)> : tensor<\d+xf", made["ttir"]))),
    }


def main() -> None:
    """Print all findings."""
    kinds = (("weighted sum", "fp32"), ("weighted sum", "fp64"), ("hessian", "fp32"))
    cases = [(kernel, *kind) for kernel in KERNELS for kind in kinds]
    print(json.dumps({" ".join(case): compiled(case[0], COLUMNS[case[1]], case[2]) for case in cases}))


if __name__ == "__main__":
    main()
