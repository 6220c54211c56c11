"""Pictures of a fit: values, gradient, Laplacian, and the curve of its quality."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from metasiren import grid
from metasiren_report.app.fitting import Fitting, values_of
from metasiren_report.svg_curves import curves

Bytes = NDArray[np.uint8]
Pixels = NDArray[np.float64]


def to_bytes(unit: Pixels) -> Bytes:
    """[0, 1] to uint8."""
    return (np.nan_to_num(unit).clip(0, 1) * 255).round().astype(np.uint8)


def enlarge(picture: Bytes, least: int = 256) -> Bytes:
    """Repeat pixels until the longer side has at least `least`."""
    factor = max(1, math.ceil(least / max(picture.shape[:2])))
    return picture.repeat(factor, 0).repeat(factor, 1)


def side_by_side(tiles: Sequence[Bytes], columns: int | None = None, gap: int = 8) -> Bytes:
    """Pictures of one size in rows of `columns` (by default all in one): uint8 (rows, columns, 4), gaps transparent."""
    columns = columns or len(tiles)
    high, wide = (side + gap for side in tiles[0].shape[:2])
    page = np.zeros((high * -(-len(tiles) // columns) - gap, wide * columns - gap, 4), np.uint8)
    for number, tile in enumerate(tiles):
        top, left = number // columns * high, number % columns * wide
        page[top : top + high - gap, left : left + wide - gap] = np.dstack(
            [tile, np.full(tile.shape[:2], 255, np.uint8)]
        )
    return page


def heat(values: Pixels) -> Bytes:
    """A non-negative map (rows, columns): black at zero, through orange, to white at its maximum."""
    unit = values / max(float(values.max()), 1e-9)
    return to_bytes(np.stack([unit * 2, unit * 1.4 - 0.2, unit * 2 - 1], -1))


def values_picture(state: Fitting, size: int | None = None) -> Bytes:
    """The field's values: as large as the signal, or with a longer side of `size`."""
    rows, columns = state.shape
    if size is not None:
        scale = size / max(rows, columns)
        rows, columns = max(1, round(rows * scale)), max(1, round(columns * scale))
    values = values_of(state, grid((rows, columns)))
    if state.level is not None:
        values = values + (state.level - values.mean(0))
    return to_bytes(((values.double().numpy() + 1) / 2).reshape(rows, columns, -1))


def derivative_pictures(state: Fitting) -> tuple[Bytes, Bytes]:
    """Magnitude of the gradient, and the Laplacian (grey is zero); scales are the 99th percentiles."""
    with torch.no_grad():
        jet = state.siren.jet(state.params, grid(state.shape, extent=state.extent), "laplacian", chunk_points=1 << 14)
    assert jet.gradient is not None
    assert jet.laplacian is not None
    size = jet.gradient[0].square().sum(-1).mean(-1).sqrt().double().numpy().reshape(state.shape)
    curvature = jet.laplacian[0].mean(-1).double().numpy().reshape(state.shape)
    most, far = (float(np.percentile(np.abs(v), 99)) or 1.0 for v in (size, curvature))
    flat = to_bytes(np.repeat((curvature / far / 2 + 0.5)[..., None], 3, -1))
    return heat((size / most).clip(0, 1)), flat


def waveform(signal: Pixels, colour: tuple[int, int, int], width: int = 720, high: int = 120) -> Bytes:
    """A sound on the scale [-1, 1]: for each column the range of its samples."""
    page = np.full((high, width, 3), 246, np.uint8)
    for column, part in enumerate(np.array_split(np.asarray(signal), width)):
        if len(part):
            low, top = (int((1 - v) / 2 * (high - 1)) for v in (part.min().clip(-1, 1), part.max().clip(-1, 1)))
            page[top : low + 1, column] = colour
    return page


def curve_html(runs: dict[str, list[tuple[float, float]]]) -> str:
    """PSNR over steps as an SVG with its own colours."""
    drawn = curves(runs, across="step", title="PSNR in dB by step", linear=True)
    colours = ("#2458c5", "#c8512b")
    for number, colour in enumerate(colours):
        drawn = drawn.replace(f'class="c{number} d0"', f'fill="none" stroke="{colour}" stroke-width="2"')
    drawn = drawn.replace('class="rule"', 'stroke="#8888" ').replace('class="tick"', 'fill="currentColor"')
    style = "<style>.curves text{font-size:14px}@media(max-width:640px){.curves text{font-size:24px}}</style>"
    words = " · ".join(
        f'<b style="color:{colour}">{name}</b> {points[-1][1]:.1f} dB after {points[-1][0]:.0f} steps'
        for (name, points), colour in zip(runs.items(), colours, strict=False)
        if points
    )
    return f"{style}<p>PSNR (higher is closer): {words}</p>{drawn}"


def save_weights(state: Fitting, path: Path) -> Path:
    """The field's weights as safetensors; the metadata says what network they belong to."""
    siren = state.siren
    notes = {
        "in_features": str(len(state.shape)),
        "shape": "x".join(map(str, state.shape)),
        "siren": repr(siren)[:2000],
    }
    save_file({name: value.contiguous() for name, value in state.field.params.items()}, path, metadata=notes)
    return path
