"""A shaded picture of a field, without a mesh and without a display: rays, light and torch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor

from metasiren import progress_bar
from metasiren_shapes.camera import Camera, pixels
from metasiren_shapes.tracing import Hits, Space, trace

RAYS_AT_ONCE = 1 << 14
CLAY, CUT = (0.70, 0.59, 0.49), (0.72, 0.27, 0.14)
"""Colours of the surface, and of where the cube's wall cuts the solid; linear light."""

KEY, RIM = (-0.45, 0.60, 0.66), (0.85, 0.25, -0.45)
"""Where the lights are: right, up and towards the camera. They move with it, so that every view is lit alike."""

REACH = (0.03, 0.08, 0.16, 0.28)
"""Distances, in radii of what is seen, at which it is tested whether the surroundings hide the sky."""

CONTRAST = 0.08


@dataclass(frozen=True)
class Picture:
    """A shaded view.

    Attributes:
        colours: (rows, columns, 3) in [0, 1], ready for a screen; white where nothing is.
        cover: (rows, columns) share of the pixel that the solid covers.
    """

    colours: Tensor
    cover: Tensor

    @property
    def bytes(self) -> Tensor:
        """(3, rows, columns) uint8."""
        return rearrange((self.colours * 255).round().to(torch.uint8), "h w c -> c h w")


def shade(space: Space, camera: Camera, size: tuple[int, int], *, smooth: bool = True) -> Picture:
    """Draw the solid.

    Args:
        space: the field.
        camera: from where.
        size: (rows, columns) in pixels.
        smooth: average four rays in pixels that differ from a neighbour, which takes the steps out of edges.
    """
    spots = pixels(size).reshape(-1, 2).to(space.probe.device)
    width = 2 / min(size)
    drawn = _draw(space, camera, spots, width)
    if smooth:
        rough = _edges(drawn.view(*size, 4)).reshape(-1)
        parts = torch.tensor([[-1, -1], [-1, 1], [1, -1], [1, 1]], dtype=spots.dtype, device=spots.device)
        finer = (spots[rough].unsqueeze(1) + parts * width / 4).reshape(-1, 2)
        drawn[rough] = _draw(space, camera, finer, width / 2).view(-1, 4, 4).mean(dim=1)
    light, cover = drawn[:, :3], drawn[:, 3:]
    # Mixed with white in linear light; the screen's curve comes last.
    mixed = (light + (1 - cover)).clamp(0, 1)
    colours = torch.where(mixed <= 0.0031308, 12.92 * mixed, 1.055 * mixed.clamp(min=1e-6) ** (1 / 2.4) - 0.055)
    return Picture(colours.float().view(*size, 3).cpu(), cover.float().view(*size).cpu())


def _draw(space: Space, camera: Camera, spots: Tensor, width: float) -> Tensor:
    """(n, 4) light, zero where nothing is, and cover, at picture positions (n, 2)."""
    drawn = torch.zeros(len(spots), 4, dtype=space.probe.dtype, device=spots.device)
    with progress_bar("shading", len(spots)) as advance:
        for start in range(0, len(spots), RAYS_AT_ONCE):
            rays = camera.rays(spots[start : start + RAYS_AT_ONCE])
            origins, directions = (of.to(space.probe.dtype) for of in rays)
            # Half a pixel at the ball's centre, in the field's coordinates.
            hits = trace(space, origins, directions, camera.radius * width / 2)
            drawn[start + hits.rays, :3] = _light(space, camera, hits, directions[hits.rays])
            drawn[start + hits.rays, 3] = 1
            advance(len(directions))
    return drawn


def _light(space: Space, camera: Camera, hits: Hits, directions: Tensor) -> Tensor:
    """(n, 3) linear light that leaves the hit points against the rays."""
    points, cut = hits.points, hits.cut.abs().sum(dim=1, keepdim=True) > 0
    _, gradients = space.probe.tensor_gradients(points)
    slopes = gradients.norm(dim=1, keepdim=True).clamp(min=1e-6)
    normals = torch.where(cut, hits.cut, gradients / slopes)
    axes = camera.axes.to(points)
    key, rim = (torch.nn.functional.normalize(torch.tensor(way).to(points) @ axes, dim=0) for way in (KEY, RIM))
    open_sky = _openness(space, points, normals, torch.where(cut, 1.0, slopes), camera.radius)

    def facing(way: Tensor) -> Tensor:
        return (normals @ way).clamp(min=0).unsqueeze(1)

    def tint(*rgb: float) -> Tensor:
        return torch.tensor(rgb).to(points)

    # Sky above, warm ground below; both reach only what is open to them.
    sky = (0.5 + 0.5 * normals @ axes[1]).unsqueeze(1)
    around = open_sky * (sky * tint(0.30, 0.36, 0.46) + (1 - sky) * tint(0.13, 0.10, 0.08))
    direct = facing(key) * tint(1.05, 0.98, 0.87) * (0.35 + 0.65 * open_sky) + facing(rim) * tint(0.10, 0.13, 0.18)
    colour = torch.where(cut, tint(*CUT), tint(*CLAY))
    halfway = torch.nn.functional.normalize(key - directions, dim=1)
    gloss = (normals * halfway).sum(dim=1, keepdim=True).clamp(min=0) ** 40 * 0.12 * open_sky
    return (colour * (around + direct) + gloss).clamp(max=1)


def _openness(space: Space, points: Tensor, normals: Tensor, slopes: Tensor, radius: float) -> Tensor:
    """(n, 1) ambient occlusion: 1 where the surroundings do not hide the sky, 0 where they hide it.

    Over open ground the field grows along the normal as fast as at the surface; a nearby wall keeps it small.
    """
    hidden = torch.zeros_like(slopes)
    for weight, reach in zip((0.4, 0.3, 0.2, 0.1), REACH, strict=True):
        away = reach * radius
        risen = space.values(points + normals * away).unsqueeze(1) / slopes
        hidden += weight * (1 - risen / away).clamp(0, 1)
    return (1 - 0.9 * hidden).clamp(0, 1)


def _edges(drawn: Tensor) -> Tensor:
    """(rows, columns) bool: pixels that differ from a neighbour in light or cover."""
    found = torch.zeros(drawn.shape[:2], dtype=torch.bool, device=drawn.device)
    for axis in (0, 1):
        steps = drawn.diff(dim=axis).abs().amax(dim=-1) > CONTRAST
        length = drawn.shape[axis] - 1
        found.narrow(axis, 0, length).logical_or_(steps)
        found.narrow(axis, 1, length).logical_or_(steps)
    return found
