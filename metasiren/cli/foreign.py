"""Options that other programs have and `metasiren run` has not: what to write in their place."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import Path

import click

from metasiren.errors import RecipeError

WORDS = {"data": "data.path", "optimizer": "train.optimizer.name"}
"""Options whose name is also the beginning of recipe keys, and the key that each means."""
OPTIONS = {
    "gpu": "--device cuda", "gpus": "--device cuda", "cuda": "--device cuda", "cpu": "--device cpu",
    "output": "--out DIR", "output_dir": "--out DIR", "logdir": "--out DIR", "o": "--out DIR",
    "config": "metasiren run FILE.yaml, without an option", "recipe": "metasiren run RECIPE, without an option",
    "checkpoint": "--resume RUN", "continue": "--resume RUN", "time": "--max-time 5m",
    "quick": "--preset quick", "overwrite": "another --out; a run directory is never replaced",
}  # fmt: skip
"""An option of other programs -> what to write here."""

CLOSE = 0.8
"""How alike a word and a known one must be, from 0 to 1, for a misspelt option to be recognised."""


class RunCommand(click.Command):
    """A command whose unknown options are answered with the keys of a recipe."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does.

        Raises:
            UsageError: an unknown option, with what to write in its place.
        """
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            own = [name.lstrip("-").replace("-", "_") for each in self.params for name in each.opts]
            instead = instead_of(error.option_name, given, own)
            if not instead:
                raise
            raise click.UsageError(f"No such option '{error.option_name}'. Here: {instead}", ctx) from None
        except click.UsageError as error:
            # Click has no class of its own for arguments too many.
            instead = _of_extra(given) if "unexpected extra argument" in error.message else ""
            if not instead:
                raise
            raise click.UsageError(f"{error.message} Here: {instead}", ctx) from None


def instead_of(option: str, args: Sequence[str], own: Collection[str] = ()) -> str:
    """What to write in place of an unknown option, with the value that a person gave; empty where nothing is known.

    Args:
        option: such as `--epochs`.
        args: the words of the command line.
        own: the command's own options, as words such as `max_time`; one of them that is close is not replaced.
    """
    from metasiren.recipe.words import all_words  # imports pydantic, which `metasiren --help` does without

    word = option.lstrip("-").replace("-", "_")
    if word in OPTIONS:
        return OPTIONS[word]
    keys = {**all_words(), **WORDS}
    if word in keys:
        return f"--set {keys[word]}={_value(option, args)}"
    close = get_close_matches(word, [*own, *keys, *OPTIONS], n=1, cutoff=CLOSE)
    if not close or close[0] in own:
        return ""
    return OPTIONS.get(close[0]) or f"--set {keys[close[0]]}={_value(option, args)}"


def _of_extra(args: Sequence[str]) -> str:
    """The option that a second argument was meant for: a preset of the recipe, or a file."""
    from metasiren.recipe import aliases_of, presets_of

    recipe, extra = args[0], args[-1]
    if Path(extra).exists():
        return f"--set data.path={extra}"
    try:
        return f"--preset {extra}" if extra in {**presets_of(recipe), **aliases_of(recipe)} else ""
    except RecipeError:
        return ""


def _value(option: str, args: Sequence[str]) -> str:
    for place, arg in enumerate(args):
        if arg.startswith(f"{option}="):
            return arg.partition("=")[2]
        if arg == option and place + 1 < len(args) and not args[place + 1].startswith("--"):
            return args[place + 1]
    return "VALUE"
