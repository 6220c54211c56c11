"""`metasiren export`: the suffix of the output names the format."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, metavar="FILE.onnx|FILE.glsl|FILE.pt2|FOLDER/", help="What to write.")
@click.option("--overwrite", is_flag=True, help="Replace a file; without it, what exists is an error.")
@click.option("--function", default="field", show_default=True, metavar="NAME", help="Name of the GLSL function.")
def export(run: Path, out: str, overwrite: bool, function: str) -> None:
    """Write the field of RUN, a run of a single signal, in another program's format.

    \b
    FILE.onnx   an ONNX model: coords (points, in) -> values (points, out), for any number of points
    FILE.glsl   a GLSL function from a vector of coordinates to values, for small nets
    FILE.pt2    a torch.export program of the same signature as the ONNX model
    FOLDER/     config.json, model.safetensors and a model card, ready for a model hub
    """  # noqa: D301 (click's own mark keeps the lines above as they are)
    from metasiren_fields.export.formats import write

    def say(words: str) -> None:
        click.echo(words, err=True)

    click.echo(write(run, out, function=function, overwrite=overwrite, say=say))
