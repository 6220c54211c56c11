"""The commands `report`, `runs`, `diff`, `clean`, `app` and `reproduce`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from metasiren_report.reproduce_command import reproduce

RUNS = click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))


def add_commands(cli: click.Group) -> None:
    """Add this package's commands."""
    for command in (report, list_runs, diff, clean, app, reproduce):
        cli.add_command(command)


@click.command()
@RUNS
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.html",
    help="The page to write.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace FILE.html; without it, one that exists is an error.")
def report(runs: tuple[Path, ...], out: Path, overwrite: bool) -> None:
    """Show RUNS on one HTML page that needs no network: numbers, curves, pictures, meshes and sounds."""
    from metasiren import open_run
    from metasiren_report.page import write_report

    # A shell's cmp/* names the comparison's own files beside its runs.
    files = [path for path in runs if path.is_file()]
    folders = [path for path in runs if path not in files]
    for path in files if folders else ():
        click.echo(f"{path}: a file, not a run; left out", err=True)
    click.echo(write_report([open_run(path) for path in folders or files], out, overwrite=overwrite))


@click.command("runs")
@click.argument("folder", type=click.Path(path_type=Path), default="runs")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_runs(folder: Path, as_json: bool) -> None:
    """List every run in FOLDER (by default `runs`) and below with its main numbers, the newest last."""
    from metasiren_report.summary import find_runs, summarise

    found = [summarise(run) for run in find_runs(folder)]
    if as_json:
        rows = [{"path": str(s.run.path), "recipe": s.run.label, "data": s.data, "steps": s.steps, "state": s.state,
                 "seconds": s.seconds, "numbers": dict(s.numbers), "bytes": s.size} for s in found]  # fmt: skip
        click.echo(json.dumps(rows, indent=2))
        return
    if not found:
        click.echo(f"no runs in {folder}", err=True)
        return
    heads = ("run", "recipe", "data", "numbers", "training", "state", "MB")
    lines = [(str(s.run.path.relative_to(folder)), s.run.label, s.data, s.headline, s.duration, s.progress,
              f"{s.size / 1e6:.1f}") for s in found]  # fmt: skip
    _show(heads, lines)


@click.command()
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def diff(first: Path, second: Path, as_json: bool) -> None:
    """Show where two runs differ: their recipes, environments and results."""
    from metasiren import open_run
    from metasiren_report.differences import of_runs

    found = of_runs(open_run(first), open_run(second))
    if as_json:
        click.echo(json.dumps({part: [vars(d) for d in rows] for part, rows in found.items()}, indent=2))
        return
    for part, rows in found.items():
        click.echo(f"{part}: {'no difference' if not rows else ''}".rstrip())
        if rows:
            _show(("key", first.name, second.name, ""), [(d.key, d.first, d.second, d.note) for d in rows])


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default="runs")
@click.option("--delete", is_flag=True, help="Delete what is listed; without it, nothing is touched.")
@click.option("--checkpoints", is_flag=True, help="All checkpoints of finished runs, not only the older ones.")
@click.option("--unfinished", is_flag=True, help="Also runs without results that nothing has written to for an hour.")
def clean(folder: Path, delete: bool, checkpoints: bool, unfinished: bool) -> None:
    """List files that runs in FOLDER (by default `runs`) no longer need: older checkpoints, half-written files."""
    from metasiren_report.cleaning import find_leftovers, left_as_new, remove

    found = find_leftovers(folder, checkpoints=checkpoints, unfinished=unfinished)
    for leftover in found:
        click.echo(f"{leftover.size / 1e6:8.1f} MB  {leftover.path}  ({leftover.reason})")
    total, new = sum(leftover.size for leftover in found), left_as_new(folder)
    if delete:
        remove(found)
    if found:
        click.echo(f"{total / 1e6:8.1f} MB  {'deleted' if delete else 'can be deleted: add --delete'}", err=not delete)
    else:
        click.echo("nothing to delete.", err=True)
    if new:
        runs = "1 run was" if new == 1 else f"{new} runs were"
        click.echo(f"{runs} left alone: written to within the last hour, and perhaps still running.", err=True)


@click.command()
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), help="By default the first free one from 7860.")
def app(runs: tuple[Path, ...], host: str, port: int | None) -> None:
    """Open a web app on this machine: complete faces, fit pictures and sounds, compare RUNS.

    RUNS are runs or folders of runs, by default the folder `runs`. Needs the extra `app`.
    """
    from metasiren_report.app.building import launch

    launch(runs or (Path("runs"),), host=host, port=port)


def _show(heads: tuple[str, ...], lines: Sequence[tuple[str, ...]]) -> None:
    """Print columns as wide as their longest cell."""
    widths = [max(len(row[i]) for row in [heads, *lines]) for i in range(len(heads))]
    for row in [heads, *lines]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
