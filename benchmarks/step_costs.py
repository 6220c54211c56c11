"""Kernels, FLOP, bytes and memory of one training step of the paper's presets at full shapes, without data and GPU.

    python benchmarks/step_costs.py            # prints the table
    python benchmarks/step_costs.py --write    # and writes step_costs.json and the table of docs/scale.md

A step runs on tensors without contents (see metasiren/engine/step_cost.py), in the form that it has on a GPU. Data that
the presets need is replaced by built-in data of the same dimensions, whose point sets are given the full size: only
shapes count. Sets of pictures get the most context that they may draw.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from metasiren.assembly.experiment import Experiment, assemble
from metasiren.contracts import Batch, Points
from metasiren.engine.estimate import first_batch
from metasiren.engine.step_cost import StepCost, step_cost
from metasiren.recipe import load_recipe
from metasiren.registry.catalogue import load_catalogue

FILE = Path(__file__).with_name("step_costs.json")
PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
FLOPS, BANDWIDTH, LAUNCH = 67e12, 3.35e12, 5e-6
"""NVIDIA H100 SXM: FP32 without tensor cores, and memory (data sheet "H100 Tensor Core GPU"); a launch: assumed."""


@dataclass(frozen=True)
class Case:
    """A preset with stand-ins for its data.

    Attributes:
        recipe: its name.
        steps: of the whole training.
        sizes: point set -> number of points of a step; sets that are left out keep theirs.
        data: overrides of the quick preset's data, which stands in for a file; None takes the preset's own data.
        train: further overrides.
    """

    recipe: str
    steps: int
    sizes: dict[str, int] = field(default_factory=dict)
    data: dict[str, Any] | None = None
    train: dict[str, Any] = field(default_factory=dict)


SQUARE = 256 * 256
EPOCHS = round(175 * 162_770 / 200)
FACES: dict[str, Any] = {"data.train": 200, "data.val": 1, "data.test": 1, "data.size": 32}
CASES = (
    Case("audio_bach", 5_000, {"samples": 7 * 44_100}, {}),
    Case("audio_counting", 5_000, {"samples": 12 * 44_100}, {}),
    Case("celeba_cnn", EPOCHS, {}, FACES, {"train.context": [1000, 1000]}),
    Case("celeba_pconv", EPOCHS, {}, FACES, {"train.context": [1000, 1000]}),
    Case("celeba_set_relu", EPOCHS, {}, FACES, {"train.context": [200, 200]}),
    Case("celeba_set_sine", EPOCHS, {}, FACES, {"train.context": [200, 200]}),
    Case("fwi", 80_000),
    Case("helmholtz", 50_000),
    Case("image", 15_000, {"pixels": 512 * 512}, {}),
    Case("image_editing", 10_000, {"pixels": SQUARE, "outside": SQUARE, "pixel_pairs": SQUARE}, {}),
    Case("inpainting", 5_000),
    Case("poisson_gradient", 10_000, {"pixels": SQUARE, "pixel_pairs": SQUARE}, {}),
    Case("poisson_laplacian", 10_000, {"pixels": SQUARE}, {}),
    Case("sdf", 50_000, {"surface": 250_000, "space": 250_000}, {}),
    Case("sdf_room", 50_000, {"surface": 250_000, "space": 250_000}, {}),
    Case("video_bikes", 100_000, {"voxels": 165_376}, {}),
    Case("video_cat", 100_000, {"voxels": 160_000}, {}),
    Case("wave", 100_000),
)


def cost_of(case: Case, kernels: str = "plain") -> StepCost:
    """The cost of one step of the case's preset `paper_text`, in the form that it has on a GPU."""
    catalogue = load_catalogue()
    recipe = load_recipe(case.recipe, preset="paper_text", overrides={**case.train, "train.kernels": kernels})
    if case.data is not None:
        stand_in = load_recipe(case.recipe, preset="quick", overrides=case.data).data
        recipe = recipe.model_copy(update={"data": stand_in})
    made: Experiment = assemble(recipe, catalogue)
    batch = first_batch(recipe, made.dataset)
    sized = {name: resized(points, case.sizes.get(name)) for name, points in batch.points.items()}
    stage = made.stages[0]
    return step_cost(
        recipe, catalogue, made.dataset.domain, stage.constraints, Batch(batch.context, sized),
        device=torch.device("cuda"), optimizer=stage.optimizer, model=made.model,
    )  # fmt: skip


def resized(points: Points, size: int | None) -> Points:
    """Points of another number, without contents."""
    count = points.coords.shape[1]
    if size is None or size == count:
        return points

    def take(tensor: torch.Tensor) -> torch.Tensor:
        wanted = tensor.dim() > 1 and tensor.shape[1] == count
        # One number, repeated without taking memory.
        shape = (tensor.shape[0], size, *tensor.shape[2:])
        return torch.zeros((), dtype=tensor.dtype).expand(shape) if wanted else tensor

    return points._map(take)


def moved(cost: StepCost) -> dict[str, int]:
    """What `train.kernels` changes."""
    return {"kernels": cost.kernels, "bytes": cost.traffic, "peak_bytes": cost.peak}


def row(case: Case, cost: StepCost) -> dict[str, Any]:
    """The numbers of a case as they are stored."""
    return {
        "recipe": case.recipe,
        "preset": "paper_text",
        "steps": case.steps,
        "parameters": sum(cost.trained.values()),
        "flop": cost.flops,
        **moved(cost),
    }


def hours(entry: dict[str, Any]) -> tuple[float, str]:
    """The least hours of a whole training on one H100 by the roofline, and which of its limits holds."""
    compute, memory = entry["flop"] / FLOPS, entry["bytes"] / BANDWIDTH
    launch = entry["kernels"] * LAUNCH
    longest = max(compute, memory, launch)
    limit = {compute: "compute", memory: "memory", launch: "launches"}[longest]
    return entry["steps"] * longest / 3600, limit


def table(rows: list[dict[str, Any]]) -> str:
    """The stored numbers as Markdown, with the roofline that they imply."""
    head = "| recipe | parameters | kernels | GFLOP | GB moved | peak GB | H100 hours, at least | limit |"
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    for entry in rows:
        least, limit = hours(entry)
        lines.append(
            f"| `{entry['recipe']}` | {entry['parameters']:,} | {entry['kernels']:,} | {entry['flop'] / 1e9:,.0f} | "
            f"{entry['bytes'] / 1e9:.2f} | {entry['peak_bytes'] / 1e9:.2f} | {least:.2f} | {limit} |"
        )
    total = sum(hours(entry)[0] for entry in rows)
    return "\n".join([*lines, f"| all | | | | | | {total:.1f} | |"])


def triton_table(rows: list[dict[str, Any]]) -> str:
    """What `train.kernels: triton` changes, as Markdown; recipes that it leaves as they are do not appear."""
    head = "| recipe | kernels | GB moved | ratio | peak GB | H100 hours, at least | limit |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for entry in rows:
        if fused := entry.get("triton"):
            (before, _), (least, limit) = hours(entry), hours({**entry, **fused})
            size, peak = (f"{entry[key] / 1e9:.2f} → {fused[key] / 1e9:.2f}" for key in ("bytes", "peak_bytes"))
            lines.append(
                f"| `{entry['recipe']}` | {entry['kernels']} → {fused['kernels']} | {size} | "
                f"{entry['bytes'] / fused['bytes']:.2f} | {peak} | {before:.2f} → {least:.2f} | {limit} |"
            )
    return "\n".join(lines)


def between(text: str, mark: str, content: str) -> str:
    """A page with new content between its marks."""
    begin, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
    return f"{text.partition(begin)[0]}{begin}{content}\n{end}{text.partition(end)[2]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="store the numbers, and the table in docs/scale.md")
    options = parser.parse_args()
    rows = []
    for case in CASES:
        rows.append(row(case, cost_of(case)))
        fused = moved(cost_of(case, "triton"))
        if any(fused[key] != rows[-1][key] for key in fused):
            rows[-1]["triton"] = fused
        print(json.dumps(rows[-1]), flush=True)
    if options.write:
        stored = {"torch": torch.__version__.partition("+")[0], "rows": rows}
        FILE.write_text(json.dumps(stored, indent=1) + "\n", "utf-8")
        text = between(PAGE.read_text("utf-8"), "step costs", table(rows))
        PAGE.write_text(between(text, "costs with kernels", triton_table(rows)), "utf-8")
    print(table(rows), triton_table(rows), sep="\n\n")


if __name__ == "__main__":
    main()
