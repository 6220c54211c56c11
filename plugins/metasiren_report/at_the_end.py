"""The report that every finished run writes."""

from __future__ import annotations

import os
import sys

from metasiren import Run

SWITCH = "METASIREN_NO_REPORT"
"""An environment variable: with any value but an empty one or 0, finished runs get no report."""


def write_quietly(run: Run) -> None:
    """Write results/report.html. A report that fails prints one line to standard error and raises nothing."""
    if os.environ.get(SWITCH, "") not in ("", "0"):
        return
    try:
        from metasiren_report.page import render_report, write_page

        # The folder is not made: a run may have been moved or deleted meanwhile.
        write_page(render_report([run]), run.results / "report.html")
    except Exception as error:  # The numbers of the run are written; its page must not make it fail.
        print(f"no report: {type(error).__name__}: {error}", file=sys.stderr)
