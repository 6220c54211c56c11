"""What this package offers; modules are imported when a recipe names a part."""

from __future__ import annotations

from collections.abc import Mapping

from metasiren import hookimpl


@hookimpl
def metasiren_datasets() -> Mapping[str, str]:
    """Surfaces as oriented points, and a family of solids."""
    return {
        "shape": "metasiren_shapes.dataset:Shape",
        "solid_family": "metasiren_shapes.family:RoundedBoxes",
    }


@hookimpl
def metasiren_constraints() -> Mapping[str, str]:
    """The four terms of the paper's Eq. 6, and the side of the surface alone."""
    return {
        "sdf_zero": "metasiren_shapes.constraints:SdfZero",
        "normal_alignment": "metasiren_shapes.constraints:NormalAlignment",
        "eikonal": "metasiren_shapes.constraints:Eikonal",
        "occupancy": "metasiren_shapes.constraints:Occupancy",
        "off_surface": "metasiren_shapes.constraints:OffSurface",
    }


@hookimpl
def metasiren_metrics() -> Mapping[str, str]:
    """How far a field is from the signed distance of its surface."""
    return {
        "iou": "metasiren_shapes.metrics:Iou",
        "normal_consistency": "metasiren_shapes.metrics:NormalConsistency",
        "eikonal_residual": "metasiren_shapes.metrics:EikonalResidual",
        "mean_abs_sdf": "metasiren_shapes.metrics:MeanAbsSdf",
        "sdf_error": "metasiren_shapes.metrics:SdfError",
    }


@hookimpl
def metasiren_protocols() -> Mapping[str, str]:
    """How a fitted shape is evaluated: its mesh beside the surface that it was fitted to."""
    return {"shape": "metasiren_shapes.protocol:ShapeProtocol"}


@hookimpl
def metasiren_renderers() -> Mapping[str, str]:
    """A fitted shape as a mesh or a picture."""
    return {"shape": "metasiren_shapes.renderer:ShapeRenderer"}
