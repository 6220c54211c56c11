"""What this package offers; modules are imported when a recipe names a part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from metasiren import hookimpl

if TYPE_CHECKING:
    import click

    from metasiren import Run


@hookimpl
def metasiren_datasets() -> Mapping[str, str]:
    """Sets of images."""
    return {
        "celeba": "metasiren_priors.data.celeba:CelebA",
        "faces": "metasiren_priors.data.faces:Faces",
        "folder": "metasiren_priors.data.folder:Folder",
        "npz": "metasiren_priors.data.npz:Npz",
        "stacked_pictures": "metasiren_priors.data.stacked:StackedPictures",
        "sketch_faces": "metasiren_priors.data.sketch_faces:SketchFaces",
    }


@hookimpl
def metasiren_encoders() -> Mapping[str, str]:
    """Encoders of observed values."""
    return {
        "cnn": "metasiren_priors.encoders.cnn:CnnEncoder",
        "set": "metasiren_priors.encoders.set_encoder:SetEncoder",
        "partial_conv": "metasiren_priors.encoders.partial_conv:PartialConvEncoder",
        "autodecoder": "metasiren_priors.encoders.adaptation:AutoDecoder",
        "cavia": "metasiren_priors.encoders.adaptation:ContextAdaptation",
        "gaussian": "metasiren_priors.encoders.gaussian_encoder:GaussianEncoder",
        "mixture": "metasiren_priors.encoders.mixture_encoder:MixtureEncoder",
        "mixture_correction": "metasiren_priors.encoders.correction:MixtureCorrection",
    }


@hookimpl
def metasiren_decoders() -> Mapping[str, str]:
    """Decoders of values on a grid, and of latents that shift a shared SIREN."""
    return {
        "concatenation": "metasiren_priors.decoders.concatenation:Concatenation",
        "last_layer": "metasiren_priors.decoders.last_layer:LastLayer",
    }


@hookimpl
def metasiren_constraints() -> Mapping[str, str]:
    """Losses of fields that have a standard deviation."""
    return {"gaussian_nll": "metasiren_priors.likelihood:GaussianNll"}


@hookimpl
def metasiren_protocols() -> Mapping[str, str]:
    """How priors are evaluated."""
    return {
        "exact": "metasiren_priors.evaluation.protocols:Exact",
        "unseen": "metasiren_priors.evaluation.unseen:Unseen",
        "siren2020": "metasiren_priors.evaluation.protocols:Siren2020",
    }


@hookimpl
def metasiren_run_started(run: Run) -> None:
    """Warn of few pictures to train on."""
    from metasiren_priors.few_pictures import warn_of_few_pictures

    warn_of_few_pictures(run)


@hookimpl
def metasiren_commands(cli: click.Group) -> None:
    """Prepare data; use a prior on one's own picture."""
    from metasiren_priors.commands import add_commands

    add_commands(cli)
