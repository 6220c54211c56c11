"""Small files of the kinds that readers bring, under the names that the pages give them."""

from __future__ import annotations

import sys
import wave
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image
from shapes.solids_on_disk import ball_points, write_cloud
from signals.videos import write_video

PICTURES = ("photo.jpg", "me.jpg", "12003.jpg", "scene.jpg", "100075.jpg", "299091.jpg")
SOUNDS = ("sound.wav", "gt_bach.wav", "gt_counting.wav")
CLIPS = ("clip.mp4", "bikes.mp4")
SCANS = ("scan.ply", "cloud.ply", "armadillo.obj", "bunny.obj", "gargoyle_points.ply")


def make_stand_ins(folder: Path) -> None:
    """Write a picture, a mask, faces, line integrals, a sound, a clip and scans into a folder, once under each name."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:400, :400] / 400
    waves = np.stack([np.sin(9 * rows * k + 5 * columns) for k in (1, 2, 3)], -1) * 100 + 128
    picture = Image.fromarray((waves + random.normal(0, 5, waves.shape)).clip(0, 255).astype(np.uint8))
    for name in PICTURES:
        picture.save(folder / name)
    picture.crop((0, 0, 400, 250)).save(folder / "half.jpg")
    (folder / "holiday").mkdir()
    for number in range(6):
        picture.rotate(number).save(folder / "holiday" / f"{number}.jpg")
    patch = picture.crop((0, 0, 48, 40))
    patch.save(folder / "patch.jpg")
    hole = np.zeros((400, 400), np.uint8)
    hole[150:250, 130:230] = 255
    Image.fromarray(hole).save(folder / "mask.png")
    faces = random.integers(0, 256, (192, 32, 32, 3), np.uint8)
    split = np.array(["train"] * 128 + ["val"] * 32 + ["test"] * 32)
    np.savez(folder / "faces.npz", images=faces, split=split)
    # Line integrals of a disc: its chords, the same at all angles.
    offsets = np.arange(64) - 31.5
    np.save(folder / "scan.npy", np.repeat(2 * np.sqrt(np.maximum(400 - offsets**2, 0))[:, None], 45, axis=1))
    tone = (np.sin(np.arange(8000) * 0.2) * 20000).astype("<i2")
    for name in SOUNDS:
        with wave.open(str(folder / name), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(tone.tobytes())
    shade = np.linspace(0, 200, 64)[:, None] + np.zeros(3)
    frames = np.stack([np.broadcast_to(shade + number * 2, (48, 64, 3)) for number in range(24)])
    for name in CLIPS:
        write_video(folder / name, frames.astype(np.uint8), "libx264", "yuv420p")
    for name in SCANS:
        if name.endswith(".ply"):
            write_cloud(folder / name, *ball_points(4000))
        else:
            trimesh.creation.icosphere(subdivisions=3).export(folder / name)


if __name__ == "__main__":
    make_stand_ins(Path(sys.argv[1]))
