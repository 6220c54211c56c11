"""Checks of the sizes that a GLB file declares (Khronos Group 2021, "glTF 2.0 Specification")."""

from __future__ import annotations

import json
from typing import Any

from metasiren import DataError, demand_memory

BYTES_OF_A_VERTEX = 3 * 8
"""In float64; an index takes 8 bytes."""
SAVE = "Save the mesh as one object, for example as a binary PLY."


def demand_glb(data: bytes, where: str) -> None:
    """Refuse a file whose meshes would fill the memory: numbers that it declares without holding them, and copies.

    A file that is no GLB at all is left to the reader.

    Args:
        data: the whole file.
        where: its path, for the error.

    Raises:
        DataError: an accessor of more elements than the file has bytes, or more copies of a mesh than fit into memory.
    """
    if data[:4] != b"glTF":
        return
    try:
        tree = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])
        counts = [int(accessor["count"]) for accessor in tree.get("accessors", [])]
        if (most := max(counts, default=0)) > len(data) or min(counts, default=0) < 0:
            found = f"an accessor declares {most:,} elements, more than its {len(data):,} bytes can hold."
            raise DataError(where, found, "A download or export broke off, or the header is wrong: make it again.")
        sizes = [sum(_bytes(each, counts) for each in mesh["primitives"]) for mesh in tree.get("meshes", [])]
        copies = [sizes[int(node["mesh"])] for node in tree.get("nodes", []) if "mesh" in node]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DataError(where, f"cannot be read as GLB: {type(error).__name__}: {error}"[:200], SAVE) from None
    # Each mesh as it is read; then every copy, and all of them joined.
    demand_memory(sum(sizes) + 2 * sum(copies), where, SAVE)


def _bytes(primitive: dict[str, Any], counts: list[int]) -> int:
    vertices = counts[int(primitive["attributes"]["POSITION"])]
    return BYTES_OF_A_VERTEX * vertices + 8 * (
        counts[int(primitive["indices"])] if "indices" in primitive else vertices
    )
