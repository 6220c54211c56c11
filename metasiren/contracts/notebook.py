"""Fields as small HTML pictures, for notebooks."""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
import torch
from PIL import Image

from metasiren.nn.grids import grid
from metasiren.nn.layers import Params
from metasiren.nn.siren import Siren

SIDE, MOST = 128, 4
LINE, WIDE = 1024, 512


def field_html(siren: Siren, params: Params) -> str:
    """A line for fields of one coordinate, a picture for two coordinates and one or three outputs, else words alone.

    The field is sampled over [-1, 1], at most four instances of it; white and black are the largest and least value.
    """
    count = sum(value[0].numel() for value in params.values())
    words = f"Field: {siren.in_features} coordinates to {siren.out_features} outputs, {count:,} weights"
    line = siren.in_features == 1
    if not line and not (siren.in_features == 2 and siren.out_features in (1, 3)):
        return f"<p>{escape(words)}</p>"
    like = next(iter(params.values()))
    coords = grid((LINE,) if line else (SIDE, SIDE)).to(like)
    with torch.no_grad():
        values = siren({name: value[:MOST] for name, value in params.items()}, coords).double().cpu().numpy()
    if not np.isfinite(values).all():
        return f"<p>{escape(words)}; some values are not finite</p>"
    low, high = float(values.min()), float(values.max())
    unit = (values - low) / ((high - low) or 1.0)
    words += f", values from {low:.3g} to {high:.3g} over [-1, 1]"
    pictures = "".join(_line(each) if line else _picture(each) for each in unit)
    return f"<div>{pictures}<p>{escape(words)}</p></div>"


def _picture(unit: np.ndarray) -> str:
    pixels = (unit * 255).round().astype(np.uint8).reshape(SIDE, SIDE, -1)
    file = io.BytesIO()
    Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]).save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return f'<img alt="field" width="{SIDE * 2}" height="{SIDE * 2}" src="data:image/png;base64,{data}"> '


def _line(unit: np.ndarray) -> str:
    """A line for each output; the second and further ones have dashes that become shorter."""
    lines = []
    for number, channel in enumerate(unit.T):
        points = " ".join(f"{i * WIDE / (LINE - 1):.1f},{4 + (1 - v) * 112:.1f}" for i, v in enumerate(channel))
        dash = f' stroke-dasharray="{max(1, 10 - 3 * number)} 3"' if number else ""
        lines.append(f'<polyline fill="none" stroke="currentColor"{dash} points="{points}"/>')
    return f'<svg width="{WIDE}" height="120" viewBox="0 0 {WIDE} 120">{"".join(lines)}</svg>'
