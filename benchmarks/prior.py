"""Training images/s of the paper's image priors: metasiren beside a plain PyTorch version, in one run.

    python benchmarks/prior.py --device cuda --tf32 --bf16 --compile --out prior.json

Both sides train the same functions from the same weights (checked first) on the same 32x32 images: encoder,
hypernetwork with one network for each weight tensor, SIREN 2 -> 256 -> 256 -> 256 -> 256 -> 3, Eq. 26's loss, backward
pass, clipping, Adam. The plain version is written the way the paper's published code works: a loop over weight
tensors, a loop over layers with a permutation and a product each, sin(30 x), coordinates that ask for gradients, and
PyTorch's defaults. Sides take turns; a figure is a median, a speed-up a ratio of medians. Without options metasiren
runs in the plain side's precision; with --tf32, --bf16 or --compile a third side uses them too.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from metasiren import Batch, Domain, Model, Points, Siren, grid
from metasiren.contracts.optimizer import Weighted
from metasiren.engine.trainer import Objective
from metasiren_basics.hypernetwork import Hypernetwork
from metasiren_basics.optimizers import adam
from metasiren_basics.priors import LatentPrior, Mse, WeightPrior
from metasiren_priors.data.imageset import observe, sample_cells
from metasiren_priors.encoders.cnn import CnnEncoder
from metasiren_priors.encoders.set_encoder import SetEncoder

SHAPE = (32, 32)
SIREN = Siren(in_features=2, out_features=3)
DOMAIN = Domain(d_in=2, d_out=3, grid=SHAPE)
CONTEXT = {"cnn": (10, 1000), "set": (10, 200)}
LEARNING_RATE = 5e-5


class PlainSine(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(30 * x)


class PlainResidual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers = [nn.Conv2d(256, 256, 5, padding=2), nn.ReLU(), nn.Conv2d(256, 256, 5, padding=2), nn.ReLU()]
        self.layers, self.last = nn.Sequential(*layers), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(x + self.layers(x))
        return y


class PlainCnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        stem = [nn.Conv2d(3, 128, 3, padding=1), nn.ReLU(), nn.Conv2d(128, 256, 3, padding=1), nn.ReLU()]
        blocks = [PlainResidual() for _ in range(4)]
        self.layers = nn.Sequential(*stem, *blocks, nn.Conv2d(256, 256, 1), nn.ReLU())
        self.head = nn.Linear(1024, 1)

    def forward(self, image: Tensor) -> Tensor:
        latent: Tensor = self.head(self.layers(image).flatten(2)).squeeze(-1)
        return latent


class PlainSet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        sizes = [5, 256, 256, 256, 256]
        layers = [m for i in range(4) for m in (nn.Linear(sizes[i], sizes[i + 1]), PlainSine())]
        self.layers = nn.Sequential(*layers)

    def forward(self, coords: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        embedded = self.layers(torch.cat([coords, values], dim=-1)) * mask
        latent: Tensor = embedded.mean(dim=1) * (embedded.shape[1] / mask.sum(dim=1))
        return latent


class PlainHypernetwork(nn.Module):
    def __init__(self, ours: Hypernetwork) -> None:
        super().__init__()
        self.networks = nn.ModuleList()
        for i, shape in enumerate(SIREN.shapes.values()):
            sizes = [256] * (ours.hidden_layers + 1)
            hidden = [m for size in sizes[1:] for m in (nn.Linear(256, size), nn.ReLU())]
            network = nn.Sequential(*hidden, nn.Linear(256, torch.Size(shape).numel()))
            sources = [(w[i], b[i]) for w, b in zip(ours.trunk_weights, ours.trunk_biases, strict=True)]
            sources.append((ours.head_weights[i], ours.head_biases[i]))
            with torch.no_grad():
                for layer, (weight, bias) in zip(network[::2], sources, strict=True):
                    layer.weight.copy_(weight)
                    layer.bias.copy_(bias)
            self.networks.append(network)

    def forward(self, latent: Tensor) -> list[Tensor]:
        shapes = SIREN.shapes.values()
        return [net(latent).reshape(-1, *shape) for net, shape in zip(self.networks, shapes, strict=True)]


def plain_siren(params: list[Tensor], coords: Tensor) -> Tensor:
    x = coords.clone().detach().requires_grad_(True)
    layers = len(params) // 2
    for i in range(layers):
        x = x.matmul(params[2 * i].permute(0, 2, 1))
        x = x + params[2 * i + 1].unsqueeze(-2)
        if i < layers - 1:
            x = torch.sin(30 * x)
    return x


def plain_loss(
    encoder: nn.Module, decoder: nn.Module, inputs: tuple[Tensor, ...], coords: Tensor, truth: Tensor
) -> Tensor:
    latent = encoder(*inputs)
    params = decoder(latent)
    loss: Tensor = ((plain_siren(params, coords) - truth) ** 2).mean() + 0.1 * (latent**2).mean()
    total = sum(p.numel() for p in params)
    for p in params:
        loss = loss + 100 / total * (p**2).sum()
    return loss


@dataclass
class Side:
    """One way to train: `loss` of the current weights, and what one step does."""

    name: str
    loss: Callable[[], Tensor]
    parameters: list[nn.Parameter]
    optimizer: torch.optim.Optimizer
    tf32: bool = False

    def step(self) -> None:
        torch.set_float32_matmul_precision("high" if self.tf32 else "highest")
        self.optimizer.zero_grad(set_to_none=True)
        self.loss().backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def make_batch(kind: str, batch: int, device: str) -> Batch:
    """Random images; speed does not depend on what they show."""
    values = torch.rand(batch, 1024, 3, device=device) * 2 - 1
    cells, mask = sample_cells(batch, 1024, CONTEXT[kind], None, device)
    coords = grid(SHAPE, device=device)
    context = observe(values, cells, mask, torch.arange(batch, device=device), coords, SHAPE)
    return Batch(context, {"pixels": Points(coords.unsqueeze(0), {"values": values})})


def make_model(kind: str, hidden_layers: int, device: str) -> Model:
    torch.manual_seed(0)
    encoder = CnnEncoder(DOMAIN, mask_channel=False) if kind == "cnn" else SetEncoder(DOMAIN, gain=1.0)
    return Model(encoder, Hypernetwork(SIREN, 256, hidden_layers=hidden_layers)).to(device)


def make_side(name: str, options: argparse.Namespace, batch: Batch) -> Side:
    """`plain`, `metasiren` in the same precision, or metasiren with the chosen options."""
    model = make_model(options.model, options.hidden_layers, options.device)
    if name == "plain":
        loss_of, copies = plain(model, batch)
        return Side(name, loss_of, copies, torch.optim.Adam(copies, lr=LEARNING_RATE))
    chosen = name == "options"
    constraints = (
        Weighted("mse", 1.0, Mse()), Weighted("latent", 0.1, LatentPrior()), Weighted("weights", 100.0, WeightPrior())
    )  # fmt: skip
    compile = chosen and options.compile
    objective = Objective(model, constraints, bf16=chosen and options.bf16, compile=compile)
    if compile and not (options.bf16 and options.model == "set"):
        # A compiled sine encoder under autocast would get its backward pass in bfloat16: sines are not for that.
        model.encoder.compile()
    parameters = list(model.parameters())

    def loss() -> Tensor:
        total: Tensor = objective(batch)["loss"]
        return total

    return Side(name, loss, parameters, adam(parameters, lr=LEARNING_RATE), chosen and options.tf32)


def plain(model: Model, batch: Batch) -> tuple[Callable[[], Tensor], list[nn.Parameter]]:
    """The loss in plain torch, with a copy of the model's weights, and its parameters."""
    encoder = PlainCnn() if isinstance(model.encoder, CnnEncoder) else PlainSet()
    with torch.no_grad():
        for mine, theirs in zip(encoder.parameters(), model.encoder.parameters(), strict=True):
            mine.copy_(theirs)
    assert isinstance(model.decoder, Hypernetwork)
    context, pixels = batch.context, batch.points["pixels"]
    place = pixels.coords.device
    encoder, decoder = encoder.to(place), PlainHypernetwork(model.decoder).to(place)
    if isinstance(encoder, PlainCnn):
        inputs: tuple[Tensor, ...] = (context.image()[0],)
    else:
        inputs = (context.coords, context.values, context.mask.unsqueeze(-1).float())
    coords = pixels.coords.expand(len(pixels.values), -1, -1)
    parameters = [*encoder.parameters(), *decoder.parameters()]
    return lambda: plain_loss(encoder, decoder, inputs, coords, pixels.values), parameters


def seconds(side: Side, device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    side.step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def held(device: str) -> int:
    """Most bytes that this process has held so far: on the GPU, or as resident memory."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    # Not getrusage: its maximum is inherited from the process that started this one.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _memory(name: str, options: argparse.Namespace, queue: Any) -> None:
    """Peak bytes of a side alone in a process of its own, beyond what the process held before."""
    batch = make_batch(options.model, options.batch, options.device)
    before = held(options.device)
    side = make_side(name, options, batch)
    for _ in range(2):
        side.step()
    queue.put(held(options.device) - before)


def memory(name: str, options: argparse.Namespace) -> int:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_memory, args=(name, options, queue))
    process.start()
    bytes_: int = queue.get(timeout=600)
    process.join()
    return bytes_


def compare(options: argparse.Namespace) -> dict[str, Any]:
    names = ["plain", "metasiren"]
    if options.tf32 or options.bf16 or options.compile:
        names.append("options")
    peaks = {name: memory(name, options) for name in names}
    batch = make_batch(options.model, options.batch, options.device)
    sides = [make_side(name, options, batch) for name in names]
    with torch.no_grad() if not options.compile else nullcontext():
        losses = {side.name: float(side.loss().detach()) for side in sides}
    for name, loss in losses.items():
        if abs(loss - losses["plain"]) > 0.02 * abs(losses["plain"]):
            raise SystemExit(f"{name} has the loss {loss}, plain {losses['plain']}: they do not do the same")
    for side in sides:
        for _ in range(options.warmup):
            side.step()
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(options.reps):
        for side in sides:
            times[side.name].append(seconds(side, options.device))
    medians = {name: statistics.median(t) for name, t in times.items()}
    return {
        "model": options.model,
        "losses": losses,
        "sides": {
            name: {
                "images_per_second": options.batch / medians[name],
                "speed_up": medians["plain"] / medians[name],
                "fastest_step_s": min(times[name]),
                "median_step_s": medians[name],
                "slowest_step_s": max(times[name]),
                "peak_memory_MiB": peaks[name] / 2**20,
            }
            for name in names
        },
    }


def report(result: dict[str, Any]) -> None:
    print(f"\n{result['model']}: first losses {result['losses']}")
    print(f"{'':12}{'images/s':>10}{'speed-up':>10}{'step, ms (range)':>26}{'peak, MiB':>11}")
    for name, side in result["sides"].items():
        span = (
            f"{1e3 * side['median_step_s']:.1f} ({1e3 * side['fastest_step_s']:.1f}-{1e3 * side['slowest_step_s']:.1f})"
        )
        print(
            f"{name:12}{side['images_per_second']:10.1f}{side['speed_up']:10.2f}{span:>26}"
            f"{side['peak_memory_MiB']:11.0f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=["cpu", "cuda"])
    parser.add_argument("--model", default="both", choices=["cnn", "set", "both"])
    parser.add_argument("--batch", type=int, help="images a step; default 200, the paper's, on a GPU and 4 on a CPU")
    parser.add_argument("--hidden-layers", type=int, default=1, help="ReLU layers before each head (2 in the old code)")
    parser.add_argument("--reps", type=int, default=9, help="timed steps of each side")
    parser.add_argument("--warmup", type=int, default=3, help="untimed steps of each side")
    parser.add_argument("--tf32", action="store_true", help="TF32 in hidden layers")
    parser.add_argument("--bf16", action="store_true", help="bfloat16 in encoder and trunks")
    parser.add_argument("--compile", action="store_true", help="torch.compile")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file too")
    options = parser.parse_args()
    options.batch = options.batch or (200 if options.device == "cuda" else 4)
    facts = {
        "device": torch.cuda.get_device_name()
        if options.device == "cuda"
        else f"cpu, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "batch": options.batch,
        "options": [name for name in ("tf32", "bf16", "compile") if getattr(options, name)],
    }
    print(facts)
    results = []
    for kind in ("cnn", "set") if options.model == "both" else (options.model,):
        results.append(compare(argparse.Namespace(**{**vars(options), "model": kind})))
        report(results[-1])
    if options.out:
        options.out.write_text(json.dumps({**facts, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
