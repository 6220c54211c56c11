"""The tab Runs: every run below the folders that the app was started with, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from metasiren import MetasirenError, Run, open_run
from metasiren_report.page import render_report
from metasiren_report.summary import find_runs, summarise

MOST = 30


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
    heads = ["run", "recipe", "data", "numbers", "training", "state"]

    def rows() -> tuple[list[list[str]], Any]:
        known = runs_below(folders)
        lines = [summarise(run) for run in known.values()]
        table = [[str(s.run.path), s.run.label, s.data, s.headline, s.duration, s.progress] for s in lines]
        return table, gr.CheckboxGroup(choices=list(known))

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
        table = gr.Dataframe(headers=heads, interactive=False, wrap=True, label="Runs", elem_id="table")
        chosen = gr.CheckboxGroup([], label="Side by side", elem_id="chosen")
        with gr.Row():
            again = gr.Button("List again")
            button = gr.Button("Show", variant="primary", elem_id="show")
        page = gr.HTML(elem_id="page")
        again.click(rows, None, [table, chosen])
        button.click(show, chosen, page)
        app.load(rows, None, [table, chosen])
