"""Commands that this package adds to the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


def add_commands(cli: click.Group) -> None:
    """Add `inpaint`, and `data celeba` beside what other plugins put into the group `data`."""
    group = cli.commands.get("data")
    if not isinstance(group, click.Group):
        group = click.Group("data", help="Check and prepare data sets.")
        cli.add_command(group)
    group.add_command(celeba)
    cli.add_command(inpaint)


@click.command()
@click.option("--root", type=click.Path(path_type=Path), help="Folder or zip; by default METASIREN_DATA.")
@click.option("--size", type=click.IntRange(min=1), default=32, show_default=True, help="Rows and columns.")
@click.option(
    "--resize", type=click.Choice(["nearest", "bilinear", "bicubic"]), default="bilinear", show_default=True,
    help="Filter; nearest is what the paper's code does in its pinned environment.",
)  # fmt: skip
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), help="Put `prepared` here, not into --root.")
def celeba(root: Path | None, size: int, resize: str, into: Path | None) -> None:
    """Check CelebA and prepare it once, into a memory-mapped array.

    Reads torchvision's layout, or a folder or zip of img_align_celeba with list_eval_partition.txt or .csv beside
    it. It may be interrupted: run it again, and it goes on where it stopped.
    """
    from metasiren import progress_bar
    from metasiren_priors.data.celeba import prepare_celeba
    from metasiren_priors.data.homes import data_home, roots

    chosen = root or roots(None)[0]
    target, record = prepare_celeba(
        chosen, size=size, resize=resize, into=into,  # type: ignore[arg-type]  # click checked the word
        watch=lambda total: progress_bar("preparing CelebA", total),
    )  # fmt: skip
    counts = ", ".join(f"{split} {rows:,}" for split, rows in record.splits.items())
    click.echo(f"CelebA, {size}x{size}, {resize}: {record.rows:,} images ({counts})")
    click.echo(f"in {target} ({target.stat().st_size / 1e6:,.0f} MB)")
    home = target.parent.parent
    options = [] if home.resolve() == data_home().resolve() else [f"data.path={home}"]
    options += [f"data.size={size}"] * (size != 32) + [f"data.resize={resize}"] * (resize != "bilinear")
    click.echo("Next:\n  metasiren run celeba_cnn --preset paper_text" + "".join(f" --set {o}" for o in options))


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("picture", metavar="IMAGE", type=click.Path(path_type=Path))
@click.option("--mask", type=click.Path(path_type=Path), help="A picture, white or transparent where IMAGE is hidden.")
@click.option(
    "--mask-polarity", type=click.Choice(["white_hidden", "white_seen"]),
    help="What white in --mask means; transparent parts then count as black.",
)  # fmt: skip
@click.option("--pixels", type=int, metavar="N", help="Keep N random pixels instead; a tenth of them by default.")
@click.option(
    "--size", metavar="HxW", help="Height x width of the reconstruction in pixels; the prior's own by default."
)
@click.option("--box", metavar="X,Y,W,H", help="The part of IMAGE that the prior describes, such as a face; in pixels.")
@click.option("--samples", type=click.IntRange(min=0), default=0, metavar="N", help="Draw N from the posterior, too.")
@click.option("--std", is_flag=True, help="Write a picture of the standard deviation, too.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of random pixels and samples.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:1.")
@click.option(
    "--composite", is_flag=True,
    help="Write IMAGE at its own size, its hidden pixels reconstructed; with --size, a composite of that size.",
)  # fmt: skip
@click.option(
    "--panel", is_flag=True,
    help="Write what was seen, the reconstruction, composite and original in a row; with --box, beside the photograph.",
)  # fmt: skip
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The picture to write.")
@click.option("--overwrite", is_flag=True, help="Replace pictures; without it, one that exists is an error.")
def inpaint(
    run: Path, picture: Path, mask: Path | None, mask_polarity: Any, pixels: int | None, size: str | None,
    box: str | None, samples: int, std: bool, seed: int, device: str, composite: bool, panel: bool, out: Path,
    overwrite: bool,
) -> None:  # fmt: skip
    """Reconstruct IMAGE from part of it, by the trained prior of RUN.

    The context is the centre square of IMAGE, or the box of --box, reduced to the size of the prior. By default the
    reconstruction has the prior's size. With --composite or --box it is rendered at the resolution of IMAGE and put
    into it, beside its known pixels. A box that reaches beyond IMAGE extends it.
    """
    from metasiren import DataError, demand_new
    from metasiren_priors.places import demand_place, files

    demand_place(out)
    whole = composite and not size and not box
    places = files(out, samples=samples, deviation=std, panel=panel and (whole or bool(box)))
    demand_new(*places, where=f"inpaint -o {out}", overwrite=overwrite)
    # Only then what takes seconds to import.
    from metasiren import open_run
    from metasiren_priors.inpaint import inpaint as reconstruct
    from metasiren_priors.inpainted import write, written_words
    from metasiren_priors.observed import drawn_words
    from metasiren_priors.photograph import brought_words, parse_box, parse_size, stretched, transparency_words

    if mask is not None and pixels is not None:
        raise DataError("inpaint", "both --mask and --pixels.", "Give one of them.")
    shape, frame = parse_size(size) if size else None, parse_box(box) if box else None
    opened = open_run(run)
    found = reconstruct(
        opened, picture, mask=mask, pixels=pixels, polarity=mask_polarity, size=shape, box=frame, whole=whole,
        samples=samples, deviation=std, seed=seed, device=device,
    )  # fmt: skip
    click.echo(f"{picture}: {brought_words(found.photo_shape, frame, opened.domain.grid or (1, 1))}", err=True)
    if opened.recipe.data.name == "sketch_faces":
        words = "a prior of drawn faces (sketch_faces), so that what it fills in looks drawn; one of your own pictures:"
        click.echo(f"{opened.label}: {words} metasiren run celeba_mixture --set data.path=FOLDER", err=True)
    if mask is None and pixels is None and frame is None:
        click.echo(f"{picture}: {drawn_words(opened.domain.grid or (1, 1))}", err=True)
    for words in (transparency_words(picture, masked=mask is not None), *stretched(opened.domain.grid, frame, shape)):
        if words:
            click.echo(words, err=True)
    written = write(found, out, composite=composite, side_by_side=panel)
    click.echo(written_words(found, written[0], composite=composite, panel=panel), err=True)
    if found.deviation is not None:
        click.echo(f"{written[-1]}: white is {float(found.deviation.max()):.3g}, of values from 0 to 1", err=True)
    for path in written:
        click.echo(path)
