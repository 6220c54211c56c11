"""Keep freed memory in the process, so that a training step on the CPU does not fault the same pages in again.

glibc hands blocks above a threshold back to the system as soon as they are freed. A training step allocates the same
hundreds of megabytes as the step before it, and the kernel clears every page of them anew: up to two fifths of the
time on two cores (docs/results.md).
"""

from __future__ import annotations

import ctypes
import sys

# From glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_MOST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tell glibc's allocator to reuse large blocks rather than return them.

    It holds for the whole process and cannot be undone, so only the command line calls it, before it trains.

    Returns:
        True where it took effect; False with another C library, where nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    # Each call answers 1 where it was understood; musl has the symbol's place but not the function.
    wanted = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _MOST), (_TOP_PAD, 64 * 2**20))
    return all(mallopt(option, value) == 1 for option, value in wanted)
