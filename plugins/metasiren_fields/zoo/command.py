"""`metasiren zoo`: many signals, each as a field of its own."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("recipe")
@click.option("--items", default="0:", show_default=True, metavar="A:B", help="Items of the split; B is excluded.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.safetensors")
@click.option("--overwrite", is_flag=True, help="Replace FILE; without it, one that exists is an error.")
@click.option("--split", default="train", show_default=True)
@click.option("--at", default="pixels", show_default=True, help="The point set whose values are fitted.")
@click.option("--steps", type=click.IntRange(min=1), default=500, show_default=True, help="At most, for each item.")
@click.option("--lr", type=click.FloatRange(min=0, min_open=True), default=1e-3, show_default=True, help="Of Adam.")
@click.option(
    "--points", type=click.IntRange(min=1), metavar="N", help="Random points of each step; all of them by default."
)
@click.option("--until", type=float, metavar="DB", help="An item stops at this PSNR (values in [-1, 1]).")
@click.option("--together", type=click.IntRange(min=1), default=64, show_default=True, help="Items in one batch.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the initial weights.")
@click.option("--shared-start", is_flag=True, help="All items start from the same weights.")
@click.option("--preset", metavar="NAME", help="A preset of the recipe; the best that can run here if left out.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Change a recipe value; may be given again.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:1.")
def zoo(
    recipe: str,
    items: str,
    out: Path,
    overwrite: bool,
    split: str,
    at: str,
    steps: int,
    lr: float,
    points: int | None,
    until: float | None,
    together: int,
    seed: int,
    shared_start: bool,
    preset: str | None,
    pairs: tuple[str, ...],
    device: str,
) -> None:
    """Fit a separate field to every item of RECIPE's data set, many at once.

    \b
    metasiren zoo celeba_gaussian --preset quick --items 0:64 --set siren.hidden_features=64 -o faces.safetensors

    The recipe gives the data set and the network; its encoder, decoder and constraints are not used. An interrupted
    zoo goes on when the same command is given again.
    """  # noqa: D301 (click's own mark keeps the lines above as they are)
    from metasiren import RecipeError, load_recipe, pick_device, progress_bar, psnr, read_overrides
    from metasiren_fields.zoo.making import Plan, make_zoo, parse_items

    if out.suffix != ".safetensors":
        found = f"the ending is {out.suffix!r}." if out.suffix else "the name has no ending."
        proper = out.parent / f"{out.stem or 'zoo'}.safetensors"
        raise RecipeError(f"zoo -o {out}", found, f"A zoo is one file of weights: name it {proper}.")
    until_mse = 4 * 10 ** (-until / 10) if until is not None else 0.0
    plan = Plan(split, parse_items(items), at, steps, lr, until_mse, together, seed, shared_start, points)
    overrides = read_overrides(pairs)
    for key in overrides:
        if key.partition(".")[0] not in ("data", "siren"):
            advice = "It takes data and siren from the recipe; steps, rate and points are --steps, --lr and --points."
            raise RecipeError(f"zoo --set {key}", "a zoo does not use this.", advice)
    loaded = load_recipe(recipe, preset=preset, overrides=overrides)
    named = f"{loaded.name}: preset {loaded.preset}; " if loaded.preset else f"{loaded.name}: "
    click.echo(f"{named}each item is fitted for {steps:,} steps at most", err=True)
    made = make_zoo(
        loaded, out, plan, device=pick_device(device), watch=lambda total: progress_bar("steps", total),
        overwrite=overwrite,
    )  # fmt: skip
    quality = psnr(made.mse.clamp(min=1e-12))
    click.echo(
        f"{len(made):,} fields of {made.siren.parameter_count:,} weights; PSNR {float(quality.median()):.1f} dB in the "
        f"median, {float(quality.min()):.1f} at least; {float(made.steps.float().mean()):,.0f} steps on average",
        err=True,
    )
    click.echo(out)
