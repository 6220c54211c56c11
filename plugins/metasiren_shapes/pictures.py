"""Pictures of a fitted shape: shaded views side by side, and a plane through the field."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from metasiren_shapes.camera import Camera, Up
from metasiren_shapes.raymarch import Picture, shade
from metasiren_shapes.tracing import Space

AZIMUTHS = (30.0, 150.0, 270.0)
"""Degrees between the camera's places: three views show every side."""


def cameras(space: Space, azimuths: Sequence[float], *, elevation: float = 20.0, up: Up = "y") -> list[Camera]:
    """Cameras around the solid, which fills their pictures."""
    middle, radius = space.extent()
    x, y, z = middle.tolist()
    return [Camera(azimuth, elevation, (x, y, z), radius, up=up) for azimuth in azimuths]


def views(space: Space, seen_from: Sequence[Camera], size: tuple[int, int], *, smooth: bool = True) -> Picture:
    """Several views, from left to right, each of `size` (rows, columns)."""
    drawn = [shade(space, camera, size, smooth=smooth) for camera in seen_from]
    return Picture(torch.cat([p.colours for p in drawn], dim=1), torch.cat([p.cover for p in drawn], dim=1))


def as_image(picture: Picture) -> Image.Image:
    """The picture for Pillow."""
    pixels: Tensor = picture.bytes.permute(1, 2, 0).contiguous()
    return Image.fromarray(pixels.numpy())
