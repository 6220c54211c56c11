"""Fuzzing of readers, guided by the branches that a file reaches: `tox -e fuzz -- READER -max_total_time=600`.

    python tests/fuzz/guided.py READER [FOLDER] [-max_total_time=600] [-seed=1]

READER is a key of `READERS`. The options are libFuzzer's, by way of atheris, which `tox -e fuzz` installs (Linux and
macOS). It begins with whole files, and ends at the first error that is no message of metasiren; the file lies in
`crash-*` then. Files that reached something new are added to FOLDER, where one is named.
"""

from __future__ import annotations

import io
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import atheris
import soundfile

INSTRUMENTED = ["metasiren.recipe", "metasiren.runs", "metasiren_priors.data", "metasiren_shapes", "metasiren_signals"]
with atheris.instrument_imports(include=[*INSTRUMENTED, "yaml", "trimesh.exchange", "numpy.lib.format"]):
    import numpy as np
    import torch
    from test_surface_files import corpus

    from metasiren.errors import MetasirenError
    from metasiren.recipe import load_recipe
    from metasiren.runs import checkpoints
    from metasiren_priors.data.npz_file import read_splits
    from metasiren_shapes.reading import read_surface
    from metasiren_signals.sounds.reading import read_sound

Reader = Callable[[Path], Any]
surface = partial(read_surface, most=100, seed=0)
READERS: dict[str, tuple[str, Reader]] = {
    "recipe": ("a.yaml", load_recipe),
    "checkpoint": ("step-00000001.safetensors", checkpoints.load),
    "npz": ("a.npz", partial(read_splits, val_fraction=0.5)),
    "cloud": ("a.npz", surface),
    "ply": ("a.ply", surface),
    "xyz": ("a.xyz", surface),
    "obj": ("a.obj", surface),
    "glb": ("a.glb", surface),
    "sound": ("a.wav", read_sound),
}


def beginnings(reader: str, folder: Path) -> list[bytes]:
    """Whole files, from which mutations start."""
    if reader == "recipe":
        return [path.read_bytes() for path in sorted(Path(__file__).parents[2].glob("recipes/*.yaml"))]
    if reader == "checkpoint":
        tensors = {"model.weight": torch.zeros(2, 3), "optimizer.0.exp_avg": torch.zeros(2)}
        return [checkpoints.save(folder, checkpoints.Checkpoint(1, tensors, {"seconds": 1.0})).read_bytes()]
    if reader == "npz":
        file = io.BytesIO()
        np.savez(file, images=np.zeros((3, 2, 2, 3), np.uint8), split=np.array(["train", "val", "test"]))
        return [file.getvalue()]
    if reader == "sound":
        soundfile.write(folder / "whole.wav", np.zeros((20, 1), np.float32), 8000)
        return [(folder / "whole.wav").read_bytes()]
    whole = {"cloud": ["a.npz"], "ply": ["binary.ply", "text.ply"]}.get(reader, [f"a.{reader}"])
    return [corpus()[name] for name in whole]


def main() -> None:
    reader = sys.argv.pop(1)
    name, read = READERS[reader]
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        path, starts = folder / name, folder / "starts"
        starts.mkdir()
        for number, whole in enumerate(beginnings(reader, folder)):
            (starts / str(number)).write_bytes(whole)

        def once(data: bytes) -> None:
            path.write_bytes(data)
            try:
                read(path)
            except MetasirenError as error:
                if len(str(error)) > 3000:
                    raise RuntimeError("a message of several pages") from error

        # libFuzzer adds what it finds to the first folder: the person's, where one is named.
        atheris.Setup([*sys.argv, str(starts)], once)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
