"""What this package offers; modules are imported when a recipe names a part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from metasiren import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def metasiren_datasets() -> Mapping[str, str]:
    """Problems of waves."""
    return {
        "helmholtz": "metasiren_physics.datasets.helmholtz:HelmholtzDataset",
        "helmholtz_family": "metasiren_physics.datasets.helmholtz_family:HelmholtzFamily",
        "wave": "metasiren_physics.datasets.wave:WaveDataset",
        "box": "metasiren_physics.datasets.box:BoxDataset",
        "fwi": "metasiren_physics.datasets.inversion:InversionDataset",
    }


@hookimpl
def metasiren_activations() -> Mapping[str, str]:
    """Sines that solve an equation."""
    return {"plane_waves": "metasiren_physics.plane_waves:PlaneWaves"}


@hookimpl
def metasiren_input_encodings() -> Mapping[str, str]:
    """Mapped coordinates, formerly `magnifier`, those with periodic or free sides, and those of convex pieces."""
    mapped = "metasiren_physics.mapped_coordinates:MappedCoordinates"
    return {
        "mapped_coordinates": mapped,
        "magnifier": mapped,
        "periodic": "metasiren_physics.periodic:Periodic",
        "mirrored": "metasiren_physics.mirrored:Mirrored",
        "convex_pieces": "metasiren_physics.convex_pieces:ConvexPieces",
    }


@hookimpl
def metasiren_constraints() -> Mapping[str, str]:
    """Equations and conditions."""
    return {
        "helmholtz": "metasiren_physics.constraints.helmholtz:Helmholtz",
        "wave_equation": "metasiren_physics.constraints.wave:WaveEquation",
        "initial_value": "metasiren_physics.constraints.wave:InitialValue",
        "initial_velocity": "metasiren_physics.constraints.wave:InitialVelocity",
        "dirichlet": "metasiren_physics.constraints.wave:Dirichlet",
        "neumann": "metasiren_physics.constraints.wave:Neumann",
        "continuous_value": "metasiren_physics.constraints.wave:ContinuousValue",
        "continuous_slope": "metasiren_physics.constraints.wave:ContinuousSlope",
        "burgers": "metasiren_physics.constraints.equations:Burgers",
        "allen_cahn": "metasiren_physics.constraints.equations:AllenCahn",
        "kdv": "metasiren_physics.constraints.equations:Kdv",
        "heat": "metasiren_physics.constraints.equations:Heat",
        "constant": "metasiren_physics.constraints.equations:Constant",
        "poisson": "metasiren_physics.constraints.equations:Poisson",
        "prescribed": "metasiren_physics.constraints.conditions:Prescribed",
        "prescribed_flux": "metasiren_physics.constraints.conditions:PrescribedFlux",
        "receivers": "metasiren_physics.constraints.inversion:Receivers",
        "slowness_prior": "metasiren_physics.constraints.inversion:SlownessPrior",
        "slowness_slope": "metasiren_physics.constraints.inversion:SlownessSlope",
    }


@hookimpl
def metasiren_optimizers() -> Mapping[str, str]:
    """Optimisers for coupled problems."""
    return {
        "scattered_waves": "metasiren_physics.scattered_waves:ScatteredWaves",
        "waveform_inversion": "metasiren_physics.waveform_inversion:WaveformInversion",
    }


@hookimpl
def metasiren_protocols() -> Mapping[str, str]:
    """How fitted waves are evaluated."""
    return {
        "helmholtz": "metasiren_physics.protocols.helmholtz:HelmholtzProtocol",
        "wave": "metasiren_physics.protocols.wave:WaveProtocol",
        "equation": "metasiren_physics.protocols.equation:EquationProtocol",
        "fwi": "metasiren_physics.protocols.inversion:InversionProtocol",
    }


@hookimpl
def metasiren_renderers() -> Mapping[str, str]:
    """Fields of equations as pictures."""
    return {"equation": "metasiren_physics.renderer:EquationRenderer"}


@hookimpl
def metasiren_commands(cli: click.Group) -> None:
    """Solve without a network."""
    from metasiren_physics.commands import add_commands

    add_commands(cli)
