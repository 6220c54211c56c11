"""Where a picture is taken from, and the ray of each of its points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import cos, radians, sin, tan
from typing import Literal

import torch
from torch import Tensor

Axis = Literal["x", "y", "z"]
Up = Literal["x", "y", "z", "-x", "-y", "-z"]
LETTER: Mapping[Up, Axis] = {"x": "x", "y": "y", "z": "z", "-x": "x", "-y": "y", "-z": "z"}
"""The coordinate that runs upwards or downwards."""
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Camera:
    """A camera that points at a ball, which fills the shorter side of the picture.

    Attributes:
        azimuth: degrees around the axis `up`. At 0 the camera stands on the positive z axis for `up` y, on the
            negative y axis for z, and on the positive y axis for x.
        elevation: degrees above the horizon.
        centre: of the ball.
        radius: of the ball.
        view: angle of view in degrees; 0 makes rays parallel.
        up: the axis that points upwards in the picture, or with a minus downwards.
    """

    azimuth: float = 30.0
    elevation: float = 20.0
    centre: Triple = (0.0, 0.0, 0.0)
    radius: float = 1.0
    view: float = 25.0
    up: Up = "y"

    @property
    def axes(self) -> Tensor:
        """(3, 3): directions to the right, upwards and towards the camera."""
        a, e = radians(self.azimuth), radians(self.elevation)
        # Written for y upwards and the camera on z; other axes are a rotation of names.
        right = (cos(a), 0.0, -sin(a))
        upwards = (-sin(a) * sin(e), cos(e), -cos(a) * sin(e))
        towards = (sin(a) * cos(e), sin(e), cos(a) * cos(e))
        frame = torch.tensor([right, upwards, towards], dtype=torch.float64)
        if self.up.startswith("-"):
            # The half turn about the axis on which the camera stands.
            frame = frame * torch.tensor([-1.0, -1.0, 1.0], dtype=frame.dtype)
        if LETTER[self.up] == "z":
            return torch.stack([frame[:, 0], -frame[:, 2], frame[:, 1]], dim=1)
        if LETTER[self.up] == "x":
            return torch.stack([frame[:, 1], frame[:, 2], frame[:, 0]], dim=1)
        return frame

    def rays(self, spots: Tensor) -> tuple[Tensor, Tensor]:
        """Origins (n, 3) and unit directions (n, 3) at picture positions (n, 2): right and up, the ball within +-1."""
        right, upwards, towards = self.axes.to(spots)
        across = spots[:, :1] * right + spots[:, 1:] * upwards
        centre = torch.tensor(self.centre).to(spots)
        if not self.view:
            return centre + self.radius * (across + 4 * towards), -towards.expand_as(across)
        half = radians(self.view) / 2
        origin = centre + self.radius / sin(half) * towards
        directions = tan(half) * across - towards
        return origin.expand_as(across), directions / directions.norm(dim=1, keepdim=True)


def pixels(size: tuple[int, int]) -> Tensor:
    """Positions (rows, columns, 2) of pixel centres: right and up, the shorter side from -1 to 1."""
    rows, columns = size
    short = min(size)
    x = (2 * torch.arange(columns, dtype=torch.float64) + 1 - columns) / short
    y = (rows - 1 - 2 * torch.arange(rows, dtype=torch.float64)) / short
    return torch.stack([x.expand(rows, -1), y.unsqueeze(1).expand(-1, columns)], dim=-1)
