"""Settings of the whole process that make training on a CPU faster; the command line makes them, a library must not."""

from __future__ import annotations

import numpy as np
import torch

from metasiren.engine.allocation import keep_freed_memory


def prepare_processor() -> None:
    """Keep freed memory, and flush denormal numbers to zero.

    Denormal numbers (below 1.2e-38 in single precision) cost a processor a hundred times an ordinary product; the far
    tails of radial bases and the dead units of rectifiers are full of them.
    """
    keep_freed_memory()
    for kind in (np.float32, np.float64):
        np.finfo(kind)  # measured once; NumPy 1 warns where the smallest numbers are flushed by then
    torch.set_flush_denormal(True)
