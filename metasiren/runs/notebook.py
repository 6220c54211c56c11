"""Runs as small HTML summaries, for notebooks."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from metasiren.errors import RunError
from metasiren.json_files import read_json

MOST_BYTES = 2_000_000


def run_html(label: str, path: Path, environment: Mapping[str, Any]) -> str:
    """The run's label, data, state and path, its metrics, and its figure where that has at most 2 MB."""
    title = str((environment.get("dataset") or {}).get("title", ""))
    parts = [f"<p><b>{escape(label)}</b>: {escape(title)}{_state(path)}<br><code>{escape(str(path))}</code></p>"]
    rows = [(name, value) for name, value in _metrics(path / "results").items() if isinstance(value, int | float)]
    if rows:
        cells = "".join(f"<tr><td>{escape(name)}</td><td>{value:.6g}</td></tr>" for name, value in rows)
        parts.append(f"<table>{cells}</table>")
    for file in figures(path / "results"):
        if file.stat().st_size <= MOST_BYTES:
            data = base64.b64encode(file.read_bytes()).decode("ascii")
            parts.append(f'<img alt="figure" style="max-width:100%" src="data:image/png;base64,{data}">')
            break
    return "".join(parts)


def _state(path: Path) -> str:
    """How far a run that is not finished has come; empty for others, and where status.json is missing or damaged."""
    try:
        known = read_json(path / "status.json", "")
        if known["state"] == "finished":
            return ""
        return escape(f" ({known['state']}, step {known['step']} of {known['steps']})")
    except (RunError, KeyError):
        return ""


def figures(results: Path) -> list[Path]:
    """The pictures of a run, the one that shows most first: `figure*.png`, others by name, `preview.png` last."""
    found = [file for file in results.glob("*.png") if file.is_file()]
    return sorted(found, key=lambda file: (file.name == "preview.png", not file.name.startswith("figure"), file.name))


def _metrics(results: Path) -> dict[str, Any]:
    """The flat metrics, or a prior's errors by context; nothing where the files are missing or damaged."""
    try:
        if (results / "metrics.json").is_file():
            return read_json(results / "metrics.json", "")
        rows = read_json(results / "table.json", "")["rows"]
        model = next(row for row in rows if row["kind"] == "model")
        return {f"mse at {key}": value for key, value in model["mse"].items()}
    except (RunError, KeyError, TypeError, StopIteration):
        return {}
