"""A run directory: everything that is needed to repeat its numbers.

recipe.yaml        resolved: preset and overrides applied
environment.json   seed, versions, commit, device, plugins, data set
status.json        training, evaluating, finished, stopped early, interrupted or failed; steps done
metrics.jsonl      one object a logged step
checkpoints/       the newest two
results/           tables and pictures
events.out.*       TensorBoard curves
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from metasiren.assembly.parts import make_model
from metasiren.contracts import Context, Domain, Field, Model
from metasiren.errors import PluginError, RunError, RunWarning, did_you_mean
from metasiren.json_files import json_object, read_json
from metasiren.recipe import Recipe, parse_yaml, validate
from metasiren.registry.catalogue import Catalogue, load_catalogue
from metasiren.runs import checkpoints
from metasiren.runs.checkpoints import Checkpoint
from metasiren.runs.naming import label_of

MODEL = ("data", "siren", "encoder", "decoder")
EVERYTHING = (*MODEL, "constraints", "train", "evaluate")


@dataclass(frozen=True)
class Run:
    """A run on disk.

    Attributes:
        path: the directory.
        recipe: as it was resolved.
        environment: the contents of environment.json.
    """

    path: Path
    recipe: Recipe
    environment: Mapping[str, Any]

    def _repr_html_(self) -> str:
        """What notebooks show."""
        from metasiren.runs.notebook import run_html

        return run_html(self.label, self.path, self.environment)

    @property
    def results(self) -> Path:
        """The folder of tables and pictures."""
        return self.path / "results"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def label(self) -> str:
        """The run's name in tables: recipe, preset and what was changed, such as `celeba_cnn (quick, features=48)`."""
        return label_of(self.environment)

    @property
    def status(self) -> Mapping[str, Any]:
        """The contents of status.json: `state`, `step`, `steps`; empty for runs that have none.

        Raises:
            RunError: the file is damaged.
        """
        path = self.path / "status.json"
        return read_json(path, "Remove it; --resume writes it anew.") if path.is_file() else {}

    @property
    def domain(self) -> Domain:
        """What the run's signals map from and to."""
        return _domain(self.environment)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Plain data that converts values and coordinates to physical units: `Dataset.metadata`."""
        metadata: Mapping[str, Any] = self.environment.get("facts", {})
        return metadata

    @property
    def facts(self) -> Mapping[str, Any]:
        """The former name of `metadata`."""
        return self.metadata

    def checkpoint(self) -> Checkpoint:
        """The newest checkpoint that can be read; warns where a newer one is damaged.

        Raises:
            RunError: there is none, or none that can be read.
        """
        checkpoint = checkpoints.latest(self.checkpoints)
        if checkpoint is None:
            raise RunError(str(self.path), "no checkpoint yet.", f"Go on with metasiren run --resume {self.path}.")
        if checkpoint.passed_over:
            message = f"{self.path}: step {checkpoint.step} is used. Passed over: {'; '.join(checkpoint.passed_over)}"
            warnings.warn(message, RunWarning, stacklevel=2)
        return checkpoint

    def model(
        self,
        *,
        device: torch.device | str = "cpu",
        catalogue: Catalogue | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> Model:
        """The trained model (its average, where one was kept), in evaluation mode. Needs no data.

        Args:
            device: where it shall lie.
            catalogue: the plugins; all that are installed by default.
            checkpoint: whose weights to take; the newest by default.

        Raises:
            PluginError: the plugin of a part is not installed; names the package.
            RunError: there is no checkpoint that can be read, or it does not fit the parts.
        """
        self.check_plugins(catalogue := catalogue or load_catalogue())
        model = make_model(self.recipe, catalogue, self.domain)
        checkpoint = checkpoint or self.checkpoint()
        averaged = {k.removeprefix("module."): v for k, v in checkpoint.part("ema").items() if k.startswith("module.")}
        try:
            model.load_state_dict(averaged or checkpoint.part("model"))
        except RuntimeError as error:
            advice = "Use the versions in environment.json, or train again."
            raise RunError(str(self.path), f"the checkpoint does not fit the parts: {error}", advice) from None
        return model.eval().to(device)

    def check_plugins(self, catalogue: Catalogue, keys: Collection[str] = MODEL) -> None:
        """Demand that the plugins of the parts under these keys of the recipe are there.

        Raises:
            PluginError: naming the package to install, or why it failed to load.
        """
        for part in self.recipe.parts():
            key, kind, name = part.key, part.kind, part.name
            was = self.environment["parts"].get(key)
            if key.partition(".")[0] not in keys or was is None or name in catalogue.offers[kind]:
                continue
            owner = f"{kind} {name!r} comes from {was['distribution']} {was['version']}"
            failed = [p for p in catalogue.plugins if p.error and p.distribution == was["distribution"]]
            if failed:
                found = f"{owner}, which failed to load: {failed[0].error}"
                raise PluginError(str(self.path), found, f"Repair or reinstall {was['distribution']}.")
            advice = f"Install it: python -m pip install {was['distribution']}=={was['version']}"
            raise PluginError(str(self.path), f"{owner}, which is not here.", advice)

    def __repr__(self) -> str:
        """One line: where, what, and how far it got."""
        state = "of unknown state"
        with suppress(RunError):
            state = self.status.get("state", state)
        return f"Run({str(self.path)!r}: {self.label}, {state})"

    def field(self, context: Context | None = None, *, device: torch.device | str = "cpu", grad: bool = False) -> Field:
        """The field of a context; of a single signal where none is given. Its weights need no gradient.

        The field of a single signal gives values (points, d_out) at coords (points, d_in).

        Args:
            context: of the encoder; (batch, ...).
            device: where the field shall lie.
            grad: let the weights need gradients, as for training on.
        """
        model = self.model(device=device)
        single = context is None
        if context is None:
            context = Context.empty(torch.zeros(1, dtype=torch.long, device=device), self.domain)
        with torch.no_grad():
            field: Field = model(context).detach()
        field = replace(field, single=single)
        return field.requires_grad_() if grad else field

    def losses(self) -> Iterator[dict[str, float]]:
        """The logged steps, in order; steps that a rollback undid are left out, as is a half last line.

        Raises:
            RunError: another line cannot be read.
        """
        path = self.path / "metrics.jsonl"
        kept: list[dict[str, float]] = []
        lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
        for number, text in enumerate(lines, 1):
            try:
                line = json_object(text)
                if not isinstance(step := line["step"], int):
                    raise TypeError(step)
            except (ValueError, KeyError, TypeError):
                if number == len(lines):
                    break
                found = f"not readable: {text[:80]!r}."
                raise RunError(f"{path}: line {number}", found, "Remove that line, or train again.") from None
            while kept and kept[-1]["step"] >= step:
                kept.pop()
            kept.append(line)
        yield from kept


def _domain(environment: Mapping[str, Any]) -> Domain:
    fields = dict(environment["domain"])
    fields["grid"] = tuple(fields["grid"]) if fields["grid"] else None
    return Domain(**fields)


def _no_run(path: Path) -> RunError:
    """The error for a path that is no run, with the closest run where there is one."""
    advice = "Give the path that metasiren run printed last."
    above = next((each for each in path.parents if (each / "environment.json").is_file()), None)
    if path.is_file():
        found = "it is a file."
    elif path.is_dir():
        found = "no recipe.yaml and environment.json there."
    else:
        found = "there is no such directory."
        beside = [each.name for each in path.parent.glob("*/") if (each / "environment.json").is_file()]
        advice = f"{did_you_mean(path.name, beside)}\n{advice}".strip()
    if above is not None:
        advice = f"It lies inside the run {above}.\n{advice}"
    return RunError(str(path), f"not a run: {found}", advice)


def open_run(path: str | Path) -> Run:
    """Read a run directory.

    Raises:
        RunError: it is not one, or its files are damaged.
    """
    path = Path(path)
    recipe_file, environment_file = path / "recipe.yaml", path / "environment.json"
    if not recipe_file.is_file() or not environment_file.is_file():
        raise _no_run(path)
    try:
        environment = json_object(environment_file.read_text("utf-8"))
        tree = parse_yaml(recipe_file.read_text("utf-8"), str(recipe_file))
        name, preset = environment["recipe"], environment["preset"]
        if not isinstance(environment["parts"], dict) or not isinstance(name, str):
            raise ValueError("its parts or its recipe's name are of another type")
        _domain(environment)
        environment["steps"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(str(environment_file), f"damaged: {error!r}.", "Restore the file, or train again.") from None
    return Run(path, validate(tree, str(recipe_file), name=name, preset=preset), environment)
