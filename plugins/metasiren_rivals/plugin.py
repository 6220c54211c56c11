"""What this package offers; modules are imported when a recipe names a part."""

from __future__ import annotations

from collections.abc import Mapping

from metasiren import hookimpl


@hookimpl
def metasiren_activations() -> Mapping[str, str]:
    """Activations of later papers."""
    return {
        "finer": "metasiren_rivals.periodic:Finer",
        "finer_pp": "metasiren_rivals.bells:FinerPlusPlus",
        "gaussian": "metasiren_rivals.bells:Gaussian",
        "identity": "metasiren_rivals.multiplicative:Identity",
        "sinc": "metasiren_rivals.periodic:Sinc",
        "wire": "metasiren_rivals.bells:Wire",
    }


@hookimpl
def metasiren_input_encodings() -> Mapping[str, str]:
    """Features of coordinates, and networks that are products of such features."""
    return {
        "band_limited_mfn": "metasiren_rivals.multiplicative:BandLimitedMfn",
        "fourier_features": "metasiren_rivals.fourier:FourierFeatures",
        "fourier_mfn": "metasiren_rivals.multiplicative:FourierMfn",
        "gabor_mfn": "metasiren_rivals.multiplicative:GaborMfn",
    }
