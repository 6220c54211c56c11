"""Many small fields fitted at once, against the same fields one by one: what docs/zoo.md quotes.

    python benchmarks/zoo.py [--items 64] [--width 64] [--threads 1] [--points 64 121 256 1024]

Both are the steps of `metasiren zoo` (a batched evaluation and one Adam), on the same signals from the same weights;
one by one, each call has one item. They take turns, and the table has the medians of the turns: seconds for one step
of every item, of the processor with one thread, by the clock with more. The weights of both are compared at the end.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import torch

import metasiren as ms
from metasiren.engine.allocation import keep_freed_memory
from metasiren_fields.zoo import fit_together


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("items", 64), ("width", 64), ("threads", 1), ("turns", 3), ("steps", 6)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--points", type=int, nargs="+", default=[64, 121, 256, 1024])
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    clock = time.process_time if given.threads == 1 else time.perf_counter
    siren = ms.Siren(in_features=2, out_features=3, hidden_features=given.width, hidden_layers=2)
    start = siren.init(given.items, generator=torch.Generator().manual_seed(0))
    print(f"{given.items} fields of {siren.parameter_count:,} weights, torch {torch.__version__}")
    print("| points of each step | together, s | one by one, s | ratio | largest difference |\n|---|---|---|---|---|")
    for count in given.points:
        draw = torch.Generator().manual_seed(1)
        coords = torch.rand(1, count, 2, generator=draw) * 2 - 1
        values = torch.rand(given.items, count, 3, generator=draw) * 2 - 1
        groups = ([slice(0, given.items)], [slice(i, i + 1) for i in range(given.items)])
        spent: tuple[list[float], list[float]] = ([], [])
        made: list[torch.Tensor] = []
        for turn in range(given.turns + 1):
            made = []
            for group, seconds in zip(groups, spent, strict=True):
                began, weights = clock(), []
                for some in group:
                    part = {name: p[some] for name, p in start.items()}
                    fits = fit_together(siren, part, coords, values[some], steps=given.steps, lr=1e-3)
                    weights.append(fits.params["1.weight"])
                if turn:  # the first warms up
                    seconds.append((clock() - began) / given.steps)
                made.append(torch.cat(weights))
        together, alone = median(spent[0]), median(spent[1])
        apart = float((made[0] - made[1]).abs().max())
        print(f"| {count:,} | {together:.4f} | {alone:.4f} | {alone / together:.1f} | {apart:.1e} |", flush=True)


if __name__ == "__main__":
    main()
