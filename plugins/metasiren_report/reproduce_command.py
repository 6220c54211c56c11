"""The command `reproduce`."""

from __future__ import annotations

from pathlib import Path

import click

from metasiren.cli.options import seconds as as_seconds


@click.command()
@click.argument("names", nargs=-1)
@click.option("-o", "--out", type=click.Path(path_type=Path), default="reproduction", show_default=True, metavar="DIR")
@click.option(
    "--time",
    "seconds",
    callback=as_seconds,
    default="1h",
    show_default=True,
    help="When trainings stop, such as 10m; the last ones are then evaluated.",
)
@click.option(
    "--devices",
    default="auto",
    show_default=True,
    help="One process at a time on each, such as cuda:0,cuda:1 or cpu,cpu; all takes every GPU.",
)
@click.option("--data", multiple=True, metavar="NAME=PATH", help="Data that is not shipped; may be given again.")
@click.option("--list", "only_list", is_flag=True, help="Show what would run and how long it takes, and stop.")
def reproduce(
    names: tuple[str, ...], out: Path, seconds: float, devices: str, data: tuple[str, ...], only_list: bool
) -> None:
    """Repeat the figures and tables of the SIREN paper, as far as this machine can in the given time.

    NAMES are results (see --list), all by default. Runs that are finished in DIR are kept, and those that stopped go
    on. Writes DIR/index.html: the paper's numbers beside ours.
    """
    from metasiren import RunError
    from metasiren.engine.devices import pick_devices
    from metasiren_report.reproduction.page import write_page
    from metasiren_report.reproduction.planning import Step, plan
    from metasiren_report.reproduction.running import Outcome, run_all

    files = {}
    for pair in data:
        name, equals, path = pair.partition("=")
        if not equals:
            raise RunError(f"reproduce --data {pair}", "not NAME=PATH.", "Write it as --data bach=gt_bach.wav.")
        files[name] = Path(path)
    workers = pick_devices(devices)
    steps = plan(names, seconds / 60, files, workers=len(workers))
    for step in steps:
        way = "not in this time or place"
        if step.way:
            way = f"{step.result.preset(step.way):<10} {step.way.minutes:>5g} min"
        click.echo(f"{step.name:<18} {way:<29} {step.result.title}")
        for why in step.lacking:
            click.echo(f"{'':<18} {'':<29} ({why})")
    total = sum(step.way.minutes for step in steps if step.way)
    minutes = "1 minute" if total == 1 else f"{total:g} minutes"
    click.echo(f"about {minutes} on one core of an Intel Xeon; {len(workers)} at a time here", err=True)
    if only_list:
        return
    out.mkdir(parents=True, exist_ok=True)

    def watch(outcome: Outcome) -> None:
        where = f" on {outcome.device}" if outcome.device else ""
        reason = f": {outcome.reason}" if outcome.reason else ""
        click.echo(f"{outcome.step.name}: {outcome.state}{where}{reason}", err=True)
        write_page(steps, out)

    def begun(step: Step, device: str) -> None:
        takes = f", about {step.way.minutes:g} min" if step.way else ""
        click.echo(f"{step.name}: begins on {device}{takes}; it writes {out / 'logs' / step.folder}.log", err=True)

    outcomes = run_all(steps, out, devices=workers, seconds=seconds, files=files, begun=begun, watch=watch)
    click.echo(write_page(steps, out))
    if any(outcome.state == "failed" for outcome in outcomes):
        raise SystemExit(1)
