"""A trained run of celeba_gaussian as one small file, and back.

`python -m metasiren_report.app.packing RUN FILE` writes the prior that ships with the app, from

    metasiren run celeba_gaussian --preset app
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from metasiren import Decoder, Run, RunError, Siren, load_catalogue
from metasiren_report.app.packing_command import packing_command


def pack(run: Run, file: Path) -> Path:
    """Write mean, principal directions, variances and the decoder of a run in half precision.

    Raises:
        RunError: its encoder is not `gaussian`, or its decoder no `hypernetwork`.
    """
    recipe, domain = run.recipe, run.domain
    if (recipe.encoder.name, recipe.decoder.name) != ("gaussian", "hypernetwork") or domain.grid is None:
        raise RunError(str(run.path), "not a run of celeba_gaussian.", "metasiren run celeba_gaussian --preset app")
    model = run.model()
    state = model.state_dict()
    basis, variances = state["encoder.basis"], state["encoder.variances"]
    covariance = state["encoder.gaussian.covariance"].double()
    rest = len(covariance) - len(variances)
    options = recipe.encoder.options
    # What the kept directions leave, spread over all others; the ridge is part of both.
    ridge = 4 * float(options.get("ridge", 1e-4))
    total = float(covariance.diagonal().sum()) + ridge * len(covariance)
    noise = max(ridge, (total - float(variances.sum())) / rest)
    power, scale = float(options.get("power", 0.5)), float(options.get("scale", 0.3))
    # As GaussianEncoder.gains: latents per unit of coefficient.
    gains = scale * variances.rsqrt() * (variances / variances[0]) ** (power / 2)
    tensors = {f"decoder.{name}": value.half() for name, value in model.decoder.state_dict().items()}
    tensors |= {"mean": state["encoder.gaussian.mean"].half(), "basis": basis.half()}
    tensors |= {"variances": (variances - noise).clamp_min(noise * 1e-3), "gains": gains, "noise": torch.tensor(noise)}
    notes = {
        "name": "cartoon faces (ships with the app)",
        "side": str(domain.grid[0]),
        "siren": json.dumps(recipe.siren.model_dump(exclude_none=True)),
        "decoder": json.dumps(recipe.decoder.options),
        "made_by": f"metasiren run celeba_gaussian --preset {recipe.preset}, {run.environment.get('steps')} steps",
    }
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file, metadata=notes)
    return file


def make_decoder(notes: Mapping[str, str], tensors: Mapping[str, Tensor]) -> Decoder:
    """The decoder of a packed prior."""
    siren = Siren(in_features=2, out_features=3, **json.loads(notes["siren"]))
    options, latent_dim = json.loads(notes["decoder"]), len(tensors["gains"])
    made: Decoder = load_catalogue().make(
        "decoder", "hypernetwork", siren, latent_dim, where="app: decoder", options=options
    )
    prefix = "decoder."
    made.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    return made.eval().requires_grad_(False)


if __name__ == "__main__":
    packing_command(pack, "packing")()
