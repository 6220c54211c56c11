"""A run of celeba_mixture as one small file, and back.

`python -m metasiren_report.app.packed_mixture RUN FILE` writes the second prior that ships with the app, from

    metasiren run celeba_mixture --preset app
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from metasiren import Domain, MetasirenError, Model, Run, RunError, Siren, load_catalogue
from metasiren_report.app.packing_command import packing_command
from metasiren_report.app.prior import ModelPrior

# The factors of the Gaussian and the mixture's basis are the same matrix.
TWICE = {"encoder.mixture.basis": "encoder.mixture.gaussian.basis"}
HALF = ("encoder.mixture.gaussian.basis", "decoder.hidden.")


def pack(run: Run, file: Path) -> Path:
    """Write the model of a run; its basis and its trunk in half precision.

    Raises:
        RunError: encoder or decoder are others, or the encoder keeps a whole covariance or more directions than
            coordinates.
    """
    recipe = run.recipe
    options = recipe.encoder.options
    parts = (recipe.encoder.name, recipe.decoder.name) == ("mixture", "last_layer")
    if not parts or options.get("directions") is None or options["directions"] != options.get("coordinates"):
        raise RunError(str(run.path), "not a small run of celeba_mixture.", "metasiren run celeba_mixture --preset app")
    state = run.model().state_dict()
    tensors = {
        name: (value.half() if name.startswith(HALF) else value).contiguous()
        for name, value in state.items()
        if name not in TWICE
    }
    assert run.domain.grid is not None
    notes = {
        "name": "cartoon faces, mixture (ships with the app)",
        "side": str(run.domain.grid[0]),
        "siren": json.dumps(recipe.siren.model_dump(exclude_none=True)),
        "encoder": json.dumps(options),
        "decoder": json.dumps(recipe.decoder.options),
        "made_by": f"metasiren run celeba_mixture --preset {recipe.preset}",
    }
    save_file(tensors, file, metadata=notes)
    return file


def read_mixture(path: Path | None = None) -> ModelPrior:
    """The prior that a file of `pack` holds; the one in the package by default.

    Raises:
        RunError: the file is missing or holds something else.
    """
    file = path or Path(str(resources.files("metasiren_report") / "app" / "mixture.safetensors"))
    try:
        with safe_open(file, "pt") as opened:
            notes = opened.metadata() or {}
        side = int(notes["side"])
        model = make_model(side, notes)
        tensors = load_file(file)
        tensors |= {name: tensors[same] for name, same in TWICE.items()}
        model.load_state_dict(tensors)
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError, MetasirenError) as error:
        advice = "Write one with metasiren_report.app.packed_mixture."
        raise RunError(str(file), f"not a packed mixture: {error}", advice) from None
    return ModelPrior(notes["name"], side, model.eval().requires_grad_(False))


def make_model(side: int, notes: dict[str, str]) -> Model:
    """Encoder and decoder of pictures (side, side, 3), with the options that the notes hold."""
    catalogue, where = load_catalogue(), "app: mixture"
    domain = Domain(d_in=2, d_out=3, items=2, grid=(side, side))
    siren = Siren(in_features=2, out_features=3, **json.loads(notes["siren"]))
    encoder = catalogue.make("encoder", "mixture", domain, where=where, options=json.loads(notes["encoder"]))
    options = json.loads(notes["decoder"])
    decoder = catalogue.make("decoder", "last_layer", siren, encoder.latent_dim, where=where, options=options)
    return Model(encoder, decoder).to(torch.float32)


if __name__ == "__main__":
    packing_command(pack, "packed_mixture")()
