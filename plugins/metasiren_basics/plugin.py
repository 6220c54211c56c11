"""What this package offers; modules are imported when a recipe names a part."""

from __future__ import annotations

from collections.abc import Mapping

from metasiren import hookimpl


@hookimpl
def metasiren_encoders() -> Mapping[str, str]:
    """Encoders."""
    return {"fixed": "metasiren_basics.fixed:FixedEncoder"}


@hookimpl
def metasiren_decoders() -> Mapping[str, str]:
    """Decoders."""
    return {
        "free": "metasiren_basics.free:FreeDecoder",
        "hypernetwork": "metasiren_basics.hypernetwork:Hypernetwork",
    }


@hookimpl
def metasiren_activations() -> Mapping[str, str]:
    """The activations whose names `Siren` takes, too."""
    classes = ("Sine", "Relu", "Tanh", "Softplus", "Elu", "Selu", "Sigmoid")
    return {name.lower(): f"metasiren.nn.activations:{name}" for name in classes}


@hookimpl
def metasiren_input_encodings() -> Mapping[str, str]:
    """The input layers whose names `Siren` takes, too."""
    return {
        "positional_encoding": "metasiren.nn.encodings:PositionalEncoding",
        "rbf_gaussian": "metasiren.nn.encodings:RbfGaussian",
        "rbf_quartic": "metasiren.nn.encodings:RbfQuartic",
    }


@hookimpl
def metasiren_constraints() -> Mapping[str, str]:
    """Losses."""
    return {
        "mse": "metasiren_basics.priors:Mse",
        "latent_prior": "metasiren_basics.priors:LatentPrior",
        "weight_prior": "metasiren_basics.priors:WeightPrior",
    }


@hookimpl
def metasiren_optimizers() -> Mapping[str, str]:
    """Optimisers."""
    return {
        **{name: f"metasiren_basics.optimizers:{name}" for name in ("adam", "adamw", "muon", "sgd")},
        "balanced_adam": "metasiren_basics.balanced:BalancedAdam",
        **{name: f"metasiren_basics.optimizers:{name}" for name in ("shampoo", "soap")},
        "meta_adam": "metasiren_basics.meta_adam:MetaAdam",
        "gauss_newton": "metasiren_basics.gauss_newton:GaussNewton",
        "lbfgs": "metasiren_basics.lbfgs:Lbfgs",
        "self_scaled": "metasiren_basics.self_scaled:SelfScaled",
        "least_squares": "metasiren_basics.least_squares:LeastSquares",
    }


@hookimpl
def metasiren_metrics() -> Mapping[str, str]:
    """Metrics."""
    return {
        "mse": "metasiren_basics.metrics:MeanSquaredError",
        "psnr_db": "metasiren_basics.metrics:PsnrDb",
        "relative_l2": "metasiren_basics.metrics:RelativeL2",
    }
