"""A folder as model hubs want it: config.json, model.safetensors and a README.md with a model card's header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from metasiren import Field, Run, RunError, json_object
from metasiren_fields.architecture import describe, reason, stored

VERSION = 1


def write_folder(
    field: Field,
    folder: str | Path,
    *,
    label: str = "field",
    metadata: Mapping[str, Any] | None = None,
    card: str = "",
) -> Path:
    """Write a field as a folder that a model hub shows and `read_folder` reads.

    Args:
        field: its weights keep their names, such as `0.weight`, and their leading instance dimension is dropped where
            there is one instance.
        folder: empty or missing.
        label: the model's name in its card.
        metadata: plain data for config.json, such as what converts values and coordinates to physical units.
        card: paragraphs of Markdown for the card.

    Returns:
        the folder.

    Raises:
        RunError: the folder holds something, or cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(str(folder), "it is not an empty folder.", "Name another; nothing is overwritten.")
    instances = next(iter(field.params.values())).shape[0]
    tensors = {k: (v[0] if instances == 1 else v).detach().cpu().contiguous() for k, v in field.params.items()}
    options = describe(field.siren)
    config = {
        "model_type": "metasiren_field", "format": VERSION, "instances": instances, "siren": options,
        "facts": dict(metadata or {}),
    }  # fmt: skip
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config, indent=2, default=_plain) + "\n", "utf-8")
        # Written by Python: safetensors makes files that only their owner can read.
        (folder / "model.safetensors").write_bytes(save(tensors, metadata={"format": "pt"}))
        (folder / "README.md").write_text(_card(field, label, card), "utf-8")
    except OSError as error:
        raise RunError(str(folder), f"cannot be written: {error}.", "Name another folder.") from None
    return folder


def read_folder(folder: str | Path) -> Field:
    """Read a field that `write_folder` wrote. Offline, and without executing anything from the folder.

    Raises:
        RunError: a file is missing or damaged, or the weights do not fit the architecture or are not finite.
    """
    folder = Path(folder)
    try:
        config = json_object((folder / "config.json").read_text("utf-8"))
        tensors = load_file(folder / "model.safetensors")
        if config["model_type"] != "metasiren_field" or config["format"] != VERSION:
            found = f"model_type {config['model_type']!r}, format {config['format']!r}."
            raise RunError(str(folder), found, f"Expected 'metasiren_field', format {VERSION}.")
        instances = config["instances"]
        weights = {k: v.unsqueeze(0) for k, v in tensors.items()} if instances == 1 else tensors
        siren, params = stored(config["siren"], weights, instances)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        found = f"not the folder of a field: {reason(error)}."
        raise RunError(str(folder), found, "metasiren export RUN -o FOLDER/ writes one.") from None
    return Field(siren, params, single=instances == 1)


def metadata_of(run: Run) -> dict[str, Any]:
    """What config.json keeps of a run."""
    known = {"domain": asdict(run.domain), "dataset": run.environment["dataset"], "units": dict(run.metadata)}
    return {**known, "recipe": run.recipe.name, "preset": run.recipe.preset, "seed": run.environment["seed"]}


def card_of(run: Run) -> str:
    """Markdown about a run: what it fitted, and its metrics."""
    lines = [f"Fitted to {run.environment['dataset']['title']}, by `metasiren run {run.recipe.name}`"]
    lines[0] += f" (preset {run.recipe.preset})" if run.recipe.preset else ""
    lines[0] += f", seed {run.environment['seed']}, {run.environment['steps']:,} steps."
    metrics = run.results / "metrics.json"
    if metrics.is_file():
        numbers = json_object(metrics.read_text("utf-8"))
        lines += ["", "| metric | value |", "|---|---|", *(f"| {k} | {v:.6g} |" for k, v in numbers.items())]
    return "\n".join(lines)


def _card(field: Field, label: str, card: str) -> str:
    siren, instances = field.siren, len(next(iter(field.params.values())))
    named, several = ("A neural field", "") if instances == 1 else (f"{instances} neural fields", f"{instances}, ")
    tags = ["implicit-neural-representation", "neural-field", type(siren.activation).__name__.lower()]
    header = yaml.safe_dump({"library_name": "metasiren", "tags": tags}, sort_keys=False)
    text = (
        f"# {label}\n\n{named}: {_counted(siren.in_features, 'coordinate')} in [-1, 1] to "
        f"{_counted(siren.out_features, 'value')}, "
        f"{siren.hidden_layers + 1} hidden layers of {siren.hidden_features} features "
        f"({type(siren.activation).__name__.lower()}), "
        f"{siren.parameter_count:,} parameters{' each' if several else ''}.\n"
    )
    use = (
        "## Use\n\n```python\nfrom metasiren_fields.export import read_folder\n\n"
        'field = read_folder("this folder")\n'
        f"values = field(coords)  # (points, {siren.in_features}) -> ({several}points, {siren.out_features})\n```\n\n"
        "`model.safetensors` holds plain linear layers, `0.weight` (out, in), `0.bias` (out,), and so on. A sine\n"
        "layer is sin(omega (W x + b)), with omega `first_omega` for layer 0 and `hidden_omega` after it\n"
        "(config.json); the last layer is linear.\n"
    )
    return f"---\n{header}---\n\n" + "\n".join(filter(None, (text, card and card + "\n", use)))


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else dict(value)
