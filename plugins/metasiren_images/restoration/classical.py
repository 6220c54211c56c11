"""Classical inpainting: fluid dynamics and fast marching (OpenCV), the biharmonic equation (scikit-image)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from skimage.restoration import inpaint_biharmonic

from metasiren import load_extra

Pixels = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]

RADIUS = 3.0
"""Neighbourhood in pixels of OpenCV's methods."""


def biharmonic(picture: Pixels, seen: Mask) -> Pixels:
    """The surface of least bending through the seen pixels: a linear system with an unknown per hidden pixel.

    Args:
        picture: (rows, columns, channels) in [0, 1]; hidden pixels are not looked at.
        seen: (rows, columns), True where a pixel is seen.
    """
    if seen.all():
        return picture.copy()
    # Blanked, so that nothing of what is hidden can leak.
    blank = np.where(seen[..., None], picture, 0.0)
    filled: Pixels = inpaint_biharmonic(blank, ~seen, channel_axis=-1)
    return filled.clip(0, 1)


def opencv(picture: Pixels, seen: Mask, method: Literal["navier_stokes", "telea"]) -> Pixels:
    """Fluid dynamics (Bertalmio et al. 2001) or a fast marching front (Telea 2004), on 8 bits a channel.

    Args:
        picture: (rows, columns, 1 or 3) in [0, 1]; hidden pixels are not looked at.
        seen: (rows, columns), True where a pixel is seen.
        method: which.

    Raises:
        PluginError: OpenCV is not installed.
    """
    cv2: Any = load_extra("cv2", extra="inpainting", where=f"evaluate: baselines: {method}")
    shown = np.where(seen[..., None], picture, 0.0)
    coded = (255 * shown).round().astype(np.uint8)
    flag = cv2.INPAINT_NS if method == "navier_stokes" else cv2.INPAINT_TELEA
    filled = cv2.inpaint(np.ascontiguousarray(coded.squeeze(-1) if coded.shape[-1] == 1 else coded),
                         (~seen).astype(np.uint8), RADIUS, flag)  # fmt: skip
    made: Pixels = filled.reshape(picture.shape).astype(np.float64) / 255
    # Seen pixels need no rounding.
    return np.where(seen[..., None], picture, made)
