"""A trained field as a file: what `metasiren render` does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from metasiren.contracts import Renderer
from metasiren.engine.devices import pick_device
from metasiren.errors import RunError
from metasiren.registry.catalogue import Catalogue, load_catalogue, options_model
from metasiren.runs.directory import open_run


def render(
    run: str | Path,
    out: str | Path,
    *,
    renderer: str | None = None,
    options: Mapping[str, Any] | None = None,
    device: str = "auto",
    catalogue: Catalogue | None = None,
) -> Path:
    """Sample a run's field and write it as a picture, sound, clip or mesh. Needs no data.

    Args:
        run: the run directory of a single signal.
        out: the file to write.
        renderer: in place of the one that the data set names; any installed one, of a plugin too.
        options: of the renderer, such as {"size": (1024, 1024)}.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.
        catalogue: the plugins; all that are installed by default.

    Returns:
        the file.

    Raises:
        RunError: such runs have no renderer, the file has a suffix that the renderer does not write, or `quantity` is
            a derivative and the renderer draws none.
        RecipeError: an option that the renderer does not have, or of a wrong type.
    """
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
    field = made.field(device=pick_device(device))
    # Written aside: what is stopped half-way leaves no broken file under the name that was asked for.
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        with torch.no_grad():
            part.render(field, made.domain, made.metadata, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


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
