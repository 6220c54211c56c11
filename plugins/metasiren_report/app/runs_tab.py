"""The tab Runs: every run below the folders that the app was started with, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from metasiren import MetasirenError, Run, open_run
from metasiren_report.page import render_report
from metasiren_report.summary import Summary, find_runs, summarise
from metasiren_report.wording import metric_title

MOST = 30
HEADS = "<tr><th>Run<th>Recipe<th>Data<th>Main numbers<th>Training<th>State</tr>"


def runs_below(folders: Sequence[Path]) -> dict[str, Run]:
    """Path -> run, for runs and for folders of runs; folders that do not exist are left out."""
    found: dict[str, Run] = {}
    for folder in folders:
        try:
            runs = [open_run(folder)] if (folder / "environment.json").is_file() else find_runs(folder)
        except MetasirenError:
            continue
        found |= {str(run.path): run for run in runs}
    return found


def add_tab(gr: Any, app: Any, folders: Sequence[Path]) -> None:
    """Add the tab to the Blocks at hand."""

    def rows() -> tuple[str, Any]:
        known = runs_below(folders)
        return table_of([summarise(run) for run in known.values()]), gr.CheckboxGroup(list(known), visible=bool(known))

    def show(chosen: Sequence[str] | None) -> str:
        known = runs_below(folders)
        picked = [known[path] for path in (chosen or [])[:MOST] if path in known]
        if not picked:
            return "<p>Choose one run or more.</p>"
        page = escape(render_report(picked), quote=True)
        # The page may run its own script, but has no origin: it cannot reach the app.
        return (
            f'<iframe sandbox="allow-scripts" srcdoc="{page}" title="report" style="width:100%;height:85vh;border:0">'
        )

    with gr.Tab("Runs", id="runs"):
        table = gr.HTML(elem_id="table")
        chosen = gr.CheckboxGroup([], label="Side by side", elem_id="chosen")
        with gr.Row():
            again = gr.Button("List again")
            button = gr.Button("Show", variant="primary", elem_id="show")
        page = gr.HTML(elem_id="page")
        again.click(rows, None, [table, chosen])
        button.click(show, chosen, page)
        app.load(rows, None, [table, chosen])


def table_of(summaries: Sequence[Summary]) -> str:
    """A table of runs as HTML, wider than a phone where it must be."""
    if not summaries:
        return "<p>There is no run here. Start the app as <code>metasiren app FOLDER</code>, with a folder of runs.</p>"
    lines = [[str(s.run.path), s.run.label, s.data, _numbers(s), s.duration, s.progress] for s in summaries]
    cells = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
    return f'<div style="overflow-x:auto"><table style="min-width:46rem;width:100%">{HEADS}{cells}</table></div>'


def _numbers(summary: Summary) -> str:
    return ", ".join(f"{metric_title(name)} {value:.4g}" for name, value in summary.numbers.items()) or "–"
