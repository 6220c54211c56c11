"""The page of a reproduction: each number of the paper beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from metasiren import open_run
from metasiren_report.differences import measured
from metasiren_report.embedding import LEVELS, Embedded, embed_picture, open_picture
from metasiren_report.gallery import CAPTIONS
from metasiren_report.reproduction.planning import Step
from metasiren_report.reproduction.running import has_results, is_done
from metasiren_report.summary import json_or_empty, summarise, words_of
from metasiren_report.tables import cell
from metasiren_report.wording import metric_title

PICTURES = ("figure6.png", "figure.png", "shaded.png")


@dataclass(frozen=True)
class Line:
    """A metric with the paper's number and ours, as text."""

    metric: str
    paper: str
    ours: str


@dataclass(frozen=True)
class Entry:
    """One result on the page."""

    name: str
    title: str
    lines: tuple[Line, ...]
    comparable: bool
    conditions: str
    state: str
    picture: Embedded | None
    caption: str
    report: str


def entries_of(steps: Sequence[Step], out: Path) -> list[Entry]:
    """The results of the steps so far."""
    return [_entry(step, out) for step in steps]


def write_page(steps: Sequence[Step], out: Path) -> Path:
    """Write index.html into the folder of a reproduction; it is written again after every result."""
    here = resources.files("metasiren_report") / "templates"
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((here / "reproduction.html").read_text("utf-8"))
    style = Markup((here / "report.css").read_text("utf-8"))  # noqa: S704  # this package's own file
    entries = entries_of(steps, out)
    page, partial = out / "index.html", out / "index.partial"
    done = sum(entry.state == "done" for entry in entries)
    partial.write_text(template.render(entries=entries, style=style, done=done), "utf-8")
    partial.replace(page)
    return page


def _entry(step: Step, out: Path) -> Entry:
    numbers: dict[str, float] = {}
    conditions, state, picture, caption, report = "", "not run", None, "", ""
    folder = out / step.folder if step.way is not None else out
    if step.way is None:
        state = "cannot run here in this time"
    elif has_results(folder):
        run = open_run(folder)
        summary, numbers, state = summarise(run), measured(run), "done" if is_done(folder) else "cut short"
        steps = "" if summary.steps is None else "1 step" if summary.steps == 1 else f"{summary.steps:,} steps"
        took = words_of(summary.seconds) if summary.seconds is not None else ""
        early = summary.state if summary.state != "finished" else ""
        preset, device = step.result.preset(step.way), str(run.environment.get("device", ""))
        parts = [f"preset {preset}", summary.data, steps, took, device, early]
        conditions = ", ".join(part for part in parts if part)
        picture, caption = _picture(run.results)
        report = f"{step.folder}/results/report.html" if (run.results / "report.html").is_file() else ""
    elif folder.exists():
        state = "not finished"
    notes = [step.result.note, step.way.note if step.way else "", *(f"not run: {why}" for why in step.lacking)]
    conditions = "; ".join(part for part in [conditions, *notes] if part)
    lines = tuple(Line(metric_title(name), cell(paper), cell(numbers.get(name)))
                  for name, paper in step.result.numbers.items())  # fmt: skip
    comparable = state == "done" and step.way is not None and step.way.like_the_paper
    return Entry(step.name, step.result.title, lines, comparable, conditions, state, picture, caption, report)


def _picture(results: Path) -> tuple[Embedded | None, str]:
    """The run's main picture, and what it shows."""
    for name in PICTURES:
        if (results / name).is_file():
            try:
                with open_picture(results / name) as picture:
                    return embed_picture(picture, LEVELS[1]), str(json_or_empty(results / CAPTIONS).get(name) or "")
            except OSError:
                continue
    return None, ""
