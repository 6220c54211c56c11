"""Runs as one HTML file that needs nothing else: what `metasiren report` writes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from metasiren import MetasirenError, Run, RunError, demand_new
from metasiren_report.differences import Difference, from_base
from metasiren_report.embedding import LEVELS, Limits
from metasiren_report.gallery import Gallery, gather
from metasiren_report.summary import Summary, summarise
from metasiren_report.svg_curves import curves, legend
from metasiren_report.tables import Grid, grid_of
from metasiren_report.turning_mesh import TurningMesh, read_mesh
from metasiren_report.wording import metric_title, page_title, run_names

MOST_BYTES = 5_000_000
MOST_RUNS = 30
MESHES = (".ply", ".obj", ".stl", ".glb")


@dataclass(frozen=True)
class Section:
    """One run's part of the page."""

    name: str
    summary: Summary
    details: Mapping[str, str]
    changes: list[Difference] | None
    recipe: str
    grid: Grid | None
    by_step: Markup
    legend: Markup
    weighted: bool
    gallery: Gallery
    mesh: TurningMesh | None


def write_report(runs: Sequence[Run], out: Path, *, overwrite: bool = False) -> Path:
    """Write one HTML file about runs: below 5 MB, without links to anything else.

    Args:
        runs: 1 to 30.
        out: the file.
        overwrite: whether an existing file is replaced.

    Raises:
        RunError: no run, more than 30, a name that no browser opens as a page, or a file that exists or cannot be
            written.
    """
    if not 1 <= len(runs) <= MOST_RUNS:
        raise RunError("report", f"{len(runs)} runs.", f"Name 1 to {MOST_RUNS} run directories.")
    if out.suffix.lower() not in (".html", ".htm"):
        raise RunError(f"report -o {out}", f"the ending is {out.suffix!r}.", "A report is a page: name it FILE.html.")
    demand_new(out, where=f"report -o {out}", overwrite=overwrite)
    html = render_report(runs)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_page(html, out)
    except OSError as error:
        raise RunError(f"report -o {out}", f"cannot be written: {error}.", "Name another file.") from None
    return out


def write_page(html: str, out: Path) -> None:
    """Write a page into a folder that exists, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    partial = out.with_suffix(".partial")
    try:
        partial.write_text(html, "utf-8")
        partial.replace(out)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def render_report(runs: Sequence[Run]) -> str:
    """The page's HTML. Pictures shrink, and are at last left out, until the page has less than 5 MB."""
    html = ""
    for limits in LEVELS:
        # Several runs share the page: each gets a smaller part of it.
        names = run_names([run.path for run in runs])
        html = _page([_section(run, name, limits) for run, name in zip(runs, names, strict=True)])
        if len(html.encode("utf-8")) < MOST_BYTES:
            break
    return html


def _page(sections: list[Section]) -> str:
    here = resources.files("metasiren_report") / "templates"
    style, script = ((here / name).read_text("utf-8") for name in ("report.css", "report.js"))
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["metric"] = metric_title
    template = environment.from_string((here / "report.html").read_text("utf-8"))
    runs = {s.name: s.summary.run for s in sections}
    total = {name: _losses(run).get("loss", []) for name, run in runs.items()}
    seconds = {name: _losses(run, "seconds").get("loss", []) for name, run in runs.items()}
    recipes = [run.recipe.name for run in runs.values()]
    return template.render(
        title=page_title([run.label for run in runs.values()], recipes),
        several_recipes=len(set(recipes)) > 1,
        sections=sections,
        style=Markup(style),  # noqa: S704  # both are this package's own files
        script=Markup(script),  # noqa: S704
        together=_svg(curves(total, across="step", title="Total loss by step")),
        together_seconds=_svg(curves(seconds, across="seconds", title="Total loss by seconds")),
        together_legend=_svg(legend(list(total))),
    )


def _section(run: Run, name: str, limits: Limits) -> Section:
    by_name = _losses(run)
    shown = {name: points for name, points in by_name.items() if len(by_name) > 2 or name == "loss"}
    gallery = gather(run.results, limits)
    return Section(
        name=name,
        summary=summarise(run),
        details=_details(run),
        changes=from_base(run),
        recipe=run.recipe.to_yaml(),
        grid=grid_of(run),
        by_step=_svg(curves(shown, across="step", title=f"Losses of {run.label} by step")),
        legend=_svg(legend(list(shown))),
        weighted=len(shown) > 1,
        gallery=gallery,
        mesh=_mesh(run, gallery, limits),
    )


def _svg(text: str) -> Markup:
    return Markup(text)  # noqa: S704  # svg_curves escapes every name


def _losses(run: Run, across: str = "step") -> dict[str, list[tuple[float, float]]]:
    """Loss name -> (step or seconds, value), as far as metrics.jsonl is readable."""
    series: dict[str, list[tuple[float, float]]] = {}
    try:
        for line in run.losses():
            for name, value in line.items():
                if name not in ("step", "seconds", "steps_per_second", "images_per_second") and isinstance(
                    value, int | float
                ):
                    series.setdefault(name, []).append((float(line[across]), float(value)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # A line cut off by a full disk ends the curve.
    return series


def _details(run: Run) -> dict[str, str]:
    known = run.environment
    versions: Mapping[str, Any] = known.get("versions") or {}
    dataset: Mapping[str, Any] = known.get("dataset") or {}
    training_part = {k: v for k, v in dataset.items() if k not in ("title", "splits") and isinstance(v, str)}
    details = {
        "Command": " ".join(map(str, known.get("command") or [])),
        "Started": re.sub(r"(.*)T(\d\d:\d\d)(:\d\d)?\+00:00", r"\1 \2 UTC", str(known.get("started", ""))),
        "Device": f"{known.get('device')}, {_threads(known.get('threads'))}, {known.get('processor')}",
        "Seed": str(known.get("seed")),
        "Parameters": f"{known['parameters']:,}" if isinstance(known.get("parameters"), int) else "",
        "Versions": ", ".join(f"{name} {version}" for name, version in versions.items() if version),
        "Commit": str(known.get("commit") or ""),
        **{f"Data: {key}": value for key, value in training_part.items()},
    }
    return {key: value for key, value in details.items() if value}


def _threads(count: Any) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _mesh(run: Run, gallery: Gallery, limits: Limits) -> TurningMesh | None:
    files = [p for p in sorted(run.results.glob("*")) if p.suffix.lower() in MESHES and not p.is_symlink()]
    if not files or not limits.pictures:
        gallery.left_out += [p.name for p in files]
        return None
    try:
        return read_mesh(files[0], limits.vertices)
    except (MetasirenError, ValueError, OSError, IndexError, KeyError, MemoryError) as error:
        gallery.left_out.append(f"{files[0].name}: {error}")
        return None
