"""The command line. Names are fixed; plugins add commands through `metasiren_commands`."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metasiren.cli.failures import explain
from metasiren.cli.foreign import RunCommand
from metasiren.cli.options import catalogue_of, completed_recipes, console
from metasiren.cli.options import device as device_option
from metasiren.cli.options import seconds as as_seconds
from metasiren.cli.parts import describe, new, plugins, recipes, schema
from metasiren.cli.results import evaluate, render, show_results, table
from metasiren.errors import MetasirenError, RecipeError, RunWarning, did_you_mean
from metasiren.registry.catalogue import load_catalogue

if TYPE_CHECKING:
    from metasiren.engine.choosing import Choice
    from metasiren.engine.progress import Progress
    from metasiren.registry.catalogue import Catalogue


class _Cli(click.Group):
    """Built-in commands come first. Plugins are loaded when a name is unknown, or when help lists all commands."""

    def _extended(self, ctx: click.Context) -> None:
        if ctx.meta.get("metasiren.extended"):
            return
        ctx.meta["metasiren.extended"] = True
        own = dict(self.commands)
        catalogue = load_catalogue(without=ctx.params.get("without", ()))
        for implementation in catalogue.manager.hook.metasiren_commands.get_hookimpls():
            try:
                implementation.function(cli=self)
            except (Exception, SystemExit) as error:
                click.echo(f"plugin {implementation.plugin_name}: its commands are left out: {error}", err=True)
            self.commands.update(own)

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._extended(ctx)
        return sorted(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = self.commands.get(cmd_name)
        if command is None:
            self._extended(ctx)
            command = self.commands.get(cmd_name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            message = f"{error.message} {did_you_mean(args[0], self.commands)}".strip()
            raise click.UsageError(message, ctx) from None


@click.group(cls=_Cli, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="metasiren")
@click.option("--without", multiple=True, metavar="NAME", help="Leave a plugin out; may be given again.")
@click.pass_context
def cli(ctx: click.Context, without: tuple[str, ...]) -> None:
    """Learn functions from signals: SIRENs, and priors over them.

    Commands that write files refuse a file that exists; --overwrite replaces files. Folders are never replaced.
    Add --debug anywhere for full tracebacks.
    """
    ctx.obj = without
    if without:  # a command that uses no plugin, too, names one that is not there
        catalogue_of(ctx)


@cli.command(cls=RunCommand)
@click.argument("recipe", required=False, shell_complete=completed_recipes)
@click.option(
    "--preset", metavar="NAME", help="A preset of the recipe, or base for none; by default the first that can run here."
)
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Change a recipe value; may be given again.")
@click.option("--out", type=click.Path(path_type=Path), help="The run directory; must not exist.")
@click.option("--resume", "resumed", type=click.Path(path_type=Path), metavar="RUN", help="Continue a run.")
@device_option
@click.option("--seed", type=click.IntRange(min=0), help="In place of the recipe's.")
@click.option(
    "--max-time",
    callback=as_seconds,
    metavar="5m",
    help="Train for at most this long: the recipe's steps, or as many as fit, with a complete schedule. A step is not "
    "cut: one that takes longer, as of a least-squares solver, passes the limit.",
)
@click.option("--no-fit", is_flag=True, help="With --max-time: keep the number of steps, and stop when the time is up.")
@click.option("--no-report", is_flag=True, help="Write no results/report.html at the end.")
@click.option("--compile/--no-compile", "compile_", default=None, help="Compile the evaluator with torch.compile.")
@click.option("--deterministic", is_flag=True, help="Use deterministic algorithms where torch has them.")
@click.option("--dry-run", is_flag=True, help="Print time, memory and end of the run, then the recipe; write nothing.")
@click.pass_context
def run(
    ctx: click.Context,
    recipe: str | None,
    preset: str | None,
    pairs: tuple[str, ...],
    out: Path | None,
    resumed: Path | None,
    device: str,
    seed: int | None,
    max_time: float | None,
    no_fit: bool,
    no_report: bool,
    compile_: bool | None,
    deterministic: bool,
    dry_run: bool,
) -> None:
    """Train RECIPE (a file, or the name of a shipped recipe), evaluate it, write a run directory."""
    changed = recipe or preset or pairs or out or seed is not None or compile_ is not None or deterministic or dry_run
    _check_recipe_or_resume(recipe, resumed, changed=bool(changed or no_fit))
    from metasiren.engine import running
    from metasiren.engine.choosing import choose_preset
    from metasiren.engine.processor import prepare_processor
    from metasiren.engine.progress import Shown, Silent, announce

    if no_report:
        ctx.with_resource(_variable("METASIREN_NO_REPORT", "1"))
    prepare_processor()
    catalogue = catalogue_of(ctx)
    # Under torchrun the first process alone prints.
    first = os.environ.get("RANK", "0") == "0"
    progress = Shown(console()) if first else Silent()
    if resumed is not None:
        made = running.resume(resumed, device=device, max_time=max_time, catalogue=catalogue, progress=progress)
    else:
        assert recipe is not None
        changes = _overrides(pairs, compile_=compile_, deterministic=deterministic, seed=seed if dry_run else None)
        choice = choose_preset(recipe, catalogue, preset=preset, overrides=changes)
        announce(progress, recipe, choice)
        if dry_run:
            _print_plan(choice, catalogue, device=device, max_time=max_time, progress=progress)
            return
        made = running.run(
            choice.recipe,
            out,
            device=device,
            seed=seed,
            max_time=max_time,
            fit=not no_fit,
            catalogue=catalogue,
            progress=progress,
        )
    if first:
        show_results(made.results)
        click.echo(made.path)


def _check_recipe_or_resume(recipe: str | None, resumed: Path | None, *, changed: bool) -> None:
    """Demand a recipe, or a run to resume with no option that changes it.

    Raises:
        RecipeError: neither, or both.
    """
    if resumed is not None and changed:
        advice = "Give --resume RUN alone (with --device and --max-time if you like); the run holds its recipe."
        raise RecipeError("run --resume", "a resumed run cannot be changed.", advice)
    if resumed is None and recipe is None:
        from metasiren.recipe import shipped_recipes

        names = ", ".join(p.stem for p in shipped_recipes())
        raise RecipeError("run", "no recipe given.", f"metasiren run RECIPE, where RECIPE is a file or one of: {names}")


def _overrides(pairs: Sequence[str], *, compile_: bool | None, deterministic: bool, seed: int | None) -> dict[str, Any]:
    """The recipe values that the command line changes: by `--set`, and by options of their own."""
    from metasiren.recipe import read_overrides

    changes = read_overrides(pairs)
    if compile_ is not None:
        changes["train.compile"] = compile_
    if deterministic:
        changes["train.deterministic"] = True
    if seed is not None:
        changes["train.seed"] = seed
    return changes


def _print_plan(
    choice: Choice, catalogue: Catalogue, *, device: str, max_time: float | None, progress: Progress
) -> None:
    """Print what `run` would do: `--dry-run`."""
    from metasiren.engine.devices import pick_device
    from metasiren.engine.dry_run import dry_run

    plan = dry_run(choice.recipe, catalogue, pick_device(device), about=choice.cost, limit=max_time, progress=progress)
    click.echo(plan.text())


for _command in (evaluate, table, render, plugins, recipes, describe, new, schema):
    cli.add_command(_command)


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    """Set an environment variable for one command."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    """Print warnings about a run as messages, and others with their place in the code."""
    if issubclass(category, RunWarning):
        click.echo(f"warning: {message}", err=True)
    else:
        click.echo(warnings.formatwarning(message, category, filename, lineno), err=True, nl=False)


def main() -> None:
    """The entry point: an error is one message and a non-zero exit status; --debug prints tracebacks."""
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    warnings.showwarning = _show_warning
    if isinstance(sys.stdout, io.TextIOWrapper):
        # File names of any bytes, and signs that a terminal's encoding lacks, must not end a command.
        utf8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
        sys.stdout.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")
    try:
        cli(args=arguments, prog_name="metasiren", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        click.echo("stopped.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except MetasirenError as error:
        if debug:
            raise
        click.echo(str(error), err=True)
        sys.exit(1)
    except BrokenPipeError:  # such as `metasiren table ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        if message := explain(error):
            click.echo(message, err=True)
            sys.exit(1)
        click.echo(f"metasiren: {type(error).__name__}: {error}", err=True)
        click.echo("  This is a fault in metasiren or a plugin; --debug shows where.", err=True)
        sys.exit(70)
