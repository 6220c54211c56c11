"""What this package offers; modules are imported when a recipe names a part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from metasiren import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def metasiren_datasets() -> Mapping[str, str]:
    """Sets of images."""
    return {
        "celeba": "metasiren_images.celeba:CelebA",
        "folder": "metasiren_images.folder:Folder",
        "npz": "metasiren_images.npz:Npz",
        "sketch_faces": "metasiren_images.sketch_faces:SketchFaces",
    }


@hookimpl
def metasiren_encoders() -> Mapping[str, str]:
    """Encoders of observed pixels."""
    return {
        "cnn": "metasiren_images.cnn:CnnEncoder",
        "set": "metasiren_images.set_encoder:SetEncoder",
        "partial_conv": "metasiren_images.partial_conv:PartialConvEncoder",
        "gaussian": "metasiren_images.gaussian_encoder:GaussianEncoder",
    }


@hookimpl
def metasiren_protocols() -> Mapping[str, str]:
    """How a prior over images is judged."""
    return {
        "exact": "metasiren_images.protocols:Exact",
        "siren2020": "metasiren_images.protocols:Siren2020",
    }


@hookimpl
def metasiren_commands(cli: click.Group) -> None:
    """Prepare data; use a prior on one's own picture."""
    from metasiren_images.commands import add_commands

    add_commands(cli)
