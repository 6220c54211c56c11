"""A decoder without input: the weights of one SIREN, fitted as they are."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from metasiren import Decoder, Params, RecipeError, Siren


class FreeDecoder(Decoder):
    """A latent of size zero -> one set of weights (1, ...), drawn by `Siren.init` and trained directly.

    Args:
        siren: the architecture.
        latent_dim: zero; free weights ignore the latent.
        start: weights to begin with, in place of drawn ones: the file model.safetensors that
            `metasiren export RUN -o FOLDER/` writes. The last layer is drawn anew unless `keep_last` is set. A run
            opens the file again when it is opened.
        keep_last: begin with the start's last layer, too.

    Raises:
        RecipeError: an encoder that gives a latent, or a start that cannot be read or has layers of other sizes.
    """

    def __init__(
        self, siren: Siren, latent_dim: int, *, start: str | Path | None = None, keep_last: bool = False
    ) -> None:
        super().__init__(siren, latent_dim)
        if latent_dim:
            raise RecipeError(
                "decoder: free",
                f"the encoder gives a latent of size {latent_dim}, which free weights would ignore.",
                "Use the encoder `fixed` with it, or the decoder `hypernetwork`.",
            )
        # Modules may not have dots in the names of their parameters: a list, in the order of `siren.shapes`.
        # Matrices are kept as matrices, without the instance dimension: Muon updates them in another way.
        self.weights = nn.ParameterList(value[0] for value in siren.init().values())
        if start is not None:
            self._begin(str(start), keep_last)

    @torch.no_grad()
    def _begin(self, start: str, keep_last: bool) -> None:
        held, last = _read(start), self.siren.layers[-1]
        for name, weight in zip(self.siren.shapes, self.weights, strict=True):
            if name in (last.weight, last.bias) and not keep_last:
                continue
            if name not in held or held[name].shape != weight.shape:
                found = (
                    f"{name} is {tuple(held[name].shape) if name in held else 'missing'}, not {tuple(weight.shape)}."
                )
                widths = ", ".join(f"{key} {tuple(each.shape)}" for key, each in held.items())
                raise RecipeError(f"decoder: free: start: {start}", found, f"It holds: {widths}")
            weight.copy_(held[name])

    def forward(self, latent: Tensor) -> Params:
        """The weights, for whatever batch: {"0.weight": (1, out, in), ...}."""
        # Iterating over a ParameterList looks up each entry by its name.
        weights = self.weights._parameters.values()
        return {name: w.unsqueeze(0) for name, w in zip(self.siren.shapes, weights, strict=True) if w is not None}


def _read(start: str) -> dict[str, Tensor]:
    """The weights of a file.

    Raises:
        RecipeError: there is none, or it cannot be read.
    """
    try:
        return dict(load_file(Path(start).expanduser()))
    except (OSError, SafetensorError) as error:
        advice = "Give the file model.safetensors that `metasiren export RUN -o FOLDER/` writes."
        raise RecipeError(f"decoder: free: start: {start}", f"no weights: {error}.", advice) from None
