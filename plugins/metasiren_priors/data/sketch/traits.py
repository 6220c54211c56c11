"""The attributes of a sketch face: some sixty numbers and twelve colours."""

from __future__ import annotations

from dataclasses import dataclass

from metasiren_priors.data.sketch.draws import Floats


@dataclass(frozen=True)
class Traits:
    """Every number that the drawing needs: (faces, 1, 1) each; colours (3, faces, 1, 1) in [0, 1].

    The unit of `x`, `y`, `scale` and `shoulders` is half the image; other lengths are in half-heights of the head.
    Angles are tangents of half the angle.
    """

    x: Floats
    y: Floats
    scale: Floats
    tilt: Floats
    yaw: Floats
    pitch: Floats
    head_width: Floats
    jaw: Floats
    taper: Floats
    ear: Floats
    hair_top: Floats
    hair_side: Floats
    hair_length: Floats
    hairline: Floats
    opening: Floats
    boxiness: Floats
    parting: Floats
    curl: Floats
    spikes: Floats
    bun: Floats
    hat: Floats
    eye_x: Floats
    eye_y: Floats
    eye_width: Floats
    eye_height: Floats
    gaze_x: Floats
    gaze_y: Floats
    lashes: Floats
    brow_y: Floats
    brow_tilt: Floats
    brow_thick: Floats
    nose_length: Floats
    nose_width: Floats
    mouth_y: Floats
    mouth_width: Floats
    mouth_open: Floats
    smile: Floats
    lip: Floats
    blush: Floats
    glasses: Floats
    shades: Floats
    frame_round: Floats
    beard: Floats
    beard_length: Floats
    moustache: Floats
    earring: Floats
    neck_width: Floats
    shoulders: Floats
    neckline: Floats
    stripes: Floats
    light_x: Floats
    light_y: Floats
    light_z: Floats
    contrast: Floats
    ground_x: Floats
    ground_y: Floats
    halo_x: Floats
    halo_y: Floats
    skin: Floats
    hair: Floats
    iris: Floats
    lips: Floats
    cloth: Floats
    trim: Floats
    frame: Floats
    hat_colour: Floats
    ground_a: Floats
    ground_b: Floats
    halo: Floats
    light: Floats
