"""PLY files (Turk 1994) of points: binary ones are mapped into memory and read in pieces."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from metasiren import DataError, demand_memory
from metasiren_shapes.reading.cloud import ROWS, Cloud, chosen_rows, no_normals
from metasiren_shapes.reading.xyz import demand_short_lines, read_table

TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
COLUMNS = ("x", "y", "z", "nx", "ny", "nz")
LONGEST = 1 << 16
REPAIR = "Write the file again, for example with MeshLab or Open3D."


@dataclass
class Element:
    """A kind of record: its name, how many there are, and each property's name and numpy type ("" for a list)."""

    name: str
    count: int
    properties: list[tuple[str, str]] = field(default_factory=list)

    def dtype(self, order: str) -> np.dtype[np.void] | None:
        """The layout of a record; None where its length varies."""
        if any(not kind for _, kind in self.properties):
            return None
        return np.dtype([(name, order + kind) for name, kind in self.properties])


@dataclass(frozen=True)
class Header:
    """What a PLY file declares: byte order ("" for text), its elements, bytes and lines before the data."""

    order: str
    elements: list[Element]
    size: int
    lines: int

    @property
    def is_mesh(self) -> bool:
        """Whether it declares faces; a file without any is a cloud of points."""
        return any(each.count > 0 for each in self.elements if each.name in ("face", "tristrips"))


def read_header(path: Path) -> Header:
    """Parse a PLY header.

    Raises:
        DataError: naming the line that is wrong.
    """
    where = str(path)
    with path.open("rb") as file:
        start = file.read(LONGEST)
    if not start.startswith(b"ply"):
        raise DataError(where, "not a PLY file: it does not begin with 'ply'.", REPAIR)
    stop = start.find(b"end_header")
    end = start.find(b"\n", stop)
    if stop < 0 or end < 0:
        raise DataError(where, "the header has no end_header line.", REPAIR)
    lines = start[:stop].decode("ascii", "replace").splitlines()
    order, elements = None, []
    for number, line in enumerate(lines[1:], 2):
        words = line.split()
        try:
            match words:
                case [] | ["comment" | "obj_info", *_]:
                    pass
                case ["format", kind, _]:
                    order = ORDERS[kind]
                case ["element", name, count] if int(count) >= 0:
                    elements.append(Element(name, int(count)))
                case ["property", "list", length, item, name]:
                    elements[-1].properties.append((name, "" if length in TYPES and item in TYPES else TYPES[""]))
                case ["property", kind, name]:
                    elements[-1].properties.append((name, TYPES[kind]))
                case _:
                    raise ValueError
        except (KeyError, ValueError, IndexError):
            raise DataError(f"{where}: line {number}", f"cannot make sense of {line[:80]!r}.", REPAIR) from None
    names = [name for e in elements for name in [f"element {e.name}", *(f"{e.name}.{p}" for p, _ in e.properties)]]
    if order is None or len(set(names)) < len(names):
        raise DataError(where, "no format line." if order is None else "a name is declared twice.", REPAIR)
    _demand_bytes(where, elements, order, path.stat().st_size - end - 1)
    return Header(order, elements, end + 1, len(lines) + 1)


def _demand_bytes(where: str, elements: list[Element], order: str, there: int) -> None:
    """Refuse counts that a file of this size cannot hold, before anything is allocated for them.

    Raises:
        DataError: naming the element.
    """
    needed = 0
    for element in elements:
        # As text, a number takes a digit and a blank or the line's end; a list at least the bytes of its length.
        least = 2 * len(element.properties) if not order else sum(_least(kind) for _, kind in element.properties)
        needed += element.count * max(1, least)
        # A last line may go without its end.
        if needed > there + (0 if order else 1):
            found = f"{element.count:,} of {element.name!r} are declared, more than its {there:,} bytes can hold."
            raise DataError(where, found, "A download or export broke off, or the header is wrong: make it again.")


def _least(kind: str) -> int:
    return np.dtype(kind).itemsize if kind else 1


def read_ply_cloud(path: Path, *, most: int, seed: int) -> Cloud | None:
    """The oriented points of a PLY file; None where it has faces, and so is a mesh.

    Raises:
        DataError: no vertices, no normals, or fewer bytes than declared.
    """
    where, header = str(path), read_header(path)
    if header.is_mesh:
        return None
    vertex = next((e for e in header.elements if e.name == "vertex"), None)
    if vertex is None or vertex.count == 0:
        raise DataError(where, "it has no vertices.", REPAIR)
    names = [name for name, _ in vertex.properties]
    if missing := [name for name in COLUMNS if name not in names]:
        if missing == list(COLUMNS[3:]):
            raise no_normals(where, f"{vertex.count:,} points without normals (no properties nx, ny, nz).")
        raise DataError(where, f"vertices have no {', '.join(missing)}; they have {', '.join(names)}.", REPAIR)
    before = header.elements[: header.elements.index(vertex)]
    if not header.order:
        demand_short_lines(path)
        skip = header.lines + sum(e.count for e in before)
        return read_table(path, [names.index(c) for c in COLUMNS], most=most, seed=seed, skip=skip, rows=vertex.count)
    layout, ahead = vertex.dtype(header.order), [e.dtype(header.order) for e in before]
    if layout is None or None in ahead:
        raise DataError(where, "lists stand among its vertices or before them.", REPAIR)
    offset = header.size + sum(e.count * d.itemsize for e, d in zip(before, ahead, strict=True) if d is not None)
    wanted, there = vertex.count * layout.itemsize, max(0, path.stat().st_size - offset)
    if there < wanted:
        found = f"{vertex.count:,} vertices are declared, {there // layout.itemsize:,} are there."
        raise DataError(where, found, "A download or export broke off: make it again.")
    records = np.memmap(path, layout, "r", offset, (vertex.count,))
    return Cloud(_columns(records, chosen_rows(vertex.count, most, seed), where), vertex.count)


def _columns(
    records: np.memmap[tuple[int], np.dtype[np.void]], chosen: npt.NDArray[np.int64] | None, where: str
) -> npt.NDArray[np.floating]:
    """The six columns as one array, copied piece by piece."""
    wide = any(records.dtype[name].itemsize > 4 for name in COLUMNS[:3])
    count = len(records) if chosen is None else len(chosen)
    kind = np.dtype(np.float64 if wide else np.float32)
    demand_memory(2 * count * 6 * kind.itemsize, where, "Set data.most to keep fewer points.")
    out = np.empty((count, 6), kind)
    for start in range(0, count, ROWS):
        part = slice(start, start + ROWS)
        piece = records[part] if chosen is None else records[chosen[part]]
        for column, name in enumerate(COLUMNS):
            out[part, column] = piece[name]
    return out
