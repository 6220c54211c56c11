"""Convolutions of the encoders see channels last from the first layer to the last, in bfloat16 too."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import metasiren as ms
from metasiren_priors.encoders.cnn import CnnEncoder
from metasiren_priors.encoders.partial_conv import PartialConvEncoder

DOMAIN = ms.Domain(d_in=2, d_out=3, grid=(8, 8))


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("kind", [CnnEncoder, PartialConvEncoder])
def test_convolutions_are_given_channels_last(kind: Any, bf16: bool) -> None:
    torch.manual_seed(0)
    encoder = kind(DOMAIN, latent_dim=4, features=8, blocks=1)
    seen: list[Tensor] = []
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1):
            module.register_forward_hook(lambda _, inputs, out: seen.extend([inputs[0], out]))
    cells = torch.arange(64).expand(2, -1)
    context = ms.Context(
        torch.arange(2), torch.rand(2, 64, 2), torch.rand(2, 64, 3), torch.ones(2, 64, dtype=torch.bool), (8, 8), cells
    )
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        latent = encoder(context, None)
    assert latent.dtype == torch.float32
    maps = [x for x in seen if x.dim() == 4 and x.shape[1] > 1]
    assert maps
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in maps)
    assert (maps[-1].dtype == torch.bfloat16) == bf16
