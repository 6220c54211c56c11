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
        "editing": "metasiren_images.gradient_domain.editing:Editing",
        "folder": "metasiren_images.folder:Folder",
        "masked_picture": "metasiren_images.restoration.masked:MaskedPicture",
        "npz": "metasiren_images.npz:Npz",
        "picture": "metasiren_images.single.picture:Picture",
        "poisson": "metasiren_images.gradient_domain.poisson:Poisson",
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
def metasiren_constraints() -> Mapping[str, str]:
    """Derivatives that a picture should have, and priors on one."""
    return {
        "blurred_mse": "metasiren_images.restoration.blurring:BlurredMse",
        "gradient_mse": "metasiren_images.gradient_domain.constraints:GradientMse",
        "growth_mse": "metasiren_images.gradient_domain.constraints:GrowthMse",
        "hessian_frobenius": "metasiren_images.restoration.priors:HessianFrobenius",
        "laplacian_mse": "metasiren_images.gradient_domain.constraints:LaplacianMse",
        "tv": "metasiren_images.restoration.priors:TotalVariation",
    }


@hookimpl
def metasiren_protocols() -> Mapping[str, str]:
    """How pictures, and priors over them, are judged."""
    return {
        "exact": "metasiren_images.protocols:Exact",
        "siren2020": "metasiren_images.protocols:Siren2020",
        "picture": "metasiren_images.single.judge:PictureProtocol",
        "poisson": "metasiren_images.gradient_domain.judge_poisson:PoissonProtocol",
        "editing": "metasiren_images.gradient_domain.judge_editing:EditingProtocol",
        "inpainting": "metasiren_images.restoration.judge:InpaintingProtocol",
    }


@hookimpl
def metasiren_renderers() -> Mapping[str, str]:
    """Fields as pictures."""
    return {
        "picture": "metasiren_images.single.render:PictureRenderer",
        "levelled_picture": "metasiren_images.gradient_domain.levelling:LevelledRenderer",
    }


@hookimpl
def metasiren_commands(cli: click.Group) -> None:
    """Prepare data; use a prior on one's own picture."""
    from metasiren_images.commands import add_commands

    add_commands(cli)
