"""Make a run directory: built in a temporary directory under its lock, and renamed when it is complete.

A process that is killed meanwhile leaves nothing under the run's name; the next call removes its temporary directory.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from tempfile import mkdtemp
from typing import IO, Any

import torch

from metasiren.assembly.experiment import Experiment
from metasiren.errors import RunError
from metasiren.json_files import write_json
from metasiren.recipe.displacing import displaced_keys
from metasiren.registry.catalogue import Catalogue
from metasiren.runs import lock
from metasiren.runs.directory import Run
from metasiren.runs.fingerprint import data_digest

SETTLED_SECONDS = 60


@contextmanager
def created(experiment: Experiment, catalogue: Catalogue, out: Path | None, *, device: torch.device) -> Iterator[Run]:
    """A new run directory, locked while the context lasts; `runs/NAME-PRESET-K` where none is named.

    Raises:
        RunError: the directory is not empty, or cannot be made.
    """
    recipe = experiment.recipe
    stem = "-".join(filter(None, (recipe.name, recipe.preset)))
    wanted = out or Path("runs") / stem
    environment = _environment(experiment, catalogue, device)
    if out is not None:
        _demand_free(out)
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(wanted.parent)
        aside = Path(mkdtemp(prefix=f".{wanted.name}.", suffix=".partial", dir=wanted.parent))
        aside.chmod(wanted.parent.stat().st_mode & 0o777)
    except OSError as error:
        raise RunError(str(wanted), f"the run directory cannot be made: {error}.", "Name another --out.") from None
    held: IO[str] | None = None
    try:
        held = lock.take(aside)
        (aside / "results").mkdir()
        write_json(aside / "environment.json", environment)
        (aside / "recipe.yaml").write_text(recipe.to_yaml(), "utf-8")
        path = _rename(aside, out) if out is not None else _number(aside, wanted)
    except BaseException as error:
        shutil.rmtree(aside, ignore_errors=True)
        if held is not None:
            held.close()
        if isinstance(error, OSError):
            raise RunError(str(wanted), f"the run directory cannot be made: {error}.", "Name another --out.") from None
        raise
    with held:
        yield Run(path, recipe, environment)


def _demand_free(path: Path) -> None:
    try:
        taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
    except OSError as error:
        raise RunError(str(path), f"the run directory cannot be made: {error}.", "Name another --out.") from None
    if taken and not path.is_dir():
        raise RunError(str(path), "is a file, not a directory for a run.", "Name another --out.")
    if taken and not (path / "recipe.yaml").is_file():
        raise RunError(str(path), "the directory is not empty.", "Name another --out, one that does not exist yet.")
    if taken:
        advice = f"Name another --out, or go on with --resume {path}."
        raise RunError(str(path), "the directory is not empty.", advice)


def _rename(aside: Path, path: Path) -> Path:
    _demand_free(path)
    return aside.rename(path)  # onto an empty directory, too; another is an error


def _number(aside: Path, wanted: Path) -> Path:
    """Rename to the first free number; another process may take one at the same time."""
    number = 1
    while True:
        path = wanted.with_name(f"{wanted.name}-{number}")
        if not path.exists():
            try:
                return aside.rename(path)
            except OSError:
                if not path.exists():
                    raise
        number += 1


def _remove_stale(parent: Path) -> None:
    """Remove directories that a killed process left half made: old enough, and not locked."""
    for path in parent.glob(".*.partial"):
        try:
            if path.is_symlink() or time.time() - path.stat().st_mtime < SETTLED_SECONDS:
                continue
            held = lock.take(path)
        except (RunError, OSError):
            continue
        with held:
            shutil.rmtree(path, ignore_errors=True)


def _environment(experiment: Experiment, catalogue: Catalogue, device: torch.device) -> dict[str, Any]:
    recipe, parts = experiment.recipe, {}
    for part in recipe.parts():
        plugin = catalogue.offer(part.kind, part.name, part.key).plugin
        parts[part.key] = {"name": part.name, "distribution": plugin.distribution, "version": plugin.version}
    return {
        "recipe": recipe.name,
        "preset": recipe.preset,
        "changes": dict(recipe.changes),
        "displaced": displaced_keys(experiment.dataset, recipe.data.options, recipe.changes),
        "seed": recipe.train.seed,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name.replace("__main__.py", "metasiren"), *sys.argv[1:]],
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in ("metasiren", "torch", "torchvision", "numpy")},
        "commit": _commit(),
        "plugins": catalogue.versions(),
        "parts": parts,
        "dataset": {
            "title": experiment.dataset.title,
            "splits": dict(experiment.dataset.splits),
            **experiment.dataset.provenance,
        },
        "domain": asdict(experiment.dataset.domain),
        "data_digest": data_digest(experiment.dataset, recipe.data),
        "facts": dict(experiment.dataset.metadata),
        "renderer": experiment.dataset.renderer,
        "parameters": sum(p.numel() for p in experiment.model.parameters()),
        "steps": experiment.steps,
    }


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the checkout that metasiren runs from, if it is one."""
    home = Path(__file__).resolve().parents[2]
    if not (home / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(home), "describe", "--always", "--dirty"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
