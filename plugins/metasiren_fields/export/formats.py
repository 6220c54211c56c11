"""A run's field, written by the suffix of the output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from metasiren import Field, Run, RunError, demand_new, open_run
from metasiren_fields.export import glsl, hub, program

SUFFIXES = (".onnx", ".glsl", ".pt2")


def write(
    run: str | Path,
    out: str | Path,
    *,
    function: str = "field",
    overwrite: bool = False,
    say: Callable[[str], object] = lambda words: None,
) -> Path:
    """Export a run's field.

    Args:
        run: the run directory of a single signal.
        out: a file that ends in .onnx, .glsl or .pt2; or a folder, whose name has no suffix or ends in a slash.
        function: name of the GLSL function.
        overwrite: replace a file that exists; a folder that holds something is never replaced.
        say: called with what is being done before torch traces the field, which takes up to half a minute.

    Returns:
        what was written.

    Raises:
        RunError: a run of many signals, an unknown suffix, an output that exists, a folder that does not, or a format
            without the conditions that the field meets exactly.
        PluginError: a package of the extra `export` is missing.
    """
    path, made = Path(out), open_run(run)
    where = f"export -o {out}"
    folder = str(out).endswith(("/", "\\")) or not path.suffix
    if not folder and path.suffix.lower() not in SUFFIXES:
        raise RunError(where, f"the suffix is {path.suffix}.", f"Known: {', '.join(SUFFIXES)}, or a folder.")
    if not folder:
        demand_new(path, where=where, overwrite=overwrite)
    elif path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise RunError(where, "it is not an empty folder.", "Name another one; a folder is never replaced.")
    if not path.absolute().parent.is_dir():
        raise RunError(where, f"there is no folder {path.parent}.", "Make it first.")
    field = single(made)
    if field.siren.exact is not None and (folder or path.suffix.lower() == ".glsl"):
        found = "the field meets conditions exactly, and this format holds the network's layers alone."
        raise RunError(where, found, "Write a file that ends in .onnx or .pt2.")
    if folder:
        hub.write_folder(field, path, label=made.label, metadata=hub.metadata_of(made), card=hub.card_of(made))
    elif path.suffix.lower() == ".glsl":
        path.write_text(glsl.source(field, function), "utf-8")
    else:
        kind = "an ONNX model" if path.suffix.lower() == ".onnx" else "a torch.export program"
        say(f"tracing the field and writing {kind} to {path}")
        program.save(field, path)
    return path


def single(run: Run) -> Field:
    """The field of a run of one signal, or of weights that many signals begin with.

    Raises:
        RunError: each of the run's many signals has a field of its own.
    """
    if run.domain.items != 1 and run.model().encoder.latent_dim:
        found = f"the run learned {run.domain.items} signals."
        raise RunError(str(run.path), found, "Only a run of a single signal, or of a start, has one field.")
    return run.field()
