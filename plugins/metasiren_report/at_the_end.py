"""The report that a finished run gets by itself."""

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
    if not run.results.is_dir():
        print(f"no report: {run.results} was deleted or moved.", file=sys.stderr)
        return
    try:
        from metasiren_report.page import write_report

        write_report([run], run.results / "report.html", overwrite=True)
    except Exception as error:  # The numbers of the run are written; its page must not make it fail.
        print(f"no report: {type(error).__name__}: {error}", file=sys.stderr)
