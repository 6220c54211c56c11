"""A trained field as a file: what `metasiren render` does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from metasiren.assembly.parts import make_dataset
from metasiren.contracts import Field, Model, Renderer
from metasiren.engine.devices import pick_device
from metasiren.errors import DataError, MetasirenError, RunError, demand_new, did_you_mean
from metasiren.registry.catalogue import Catalogue, load_catalogue, options_model
from metasiren.runs.directory import Run, open_run


@dataclass(frozen=True)
class _Drawing:
    """A run, and the renderer and file that its fields go to."""

    run: Run
    renderer: Renderer
    path: Path
    catalogue: Catalogue

    def write(self, field: Field, path: Path) -> Path:
        # Written to a temporary file first: an interrupted render leaves no broken file.
        partial = path.with_name(f".{path.stem}.partial{path.suffix}")
        try:
            with torch.no_grad():
                self.renderer.render(field, self.run.domain, self.run.metadata, partial)
            partial.replace(path)
        except MetasirenError as error:
            # Errors name `path`, not the temporary file.
            where, found = (text.replace(str(partial), str(path)) for text in (error.where, error.found))
            raise type(error)(where, found, error.advice) from error
        finally:
            partial.unlink(missing_ok=True)
        return path

    def latents(self, items: list[int], split: str | None, model: Model, place: torch.device) -> Tensor:
        """Latents (items, latent_dim) of whole signals of the run's data."""
        dataset = make_dataset(self.run.recipe, self.catalogue)
        present = [name for name, count in dataset.splits.items() if count]
        chosen = split or next(name for name in ("test", "val", "train", *present) if name in present)
        if chosen not in present:
            advice = f"{did_you_mean(chosen, present)}\nsplits with signals: {', '.join(present)}".strip()
            raise DataError(f"render --split {chosen}", f"{dataset.title} has no signals there.", advice)
        count = dataset.splits[chosen]
        for item in items:
            if not 0 <= item < count:
                found = f"there is no signal {item} in the split {chosen} of {dataset.title}."
                raise DataError("render", found, f"Give a number from 0 to {count - 1}.")
        index = torch.tensor(items, device=place)
        batch = dataset.to(place).batch(chosen, index, generator=torch.Generator(place).manual_seed(0))
        with torch.no_grad():
            latents: Tensor = model.encoder(batch.context.cast(torch.float32), model.decoder)
        return latents


def _drawing(
    run: str | Path,
    out: str | Path,
    renderer: str | None,
    options: Mapping[str, Any] | None,
    catalogue: Catalogue | None,
) -> _Drawing:
    made, path, catalogue = open_run(run), Path(out), catalogue or load_catalogue()
    name = renderer or made.environment.get("renderer")
    if name is None:
        advice = f"Name one with --renderer: {', '.join(catalogue.names('renderer')) or 'none is installed'}."
        raise RunError(str(run), f"the data set {made.recipe.data.name!r} names no renderer.", advice)
    options = _quantity(catalogue, name, options or {})
    part: Renderer = catalogue.make("renderer", name, where="render", options=options)
    if path.suffix.lower() not in part.suffixes:
        advice = f"A {name} is written to {', '.join(part.suffixes)}."
        raise RunError(f"render -o {path}", f"the suffix is {path.suffix or 'missing'}.", advice)
    if not path.parent.is_dir():
        raise RunError(f"render -o {path}", f"there is no folder {path.parent}.", "Make it first.")
    return _Drawing(made, part, path, catalogue)


def render(
    run: str | Path,
    out: str | Path,
    *,
    item: int | None = None,
    split: str | None = None,
    renderer: str | None = None,
    options: Mapping[str, Any] | None = None,
    device: str = "auto",
    overwrite: bool = True,
    catalogue: Catalogue | None = None,
) -> Path:
    """Sample a run's field and write it as a picture, sound, clip or mesh. A single signal needs no data.

    Args:
        run: the run directory.
        out: the file to write.
        item: which signal of a prior's data; all of it is observed.
        split: of the item; by default `test`, else `val`, else `train`.
        renderer: in place of the one that the data set names; any installed one, of a plugin too.
        options: of the renderer, such as {"size": (1024, 1024)}.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.
        overwrite: replace a file that exists; the command `metasiren render` does so with --overwrite only.
        catalogue: the plugins; all that are installed by default.

    Returns:
        the file.

    Raises:
        RunError: such runs have no renderer, the file has a suffix that the renderer does not write, `quantity` is a
            derivative and the renderer draws none, a run of many signals without an item, or a file that exists and
            shall not be replaced.
        DataError: an item or split that the data does not have.
        RecipeError: an option that the renderer does not have, or of a wrong type.
    """
    drawing, place = _drawing(run, out, renderer, options, catalogue), pick_device(device)
    demand_new(drawing.path, where=f"render -o {out}", overwrite=overwrite)
    if item is not None:
        model = drawing.run.model(device=place, catalogue=drawing.catalogue)
        return drawing.write(model.decoder.field(drawing.latents([item], split, model, place)).detach(), drawing.path)
    if drawing.run.domain.items > 1:
        found = f"a prior over {drawing.run.domain.items} signals."
        raise RunError(str(run), found, "Name one of them with --item 12, or two with --between 3 5.")
    return drawing.write(replace(drawing.run.field(device=place), single=False), drawing.path)


def render_between(
    run: str | Path,
    out: str | Path,
    *,
    items: tuple[int, int],
    steps: int = 5,
    split: str | None = None,
    renderer: str | None = None,
    options: Mapping[str, Any] | None = None,
    device: str = "auto",
    overwrite: bool = True,
    catalogue: Catalogue | None = None,
) -> list[Path]:
    """Fields on the straight line between the latents of two signals, ends included, one file for each.

    Args:
        run: the run directory of a prior.
        out: such as out.png; the files are out_1.png, out_2.png and so on.
        items: the two signals.
        steps: number of files, at least two.
        split: as for `render`, as are the remaining arguments.
        renderer: as for `render`.
        options: as for `render`.
        device: as for `render`.
        overwrite: as for `render`.
        catalogue: as for `render`.

    Returns:
        the files.

    Raises:
        RunError: as for `render`, or fewer than two steps.
        DataError: as for `render`.
        RecipeError: as for `render`.
    """
    if steps < 2:
        raise RunError("render --steps", f"{steps} is below 2.", "The two ends are two steps.")
    drawing, place = _drawing(run, out, renderer, options, catalogue), pick_device(device)
    width, stem = len(str(steps)), drawing.path.stem
    paths = [drawing.path.with_stem(f"{stem}_{number:0{width}d}") for number in range(1, steps + 1)]
    demand_new(*paths, where=f"render -o {out}", overwrite=overwrite)
    model = drawing.run.model(device=place, catalogue=drawing.catalogue)
    first, second = torch.split(drawing.latents(list(items), split, model, place), 1)
    for path, share in zip(paths, torch.linspace(0, 1, steps).tolist(), strict=True):
        drawing.write(model.decoder.field(torch.lerp(first, second, share)).detach(), path)
    return paths


def _quantity(catalogue: Catalogue, name: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options, without `quantity: value` where the renderer draws nothing else."""
    known = options_model("renderer", catalogue.factory("renderer", name, "render")).model_fields
    if "quantity" not in options or "quantity" in known:
        return options
    if options["quantity"] == "value":
        return {key: value for key, value in options.items() if key != "quantity"}
    models = {other: catalogue.factory("renderer", other, "render") for other in catalogue.names("renderer")}
    drawing = [other for other, made in models.items() if "quantity" in options_model("renderer", made).model_fields]
    found = f"the renderer {name!r} draws values only."
    raise RunError(
        f"render --quantity {options['quantity']}", found, f"Derivatives are drawn by: {', '.join(drawing)}."
    )
