"""What this package offers; modules are imported when a recipe names a part."""

from __future__ import annotations

from collections.abc import Mapping

from metasiren import hookimpl


@hookimpl
def metasiren_datasets() -> Mapping[str, str]:
    """Pictures."""
    return {
        "editing": "metasiren_images.gradient_domain.editing:Editing",
        "larger_pixels": "metasiren_images.measured.larger_pixels:LargerPixels",
        "masked_picture": "metasiren_images.restoration.masked:MaskedPicture",
        "noise_pictures": "metasiren_images.single.noise:NoisePictures",
        "noisy_picture": "metasiren_images.measured.noisy:NoisyPicture",
        "picture": "metasiren_images.single.picture:Picture",
        "poisson": "metasiren_images.gradient_domain.poisson:Poisson",
        "sinogram": "metasiren_images.measured.sinogram:Sinogram",
        "volume": "metasiren_images.volumes.volume:Volume",
    }


@hookimpl
def metasiren_constraints() -> Mapping[str, str]:
    """Derivatives that a picture should have, and priors on one."""
    return {
        "blurred_mse": "metasiren_images.restoration.blurring:BlurredMse",
        "gradient_mse": "metasiren_images.gradient_domain.constraints:GradientMse",
        "difference_mse": "metasiren_images.gradient_domain.constraints:DifferenceMse",
        "growth_mse": "metasiren_images.gradient_domain.constraints:DifferenceMse",  # its former name
        "hessian_frobenius": "metasiren_images.restoration.priors:HessianFrobenius",
        "laplacian_mse": "metasiren_images.gradient_domain.constraints:LaplacianMse",
        "measurements": "metasiren_images.measured.constraint:Measurements",
        "tv": "metasiren_images.restoration.priors:TotalVariation",
    }


@hookimpl
def metasiren_protocols() -> Mapping[str, str]:
    """How pictures are evaluated."""
    return {
        "picture": "metasiren_images.single.protocol:PictureProtocol",
        "picture_channels": "metasiren_images.single.channels:ChannelsProtocol",
        "poisson": "metasiren_images.gradient_domain.poisson_protocol:PoissonProtocol",
        "editing": "metasiren_images.gradient_domain.editing_protocol:EditingProtocol",
        "measured_picture": "metasiren_images.measured.protocol:MeasuredProtocol",
        "volume": "metasiren_images.volumes.protocol:VolumeProtocol",
        "inpainting": "metasiren_images.restoration.protocol:InpaintingProtocol",
    }


@hookimpl
def metasiren_renderers() -> Mapping[str, str]:
    """Fields as pictures."""
    return {
        "picture": "metasiren_images.single.render:PictureRenderer",
        "levelled_picture": "metasiren_images.gradient_domain.levelling:LevelledRenderer",
    }
