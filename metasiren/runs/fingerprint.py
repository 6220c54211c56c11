"""Checks that data is unchanged since a run began, by digests of its files and numbers of a few items."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from metasiren.contracts import Dataset
from metasiren.errors import RunError
from metasiren.recipe import Part

ITEMS = 4
WHOLE_BYTES = 1 << 28
END_BYTES = 1 << 16
TOLERANCE = 1e-3


def data_digest(dataset: Dataset, part: Part) -> dict[str, Any]:
    """What of the data a later command compares.

    Returns:
        `files`: option of the recipe's data -> SHA-256 of the file or folder it names: names and sizes, and contents
        up to 256 MiB (of what comes after, the ends of each file). `probe`: split -> for each point set of a few items
        the size, norm and a projection of its targets, on the CPU under a fixed seed.
    """
    files = {
        option: digest
        for option, value in part.options.items()
        if isinstance(value, str) and (digest := _digest_path(Path(value).expanduser())) is not None
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        probe = {split: _probe(dataset, split, count) for split, count in dataset.splits.items() if count}
    return {"files": files, "probe": probe}


def demand_same_data(where: str, environment: Mapping[str, Any], dataset: Dataset, part: Part) -> None:
    """Compare the data with what environment.json says of it.

    Raises:
        RunError: naming what differs.
    """
    changes = list(_changes(environment, dataset, part))
    if changes:
        advice = "Put the former data back, or train a new run on this data."
        raise RunError(where, f"the data changed since the run began: {'; '.join(changes)}.", advice)


def _changes(environment: Mapping[str, Any], dataset: Dataset, part: Part) -> Any:
    now = asdict(dataset.domain)
    for name, was in environment["domain"].items():
        is_ = list(now[name]) if isinstance(now.get(name), tuple) else now.get(name)
        if was != is_:
            yield f"its domain had {name} {was}, now {is_}"
    former = environment.get("dataset", {}).get("splits", {})
    for split, count in dict(dataset.splits).items():
        if former.get(split, count) != count:
            yield f"{split} had {former[split]} items, now {count}"
    known = environment.get("data_digest")
    if not known:  # a run of metasiren before it kept digests
        return
    fresh = data_digest(dataset, part)
    for option, digest in known["files"].items():
        if fresh["files"].get(option) != digest:
            yield f"data.{option}: {part.options.get(option)} has other contents"
    for split, sets in known["probe"].items():
        for name, numbers in sets.items():
            if not _close(numbers, fresh["probe"].get(split, {}).get(name)):
                yield f"{split}: the values of {name} differ"


def _close(was: list[float], now: list[float] | None) -> bool:
    """Equal sizes, and norm and projection within a thousandth of the norm (machines round differently)."""
    if now is None or was[0] != now[0]:
        return False
    scale = TOLERANCE * max(abs(was[1]), 1e-12)
    return all(abs(a - b) <= scale or (math.isnan(a) and math.isnan(b)) for a, b in zip(was[1:], now[1:], strict=True))


def _probe(dataset: Dataset, split: str, count: int) -> dict[str, list[float]]:
    items = torch.linspace(0, count - 1, min(ITEMS, count)).round().long()
    batch = dataset.batch(split, items, generator=torch.Generator().manual_seed(0))
    found = {}
    for at, points in batch.points.items():
        for name, target in points.targets.items():
            values = target.detach().reshape(-1).double()
            # Neighbours have different signs, so that an exchange of two values shows.
            signs = torch.cos(torch.arange(values.numel(), dtype=torch.float64) * 2.399963)
            found[f"{at}.{name}"] = [values.numel(), float(values.norm()), float(values @ signs)]
    return found


def _digest_path(path: Path) -> str | None:
    """SHA-256 of a file or folder; None where there is none of that name."""
    try:
        if path.is_file():
            files = [path]
        elif path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file())
        else:
            return None
        digest, left = hashlib.sha256(), WHOLE_BYTES
        for each in files:
            size = each.stat().st_size
            digest.update(f"{each.relative_to(path)}\0{size}\0".encode())
            with each.open("rb") as file:
                if size <= left:
                    left -= size
                    while block := file.read(1 << 20):
                        digest.update(block)
                else:
                    digest.update(file.read(END_BYTES))
                    file.seek(max(0, size - END_BYTES))
                    digest.update(file.read(END_BYTES))
        return digest.hexdigest()
    except (OSError, ValueError):
        return None
