"""Nested autograd beside jets, on the same weights and points, in one run.

python benchmarks/derivatives.py [--device cpu|cuda] [--quick] [--out DIR]

For every case and way a training step (loss and gradients of all parameters) is repeated, the ways taking turns so
that other work on the machine disturbs all alike; the table gives medians. Peak memory is what one step allocates
beyond parameters and points. Nothing is asserted about time; that losses and gradients agree is reported.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from derivatives_cases import Case, cases
from torch import Tensor

from metasiren import Siren

SEED = 0
Step = Callable[[], Sequence[Tensor]]

WAYS = {
    "nested": "nested autograd",
    "jet": "jets",
    "nested graph": "nested autograd, CUDA graph",
    "jet graph": "jets, CUDA graph",
    "jet compiled": "jets, compiled",
    "jet compiled graph": "jets, compiled, CUDA graph",
}


def make_steps(case: Case, points: int, device: str, compile: bool) -> dict[str, Step]:
    """The ways to take one training step of a case; each returns the loss and the parameters' gradients."""
    generator = torch.Generator().manual_seed(SEED)
    params = {k: v.to(device).requires_grad_() for k, v in case.siren.init(generator=generator).items()}
    coords = (torch.rand(1, points, case.siren.in_features, generator=generator) * 2 - 1).to(device)

    def step(loss: Callable[[Siren, dict[str, Tensor], Tensor], Tensor]) -> Step:
        def run() -> Sequence[Tensor]:
            value = loss(case.siren, params, coords)
            # The last bias does not move derivatives: a way may find that out, or return zeros.
            grads = torch.autograd.grad(value, list(params.values()), allow_unused=True)
            return value, *(
                torch.zeros_like(p) if g is None else g for g, p in zip(grads, params.values(), strict=True)
            )

        return run

    steps: dict[str, Step] = {"nested": step(case.nested), "jet": step(case.jet)}
    if compile:
        torch._dynamo.reset()
        steps["jet compiled"] = step(torch.compile(case.jet, fullgraph=True, dynamic=False))
    if device == "cuda":
        for way in list(steps):
            steps[f"{way} graph"] = captured(steps[way])
    return steps


def captured(step: Step) -> Step:
    """The step as one CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = step()

    def replay() -> Sequence[Tensor]:
        graph.replay()
        return results

    return replay


def seconds(step: Step, device: str) -> float:
    """One step's time."""
    start = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def peak_bytes(step: Step, device: str) -> int:
    """Most memory that a step holds beyond what lay there before."""
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    changes = [(e["ts"], e["args"]["Bytes"]) for e in events if e.get("name") == "[memory]"]
    held = most = 0
    for _, change in sorted(changes, key=lambda item: item[0]):
        held += change
        most = max(most, held)
    return most


def disagreement(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    """Relative difference of two steps' gradients, all parameters taken together."""
    first, second = (torch.cat([t.flatten() for t in step[1:]]).double() for step in (a, b))
    return float((first - second).norm() / first.norm())


def measure(case: Case, device: str, quick: bool, repeats: int, compile: bool) -> dict[str, Any]:
    """Times, memory and agreement of all ways of a case."""
    points = case.points // 16 if quick else case.points
    steps = make_steps(case, points, device, compile)
    results = {way: [t.detach().clone() for t in step()] for way, step in steps.items()}
    times: dict[str, list[float]] = {way: [] for way in steps}
    for _ in range(repeats):
        for way, step in steps.items():
            times[way].append(seconds(step, device))
    measured = [way for way in steps if "graph" not in way]
    return {
        "name": case.name,
        "points": points,
        "limit": case.limit,
        "goal": case.goal,
        "passes": case.cost,
        "seconds": {way: median(t) for way, t in times.items()},
        "all_seconds": times,
        "peak_bytes": {way: peak_bytes(steps[way], device) for way in measured},
        "loss": {way: float(r[0]) for way, r in results.items()},
        "gradient_difference": {way: disagreement(results["nested"], r) for way, r in results.items()},
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The measurements as a markdown table."""
    extra = [way for way in rows[0]["seconds"] if way not in ("nested", "jet")]
    head = ["case (in, out)", "points", "nested, ms", "jets, ms", "ratio", "limit by operations"]
    head += [f"{WAYS[way]}, ms (ratio)" for way in extra]
    head += ["nested, MiB", "jets, MiB", "ratio of memory", "difference of gradients"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        time_of, memory = row["seconds"], row["peak_bytes"]
        cells = [row["name"], f"{row['points']:,}", f"{1e3 * time_of['nested']:.1f}", f"{1e3 * time_of['jet']:.1f}"]
        cells += [f"{time_of['nested'] / time_of['jet']:.2f}", f"{row['limit']:.2f}"]
        cells += [f"{1e3 * time_of[way]:.2f} ({time_of['nested'] / time_of[way]:.1f})" for way in extra]
        cells += [f"{memory[way] / 2**20:.0f}" for way in ("nested", "jet")]
        cells += [f"{memory['nested'] / max(memory['jet'], 1):.1f}", f"{row['gradient_difference']['jet']:.0e}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def draw(rows: list[dict[str, Any]], title: str, path: Path) -> None:
    """Ratios of time beside the arithmetic limit, and ratios of memory."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 0.9 + 0.62 * len(rows)), sharey=True, layout="constrained")
    extra = [way for way in rows[0]["seconds"] if way != "nested"]
    height = 0.8 / (len(extra) + 1)
    names = [f"{row['name']}\n{row['points']:,} points" for row in rows]
    for k, way in enumerate([*extra, "limit"]):
        ratios = [row["limit"] if way == "limit" else row["seconds"]["nested"] / row["seconds"][way] for row in rows]
        at = [i + (k - len(extra) / 2) * height for i in range(len(rows))]
        label, colour = ("limit by operations", "lightgrey") if way == "limit" else (WAYS[way], f"C{k}")
        bars = left.barh(at, ratios, height, label=label, color=colour)
        left.bar_label(bars, fmt="%.2g", padding=2, fontsize=8)
    left.set(xscale="log", xlabel="times faster than nested autograd", yticks=range(len(rows)), yticklabels=names)
    left.axvline(1, color="black", linewidth=0.8)
    left.set_xlim(min(0.8, left.get_xlim()[0]), left.get_xlim()[1] * 1.6)
    left.invert_yaxis()
    left.legend(fontsize=8)
    memory = [row["peak_bytes"]["nested"] / max(row["peak_bytes"]["jet"], 1) for row in rows]
    right.bar_label(right.barh(range(len(rows)), memory, 0.4, color="C0"), fmt="%.2g", padding=2, fontsize=8)
    right.set(xscale="log", xlabel="times less peak memory than nested autograd (jets)")
    right.axvline(1, color="black", linewidth=0.8)
    right.set_xlim(min(0.8, right.get_xlim()[0]), right.get_xlim()[1] * 1.3)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def processor() -> str:
    """The processor's name and vector instructions."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()} ({torch.backends.cpu.get_cpu_capability()})"


def machine(device: str) -> dict[str, Any]:
    """What the figures depend on."""
    name = torch.cuda.get_device_name() if device == "cuda" else processor()
    return {
        "device": device,
        "name": name,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "matmul_precision": torch.get_float32_matmul_precision(),
        "seed": SEED,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--quick", action="store_true", help="a sixteenth of the points, three repetitions")
    parser.add_argument("--repeats", type=int, help="repetitions of every way (default 9; 25 on a GPU)")
    parser.add_argument("--points", type=float, default=1.0, help="multiply all numbers of points")
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--compile", action="store_true", help="time compiled jets on a CPU too (always on a GPU)")
    parser.add_argument("--tf32", action="store_true", help="allow TF32 in hidden layers on a GPU")
    parser.add_argument("--out", type=Path, default=Path("derivatives_results"), help="folder to write into")
    options = parser.parse_args()
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler, which counts memory, would chatter
    if options.tf32:
        torch.set_float32_matmul_precision("high")
    repeats = options.repeats or (3 if options.quick else 25 if options.device == "cuda" else 9)
    rows = []
    for case in cases():
        if options.only.lower() in case.name.lower():
            case = case.scaled(options.points)
            compile = options.compile or options.device == "cuda"
            rows.append(measure(case, options.device, options.quick, repeats, compile))
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    facts = {**machine(options.device), "repeats": repeats}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "derivatives.json").write_text(json.dumps({"machine": facts, "rows": rows}, indent=1) + "\n")
    (options.out / "derivatives.md").write_text(
        table(rows) + "\n" + ", ".join(f"{k}: {v}" for k, v in facts.items()) + "\n"
    )
    title = (
        f"One training step, medians of {repeats}; {facts['name']}, {facts['threads']} threads, torch {facts['torch']}"
    )
    draw(rows, title, options.out / "derivatives.png")
    print(f"\n{table(rows)}\n{options.out / 'derivatives.md'}")


if __name__ == "__main__":
    main()
