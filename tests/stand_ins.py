"""Small files of the kinds that readers bring, under the names that the pages give them."""

from __future__ import annotations

import sys
import wave
from pathlib import Path

import numpy as np
from PIL import Image

PICTURES = ("photo.jpg", "me.jpg", "12003.jpg", "scene.jpg", "half.jpg", "100075.jpg", "299091.jpg")
SOUNDS = ("sound.wav", "gt_bach.wav", "gt_counting.wav")
CLIPS = ("clip.mp4", "bikes.mp4")
SCANS = ("scan.ply", "armadillo.obj", "bunny.obj", "gargoyle_points.ply")


def make_stand_ins(folder: Path) -> None:
    """Write a picture, a mask, faces, a sound, a clip and scans into a folder, once under each name."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:96, :128] / 96
    waves = np.stack([np.sin(9 * rows * k + 5 * columns) for k in (1, 2, 3)], -1) * 100 + 128
    picture = Image.fromarray((waves + random.normal(0, 5, waves.shape)).clip(0, 255).astype(np.uint8))
    for name in PICTURES:
        picture.save(folder / name)
    patch = picture.crop((0, 0, 48, 40))
    patch.save(folder / "patch.jpg")
    for name, size in (("mask.png", (96, 128)),):
        hole = np.zeros(size, np.uint8)
        hole[20:40, 30:60] = 255
        Image.fromarray(hole).save(folder / name)
    faces = random.integers(0, 256, (192, 32, 32, 3), np.uint8)
    split = np.array(["train"] * 128 + ["val"] * 32 + ["test"] * 32)
    np.savez(folder / "faces.npz", images=faces, split=split)
    tone = (np.sin(np.arange(8000) * 0.2) * 20000).astype("<i2")
    for name in SOUNDS:
        with wave.open(str(folder / name), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(tone.tobytes())
    for name in CLIPS:
        _clip(folder / name)
    for name in SCANS:
        _scan(folder / name)


def _clip(path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for number in range(24):
            shade = np.linspace(0, 200, 64)[None, :, None] + number * 2
            frame = np.broadcast_to(shade, (48, 64, 3)).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def _scan(path: Path) -> None:
    normals = np.random.default_rng(0).normal(size=(4000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    if path.suffix == ".ply":
        head = "".join(f"property float {name}\n" for name in ("x", "y", "z", "nx", "ny", "nz"))
        lines = "\n".join(" ".join(f"{v:.5f}" for v in row) for row in np.hstack([normals, normals]))
        path.write_text(f"ply\nformat ascii 1.0\nelement vertex 4000\n{head}end_header\n{lines}\n")
        return
    import trimesh

    trimesh.creation.icosphere(subdivisions=3).export(path)


if __name__ == "__main__":
    make_stand_ins(Path(sys.argv[1]))
