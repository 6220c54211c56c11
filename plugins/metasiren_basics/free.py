"""A decoder without input: the weights of one SIREN, fitted as they are."""

from __future__ import annotations

from torch import Tensor, nn

from metasiren import Decoder, Params, RecipeError, Siren


class FreeDecoder(Decoder):
    """A latent of size zero -> one set of weights (1, ...), drawn by `Siren.init` and trained directly.

    Args:
        siren: the architecture.
        latent_dim: zero; free weights heed no latent.

    Raises:
        RecipeError: an encoder that gives a latent.
    """

    def __init__(self, siren: Siren, latent_dim: int) -> None:
        super().__init__(siren, latent_dim)
        if latent_dim:
            raise RecipeError(
                "decoder: free",
                f"the encoder gives a latent of size {latent_dim}, which free weights would ignore.",
                "Use the encoder `fixed` with it, or the decoder `hypernetwork`.",
            )
        # Modules may not have dots in the names of their parameters: a list, in the order of `siren.shapes`.
        # Matrices are kept as matrices, without the instance dimension: some optimisers heed them (Muon).
        self.weights = nn.ParameterList(value[0] for value in siren.init().values())

    def forward(self, latent: Tensor) -> Params:
        """The weights, for whatever batch: {"0.weight": (1, out, in), ...}."""
        return {name: weight.unsqueeze(0) for name, weight in zip(self.siren.shapes, self.weights, strict=True)}
