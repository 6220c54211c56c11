"""For every contract check a part that fails just that check, and one part of each kind that passes all."""

from __future__ import annotations

import threading
from typing import Any

import torch
from torch import Tensor, nn

from metasiren import (
    Batch,
    Constraint,
    Context,
    Decoder,
    Domain,
    Encoder,
    Metric,
    Params,
    Points,
    Prediction,
    Sine,
    Siren,
)
from metasiren.nn.encodings import PositionalEncoding
from metasiren.testing import Ripples
from metasiren.testing.signals import LastLayer


class Good(Encoder):
    """The mean of a linear map of each pair.

    Args:
        domain: any.
        latent_dim: size of the latent.
    """

    def __init__(self, domain: Domain, *, latent_dim: int = 16) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.embed = nn.Sequential(nn.Linear(domain.d_in + domain.d_out, 32), nn.ReLU(), nn.Linear(32, latent_dim))

    def pairs(self, context: Context) -> tuple[Tensor, Tensor]:
        return torch.cat([context.coords, context.values], -1), context.mask.unsqueeze(-1).to(context.values.dtype)

    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        pairs, seen = self.pairs(context)
        return (self.embed(pairs) * seen).sum(1) / seen.sum(1).clamp(min=1)


class AnyOption(Good):
    def __init__(self, domain: Domain, **options: Any) -> None:
        super().__init__(domain)


class UntypedOption(Good):
    """Has an option.

    Args:
        width: of something.
    """

    def __init__(self, domain: Domain, width=3) -> None:  # type: ignore[no-untyped-def]
        super().__init__(domain)


class WrongDefault(Good):
    def __init__(self, domain: Domain, latent_dim: int = "many") -> None:  # type: ignore[assignment]
        super().__init__(domain)


class Silent(Good):
    def __init__(self, domain: Domain, *, depth: int = 1) -> None:
        super().__init__(domain)


class NoSize(Good):
    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        del self.latent_dim


def not_an_encoder(domain: Domain) -> nn.Module:
    module = nn.Linear(1, 1)
    module.fit = lambda dataset: None
    return module


class NanOfNothing(Good):
    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        pairs, seen = self.pairs(context)
        return (self.embed(pairs) * seen).sum(1) / seen.sum(1)


class SqueezedBatch(Good):
    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        return super().forward(context, decoder).squeeze(0)


class AlwaysSingle(Good):
    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        return super().forward(context, decoder).float()


class Ordered(Good):
    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        pairs, seen = self.pairs(context)
        place = torch.arange(1, seen.shape[1] + 1).view(1, -1, 1)
        return (self.embed(pairs) * seen / place).sum(1)


class Padded(Good):
    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        pairs, _ = self.pairs(context)
        return self.embed(pairs).sum(1) / max(1, pairs.shape[1])


class Gossip(Good):
    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        latent = super().forward(context, decoder)
        return latent - latent.mean(0)


class Writer(Good):
    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        context.values.mul_(0.5)
        return super().forward(context, decoder)


class GraphKeeper(Good):
    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        with torch.enable_grad():
            return super().forward(context, decoder)


class BadTrainingPair(Good):
    def training_pair(self, batch: Batch, decoder: Decoder, generator: torch.Generator | None = None) -> Any:
        latent, batch = super().training_pair(batch, decoder, generator)
        return latent[:1], batch


class Dice(Good):
    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        return nn.functional.dropout(super().forward(context, decoder), 0.5, training=True)


class Hoarder(Good):
    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        self.features = torch.randn(16)

    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        return super().forward(context, decoder) * self.features


class Locked(Good):
    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        self.lock = threading.Lock()


class Idle(Good):
    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        self.spare = nn.Parameter(torch.ones(3))


class Scatterer(Good):
    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        pairs, seen = self.pairs(context)
        flat = self.embed(pairs).flatten(0, 1)
        owner = torch.arange(len(pairs)).repeat_interleave(pairs.shape[1])
        # As written in many graph networks: the sum has float32, what is added the type of the autocast region.
        total = pairs.new_zeros(len(pairs), self.latent_dim).index_add(0, owner, flat)
        return total / seen.sum(1).clamp(min=1)


class Loud(Good):
    """Sums over its points, so that its latents are hundreds of times too large at the start."""

    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        pairs, seen = self.pairs(context)
        return (self.embed(pairs) * seen).sum(1)


class Deaf(Good):
    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        pairs, seen = self.pairs(context)
        return (self.embed(torch.zeros_like(pairs)) * seen).sum(1) / seen.sum(1).clamp(min=1)


ENCODERS = {
    "options": (AnyOption, UntypedOption, WrongDefault),
    "documented": (Silent,),
    "construction": (NoSize, not_an_encoder),
    "context_sizes": (NanOfNothing, SqueezedBatch),
    "float64": (AlwaysSingle,),
    "permutation": (Ordered,),
    "padding": (Padded,),
    "independence": (Gossip,),
    "untouched": (Writer,),
    "evaluation": (GraphKeeper,),
    "training_pair": (BadTrainingPair,),
    "determinism": (Dice,),
    "state_dict": (Hoarder,),
    "copies": (Locked,),
    "gradients": (Idle,),
    "autocast": (Scatterer,),
    "start_size": (Loud,),
    "overfit": (Deaf,),
}


class GoodDecoder(LastLayer):
    """One shared SIREN whose last layer the latent changes.

    Args:
        siren: the architecture.
        latent_dim: size of the latent.
    """


class Forgetful(LastLayer):
    def __init__(self, siren: Siren, latent_dim: int) -> None:
        super().__init__(siren, latent_dim)
        self.latent_dim = 0


class Partial(LastLayer):
    def forward(self, latent: Tensor) -> Params:
        return {name: p for name, p in super().forward(latent).items() if name != "0.bias"}


class TwoLayersOnly(LastLayer):
    def forward(self, latent: Tensor) -> Params:
        params = dict(super().forward(latent))
        params["2.bias"] = params["2.bias"] + 0
        return params


class NeedsLatent(LastLayer):
    def forward(self, latent: Tensor) -> Params:
        return super().forward(latent / latent.norm(dim=1).mean() * (1 / self.latent_dim))


class NanField(LastLayer):
    def field(self, latent: Tensor) -> Any:
        return super().field(latent * torch.nan)


class SingleDecoder(LastLayer):
    def forward(self, latent: Tensor) -> Params:
        return {name: p.float() for name, p in super().forward(latent).items()}


class Mingling(LastLayer):
    def forward(self, latent: Tensor) -> Params:
        return super().forward(latent - latent.mean(0))


class Detached(LastLayer):
    def forward(self, latent: Tensor) -> Params:
        return super().forward(latent.detach())


class Coarse(LastLayer):
    def __init__(self, siren: Siren, latent_dim: int) -> None:
        super().__init__(siren, latent_dim)
        self.head = nn.Linear(latent_dim, siren.out_features)

    def forward(self, latent: Tensor) -> Params:
        params = dict(super().forward(latent))
        params[self.last.bias] = params[self.last.bias].to(torch.get_autocast_dtype("cpu")) + self.head(latent)
        return params


class Stiff(LastLayer):
    def forward(self, latent: Tensor) -> Params:
        return super().forward(latent * 1e-4)


DECODERS = {
    "construction": (Forgetful,),
    "shapes": (Partial,),
    "architectures": (TwoLayersOnly,),
    "zero_latent": (NeedsLatent,),
    "field": (NanField,),
    "float64": (SingleDecoder,),
    "independence": (Mingling,),
    "gradients": (Detached,),
    "autocast": (Coarse,),
    "overfit": (Stiff,),
}


class GoodData(Ripples):
    """Ripples on a small grid."""

    def __init__(self) -> None:
        super().__init__(Domain(2, 1, (8, 8), 6))


class NoTitle(GoodData):
    title = ""


class Doubles(GoodData):
    def batch(self, split: str, items: Tensor, **how: Any) -> Batch:
        return super().batch(split, items, **how).cast(torch.float64)


class Stubborn(GoodData):
    def batch(self, split: str, items: Tensor, *, context: Any = None, generator: Any = None) -> Batch:
        return super().batch(split, items, context=(5, 5), generator=generator)


class PaddedInFront(GoodData):
    def observe(self, items: Tensor, values: Tensor, cells: Tensor, mask: Tensor) -> Context:
        return super().observe(items, values, cells, mask.flip(1))


class Liar(GoodData):
    def observe(self, items: Tensor, values: Tensor, cells: Tensor, mask: Tensor) -> Context:
        return super().observe(items, -values, cells, mask)


class Relative(GoodData):
    def batch(self, split: str, items: Tensor, **how: Any) -> Batch:
        batch = super().batch(split, items, **how)
        points = batch.points["pixels"]
        return Batch(batch.context, {"pixels": Points(points.coords, {"values": points.values / points.values.max()})})


class GlobalDice(GoodData):
    def batch(self, split: str, items: Tensor, *, context: Any = None, generator: Any = None) -> Batch:
        return super().batch(split, items, context=context)


class Lender(GoodData):
    def __init__(self) -> None:
        super().__init__()
        self.all = super().batch("train", torch.arange(6)).points["pixels"].values

    def batch(self, split: str, items: Tensor, **how: Any) -> Batch:
        batch = super().batch(split, items, **how)
        if split == "val":
            return batch
        values = self.all[int(items[0]) : int(items[0]) + len(items)]
        return Batch(batch.context, {"pixels": Points(self.coords[None], {"values": values})})


class Vanishing(GoodData):
    def to(self, device: Any) -> Any:
        return None


class Pretender(GoodData):
    @classmethod
    def missing(cls, **options: Any) -> str | None:
        return "the disk is at home"


class Noise(Ripples):
    def __init__(self) -> None:
        super().__init__(Domain(2, 1, (16, 16), 6))

    def batch(self, split: str, items: Tensor, **how: Any) -> Batch:
        batch = super().batch(split, items, **how)
        values = 3 * torch.randn(10, 256, 1, generator=torch.Generator().manual_seed(0))[items]
        return Batch(batch.context, {"pixels": Points(self.coords[None], {"values": values})})


DATASETS = {
    "construction": (NoTitle,),
    "batches": (Doubles,),
    "context_sizes": (Stubborn,),
    "padding": (PaddedInFront,),
    "observations": (Liar,),
    "independence": (Relative,),
    "determinism": (GlobalDice,),
    "ownership": (Lender,),
    "moving": (Vanishing,),
    "missing": (Pretender,),
    "overfit": (Noise,),
}


class GoodLoss(Constraint):
    """Mean squared error.

    Args:
        at: the point set.
    """

    def __init__(self, *, at: str = "pixels") -> None:
        self.at = at

    def errors(self, prediction: Prediction) -> Tensor:
        return (prediction.jets[str(self.at)].value - prediction.batch.points[str(self.at)].values).square()

    def __call__(self, prediction: Prediction) -> Tensor:
        return self.errors(prediction).mean()


class WrongOrder(GoodLoss):
    order = "slope"


class PerItem(GoodLoss):
    def __call__(self, prediction: Prediction) -> Tensor:
        return self.errors(prediction).mean((1, 2))


class NeedsContext(GoodLoss):
    def __call__(self, prediction: Prediction) -> Tensor:
        context = prediction.batch.context
        mean_seen = context.values.sum((1, 2)) / context.mask.sum(1)
        return super().__call__(prediction) + mean_seen.square().mean()


class SingleLoss(GoodLoss):
    def __call__(self, prediction: Prediction) -> Tensor:
        return super().__call__(prediction).float()


class BatchSum(GoodLoss):
    def __call__(self, prediction: Prediction) -> Tensor:
        return self.errors(prediction).mean((1, 2)).sum()


class DiceLoss(GoodLoss):
    def __call__(self, prediction: Prediction) -> Tensor:
        return self.errors(prediction)[:, torch.randperm(9)].mean()


class DetachedLoss(GoodLoss):
    def __call__(self, prediction: Prediction) -> Tensor:
        return super().__call__(prediction).detach()


class LowPrecisionLoss(GoodLoss):
    def __call__(self, prediction: Prediction) -> Tensor:
        flat = self.errors(prediction).flatten(1)
        ones = torch.ones(flat.shape[1], 1, dtype=flat.dtype)
        return flat.new_zeros(len(flat), 1).index_add(0, torch.arange(len(flat)), flat @ ones).mean() / flat.shape[1]


class Unmoved(GoodLoss):
    def __call__(self, prediction: Prediction) -> Tensor:
        return 100 + super().__call__(prediction)


CONSTRAINTS = {
    "construction": (WrongOrder,),
    "scalar": (PerItem,),
    "context_sizes": (NeedsContext,),
    "float64": (SingleLoss,),
    "batch_mean": (BatchSum,),
    "determinism": (DiceLoss,),
    "gradients": (DetachedLoss,),
    "autocast": (LowPrecisionLoss,),
    "overfit": (Unmoved,),
}


class GoodMetric(Metric):
    """Mean absolute error.

    Args:
        at: the point set.
    """

    def __init__(self, *, at: str = "pixels") -> None:
        self.at = at

    def errors(self, prediction: Prediction) -> Tensor:
        return (prediction.jets[str(self.at)].value - prediction.batch.points[str(self.at)].values).abs().flatten(1)

    def __call__(self, prediction: Prediction) -> Tensor:
        return self.errors(prediction).mean(1)


class NumberedUnit(GoodMetric):
    unit = 3  # type: ignore[assignment]


class Scalar(GoodMetric):
    def __call__(self, prediction: Prediction) -> Tensor:
        return super().__call__(prediction).mean()


class HiddenOnly(GoodMetric):
    def __call__(self, prediction: Prediction) -> Tensor:
        return super().__call__(prediction) / prediction.batch.context.mask.sum(1)


class SingleMetric(GoodMetric):
    def __call__(self, prediction: Prediction) -> Tensor:
        return super().__call__(prediction).float()


class Ranked(GoodMetric):
    def __call__(self, prediction: Prediction) -> Tensor:
        numbers = super().__call__(prediction)
        return numbers / numbers.max()


class DiceMetric(GoodMetric):
    def __call__(self, prediction: Prediction) -> Tensor:
        return self.errors(prediction)[:, torch.randperm(9)].mean(1)


class Blind(GoodMetric):
    def __call__(self, prediction: Prediction) -> Tensor:
        return prediction.batch.points[str(self.at)].values.flatten(1).std(1)


class LowPrecisionMetric(GoodMetric):
    def __call__(self, prediction: Prediction) -> Tensor:
        flat = self.errors(prediction)
        ones = torch.ones(flat.shape[1], 1, dtype=flat.dtype)
        return flat.new_zeros(len(flat), 1).index_add(0, torch.arange(len(flat)), flat @ ones).squeeze(1)


METRICS = {
    "construction": (NumberedUnit,),
    "per_item": (Scalar,),
    "context_sizes": (HiddenOnly,),
    "float64": (SingleMetric,),
    "independence": (Ranked,),
    "determinism": (DiceMetric,),
    "heeds_field": (Blind,),
    "autocast": (LowPrecisionMetric,),
}

BROKEN: dict[str, dict[str, tuple[Any, ...]]] = {
    "encoder": ENCODERS,
    "decoder": DECODERS,
    "dataset": DATASETS,
    "constraint": CONSTRAINTS,
    "metric": METRICS,
}


class GoodEncoding(PositionalEncoding):
    """Three octaves.

    Args:
        domain: of the coordinates.
        frequencies: number of octaves.
    """

    def __init__(self, domain: Domain, *, frequencies: int = 3) -> None:
        super().__init__(domain, frequencies=frequencies)


GOOD: dict[str, Any] = {
    "encoder": Good,
    "decoder": GoodDecoder,
    "dataset": GoodData,
    "constraint": GoodLoss,
    "metric": GoodMetric,
    "activation": Sine,
    "input_encoding": GoodEncoding,
}
